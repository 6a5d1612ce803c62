"""Device tokens: for all IP system phones that have none, for one, and revoked."""

import csv
import hashlib
import io
import re

import pytest

from terminals.directory import device_tokens
from terminals.models import Terminal
from tests.support.generations import a_world


@pytest.fixture
def add(types):
    def add(number, type_name="pbxcerts-agent", **values):
        return Terminal.objects.create(number=number, type=types[type_name], **values)

    return add


def hashed(token):
    return hashlib.sha256(token.encode()).hexdigest()


def tokens_in(response):
    text = b"".join(response).decode("utf-8-sig")
    return {row["number"]: row["token"] for row in csv.DictReader(io.StringIO(text))}


def test_those_without_one_get_theirs_in_a_file_that_stands_nowhere_else(operator_client, add, text):
    has_one = add("100", token_sha256="a" * 64)
    two = [add("101", name="=1+1"), add("102")]
    add("103", "Snom")
    assert "2 IP system phones have no token." in text(operator_client.get("/terminals/tokens/"))

    response = operator_client.post("/terminals/tokens/")

    tokens = tokens_in(response)
    assert list(tokens) == ["101", "102"]
    assert "no-store" in response["Cache-Control"]
    for one in (has_one, *two):
        one.refresh_from_db()
    assert [one.token_sha256 for one in two] == [hashed(token) for token in tokens.values()]
    assert has_one.token_sha256 == "a" * 64
    assert "'=1+1" in response.content.decode()
    again = operator_client.post("/terminals/tokens/")
    assert "Every IP system phone of the list has its token" in text(again)
    assert not any(token in again.content.decode() for token in tokens.values())


def test_ten_thousand_cost_no_more_statements_than_batches(add, types, django_assert_max_num_queries):
    Terminal.objects.bulk_create(Terminal(number=str(n), type=types["pbxcerts-agent"]) for n in range(1_200))
    with django_assert_max_num_queries(8):
        issued = device_tokens.issue_missing()
    assert len({one.token for one in issued}) == 1_200
    assert not any(one.token.startswith("-") for one in issued), "a spreadsheet would take it for a formula"


def test_who_only_looks_makes_none(viewer_client, add):
    one = add("101")
    assert viewer_client.post("/terminals/tokens/").status_code == 403
    one.refresh_from_db()
    assert one.token_sha256 == ""


def token_on(response):
    return re.search(r"<code>([\w-]+)</code>", response.content.decode())[1]


def test_a_token_is_shown_once_and_kept_as_a_hash(operator_client, add):
    one = add("101")
    url = f"/terminals/{one.pk}/token/"

    first, second = token_on(operator_client.post(url)), token_on(operator_client.post(url))

    one.refresh_from_db()
    assert len(second) == 43
    assert first != second
    assert one.token_sha256 == hashed(second)
    assert second not in operator_client.get(f"/terminals/{one.pk}/").content.decode()
    assert operator_client.get(url).status_code == 405


def test_a_token_is_revoked(operator_client, add, text):
    one = add("101")
    operator_client.post(f"/terminals/{one.pk}/token/")

    response = operator_client.post(f"/terminals/{one.pk}/token/revoke/", follow=True)

    one.refresh_from_db()
    assert one.token_sha256 == ""
    assert "is revoked" in text(response)


def test_only_an_ip_system_phone_has_a_token(operator_client, add):
    one = add("101", "Snom")

    assert operator_client.post(f"/terminals/{one.pk}/token/").status_code == 404
    assert "Device token" not in operator_client.get(f"/terminals/{one.pk}/").content.decode()


def test_the_page_of_an_ip_system_phone_says_how_its_agent_is_made_to_accept_the_root_in_service(
    tmp_path, key_file, viewer_client, add, text
):
    one, other = add("101"), add("102", "Snom")
    page = f"/terminals/{one.pk}/"
    assert "accept CONFIG" not in text(viewer_client.get(page))
    world = a_world(tmp_path / "store", language="en")
    world.generate()
    world.generate()
    world.activate()
    world.roll_back()
    served = world.generation(1)
    assert f"pbxcerts-agent accept CONFIG {served.root_sha256}" in text(viewer_client.get(page))
    assert "accept CONFIG" not in text(viewer_client.get(f"/terminals/{other.pk}/"))
