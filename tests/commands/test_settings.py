"""`settings`: the parameters of both pages by the pages' own rules, all or none."""

import pytest
from django.utils import timezone

from certificates.forms.settings import SettingsForm
from certificates.models import Generation, Settings
from pbxcerts.management.commands.settings import NAMES
from pbxcerts.management.commands.settings import apply as apply_changes
from pbxcerts.system import sealing
from pbxcerts.system.commands import NotNow
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import General
from terminals.models import DeliverySettings


def everything():
    settings = Settings.load()
    return {name: getattr(settings if name in SettingsForm.names() else settings.general, name) for name in NAMES}


def test_every_parameter_of_both_pages_has_its_name():
    assert set(NAMES) == set(SettingsForm.names()) | set(GeneralForm.names())


def test_all_are_shown(installation):
    lines = installation.run("settings").out.splitlines()

    assert [line.partition("=")[0] for line in lines] == list(NAMES)
    assert "interval_days=365" in lines
    assert "generation_time=02:00" in lines
    assert "ip_addresses=192.0.2.10" in lines
    assert "on_this_machine=false" in lines
    assert "dns_names=" in lines


def test_a_script_gets_numbers_switches_and_lists(installation):
    value = installation.run("settings", "--json").json["settings"]

    assert list(value) == list(NAMES)
    assert value["interval_days"] == 365
    assert value["generation_time"] == "02:00"
    assert value["ntp_enabled"] is True
    assert value["dns_names"] == []


def test_what_is_shown_can_be_set_again_and_changes_nothing(installation):
    installation.set(dns_names=["a.example", "b.example"], site_name="Haus am See, Süd", tls_addresses=["[::1]:5061"])
    before = everything()
    shown = installation.run("settings").out.splitlines()

    ran = installation.run("settings", *shown)

    assert ran.exit_code == 0
    assert ran.out == "Nothing has changed.\n"
    assert everything() == before


def test_parameters_of_both_pages_are_set_together(installation):
    ran = installation.run(
        "settings",
        "interval_days=90",
        "generation_time=3:30",
        "fqdn=PBX.Example.COM.",
        "ip_addresses=192.0.2.7, 2001:DB8:0::1",
        "addresses_as_dns=true",
        "--json",
    )

    assert ran.exit_code == 0
    assert ran.json["changed"] == ["interval_days", "generation_time", "addresses_as_dns", "ip_addresses"]
    assert ran.json["settings"]["ip_addresses"] == ["192.0.2.7", "2001:db8::1"]
    assert ran.json["settings"]["generation_time"] == "03:30"
    settings = Settings.load()
    assert (settings.interval_days, settings.addresses_as_dns) == (90, True)
    assert settings.schedule_saved_at is not None
    assert settings.general.fqdn == "pbx.example.com"


def test_a_list_is_emptied_by_nothing(installation):
    assert installation.run("settings", "ip_addresses=").exit_code == 0
    assert General.load().ip_addresses == []


BAD = [
    "interval_days=0",
    "interval_days=-1",
    "interval_days=3651",
    "interval_days=abc",
    "interval_days=",
    "overlap_days=91",
    "overlap_days=",
    "generation_time=24:00",
    "generation_time=2",
    "generation_time=",
    "handover_counts=some",
    "key_type=rsa1024",
    "addresses_as_dns=maybe",
    "dns_names=a b.example",
    "dns_names=*.example.com",
    "dns_names=a_b.example",
    f"dns_names={'a' * 64}.example",
    "dns_names=a.example,a.example",
    "ip_addresses=0.0.0.0",
    "ip_addresses=192.0.2.300",
    "tls_addresses=pbx.example.com",
    "ntp_servers=",
    "ntp_servers=a,b,c,d,e",
    "time_zone=Europe/Berne",
    "language=fr",
    "redirect_to_https=true",
    "logout_after_minutes=0",
    "on_this_machine=",
]


def test_one_bad_value_among_good_ones_changes_nothing(installation, subtests):
    for bad in BAD:
        with subtests.test(bad=bad):
            name = bad.partition("=")[0]
            good = [
                one for one in ("interval_days=90", "site_name=New", "key_type=rsa3072") if not one.startswith(name)
            ]
            before, versions = everything(), (Settings.load().version, General.load().version)

            ran = installation.run("settings", *good, bad)

            assert (ran.exit_code, ran.error.code) == (2, "value")
            assert str(ran.error).startswith(f"{name}: ")
            assert list(ran.error.value["errors"]) == [name]
            assert everything() == before
            assert (Settings.load().version, General.load().version) == versions


def test_every_bad_value_of_both_pages_is_told_at_once(installation):
    ran = installation.run("settings", "interval_days=0", "fqdn=*.example", "overlap_days=91")

    assert set(ran.error.value["errors"]) == {"interval_days", "fqdn", "overlap_days"}
    assert len(str(ran.error).splitlines()) == 3


def test_an_overlap_above_the_interval_is_refused_in_either_order(installation):
    assert installation.run("settings", "interval_days=10").exit_code == 2
    assert installation.run("settings", "interval_days=10", "overlap_days=5").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [["interval"], ["interval_days"], ["colour=red"], ["=3"], ["interval_days=9", "interval_days=10"], ["version=1"]],
)
def test_what_is_no_setting_is_wrong_use(installation, arguments):
    before = everything()

    ran = installation.run("settings", "overlap_days=3", *arguments)

    assert ran.exit_code == 2
    assert everything() == before


def test_it_says_what_will_follow(active):
    ran = active.run("settings", "interval_days=30", "overlap_days=0")

    assert ran.exit_code == 0
    assert "The shorter interval also holds" in ran.out
    assert "Without overlap there is no handover" in ran.out


def test_nothing_is_made_by_a_change(active):
    active.run("settings", "key_type=rsa2048", "interval_days=1", "overlap_days=0")

    assert Generation.objects.count() == 1


def test_whoever_saves_second_is_told_and_overwrites_nothing(installation):
    read = Settings.load()
    installation.run("settings", "interval_days=90")

    with pytest.raises(NotNow):
        apply_changes({"interval_days": "120", "site_name": "New"}, read, now=timezone.now())

    assert Settings.load().interval_days == 90
    assert General.load().site_name == ""


def test_errors_are_in_the_system_language(installation):
    installation.set(language="de")

    assert "gültige Auswahl" in str(installation.run("settings", "language=fr").error)


def test_it_says_which_passwords_are_gone_because_their_answers_would_go_elsewhere(installation):
    DeliverySettings.load()
    DeliverySettings.objects.update(account_user="pbxcerts", account_password=sealing.seal(b"s3cret"))

    assert installation.run("settings", "site_name=North", "--json").json["consequences"] == []
    ran = installation.run("settings", "fqdn=elsewhere.example.com", "--json")

    assert DeliverySettings.load().account_password is None
    assert len(ran.json["consequences"]) == 1
    assert "1" in ran.json["consequences"][0]
