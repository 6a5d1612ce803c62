"""Ten years of an installation with six hundred telephones, told as JSON: `python -m tests.benchmarks.ten_years YEARS`.

The heartbeat comes where there is something to do, and every few days besides. Telephones fetch and persons confirm as in life; three
telephones are asleep from the first summer on. What happens: summer time and leap days, two outages, a clock that is an hour ahead, another
address of the server, an old copy of the database put back.
"""

from __future__ import annotations

import json
import shutil
import sys
import time as machine_time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

from tests.benchmarks.measuring import set_up_django

set_up_django()

from cryptography import x509
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from certificates.models import Generation, Settings, Switch, Transition
from certificates.renewal.orders import GenerationOrder, order_generation
from certificates.renewal.situation import Situation
from pbxcerts import heartbeat
from pbxcerts.system.models import EventMessage, General, Heartbeat, Role, User
from pbxcerts.system.time.ntp import NtpAnswer, NtpSurvey
from pbxcerts.system.time.timekeeping import current_clock
from terminals.batches import execute, inserts
from terminals.evidence import recording
from terminals.evidence.facts import FetchedTrust
from terminals.models import Installation, Rollout, Terminal, TerminalType, new_path_secret
from terminals.past.models import PastInstallations
from terminals.rollout.target import rollout_target

START = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PHONES, ASLEEP = 600, 3
PAGES = (
    "",
    "search/?q=desk+1",
    "certificates/",
    "certificates/history/",
    "certificates/history/{generation}/",
    "terminals/",
    "terminals/{terminal}/",
    "terminals/rollout/",
    "terminals/work-list/",
    "system/events/",
)
CLOCK_AHEAD = timedelta(hours=1)


class Life:
    def __init__(self, traveller) -> None:
        self.traveller = traveller
        self.ahead = timedelta()
        self.beats = 0
        self.invalid: list[str] = []
        self.told: Counter[str] = Counter()

    @property
    def now(self) -> datetime:
        """The true time, whatever the machine takes it for."""
        return datetime.now(UTC) - self.ahead

    def go_to(self, moment: datetime, *, off: bool = False) -> None:
        """The heartbeats that are left out would have changed nothing; `off`: there were none."""
        self.traveller.move_to(moment + self.ahead)
        if not off:
            machine = datetime.now(UTC)
            Heartbeat.objects.update(last_run=machine - 4 * MINUTE, ran_boottime=boottime() - 240)

    def ask(self, servers):
        answers = (
            NtpAnswer(name, f"192.0.2.{n}", -self.ahead, timedelta(), 2, 0) for n, name in enumerate(servers, start=1)
        )
        return NtpSurvey(tuple(answers))

    def beat(self) -> None:
        # Before it, too: what ends between two heartbeats would be replaced by the second.
        if self.beats:
            self.look()
        self.beats += 1
        heartbeat.beat(ask=self.ask)
        self.look()

    def look(self) -> None:
        """What the server presents is valid now, and the database says the same."""
        pem = (settings.STORE / "current" / "fullchain.pem").read_bytes()
        host = x509.load_pem_x509_certificates(pem)[0]
        if not host.not_valid_before_utc <= self.now < host.not_valid_after_utc:
            self.invalid.append(self.now.isoformat())

    def situation(self) -> Situation:
        return Situation.load(current_clock())

    def telephones_come(self) -> bool:
        situation = self.situation()
        target = rollout_target(situation)
        if target is None or situation.standing.rests:
            return False
        rows = Installation.objects.of(target).unsettled().filter(terminal__notes="").select_related("terminal__type")
        machine, by_hand, seen = datetime.now(UTC), [], []
        for row in rows:
            if row.terminal.type.method == "mitel_sip":
                numbers = frozenset(pair.number for pair in situation.in_bundle)
                said = {"file": "trust.pem", "user_agent": "Mitel6867i", "address": "10.0.0.1", "by_secret_path": True}
                seen.append(FetchedTrust(row.terminal_id, numbers, at=machine, **said))
            else:
                by_hand.append(row.terminal_id)
        if seen:
            recording.write_facts(seen)
        if by_hand:
            recording.confirmed_by_person(by_hand, [target.number], by="anna", at=situation.clock.best)
        return bool(seen or by_hand)

    def next_moment(self) -> datetime:
        """Where there is something to do, at most five days ahead."""
        situation = self.situation()
        at = situation.pending.deadline if situation.pending else situation.next_at
        at = at.replace(second=0, microsecond=0) + MINUTE if at is not None else self.now + DAY
        return min(max(at, self.now + MINUTE), self.now + 5 * DAY)

    def live(self, until: datetime) -> None:
        while self.now < until:
            self.beat()
            if self.telephones_come():
                self.beat()
            self.go_to(min(self.next_moment(), until))


def boottime() -> float:
    return 5000 + machine_time.time() - START.timestamp()


