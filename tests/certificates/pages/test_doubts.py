"""What is known against a pair at the telephones of the list: said before it is ordered, and when its settings are saved."""

import pytest

from certificates.models import Generation, Settings
from tests.certificates.pages.test_generate import GENERATE, form
from tests.certificates.pages.test_settings_page import OVERVIEW, typed


@pytest.fixture(autouse=True)
def telephones(settings):
    settings.TERMINALS = "tests.support.telephones.DoubtedTelephones"


@pytest.fixture
def on_a_curve(running):
    Settings.objects.update(key_type="p256")


def test_the_page_says_of_whom_what_what_to_do_and_where_it_stands(on_a_curve, operator_client, text):
    page = text(operator_client.get(GENERATE))

    assert "Serious: Old ones (4) They refuse an EC key. Choose RSA 2048. Source: their guide" in page
    assert "Snom (2) They want an address. Enter it. Source: RFC 5922" in page
    assert page.index("their guide") < page.index("Generate although")


def test_what_is_serious_has_to_be_confirmed_and_nothing_typed_is_lost(on_a_curve, operator_client, text):
    refused = operator_client.post(GENERATE, form(reason="new office"))
    assert "Some telephones can lose their calls or settings." in text(refused)
    assert "new office</textarea>" in refused.content.decode()
    assert Generation.objects.count() == 1

    operator_client.post(GENERATE, form(confirm_doubts="on"))
    assert Generation.objects.count() == 2


def test_what_is_only_possible_is_said_and_asks_nothing(running, operator_client, text):
    Settings.objects.update(key_type="rsa2048")
    page = text(operator_client.get(GENERATE))
    assert "They want an address." in page
    assert "Generate although" not in page

    operator_client.post(GENERATE, form())
    assert Generation.objects.count() == 2


def test_where_nothing_is_known_the_page_says_nothing_of_it(running, settings, operator_client, text):
    settings.TERMINALS = "tests.support.telephones.TenTelephones"

    page = text(operator_client.get(GENERATE))
    assert "manufacturers" not in page
    assert "can lose calls" not in page


def test_another_key_type_is_asked_about_with_what_telephones_make_of_it(running, administrator_client, text):
    Settings.objects.update(key_type="rsa2048")

    page = text(administrator_client.post(OVERVIEW, typed(key_type="p256")))

    assert "Old ones (4): They refuse an EC key. Choose RSA 2048. (their guide)" in page
    assert "They want an address" not in page, "that has nothing to do with the key type"
    assert Settings.load().key_type == "rsa2048"


def test_another_interval_says_nothing_of_the_key(on_a_curve, administrator_client, text):
    page = text(administrator_client.post(OVERVIEW, typed(interval_days="300"), follow=True))

    assert Settings.load().interval_days == 300
    assert "They refuse an EC key" not in page
