"""Changing the settings without a page, as the command line does it."""

from datetime import timedelta

import pytest

from certificates.models import Settings
from certificates.pki.lifetime import DueBecause
from certificates.renewal.handover import known_terminals
from certificates.renewal.situation import Situation
from certificates.settings_changes import SettingsChange, apply_settings
from pbxcerts.system.database.versioned import InvalidValues, SettingsOvertaken
from tests.support.generations import DAY, MINUTE


@pytest.fixture
def now(world):
    return world.now


def version():
    return Settings.load().version


def test_what_is_typed_is_set(now):
    changed = apply_settings({"interval_days": "90", "key_type": "rsa3072"}, expected_version=0, now=now)

    assert changed == {"interval_days", "key_type"}
    assert (Settings.load().interval_days, Settings.load().key_type) == (90, "rsa3072")


def test_it_is_all_or_nothing(now):
    with pytest.raises(InvalidValues) as refused:
        apply_settings({"interval_days": "90", "generation_time": "24:00"}, expected_version=0, now=now)

    assert list(refused.value.errors) == ["generation_time"]
    assert Settings.load().interval_days == 365


def test_values_are_judged_together_with_those_that_stay(now):
    with pytest.raises(InvalidValues) as refused:
        apply_settings({"interval_days": "20"}, expected_version=0, now=now)

    assert refused.value.errors == {"overlap_days": ["The overlap can't be longer than the interval."]}


def test_an_unknown_name_is_refused(now):
    with pytest.raises(InvalidValues) as refused:
        apply_settings({"interval": "90"}, expected_version=0, now=now)

    assert list(refused.value.errors) == ["interval"]


@pytest.mark.parametrize(("typed", "is_on"), [("true", True), ("false", False)])
def test_a_switch_takes_words(now, typed, is_on):
    apply_settings({"addresses_as_dns": typed}, expected_version=version(), now=now)

    assert Settings.load().addresses_as_dns is is_on


def test_a_switch_refuses_other_words(now):
    with pytest.raises(InvalidValues):
        apply_settings({"addresses_as_dns": "perhaps"}, expected_version=0, now=now)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"interval_days": "90"}, True),
        ({"generation_time": "03:00"}, True),
        ({"overlap_days": "20"}, True),
        ({"key_type": "rsa3072"}, False),
        ({"handover_counts": "automatic"}, False),
        ({"interval_days": "365", "generation_time": "2:00", "key_type": "rsa3072"}, False),
    ],
    ids=["interval", "time", "overlap", "key type", "who counts", "the same schedule again"],
)
def test_only_a_change_of_the_schedule_lets_what_is_due_wait_for_the_night(now, changes, counts):
    apply_settings(changes, expected_version=0, now=now)

    assert Settings.load().schedule_saved_at == (now if counts else None)


def test_a_schedule_that_is_saved_while_the_machines_clock_runs_ahead_waits_for_the_night(running):
    clock = running.after(100 * DAY).clock(offset=-10 * MINUTE)

    change = SettingsChange(Situation.load(clock), {"interval_days": 30}, known_terminals())

    assert change.after.due.because == DueBecause.SETTINGS_CHANGED


def test_who_comes_second_is_told(now):
    apply_settings({"interval_days": "90"}, expected_version=0, now=now)

    with pytest.raises(SettingsOvertaken) as told:
        apply_settings({"interval_days": "100"}, expected_version=0, now=now)
    assert told.value.row.interval_days == 90
    assert Settings.load().interval_days == 90


def test_what_stands_there_already_overtakes_nobody(now):
    apply_settings({"interval_days": "90"}, expected_version=0, now=now)

    assert apply_settings({"interval_days": "90"}, expected_version=0, now=now + timedelta(hours=1)) == frozenset()
    assert Settings.load().schedule_saved_at == now
