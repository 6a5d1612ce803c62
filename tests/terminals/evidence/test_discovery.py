"""Phones that are not in the list: who of them is remembered, whatever a stranger invents (rule discovered)."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps

from terminals.evidence import recording
from terminals.evidence.facts import UnknownPhone
from terminals.evidence.models import Discovered

NOW = datetime(2026, 7, 1, tzinfo=UTC)
MITEL, UNKNOWN = "00085D", "02CAFE"
GENUINE = UnknownPhone("1400E91EDB52", "6930", "6.4", "192.0.2.9", NOW)

pytestmark = [pytest.mark.django_db, pytest.mark.simulation]


def invented(numbers, *, address, oui=MITEL, minutes=1):
    at = NOW + timedelta(minutes=minutes)
    return [UnknownPhone(f"{oui}{number:06X}", "", "", address, at + timedelta(seconds=number)) for number in numbers]


def written(phones, *, together=500):
    for start in range(0, len(phones), together):
        recording.write_facts(phones[start : start + together])


def is_listed(phone):
    return Discovered.objects.filter(mac=phone.mac, address=phone.address).exists()


def test_a_thousand_invented_macs_leave_room_for_the_next_telephone():
    written(invented(range(1_500), address="192.0.2.66"), together=20)

    written([GENUINE])

    assert is_listed(GENUINE)
    assert Discovered.objects.count() == 101


def test_many_addresses_do_not_fill_the_list_for_good_nor_drive_out_who_asked_before():
    written([GENUINE])
    for last in range(12):
        written(invented(range(last * 100, last * 100 + 100), address=f"198.51.100.{last}"), together=20)
    later = UnknownPhone("00085D4A905F", "6867i", "5.1", "192.0.2.10", NOW + timedelta(days=1))
    written([later])

    assert Discovered.objects.count() == 1_000
    assert is_listed(GENUINE)
    assert is_listed(later)


def test_a_network_of_ipv6_counts_as_one_address():
    phones = [
        UnknownPhone(f"{MITEL}{number:06X}", "", "", f"2001:db8:0:1::{number:x}", NOW + timedelta(seconds=number))
        for number in range(200)
    ]
    written(phones, together=20)

    macs = set(Discovered.objects.values_list("mac", flat=True))
    assert macs == {phone.mac for phone in phones[100:]}, "of one address the oldest go"


def test_macs_of_known_makers_stay_before_others():
    written([GENUINE])
    for last in range(100):
        written(invented(range(last * 20, last * 20 + 20), address=f"198.51.100.{last}", oui=UNKNOWN))
    assert is_listed(GENUINE)

    known = invented(range(1_100), address="")
    spread = [
        UnknownPhone(phone.mac, "", "", f"203.0.{number // 200}.{number % 200}", phone.at)
        for number, phone in enumerate(known)
    ]
    written(spread, together=20)

    assert Discovered.objects.count() == 1_000
    assert not Discovered.objects.filter(mac__startswith=UNKNOWN).exists()


def test_of_those_that_ask_together_every_address_gets_its_turn():
    many = invented(range(400), address="192.0.2.66")
    strangers = invented(range(50), address="192.0.2.77", oui=UNKNOWN, minutes=2)

    written([*many, *strangers, GENUINE])

    assert Discovered.objects.count() == 20
    assert is_listed(GENUINE)
    assert not Discovered.objects.filter(mac__startswith=UNKNOWN).exists()


def test_who_asks_with_the_mac_of_another_changes_nothing_of_it():
    written([GENUINE])
    stranger = UnknownPhone(GENUINE.mac, "", "", "198.51.100.66", NOW + timedelta(hours=1))
    written([stranger])

    entries = Discovered.objects.order_by("pk").values_list("address", "model", "last_seen", "requests")
    assert list(entries) == [("192.0.2.9", "6930", NOW, 1), ("198.51.100.66", "", stranger.at, 1)]


def test_who_asked_first_with_the_mac_of_another_does_not_keep_it_out():
    written([UnknownPhone(GENUINE.mac, "", "", "198.51.100.66", NOW - timedelta(hours=1))])

    written([GENUINE, UnknownPhone(GENUINE.mac, "", "", "198.51.100.66", NOW + timedelta(seconds=1))])

    assert is_listed(GENUINE)
    assert dict(Discovered.objects.values_list("address", "requests")) == {"192.0.2.9": 1, "198.51.100.66": 2}


def test_a_telephone_that_changes_its_address_within_its_network_stays_one_entry():
    """RFC 8981."""
    for address in ("2001:db8::1", "2001:db8::2"):
        written([UnknownPhone(GENUINE.mac, "", "", address, NOW)])

    assert list(Discovered.objects.values_list("address", "requests")) == [("2001:db8::2", 2)]


def test_what_a_telephone_said_of_itself_stays_where_it_says_nothing_the_next_time():
    for model, firmware in [("", ""), ("6930", "6.4"), ("", "")]:
        written([UnknownPhone(GENUINE.mac, model, firmware, GENUINE.address, NOW)])

    assert Discovered.objects.values_list("model", "firmware", "requests").get() == ("6930", "6.4", 3)


def test_those_of_before_know_what_counts_as_their_address():
    Discovered.objects.create(mac=GENUINE.mac, address="2001:db8::1", first_seen=NOW, last_seen=NOW)

    import_module("terminals.migrations.0010_discovered_at_each_address").name_sources(apps, None)
    written([UnknownPhone(GENUINE.mac, "", "", "2001:db8::2", NOW)])

    assert Discovered.objects.get().source == "2001:db8::/64"
