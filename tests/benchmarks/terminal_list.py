"""The list of terminals with ten thousand of them beside the same page with fifty: first page, last page, and with a filter; and that
page beside Django's own admin change form, in one process. And what is known against the next pair at these ten thousand, and who of them asks in time, beside the page of their rollout.

Every fifth is of each of the four makers of `makers`; those that take their certificates in turn have taken as many as they may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.benchmarks.measuring import Line, in_turn, lines_of, run, set_up_django

set_up_django("tests.benchmarks.admin_settings")

from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from certificates.models import Generation, Settings
from certificates.renewal.situation import Situation
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import Role, User
from pbxcerts.system.time.timekeeping import current_clock
from terminals.batches import execute, in_batches, inserts
from terminals.evidence.models import Requester
from terminals.models import Installation, Rollout, Terminal, TerminalType
from terminals.rollout import preflight, reach
from tests.benchmarks.makers import MAKERS
from tests.benchmarks.past import a_handover_under_way, set_past

FEW, MANY = 50, 10_000
PAST = 10
"""Generations whose certificates a Yealink holds: then it may be full."""
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
    assert response.content.count(b'<th scope="rowgroup"') == FEW, query


def make_types() -> None:
    for maker in MAKERS:
        TerminalType.objects.create(
            name=f"{maker.name} of a benchmark", manufacturer=maker.name, method=maker.method, trust_format=maker.format
        )


def give_types() -> None:
    """Four of five terminals are of the four makers; those that can be full have a past."""
    types = list(TerminalType.objects.filter(name__endswith="of a benchmark").order_by("pk"))
    for number, type_ in enumerate(types):
        Terminal.objects.alias(fifth=F("pk") % 5).filter(fifth=number).update(type=type_, firmware="66.86.0.15")
    set_past(PAST + 2)
    numbers = list(Generation.objects.filter(state="superseded").order_by("-number").values_list("number", flat=True))
    now = timezone.now()
    full = list(Terminal.objects.filter(type__method="yealink").values_list("pk", flat=True))
    done = {"state": "confirmed", "confirmed_at": now, "evidence": "fetched", "wave": 4}
    for number in numbers[:PAST]:
        execute(inserts(Installation, [{"generation": number, "terminal": key, **done} for key in full]))
    Requester.objects.bulk_create(
        Requester(
            terminal_id=key, source=f"10.1.{key % 250}.1", first_at=now, last_at=now, took=[], holds=numbers, change=1
        )
        for key in full
    )


def preflight_and_reach() -> None:
    situation = Situation.load(current_clock())
    assert situation.pending is not None
    assert preflight.doubts_of(situation)
    assert reach.reach(situation, situation.pending).missing


def count(action: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        action()
    return len(captured)


def logged_in(name: str, role: Role) -> Client:
    client = Client()
    user = User.objects.create_user(name, password="seven copper kettles", role=role)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    # A session is written down with its first page.
    client.get(reverse("account"))
    return client


def page(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 200, response.status_code


def admin_form() -> Callable[[], object]:
    """Django's own page of one row, as a superuser gets it."""
    client = Client()
    user = User.objects.create_superuser("sven", password="seven copper kettles", role=Role.ADMINISTER)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    url = reverse("admin:certificates_settings_change", args=[Settings.load().pk])

    def get_form() -> None:
        response = client.get(url)
        assert response.status_code == 200, response.status_code

    return get_form


def before_the_next_pair(rounds: int) -> list[Line]:
    client = logged_in("olga", Role.ADMINISTER)
    set_terminals(MANY)
    give_types()
    beat()
    Rollout.objects.update(state="paused")
    beat()
    rollout = f"page of the rollout to {MANY} terminals"
    alone, generate = "preflight and reach of them", "page for generating, with the preflight"
    actions = {
        rollout: partial(page, client, "terminals:rollout:overview"),
        alone: preflight_and_reach,
        generate: partial(page, client, "certificates:generate"),
    }
    lines = [
        Line(f"{name}: queries", str(count(action)), target=QUERIES if name == alone else "")
        for name, action in actions.items()
    ]
    return [*lines, *lines_of(in_turn(rounds, actions), {(alone, rollout): "at most 1.5", (generate, rollout): ""})]


def benchmark(rounds):
    a_handover_under_way()
    make_types()
    client = logged_in("anna", Role.VIEW)
    type_ = TerminalType.objects.order_by("name").first()
    assert type_ is not None
    few, admin = f"{FEW} terminals", "admin change form"
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
    lines.append(Line(f"{few}: queries", str(count(partial(get, client, ""))), target=QUERIES))
    set_terminals(MANY)
    lines += [
        Line(f"{name}: queries", str(count(partial(get, client, query))), target=QUERIES)
        for name, (query, _target) in pages.items()
    ]
    actions = {few: partial(get, client, ""), admin: admin_form()} | {
        name: partial(get, client, query) for name, (query, _target) in pages.items()
    }
    before = {few: partial(set_terminals, FEW), f"{MANY} terminals": partial(set_terminals, MANY)}
    medians = in_turn(rounds, actions, before)
    lines += lines_of(
        medians, {(few, admin): "at most 2.0"} | {(name, few): target for name, (_query, target) in pages.items()}
    )
    return [*lines, *before_the_next_pair(rounds)]


if __name__ == "__main__":
    run(benchmark, rounds=15)
