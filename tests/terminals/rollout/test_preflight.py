"""What is known against the next pair at the telephones of the list, before it is made."""

import re
from datetime import timedelta

import pytest
from django.utils import translation

from certificates.models import Generation, Settings
from certificates.pki import formats
from certificates.pki.identity import Identity
from pbxcerts.system.models import General
from terminals.models import Installation, Terminal, TerminalType
from terminals.rollout import preflight
from tests.support.x509 import a_pair


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def telephones(fleet):
    """So many telephones of a type with this name and firmware."""

    def add(name, count=1, *, firmware="", **values):
        of = fleet.type(name, method="sip_standard", **values)
        return fleet.add(count, of, firmware=firmware)

    return add


@pytest.fixture
def found(world):
    """Telephones, their number, and what the doubt is about."""

    def look():
        return [(one.telephones, one.count, one.about.value) for one in preflight.doubts_of(world.situation)]

    return look


def test_without_telephones_nothing_is_known(found):
    assert found() == []


def test_it_counts_the_telephones_of_a_type_and_names_their_firmware(telephones, found):
    Settings.objects.update(key_type="p256")
    telephones("Yealink T46S", 3, firmware="66.86.0.15")
    telephones("Yealink T58A", 1)

    assert found() == [("Yealink T46S, firmware 66.86.0.15", 3, "key"), ("Yealink T58A", 1, "key")]


def test_the_serious_ones_come_first(telephones, world):
    Settings.objects.update(key_type="p256")
    telephones("Yealink", 1)
    telephones("Yealink T46S", 1, firmware="66.86.0.15")

    assert [one.serious for one in preflight.doubts_of(world.situation)] == [True, False]


def test_of_many_firmwares_the_first_are_named(fleet, telephones, found):
    Settings.objects.update(key_type="p256")
    for number, phone in enumerate(telephones("Yealink T46S", 7)):
        Terminal.objects.filter(pk=phone.terminal.pk).update(firmware=f"66.8{4 + number % 6}.0.{number}")

    [(named, count, _about)] = found()
    assert count == 7
    assert named.startswith("Yealink T46S, firmware 66.84.0.0, ")
    assert named.endswith(", …")


def test_a_disabled_telephone_does_not_count(telephones, found):
    Settings.objects.update(key_type="p256")
    telephones("Yealink T46S", 1, firmware="66.86.0.15")
    Terminal.objects.update(enabled=False)

    assert found() == []


def test_an_address_that_is_missing_is_known_by_the_names_of_the_installation(telephones, found):
    telephones("Snom", 2)
    General.objects.update(ip_addresses=["192.0.2.10"])
    assert found() == []

    General.objects.update(ip_addresses=[])
    assert found() == [("Snom", 2, "names")]


def test_a_notification_counts_where_a_person_has_entered_its_event(telephones, found):
    General.objects.update(ip_addresses=["192.0.2.10"])
    telephones("Snom D785", 1, event="check-sync;reboot=false")
    assert found() == [("Snom D785", 1, "notify")]

    TerminalType.objects.update(event="")
    assert found() == []


def ten_generations():
    """With roots that no other has; none of them is served any more."""
    rows = []
    for number in range(1000, 1010):
        row = Generation.objects.order_by("number").first()
        row.number, row.state, row.host_key, row.replaces = number, "superseded", None, number - 1
        row.root_sha256 = f"{number:064x}"
        rows.append(row)
    return Generation.objects.bulk_create(rows)


@pytest.mark.parametrize(
    ("method", "manufacturer"),
    [
        ("sip_standard", "Yealink"),
        ("yealink", "Yealink"),
        ("sip_standard", "Flyingvoice"),
        ("flyingvoice", "Flyingvoice"),
        ("flyingvoice", "Yealink"),
    ],
)
def test_ten_confirmed_roots_fill_a_telephone_that_holds_ten(fleet, world, found, method, manufacturer):
    full, other = fleet.add(2, fleet.type("Desk", method, manufacturer=manufacturer))
    rows = ten_generations()
    Installation.objects.bulk_create(
        Installation(generation=row, terminal=phone.terminal, confirmed_at=world.now)
        for row in rows
        for phone in (full, other)
    )
    Installation.objects.filter(terminal=other.terminal, generation=rows[0]).update(confirmed_at=None)

    assert ("Desk", 1, "room") in found()
    # What a person has deleted at the telephone is known to that person alone.
    [doubt] = [doubt for doubt in preflight.doubts_of(world.situation) if doubt.about == "room"]
    assert doubt.serious == (method != "sip_standard")
    # No other driver has that switch.
    assert ("let pbxcerts empty the list" in doubt.remedy) == (method == "yealink")


