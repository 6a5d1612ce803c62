"""The three personas, one for each role, and a browser of theirs that is logged in."""

import pytest
from django.test import Client

from pbxcerts.system.models import Role, User

PASSWORD = "seven copper kettles"


def _persona(name: str, role: Role) -> User:
    return User.objects.create_user(name, password=PASSWORD, role=role)


def _client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def viewer(db) -> User:
    return _persona("vera", Role.VIEW)


@pytest.fixture
def operator(db) -> User:
    return _persona("otto", Role.OPERATE)


@pytest.fixture
def administrator(db) -> User:
    return _persona("anna", Role.ADMINISTER)


@pytest.fixture
def viewer_client(viewer) -> Client:
    return _client_of(viewer)


@pytest.fixture
def operator_client(operator) -> Client:
    return _client_of(operator)


@pytest.fixture
def administrator_client(administrator) -> Client:
    return _client_of(administrator)


@pytest.fixture
def password() -> str:
    """The password of every persona."""
    return PASSWORD
