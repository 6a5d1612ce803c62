from datetime import UTC, datetime

import pytest

from certificates.models import Settings
from pbxcerts.panel import saving
from pbxcerts.system.database.versioned import InvalidValues, SettingsOvertaken
from pbxcerts.system.models import General

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def general(db) -> General:
    Settings.load()
    Settings.objects.update(schedule_saved_at=EARLIER)
    return General.load()


def apply(changes, version=0):
    return saving.apply_general(changes, expected_version=version, now=NOW)


def test_it_sets_what_is_typed_in_the_form_in_which_it_is_stored(general):
    changed = apply({"fqdn": "PBX.Example", "ip_addresses": "192.0.2.1, 2001:DB8::0:1", "on_this_machine": "false"})
    general.refresh_from_db()
    assert changed == {"fqdn", "ip_addresses", "on_this_machine"}
    assert general.fqdn == "pbx.example"
    assert general.ip_addresses == ["192.0.2.1", "2001:db8::1"]
    assert general.on_this_machine is False
    assert general.version == 1


def test_all_or_nothing(general):
    with pytest.raises(InvalidValues) as raised:
        apply({"site_name": "North", "dns_names": "a_1", "time_zone": "Mars/Base"})
    assert set(raised.value.errors) == {"dns_names", "time_zone"}
    general.refresh_from_db()
    assert general.site_name == ""
    assert general.version == 0


def test_a_setting_that_does_not_exist_is_refused(general):
    with pytest.raises(InvalidValues) as raised:
        apply({"site_nam": "North", "site_name": "North"})
    assert list(raised.value.errors) == ["site_nam"]


def test_the_version_is_no_setting(general):
    with pytest.raises(InvalidValues):
        apply({"version": "7"})


def test_what_somebody_else_saved_meanwhile_is_not_overwritten(general):
    apply({"site_name": "North"})
    with pytest.raises(SettingsOvertaken) as raised:
        apply({"site_name": "South"}, version=0)
    assert raised.value.row.site_name == "North"
    assert General.load().site_name == "North"


def test_saving_what_stands_there_already_does_nothing_even_if_somebody_saved_meanwhile(general):
    apply({"site_name": "North"})
    assert apply({"site_name": "North"}, version=0) == frozenset()
    assert General.load().version == 1


def test_parameters_that_were_not_named_keep_their_value(general):
    apply({"ntp_enabled": "on", "ntp_servers": "a.example,b.example"})
    apply({"site_name": "North"}, version=1)
    general.refresh_from_db()
    assert (general.ntp_enabled, general.ntp_servers) == (True, ["a.example", "b.example"])


def test_a_new_time_zone_makes_what_was_due_before_wait(general):
    apply({"time_zone": "Europe/Berlin"})
    assert Settings.load().schedule_saved_at == NOW


def test_any_other_change_leaves_the_schedule_alone(general):
    apply({"site_name": "North", "time_zone": general.time_zone})
    assert Settings.load().schedule_saved_at == EARLIER
