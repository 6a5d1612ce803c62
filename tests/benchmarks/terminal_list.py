"""The list of terminals with ten thousand of them beside the same page with fifty: first page, last page, and with a filter."""

from __future__ import annotations

from functools import partial

from tests.benchmarks.measuring import Line, in_turn, lines_of, run, set_up_django

set_up_django()

from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from certificates.models import Generation
from pbxcerts.system.models import Role, User
from terminals.batches import in_batches
from terminals.models import Installation, Terminal, TerminalType
from tests.benchmarks.past import a_handover_under_way

FEW, MANY = 50, 10_000
QUERIES = "at most 15"
STATES = [state for state, _label in Installation.State.choices]


@transaction.atomic
def set_terminals(count: int) -> None:
    """So many terminals, each with what it took of the active generation and what is under way of the prepared one."""
    with connection.cursor() as cursor:
        for table in ("installation", "terminal"):
            cursor.execute(f"DELETE FROM terminals_{table}")
    types = list(TerminalType.objects.all())
    now = timezone.now()
    terminals = Terminal.objects.bulk_create(
        Terminal(
            number=str(10_000 + n),
            name=f"desk {n}",
            type=types[n % len(types)],
            mac=f"{n:012X}",
            address=f"10.0.{n // 250}.{n % 250 + 1}",
            firmware="6.4.0.140-SIP",
            last_contact=now,
        )
        for n in range(count)
    )
    active, prepared = Generation.objects.filter(state__in=["active", "prepared"]).order_by("number")
    for some in in_batches(terminals):
        Installation.objects.bulk_create(
            [_confirmed(active, one, now) for one in some]
            + [
                _confirmed(prepared, one, now)
                if (state := STATES[one.pk % len(STATES)]) == "confirmed"
                else Installation(generation=prepared, terminal=one, state=state, next_at=now)
                for one in some
            ]
        )


def _confirmed(generation, terminal, now):
    return Installation(
        generation=generation, terminal=terminal, state="confirmed", confirmed_at=now, evidence="fetched"
    )


def get(client: Client, query: str) -> None:
    response = client.get(f"{reverse('terminals:terminals')}?{query}")
    assert response.status_code == 200, response.status_code
    assert response.content.count(b'<th scope="row">') == FEW, query


def queries(client: Client, query: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        get(client, query)
    return len(captured)


def benchmark(rounds):
    settings.ALLOWED_HOSTS = ["testserver"]
    a_handover_under_way()
    client = Client()
    user = User.objects.create_user("anna", password="seven copper kettles", role=Role.VIEW)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    type_ = TerminalType.objects.order_by("name").first()
    assert type_ is not None
    few = f"{FEW} terminals"
    pages = {
        f"{MANY} terminals": ("", "at most 1.15"),
        "their last page": (f"page={MANY // FEW}", "at most 1.25"),
        "by last contact": ("order=-contact", "at most 1.25"),
        "by type": ("order=type", "at most 1.25"),
        "of a type": (f"type={type_.pk}", "at most 1.25"),
        "in a state": ("state=failed", "at most 1.25"),
        "with a text": ("text=desk", "at most 1.25"),
    }
    lines = []
    set_terminals(FEW)
    lines.append(Line(f"{few}: queries", str(queries(client, "")), target=QUERIES))
    set_terminals(MANY)
    lines += [
        Line(f"{name}: queries", str(queries(client, query)), target=QUERIES)
        for name, (query, _target) in pages.items()
    ]
    actions = {few: partial(get, client, "")} | {
        name: partial(get, client, query) for name, (query, _target) in pages.items()
    }
    before = {few: partial(set_terminals, FEW), f"{MANY} terminals": partial(set_terminals, MANY)}
    medians = in_turn(rounds, actions, before)
    return [*lines, *lines_of(medians, {(name, few): target for name, (_query, target) in pages.items()})]


if __name__ == "__main__":
    run(benchmark, rounds=15)
