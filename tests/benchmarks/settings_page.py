"""The page "Self-signed certificates", and the overview, beside Django's own admin change form of the settings, in one process.

The page shows the state of the installation and its warnings too; it is the same for ten and for a thousand generations. Both pages are
asked without terminals, with 10,000 that have all confirmed, and in the middle of their rollout, with every kind of trouble.
"""

from functools import partial

from tests.benchmarks.measuring import Line, in_turn, lines_of, run, set_up_django

set_up_django("tests.benchmarks.admin_settings")

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from certificates.models import Settings
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import Role, User
from terminals.models import Installation
from tests.benchmarks.filled import fill
from tests.benchmarks.past import a_handover_under_way, set_past

QUERIES = "at most 12"


def get(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 200, response.status_code


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        get(client, url)
    return len(captured)


def with_past(count: int, client: Client, url: str) -> None:
    """Once before it is measured, the page finds what was deleted and filled; the admin form finds it as it was."""
    set_past(count)
    get(client, url)


def benchmark(rounds):
    a_handover_under_way()
    client = Client()
    user = User.objects.create_superuser("anna", password="seven copper kettles", role=Role.ADMINISTER)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    page, home = reverse("certificates:overview"), reverse("home")
    form = reverse("admin:certificates_settings_change", args=[Settings.load().pk])
    get(client, page)
    get(client, home)
    lines = []
    few, many = (f"settings page, {count} generations" for count in (10, 1000))
    for name, count in ((few, 10), (many, 1000)):
        set_past(count)
        lines.append(Line(f"{name}: queries", str(queries(client, page)), target=QUERIES))
    lines.append(Line("admin change form: queries", str(queries(client, form))))
    admin = "admin change form"
    overview = "overview, 1000 generations"
    medians = in_turn(
        rounds,
        {
            few: partial(get, client, page),
            admin: partial(get, client, form),
            many: partial(get, client, page),
            overview: partial(get, client, home),
        },
        {few: partial(with_past, 10, client, page), many: partial(with_past, 1000, client, page)},
    )
    comparisons = {
        (few, admin): "at most 1.0",
        (many, admin): "at most 1.0",
        (many, few): "the same",
        (overview, admin): "at most 1.0",
    }
    lines += lines_of(medians, comparisons)
    fill(10_000 if rounds > 1 else 60)
    beat()
    lines += with_terminals(rounds, client, form, "in the middle of their rollout")
    Installation.objects.update(state="confirmed", confirmed_at=timezone.now(), evidence="fetched", next_at=None)
    # The first switches the server, the second finds that it is switched.
    beat()
    beat()
    return [*lines, *with_terminals(rounds, client, form, "at rest")]


def with_terminals(rounds, client, form, how):
    admin = f"admin change form, terminals {how}"
    pages = {
        f"overview, 10000 terminals {how}": reverse("home"),
        f"settings page, 10000 terminals {how}": reverse("certificates:overview"),
    }
    actions = {name: partial(get, client, url) for name, url in {**pages, admin: form}.items()}
    for action in actions.values():
        action()
    asked = [Line(f"{name}: queries", str(queries(client, url))) for name, url in pages.items()]
    return [*asked, *lines_of(in_turn(rounds, actions), {(name, admin): "at most 1.0" for name in pages})]


if __name__ == "__main__":
    run(benchmark, rounds=60)
