"""How calls are counted: what is counted apart is a call to a telephone during its own restart, and nothing else."""

from dataclasses import dataclass

import pytest

from tests.support.telephony import calls as counting
from tests.support.telephony.calls import Calls


@dataclass
class Telephone:
    """Takes a call where it is there; `on_dial` happens when it is told to call."""

    is_there: bool = True
    is_restarting: bool = False
    restarts: int = 0
    on_dial: object = lambda: None

    def dial(self, _number):
        self.on_dial()

    def in_call(self):
        return self.is_there

    def is_idle(self):
        return True

    def hang_up(self):
        raise AssertionError("it is idle")

    def log(self):
        return "silence"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    # How long a call rings is nothing that these telephones need to be waited for.
    monkeypatch.setattr(counting, "RINGS_FOR", 0.05)


def one_call(caller, called):
    calls = Calls({"120": caller, "130": called}, ())
    calls.one()
    return len(calls.made), len(calls.failed), len(calls.apart)


def test_a_call_that_arrives_is_made_even_to_one_that_restarts():
    assert one_call(Telephone(), Telephone()) == (1, 0, 0)
    assert one_call(Telephone(), Telephone(is_restarting=True)) == (1, 0, 0)


def test_a_call_that_fails_has_failed_where_nobody_restarts():
    assert one_call(Telephone(), Telephone(is_there=False)) == (0, 1, 0)


def test_one_that_restarted_earlier_has_no_excuse():
    assert one_call(Telephone(), Telephone(is_there=False, restarts=1)) == (0, 1, 0)


@pytest.mark.parametrize("who", ["caller", "called"])
def test_one_that_fails_while_either_restarts_is_counted_apart(who):
    two = {"caller": Telephone(), "called": Telephone(is_there=False)}
    two[who].is_restarting = True

    assert one_call(two["caller"], two["called"]) == (0, 0, 1)


def test_one_that_fails_because_a_restart_begins_meanwhile_is_counted_apart():
    called = Telephone(is_there=False)

    def restart():
        called.restarts += 1

    assert one_call(Telephone(on_dial=restart), called) == (0, 0, 1)


def test_the_end_of_the_call_that_is_to_stay_is_noticed():
    calls = Calls({"120": Telephone(), "130": Telephone()}, (Telephone(is_there=False),))
    calls.one()

    assert len(calls.dropped) == 1