def begin() -> None:
    general = General.load()
    general.fqdn, general.ip_addresses, general.on_this_machine = "pbx.example.org", ["192.0.2.10"], False
    general.time_zone, general.ntp_enabled, general.ntp_servers = (
        "Europe/Zurich",
        True,
        ["ntp1.example", "ntp2.example"],
    )
    general.save()
    Settings.load()
    Settings.objects.update(interval_days=30, overlap_days=7)
    User.objects.create_user("anna", password="seven copper kettles", role=Role.ADMINISTER)
    mitel = TerminalType.objects.filter(method="mitel_sip").first().pk
    by_hand = TerminalType.objects.filter(method="sip_standard", holds_only_one=False, trust_format="pem").first().pk
    rows = [
        {
            "number": str(1000 + n),
            "name": f"desk {n}",
            "type": by_hand if n % 20 == 0 else mitel,
            "mac": f"{n:012X}",
            "path_secret": new_path_secret(),
        }
        for n in range(PHONES)
    ]
    execute(inserts(Terminal, rows))


def put_back(life: Life) -> None:
    """A copy of ten days ago, over a renewal, takes the place of the database."""
    file = Path(connection.settings_dict["NAME"])
    connection.close()
    copy = file.with_name("copy.sqlite3")
    shutil.copy(file, copy)
    number = Situation.load(current_clock()).active.number
    while life.situation().active.number == number:
        life.live(life.now + DAY)
    life.live(life.now + DAY)
    connection.close()
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    copy.rename(file)


def costs() -> dict[str, list[int]]:
    """Statements and steps of SQLite's machine for each page, read when nothing is under way."""
    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    terminal = Terminal.objects.order_by("pk")[1].pk
    generation = Generation.objects.get(state=Generation.State.ACTIVE).number
    found = {}
    for page in PAGES:
        url = f"/{page.format(terminal=terminal, generation=generation)}"
        client.get(url)
        steps = [0]

        def step(counted=steps) -> int:
            counted[0] += 1
            return 0

        connection.connection.set_progress_handler(step, 100)
        with CaptureQueriesContext(connection) as captured:
            response = client.get(url)
        connection.connection.set_progress_handler(None, 0)
        assert response.status_code == 200, (url, response.status_code)
        found[page] = [len(captured), steps[0]]
    return found


def quiet(life: Life) -> None:
    """Until no handover is under way, and the active pair is a few days old."""
    while life.situation().pending is not None:
        life.live(life.now + DAY)
    life.live(life.now + DAY)


def history() -> dict[str, int]:
    """Of how many terminals something is known for each generation that was rolled out."""
    known: Counter[int] = Counter(Installation.objects.values_list("generation", flat=True))
    for entries in PastInstallations.objects.values_list("entries", flat=True):
        known.update(entry[0] for entry in entries)
    return {str(number): known[number] for number in Rollout.objects.values_list("generation", flat=True)}


def tables() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            found[name] = cursor.fetchone()[0]
    return found


def main(years: int) -> None:
    # Nobody is there to be sent a NOTIFY: these telephones come by themselves.
    heartbeat._ask_terminals = lambda *_rollout: None
    machine_time.clock_gettime = lambda _clock: boottime()
    begin()
    with time_machine.travel(START, tick=False) as traveller:
        life = Life(traveller)
        heartbeat.beat(ask=life.ask)
        order_generation(current_clock(), GenerationOrder(Generation.Trigger.PAGE, by="anna"))
        year = timedelta(days=365.25)
        marks = {n: START + n * year for n in range(years + 1)}
        life.live(START + year / 2)
        asleep = list(Terminal.objects.order_by("-pk").values_list("pk", flat=True)[:ASLEEP])
        Terminal.objects.filter(pk__in=asleep).update(notes="asleep")
        life.live(marks[1])
        quiet(life)
        in_year_one = costs()
        for n in range(1, years):
            if n in {2, 5}:
                quiet(life)
                life.go_to(life.now + 5 * DAY, off=True)
            if n == 3:
                life.ahead = CLOCK_AHEAD
                life.go_to(life.now)
                life.live(life.now + 3 * DAY)
                true = life.now
                life.ahead = timedelta()
                life.go_to(true)
            if n == 4:
                General.objects.update(ip_addresses=["192.0.2.20"])
            if n == 6:
                put_back(life)
            life.live(marks[n + 1])
        quiet(life)
        report = {
            "generations": Generation.objects.filter(made_at__isnull=False).count(),
            "states": dict(Counter(Generation.objects.values_list("state", flat=True))),
            "switches": dict(Counter(Switch.objects.values_list("why", flat=True))),
            "transitions": Transition.objects.count(),
            "invalid": life.invalid,
            "events": dict(Counter(EventMessage.objects.values_list("kind", flat=True))),
            "history": history(),
            "tables": tables(),
            "beats": life.beats,
            "year one": in_year_one,
            "at the end": costs(),
        }
        connection.close()
        report["megabytes"] = Path(connection.settings_dict["NAME"]).stat().st_size / 1_000_000
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(int(sys.argv[1]))
