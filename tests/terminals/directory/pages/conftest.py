"""Pages in English with the types of a new installation."""

import re

import pytest
from django.utils import translation
from django.utils.html import strip_tags

from pbxcerts.system.models import General
from terminals.models import TerminalType
from tests.support.known_types import know_types


@pytest.fixture(autouse=True)
def english(db):
    General.load()
    General.objects.update(language="en")
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def types(db):
    know_types()
    return {one.name: one for one in TerminalType.objects.all()}


@pytest.fixture
def text():
    """What a person reads on a page."""

    def of(response) -> str:
        return " ".join(re.sub(r"\s+", " ", strip_tags(response.content.decode())).split())

    return of