def test_a_grandstream_that_is_given_its_places_is_never_full(fleet, world, found):
    [phone] = fleet.add(1, fleet.type("Desk", "grandstream", manufacturer="Grandstream"))
    Installation.objects.bulk_create(
        Installation(generation=row, terminal=phone.terminal, confirmed_at=world.now) for row in ten_generations()
    )
    assert found() == []

    TerminalType.objects.update(method="sip_standard")
    assert found() == [("Desk", 1, "room")]


def test_a_file_that_a_type_does_not_take_is_known_before_larger_keys_are_made(telephones, found, world):
    telephones("Desk", 2, size_limit=2000, wants="root")
    assert found() == []

    Settings.objects.update(key_type="rsa3072")
    assert found() == [("Desk", 2, "key")]
    [doubt] = preflight.doubts_of(world.situation)
    assert doubt.serious
    assert "they take 2000" in doubt.what

    TerminalType.objects.update(size_limit=5000)
    assert found() == []


MANY_NAMES = [f"pbx{n}.a-rather-long-site-name.example.org" for n in range(40)]


def test_a_file_that_a_type_does_not_take_is_known_before_names_are_added_to_its_host_certificate(
    telephones, found, world
):
    telephones("Desk", 2, size_limit=4000, wants="host")
    telephones("Lobby", 1, size_limit=4000, wants="root")
    assert found() == []

    General.objects.update(dns_names=MANY_NAMES)

    assert found() == [("Desk", 2, "names")]
    [said] = preflight.doubts_of(world.situation)
    world.after(timedelta(days=2)).generate()
    [size] = re.findall(r"about (\d+) bytes", said.what)
    # A renewal later both have these names.
    assert int(size) == pytest.approx(2 * len(world.pending.host_pem), abs=24)


def test_names_that_are_taken_away_make_it_smaller_again(telephones, found, world):
    telephones("Desk", 2, size_limit=4000, wants="host", holds_only_one=True)
    General.objects.update(dns_names=MANY_NAMES)
    world.after(timedelta(days=2)).generate()
    world.activate()
    assert len(world.active.host_pem) > 3000
    TerminalType.objects.update(size_limit=3000)
    assert found() == [("Desk", 2, "key")]

    General.objects.update(dns_names=["pbx.example.org"])

    assert found() == []


def test_an_adopted_root_that_says_much_more_counts_as_large_as_it_is_and_the_next_one_as_it_will_be(
    telephones, found, world
):
    large = formats.pem(a_pair(identity=Identity(dns_names=tuple(MANY_NAMES), addresses=())).host)
    Generation.objects.active().update(root_pem=large.decode())
    telephones("Lobby", 1, size_limit=3000, wants="root", holds_only_one=True)
    telephones("Desk", 1, size_limit=len(large) + 2000, wants="root")
    assert len(large) > 3000
    assert found() == []

    TerminalType.objects.filter(name="Desk").update(size_limit=len(large) + 100)

    assert found() == [("Desk", 1, "key")]


@pytest.mark.parametrize("values", [{"trust_format": "der"}, {"holds_only_one": True}])
def test_one_that_gets_one_at_a_time_needs_room_for_one(telephones, found, values):
    Settings.objects.update(key_type="rsa3072")
    telephones("Desk", 1, size_limit=2000, wants="root", **values)

    assert [about for _name, _count, about in found() if about == "key"] == []


@pytest.mark.parametrize("count", [1, 300])
def test_it_takes_three_queries_for_any_number_of_telephones(telephones, world, django_assert_num_queries, count):
    telephones("Yealink T46S", count, firmware="66.86.0.15")
    telephones("Snom", count)
    situation = world.situation

    with django_assert_num_queries(3):
        preflight.doubts_of(situation)


# Before an automatic generation


def test_it_is_told_a_week_before_and_not_earlier(telephones, world):
    Settings.objects.update(key_type="p256")
    telephones("Yealink T46S", 4, firmware="66.86.0.15")
    due = world.situation.next_at
    assert list(preflight.warnings(world.situation)) == []

    world.at(due - timedelta(days=6))
    [notice] = preflight.warnings(world.situation)

    assert "Yealink T46S, firmware 66.86.0.15 (4). It is" in notice.text
    assert "It is generated all the same." in notice.text


def test_what_is_only_possible_is_not_told(telephones, world):
    Settings.objects.update(key_type="p256")
    telephones("Yealink", 4)
    world.at(world.situation.next_at - timedelta(days=1))

    assert list(preflight.warnings(world.situation)) == []


def test_no_automatic_generation_waits_for_it(fleet, telephones, world):
    Settings.objects.update(key_type="p256")
    telephones("Yealink T46S", 4, firmware="66.86.0.15")
    world.at(world.situation.next_at)

    fleet.beat()

    assert world.pending is not None
