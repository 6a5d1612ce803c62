"""The page before a generation over telephones of the database."""

import pytest

from certificates.models import Settings
from terminals.drivers.registry import drivers
from terminals.models import Terminal

GENERATE = "/certificates/generate/"


@pytest.fixture
def telephones(fleet):
    Settings.objects.update(key_type="p256")

    def add(count):
        for name, firmware in (("Yealink T46S", "66.86.0.15"), ("Snom D785", "10.1.184.15")):
            fleet.add(count, fleet.type(name, "sip_standard", event="check-sync;reboot=false"), firmware=firmware)

    return add


def test_it_says_what_is_known_of_telephones_in_the_list(telephones, operator_client, text):
    telephones(3)

    page = text(operator_client.get(GENERATE))

    assert "Yealink T46S, firmware 66.86.0.15 (3) With firmware V84 to V89 this model refuses" in page
    assert "Choose RSA 2048 as the key type. Source: NethVoice" in page
    assert "Snom D785, firmware 10.1.184.15 (3) From firmware 10.1.180 on, checksync_action" in page


def test_each_way_in_which_telephones_get_it_is_named_as_its_driver_calls_it(fleet, operator_client, text):
    """And none of them is taken for another: these need nobody and no restart, and are no IP system phones."""
    for method, count in (("yealink", 40), ("grandstream", 3), ("sip_standard", 2)):
        fleet.add(count, fleet.type(f"A {method}", method))

    page = text(operator_client.get(GENERATE))

    assert "Yealink: own provisioning 40: takes one certificate after the other by itself, without a restart." in page
    assert "Grandstream: own provisioning 3: takes the certificates with its configuration;" in page
    assert page.index("Yealink: own") < page.index("SIP standard terminal 2: a person installs the file.")
    assert "IP system phone" not in page
    assert "Mitel SIP phone" not in page


def test_the_page_of_the_certificates_says_of_each_way_what_it_does(world, viewer_client, text):
    page = text(viewer_client.get("/certificates/"))

    for driver in drivers().values():
        assert f"{driver.label} {driver.summary}" in page


def test_a_firmware_that_a_stranger_made_up_is_shown_as_text(telephones, operator_client):
    telephones(1)
    Terminal.objects.update(firmware="66.86.0.15 <script>alert(1)</script>")

    page = operator_client.get(GENERATE).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_hundred_times_as_many_telephones_cost_no_further_query(
    telephones, operator_client, django_assert_max_num_queries
):
    telephones(1)
    operator_client.get(GENERATE)
    with django_assert_max_num_queries(40) as few:
        operator_client.get(GENERATE)
    telephones(100)

    with django_assert_max_num_queries(len(few)):
        operator_client.get(GENERATE)
