import base64

import pytest

from pbxcerts.system.models import Role, User
from pbxcerts.system.users import setup_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data(tmp_path, settings):
    settings.DATA = tmp_path
    return tmp_path


def test_it_accepts_the_token_it_issued_and_no_other():
    token = setup_token.issue()

    assert setup_token.accepts(token)
    assert not setup_token.accepts(token[:-1])
    assert not setup_token.accepts("")
    assert not setup_token.accepts("Schlüssel \ud800")


def test_it_accepts_nothing_before_a_token_was_issued():
    assert not setup_token.accepts("")


def test_a_token_has_256_bit_and_only_its_hash_is_on_disk(data):
    token = setup_token.issue()

    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    (file,) = (data / "secrets").iterdir()
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_new_token_ends_the_one_before():
    old, new = setup_token.issue(), setup_token.issue()

    assert not setup_token.accepts(old)
    assert setup_token.accepts(new)


def test_it_accepts_no_token_once_an_active_administrator_exists():
    token = setup_token.issue()
    User.objects.create_user("viewer", password="x", role=Role.VIEW)
    administrator = User.objects.create_user("chief", password="x", role=Role.ADMINISTER, is_active=False)
    assert setup_token.accepts(token)

    administrator.is_active = True
    administrator.save()

    assert not setup_token.accepts(token)


def test_closed_it_accepts_the_token_no_more():
    token = setup_token.issue()

    setup_token.close()

    assert not setup_token.accepts(token)
