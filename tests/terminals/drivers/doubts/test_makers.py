"""What the makers' documents say against a pair, by what the list knows of the telephones."""

import ast
from pathlib import Path

import pytest

from terminals.drivers import doubts
from terminals.drivers.base import gettext_noop
from terminals.drivers.doubts import About, Doubt, PairFacts, TelephoneKind, maker_of, makers
from terminals.drivers.registry import FILLING

RSA = PairFacts(on_curve=False, names_address=True, hands_over=True)
CURVE = PairFacts(on_curve=True, names_address=True, hands_over=True)
NO_ADDRESS = PairFacts(on_curve=False, names_address=False, hands_over=True)


def about(pair, name, **known):
    """What each doubt is about, with an exclamation mark where it is serious."""
    return [f"{doubt.about}{'!' * doubt.serious}" for doubt in doubts.doubts(pair, TelephoneKind(name, **known))]


# Yealink


@pytest.mark.parametrize("firmware", ["66.84.0.15", "66.89.0.1"])
@pytest.mark.parametrize("name", ["Yealink T46S", "Yealink SIP-T19P E2", "Yealink T58A", "Yealink T21P"])
def test_an_old_yealink_with_v84_to_v89_refuses_an_ec_key_and_needs_plain_ciphers_with_rsa(name, firmware):
    assert about(CURVE, name, firmware=firmware) == ["key!"]
    assert about(RSA, name, firmware=firmware) == ["key"]


@pytest.mark.parametrize(
    ("name", "firmware"),
    [
        ("Yealink T46S", "66.83.0.15"),
        ("Yealink T46S", "66.90.0.15"),
        ("Yealink T54W", "96.86.0.100"),
        ("Yealink T46U", "108.86.0.20"),
    ],
)
def test_any_other_yealink_takes_both(name, firmware):
    assert about(CURVE, name, firmware=firmware) == about(RSA, name, firmware=firmware) == []


@pytest.mark.parametrize("firmware", ["", "unknown", "V86", "…", "66.86" * 3 + "x" * 50, "٦٦.٨٦", "66.86\n"])
def test_of_a_yealink_whose_firmware_nobody_can_read_it_is_possible(firmware):
    assert about(CURVE, "Yealink T46S", firmware=firmware) == ["key"]
    assert about(RSA, "Yealink T46S") == []


def test_of_a_yealink_without_a_model_it_is_possible_and_of_a_newer_model_not():
    assert about(CURVE, "Yealink") == ["key"]
    assert about(CURVE, "Desk", maker="Yealink", firmware="70.86.0.15") == ["key"]
    assert about(CURVE, "Yealink T54W") == []


def test_the_firmware_of_a_yealink_tells_its_model():
    assert about(CURVE, "Desk", maker="Yealink", firmware="66.86.0.15") == ["key!"]
    assert about(RSA, "Desk", maker="Yealink", firmware="66.86.0.15") == ["key"]


def test_a_yealink_that_has_taken_ten_refuses_the_next_and_one_that_was_given_them_by_hand_may():
    assert about(RSA, "Yealink", method="yealink", is_full=True) == ["room!"]
    assert about(RSA, "Yealink", method="sip_standard", is_full=True) == ["room"]


# Snom


def test_a_notify_may_reset_a_snom_from_10_1_180_on():
    assert about(RSA, "Snom", event="check-sync;reboot=false", firmware="10.1.180.0") == ["notify!"]
    assert about(RSA, "Snom", event="check-sync;reboot=false") == ["notify!"]
    assert about(RSA, "Snom", event="check-sync;reboot=false", firmware="10.1.179.9") == []
    assert about(RSA, "Snom", firmware="10.1.184.15") == []


def test_a_snom_from_10_on_wants_its_address_in_the_certificate():
    assert about(NO_ADDRESS, "Snom", firmware="10.1.20.0") == ["names"]
    assert about(NO_ADDRESS, "Snom") == ["names"]
    assert about(NO_ADDRESS, "Snom", firmware="8.9.3.80") == []
    assert about(RSA, "Snom", firmware="10.1.20.0") == []


def test_of_snoms_dect_nothing_is_known_and_gigasets_desk_telephones_are_like_snom():
    assert about(NO_ADDRESS, "Snom M900", event="check-sync") == []
    assert about(NO_ADDRESS, "Gigaset P850W", event="check-sync") == ["names", "notify!"]
    assert about(NO_ADDRESS, "Gigaset N870", event="check-sync") == []


# Grandstream and others


def test_a_grandstream_with_one_root_for_each_account_loses_the_one_in_service_in_a_handover():
    assert about(RSA, "Grandstream GXV3240") == ["room"]
    assert about(RSA, "Grandstream GXV3240", holds_only_one=True) == []
    assert about(PairFacts(on_curve=False, names_address=True, hands_over=False), "Grandstream GXV3240") == []
    assert about(RSA, "Grandstream GXP2135") == []


def test_a_grandstream_with_six_of_ours_needs_a_slot():
    assert about(RSA, "Grandstream", is_full=True) == ["room"]


def test_a_grandstream_and_an_avaya_j100_may_want_the_address():
    assert about(NO_ADDRESS, "Grandstream GRP2614") == ["names"]
    assert about(NO_ADDRESS, "Avaya J179") == ["names"]
    assert about(RSA, "Avaya J179") == []


def test_an_avaya_1100_takes_a_second_root_only_signed():
    assert about(RSA, "Avaya 1140E") == ["room!"]


@pytest.mark.parametrize("name", ["Mitel 6930", "Other", "", "Linphone", "A Yealink of a test"])
def test_of_any_other_nothing_is_known(name):
    assert about(NO_ADDRESS, name, event="check-sync", is_full=True) == []


# The makers


def test_a_maker_is_known_by_the_delivery_the_manufacturer_or_the_name():
    yealink = maker_of(TelephoneKind("Yealink T46S"))

    assert yealink is not None
    assert maker_of(TelephoneKind("Desk", method="yealink")) is yealink
    assert maker_of(TelephoneKind("Desk", method="sip_standard", maker="YEALINK Inc.")) is yealink
    assert maker_of(TelephoneKind("Yealink", maker="Snom")) is not yealink


@pytest.mark.parametrize(("method", "most"), FILLING.items())
def test_of_each_whose_list_fills_up_it_is_said_before_a_pair_is_made_whoever_is_entered_as_its_maker(method, most):
    kind = TelephoneKind("Desk", method=method, maker="Yealink", is_full=True)

    room = maker_of(kind).ROOM
    assert room == most
    assert "room!" in about(RSA, kind.name, method=method, maker=kind.maker, is_full=True)


@pytest.mark.parametrize("maker", makers(), ids=lambda maker: maker.NAMES[0])
def test_each_doubt_says_what_and_what_to_do_and_where_it_stands_in_texts_of_the_catalogue(maker):
    assert all(name == name.casefold() for name in maker.NAMES)
    found = [one for one in vars(maker).values() if isinstance(one, Doubt)]
    assert all(doubt.what and doubt.remedy and doubt.source and doubt.about in About for doubt in found)
    marked = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(ast.parse(Path(maker.__file__).read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == gettext_noop.__name__
    }
    assert {text for doubt in found for text in (doubt.what, doubt.remedy)} == marked
