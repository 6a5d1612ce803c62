"""A telephone that holds what pbxcerts has forgotten that it holds is told it under another name (rule renamed-files)."""

import copy

import pytest

from terminals.checking.models import RenamedFiles
from terminals.evidence.models import Requester
from terminals.evidence.requesters import rename_files
from terminals.models import Installation, Terminal, TerminalType
from terminals.web.snapshot import read_snapshot
from tests.support.asking import Listeners
from tests.support.makers.at_handlers import ADDRESS, at_the_handlers
from tests.terminals.evidence.test_unheeded import overruled
from tests.terminals.web.test_makers import MAKERS, confirmed, follows

pytestmark = pytest.mark.simulation


KINDS = (Requester, Installation)


@pytest.fixture
def terminal(db):
    kind = TerminalType.objects.create(name="A Yealink", method="yealink", wants="root")
    return Terminal.objects.create(number="100", type=kind, mac="001565AABBCC", address=ADDRESS)


@pytest.fixture
def listeners(world):
    return Listeners(world)


@pytest.fixture
def phone(listeners, terminal):
    kind, mac, _form, options = MAKERS["yealink"]
    return at_the_handlers(kind, listeners, mac, **options)


class Evidence:
    """What was known of telephones when this was made, put back later."""

    def __init__(self):
        self._rows = {kind: list(kind.objects.all()) for kind in KINDS}

    def put_back(self):
        for kind, rows in self._rows.items():
            kind.objects.all().delete()
            kind.objects.bulk_create(copy.deepcopy(rows))


def test_what_it_took_after_the_copy_is_proved_anew_and_the_next_pair_comes(world, listeners, phone, terminal):
    phone.polls()
    before = Evidence()
    follows(world)
    phone.polls(2)
    world.activate()
    assert confirmed(terminal) == {1, 2}

    before.put_back()
    # As those of a product that starts.
    listeners.snapshots.current = read_snapshot()
    follows(world)
    phone.polls(2)
    assert confirmed(terminal) == {1}
    phone.polls(5)

    assert confirmed(terminal) == {1, 2, 3}
    assert Requester.objects.get().holds == [1, 2, 3]
    assert len(phone.own) == 3


def test_one_that_is_overruled_is_renamed_once_for_each_pair(world, phone, terminal):
    overruled(phone)
    phone.polls(2)
    assert not RenamedFiles.objects.exists()
    phone.polls()
    at = RenamedFiles.objects.get().at
    phone.polls(10)
    assert RenamedFiles.objects.get().at == at

    world.generate(at_once=True)
    phone.polls(5)

    assert RenamedFiles.objects.get().at > at
    assert phone.own == []


def test_who_asks_in_its_name_from_elsewhere_renames_nothing(world, phone):
    Terminal.objects.update(address="192.0.2.1")
    overruled(phone)
    phone.polls(10)

    assert Requester.objects.get().took == []
    assert not RenamedFiles.objects.exists()


def test_one_that_takes_what_it_is_told_keeps_its_names(world, phone):
    phone.polls(5)
    follows(world)
    phone.polls(5)

    assert Requester.objects.get().holds == [1, 2]
    assert not RenamedFiles.objects.exists()


def test_of_a_terminal_that_is_gone_meanwhile_nothing_is_renamed(world, terminal):
    rename_files({terminal.pk: world.now, terminal.pk + 1: world.now})

    assert [one.terminal_id for one in RenamedFiles.objects.all()] == [terminal.pk]
