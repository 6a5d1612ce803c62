"""The page where a person decides about a store that the database does not know (rule what-is-served-stays)."""

import re

import pytest
from django.utils import translation

from certificates.models import StoreDecision
from certificates.pki.formats import sha256_fingerprint
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import EventMessage
from tests.support.copies import DatabaseCopy
from tests.support.published import served

PAGE = "/certificates/store/"


@pytest.fixture
def foreign(handing_over):
    """A new data directory beside the store of an installation in the middle of a handover."""
    DatabaseCopy.empty()
    return handing_over


@pytest.fixture
def older(running):
    """A copy of before a renewal, where the key that is served is on the disk and does not fit."""
    before = DatabaseCopy()
    running.generate(at_once=True)
    key = running.store.path / "generations" / "0002" / "host.key"
    key.write_bytes((running.store.path / "generations" / "0001" / "host.key").read_bytes())
    before.put_back()
    return running


def seen(client):
    return re.search(r'name="seen" value="([^"]+)"', client.get(PAGE).content.decode())[1]


def send(client, decision, password, **values):
    return client.post(PAGE, {"decision": decision, "password": password, "seen": seen(client), **values})


def test_the_overview_says_it_critically_and_offers_only_to_decide(foreign, administrator_client, text):
    page = administrator_client.get("/certificates/")
    said = text(page)
    assert "were not published by this installation" in said
    assert 'href="/certificates/store/"' in page.content.decode()
    assert "Generate now" not in said
    assert "Published files differ" not in said


def test_who_only_operates_sees_it_and_cannot_decide(foreign, operator_client, text):
    assert "were not published by this installation" in text(operator_client.get("/certificates/"))
    assert operator_client.get(PAGE).status_code == 403


def test_it_says_what_is_served_and_what_each_decision_does(older, administrator_client, text):
    said = text(administrator_client.get(PAGE))
    assert sha256_fingerprint(older.store.found_host("current")) in said
    assert "the database is an older copy" in said
    assert "is not the key of the host certificate that is served." in said
    assert "Deleted for good are the private keys that exist nowhere else: generations/0002." in said
    assert "Generation 1 is served instead" in said


def test_adopting(foreign, administrator_client, password, text):
    assert "Terminals are asked again" in text(administrator_client.get(PAGE))
    assert send(administrator_client, "adopt", password, reason="a new disk").status_code == 302
    foreign.beat()
    assert foreign.states == {1: "active", 2: "prepared"}
    assert administrator_client.get(PAGE).status_code == 302
    history = text(administrator_client.get("/certificates/history/1/"))
    assert "anna, who found it on the file system" in history
    assert "a new disk" in history


def test_publishing_from_the_database(older, administrator_client, password):
    assert send(administrator_client, "database", password).status_code == 302
    older.beat()
    assert served(older.store) == 1
    assert older.generate().number == 3


def test_it_asks_for_the_password(foreign, administrator_client):
    page = send(administrator_client, "adopt", "wrong")
    assert "This is not your password." in page.content.decode()
    assert not StoreDecision.objects.exists()


def test_what_cannot_be_adopted_is_refused_though_somebody_sends_it(older, administrator_client, password, text):
    page = send(administrator_client, "adopt", password)
    assert "is not the key of the host certificate" in text(page)
    assert not StoreDecision.objects.exists()


def test_a_page_of_before_decides_nothing(older, administrator_client, password):
    old = {"decision": "database", "password": password, "seen": seen(administrator_client)}
    mark = older.store.mark()
    (older.store.path / "mark.json").write_bytes(mark.content().replace(b'"change": ', b'"change": 9'))
    assert administrator_client.post(PAGE, old).status_code == 302
    assert not StoreDecision.objects.exists()


def test_there_is_no_such_page_where_all_is_well(running, administrator_client):
    assert administrator_client.get(PAGE).status_code == 302


def test_nothing_is_given_out_meanwhile(older, administrator_client):
    for name in ("trust.pem", "host.pem", "root.der"):
        assert administrator_client.get(f"/certificates/download/{name}").status_code == 404


def test_the_heartbeat_tells_it_and_takes_it_back(older, administrator_client, password):
    beat(server=older.server)
    message = EventMessage.objects.get(kind="store_older", cleared_at=None)
    assert message.severity == "critical"
    send(administrator_client, "database", password)
    beat(server=older.server)
    assert not EventMessage.objects.filter(kind="store_older", cleared_at=None).exists()
    assert EventMessage.objects.filter(kind="store_taken_over").exists()


def test_wide_modes_are_told_with_file_and_mode(running, administrator_client, text):
    key = running.store.path / "generations" / "0001" / "host.key"
    key.chmod(0o644)
    assert "generations/0001/host.key (0644)" in text(administrator_client.get("/certificates/"))
    key.chmod(0o600)
    assert "host.key (" not in text(administrator_client.get("/certificates/"))


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_sentence_mixes_the_languages(older, administrator_client, language):
    administrator_client.cookies["django_language"] = language
    with translation.override(language):
        for url in (PAGE, "/certificates/"):
            page = administrator_client.get(url).content.decode()
            assert ("The database" in page) == (language == "en")
            assert ("Datenbank" in page) == (language == "de")
