"""Counts that are kept are those that would be counted, whatever has happened to the rows (rule tally)."""

import random
from datetime import timedelta

import pytest
from django.db import connection

from certificates.models import WhoCounts
from terminals.batches import execute, inserts, updates
from terminals.handover import KnownTerminals
from terminals.models import Installation, Terminal, TerminalType, new_path_secret
from terminals.states import DeliveryState
from terminals.tally import triggers
from terminals.tally.models import InstallationTally, SharedAddress, TerminalTally
from tests.support.generations import DAY

pytestmark = pytest.mark.simulation


STATES = [state.value for state in DeliveryState]


def histories(*, always, long):
    """The seeds of so many."""
    return [pytest.param(seed, marks=[pytest.mark.long] if seed >= always else []) for seed in range(long)]


def kept():
    """All tallies; one that counts nothing is none."""
    found = {}
    for kind in (TerminalTally, InstallationTally, SharedAddress):
        columns = [field.attname for field in kind._meta.concrete_fields if field.attname not in {"id", "count"}]
        found[kind] = {tuple(row[:-1]): row[-1] for row in kind.objects.values_list(*columns, "count") if row[-1]}
    return found


def counted():
    """The same, counted anew; what is kept is put back."""
    triggers.recount(connection)
    return kept()


class History:
    """Everything that may happen to terminals and installations, in any order."""

    def __init__(self, seed, world):
        self.chance, self.world = random.Random(seed), world
        self.types = list(TerminalType.objects.values_list("pk", flat=True))[:4]
        self.made = 0

    def goes_on(self):
        self.chance.choice(
            [
                *(self.adds_terminals, self.adds_by_one_statement, self.adds_installations, self.adds_what_is_there),
                *(self.changes_terminals, self.changes_installations, self.changes_by_one_statement),
                *(self.takes_back, self.deletes_a_terminal, self.deletes_installations),
            ]
        )()

    def _terminal(self):
        self.made += 1
        return {
            "number": str(self.made),
            "type_id": self.chance.choice(self.types),
            "enabled": self.chance.random() < 0.8,
            "address": self.chance.choice(["", "10.0.0.1", "10.0.0.2", f"10.0.1.{self.made % 250}"]),
        }

    def _some(self, kind):
        keys = list(kind.objects.values_list("pk", flat=True))
        return self.chance.sample(keys, min(len(keys), self.chance.randrange(1, 9)))

    def adds_terminals(self):
        Terminal.objects.bulk_create([Terminal(**self._terminal()) for _ in range(self.chance.randrange(1, 9))])

    def adds_by_one_statement(self):
        rows = [self._terminal() for _ in range(self.chance.randrange(1, 9))]
        rows = [{"type": row.pop("type_id"), "path_secret": new_path_secret(), **row} for row in rows]
        execute(inserts(Terminal, rows))

    def adds_installations(self):
        rows = [
            {"terminal": key, "generation": self.chance.choice([1, 2]), "wave": self.chance.randrange(5)}
            for key in self._some(Terminal)
        ]
        if rows:
            execute(inserts(Installation, rows))

    def adds_what_is_there(self):
        """By a statement that passes over what it would break."""
        Installation.objects.bulk_create(
            [Installation(generation_id=1, terminal_id=key, state="failed") for key in self._some(Terminal)],
            ignore_conflicts=True,
        )

    def changes_terminals(self):
        change = self._terminal()
        del change["number"]
        Terminal.objects.filter(pk__in=self._some(Terminal)).update(**change)

    def _state(self):
        state = self.chance.choice(STATES)
        confirmed = self.world.now if state == "confirmed" else None
        evidence = self.chance.choice(["", "fetched", "unproved"])
        return {"state": state, "confirmed_at": confirmed, "evidence": "" if state == "unproved" else evidence}

    def changes_installations(self):
        rows = Installation.objects.filter(pk__in=self._some(Installation))
        excused = self.chance.random() < 0.5
        rows.update(wave=self.chance.randrange(5), postponed=self.chance.randrange(3), excused=excused, **self._state())

    def changes_by_one_statement(self):
        rows = [{"id": key, **self._state()} for key in self._some(Installation)]
        if rows:
            execute(updates(Installation, rows, match=["id"]))

    def takes_back(self):
        Installation.objects.filter(pk__in=self._some(Installation)).take_back()

    def deletes_a_terminal(self):
        for one in Terminal.objects.filter(pk__in=self._some(Terminal)[:1]):
            one.delete()

    def deletes_installations(self):
        Installation.objects.filter(pk__in=self._some(Installation)[:2]).delete()


@pytest.mark.parametrize("seed", histories(always=2, long=6))
def test_they_are_what_would_be_counted_whatever_happens(world, seed):
    world.after(DAY).generate()
    history = History(seed, world)
    for _ in range(12):
        for _ in range(8):
            history.goes_on()
        assert kept() == counted()
    assert len(kept()[InstallationTally]) > 5
    assert kept()[SharedAddress]


def test_without_a_trigger_they_would_not_be(world):
    """The control of the test above."""
    world.after(DAY).generate()
    triggers.remove(connection)
    history = History(1, world)
    for _ in range(8):
        history.goes_on()

    assert kept() != counted()


def test_every_trigger_is_there_after_all_migrations(db):
    """A migration that makes one of the tables anew has to install them again."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    with connection.cursor() as cursor:
        cursor.execute(query[connection.vendor])
        there = {name for (name,) in cursor.fetchall()}

    wanted = set(triggers.TRIGGERS) - (
        set() if connection.vendor == "sqlite" else {"tally_address_update", "tally_list_update"}
    )
    assert wanted <= there


@pytest.fixture
def ready(world):
    def asked(**how):
        pending = world.pending
        return KnownTerminals().readiness(root_sha256=pending.root_sha256, counts=WhoCounts.ALL, now=world.now, **how)

    return asked


def test_a_switch_is_decided_by_what_is_counted_and_a_wrong_tally_is_mended(fleet, world, ready):
    """Who has changed the tables without their triggers has told the tallies that everybody has confirmed."""
    fleet.equipped(3)
    world.after(DAY).generate()
    fleet.beat()
    InstallationTally.objects.filter(generation=2).delete()
    alike = {"wave": 4, "state": "confirmed", "excused": False, "put_off": False, "unproved": False}
    type_ = Terminal.objects.values_list("type", flat=True).first()
    InstallationTally.objects.create(generation_id=2, type_id=type_, enabled=True, trusted=True, count=3, **alike)
    assert ready().complete

    world.after(timedelta(minutes=1)).beat()

    assert world.active.number == 1, "the server was switched by a count that was kept"
    assert not ready().complete
    assert kept() == counted()


@pytest.mark.parametrize("counts", [WhoCounts.ALL, WhoCounts.AUTOMATIC])
@pytest.mark.parametrize("seed", histories(always=1, long=3))
def test_how_far_the_terminals_are_is_the_same_by_tally_and_by_count(fleet, world, seed, counts):
    world.after(DAY).generate()
    history = History(seed, world)
    for _ in range(60):
        history.goes_on()
        root = world.pending.root_sha256
        doubted = Installation.objects.filter(generation=2, state="confirmed")
        doubted.filter(pk__in=history._some(Installation)).update(doubt_until=world.now + timedelta(minutes=9))
        told = [
            KnownTerminals().readiness(root_sha256=root, counts=counts, now=world.now, counted=how)
            for how in (False, True)
        ]
        assert told[0] == told[1]
        assert told[0].missing == told[1].missing
