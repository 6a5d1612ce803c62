"""Whose page goes before phones that fetch files (rule pages-first)."""

from contextlib import contextmanager

import pytest
from django.urls import reverse

from pbxcerts.processes.listeners.precedence import PRECEDENCE, Precedence

pytestmark = pytest.mark.django_db


class Taken(Precedence):
    """Knows how often it was taken."""

    def __init__(self):
        super().__init__()
        self.times = 0

    @contextmanager
    def page(self):
        self.times += 1
        with super().page():
            yield


@pytest.fixture
def precedence():
    return Taken()


def test_the_page_of_somebody_who_is_logged_in_does_and_only_while_it_is_made(viewer_client, precedence):
    assert viewer_client.get(reverse("certificates:overview"), **{PRECEDENCE: precedence}).status_code == 200
    assert precedence.times == 1
    assert not precedence.is_taken


@pytest.mark.parametrize("path", ["/login/", "/", "/nowhere/", "/static/bootstrap/css/bootstrap.css"])
def test_no_page_of_a_stranger_does(client, precedence, settings, path):
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    client.get(path, **{PRECEDENCE: precedence}).close()

    assert precedence.times == 0


def test_wrong_passwords_do_not_either(client, viewer, precedence):
    client.post(reverse("login"), {"username": viewer.username, "password": "wrong"}, **{PRECEDENCE: precedence})

    assert precedence.times == 0
