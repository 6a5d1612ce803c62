"""What an earlier version has given to browsers is known after an upgrade, wherever the code that made it has moved to."""

import pytest
from django.conf import settings
from django.test import RequestFactory

from pbxcerts.system.models import User
from pbxcerts.system.pages import kept_entries
from pbxcerts.system.users import known_browsers, own_sessions


@pytest.fixture(autouse=True)
def _secret_key(settings):
    """All below was made with it, by the version that had no rooms in `pbxcerts/system`."""
    settings.SECRET_KEY = "that of an installation"


@pytest.fixture
def anna():
    return User(pk=7, username="anna", password="!md5$x")


def test_a_browser_that_has_logged_in_before_is_recognised(anna):
    proof = "7a84eb36277dc02cf2e66c10028532f8c964f6c68937e63ee0fa75ced10be0fe"
    request = RequestFactory().get("/")
    request.COOKIES[f"{settings.KNOWN_BROWSER_COOKIE_NAME}-7"] = f"abc.{proof}"

    assert known_browsers.recognised(request, anna) == "abc"
    assert known_browsers.sign_of(anna) == "bf95da14cf6202ebe3a1b69cda174ce6"


def test_a_session_has_the_same_name_on_the_page_of_the_account():
    assert own_sessions._name("s3ss10n") == "922973d827081b7bd09d4d78f70c1769"


def test_sessions_of_an_account_that_was_deactivated_once_are_still_its_own(anna):
    anna.sessions_proof = "x"

    assert anna.get_session_auth_hash() == "a734db7182a46bcfd57bcc8b424691a61cdec2788f18e7a98342d4559f9bb287"


def test_what_was_typed_before_the_upgrade_comes_back_in_its_form():
    kept = b"gAAAAABrEKSL_MANWiCMQneRAF5p1A9dEyiVF-z6kxJM9fAvtLnpMFx96JynvLrJsi3feFpsVXxcKwG338fcYWnArat6A_g7hA=="

    assert kept_entries._fernet().decrypt(kept) == b"kept"
