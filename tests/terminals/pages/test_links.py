"""Personal links: the technician at the desk needs no login, gets no secret, and can say that it is done."""

import hashlib
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.cache import cache
from django.test import Client

from terminals.by_hand import links
from terminals.by_hand.models import Link
from terminals.models import Installation, Terminal, TerminalType
from terminals.rollout import rounds
from tests.support.generations import DAY


@pytest.fixture(autouse=True)
def nobody_has_tried_yet():
    cache.clear()


@pytest.fixture
def terminal(mixed):
    return Terminal.objects.filter(type__method="sip_standard").first()


@pytest.fixture
def row(terminal):
    return lambda: Installation.objects.get(generation=2, terminal=terminal)


@pytest.fixture
def make(terminal, operator_client):
    """Make a link on the page; returns its path."""

    def made():
        content = operator_client.post(f"/terminals/work-list/{terminal.pk}/link/").content.decode()
        return re.search(r'href="http://testserver(/terminals/link/[^"]+/)"', content)[1]

    return made


@pytest.fixture
def say(desk):
    """Open the page, then say on it that it is installed."""

    def said(path, **values):
        version = re.search(r'name="version" value="([^"]+)"', desk.get(path).content.decode())[1]
        return desk.post(path, {"name": "Petra Muster", "version": version, **values})

    return said


@pytest.fixture
def desk():
    """A browser that has never been here."""
    return Client(enforce_csrf_checks=True, headers={"Accept-Language": "en-GB,en;q=0.9"})


def test_a_link_has_128_random_bits_and_is_kept_as_a_hash(make):
    token = make().rstrip("/").rpartition("/")[2]

    assert len(token) == 22
    assert Link.objects.get().token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert make() != make()


def test_the_page_shows_it_once_with_a_code_that_needs_no_inline_style(terminal, operator_client):
    url = f"/terminals/work-list/{terminal.pk}/link/"
    content = operator_client.post(url).content.decode()

    assert "/terminals/link/" in content
    code = re.search(r'(?s)<svg[^>]*class="qr-code".*?</svg>', content)[0]
    assert "style" not in code
    assert "<title>Personal link</title>" in code
    assert "/terminals/link/" not in operator_client.get(url).content.decode()


def test_opening_it_is_downloaded_and_not_confirmed(make, desk, row, text):
    path = make()

    page = text(desk.get(path))

    assert "Security > Trusted Certificates" in page.replace("&gt;", ">")
    assert row().state == "downloaded"
    assert row().confirmed_at is None
    assert Link.objects.get().opened_at is not None


def test_asking_only_for_the_head_is_no_download(make, desk, row):
    assert desk.head(make()).status_code == 200
    assert row().state == "waiting"


def test_the_file_is_public_certificates_and_nothing_else(make, desk, mixed):
    answer = desk.get(f"{make()}file/")

    roots = x509.load_pem_x509_certificates(answer.content)
    assert {root.serial_number for root in roots} == {
        pair.root.serial_number for pair in mixed.world.situation.in_bundle
    }
    assert b"PRIVATE" not in answer.content
    assert "attachment" in answer["Content-Disposition"]


def test_the_page_names_the_fingerprints_of_the_roots(make, desk, mixed, text):
    page = text(desk.get(make()))

    for pair in mixed.world.situation.in_bundle:
        assert pair.root.fingerprint(SHA256()).hex(":").upper() in page


def test_the_button_confirms_with_name_and_time(make, say, row, text):
    assert "Thank you" in text(say(make()))

    assert (row().state, row().evidence, row().confirmed_by) == ("confirmed", "person", "Petra Muster (personal link)")
    assert row().confirmed_at is not None


def test_without_a_name_nothing_is_confirmed(make, say, row, text):
    page = text(say(make(), name="  "))

    assert "Enter your name" in page
    assert "have changed" not in page
    assert row().confirmed_at is None


@pytest.mark.parametrize("kind", [{}, {"trust_format": "der", "wants": "root"}, {"holds_only_one": True}], ids=str)
def test_a_page_that_was_opened_before_confirms_no_certificate_that_came_since(fleet, desk, say, text, kind):
    [phone] = fleet.add(1, fleet.type("At hand", "sip_standard", **kind))
    rounds.reconcile_rollouts(fleet.world.situation)
    path = f"/terminals/link/{links.make(fleet.world.situation, phone.terminal, by='otto')}/"
    opened = re.search(r'name="version" value="([^"]+)"', desk.get(path).content.decode())[1]
    fleet.world.generate()
    fleet.world.activate()
    rounds.reconcile_rollouts(fleet.world.situation)

    page = text(desk.post(path, {"name": "Petra", "version": opened}))

    assert "The certificates have changed since this page was opened, and nothing has been confirmed." in page
    assert not Installation.objects.filter(confirmed_at__isnull=False).exists()
    assert "Thank you" in text(say(path))
    assert Installation.objects.filter(generation=2, confirmed_at__isnull=False).exists()


def test_a_get_never_confirms(make, desk, row):
    desk.get(make(), {"name": "Petra"})

    assert row().confirmed_at is None


def test_it_works_until_the_terminal_is_confirmed(make, desk, say):
    path = make()
    say(path)

    for over in (desk.get(path), desk.post(path, {"name": "Petra"}), desk.get(f"{path}file/")):
        assert over.status_code == 410
        assert "that was confirmed" in over.content.decode()


def test_after_the_served_one_the_next_one_is_left_to_do(fleet, desk, say):
    fleet.world.generate()
    [phone] = fleet.add(1, fleet.type("DER", "sip_standard", trust_format="der", wants="root"))
    rounds.reconcile_rollouts(fleet.world.situation)

    def made():
        return f"/terminals/link/{links.make(fleet.world.situation, phone.terminal, by='otto')}/"

    path = made()
    say(path)
    page = desk.get(path).content.decode()
    assert "Another certificate is due on this terminal now: ask for a new link." in page
    assert "Nothing is left to do" not in page

    path = made()
    say(path)
    assert "Nothing is left to do" in desk.get(path).content.decode()


def test_a_revoked_link_is_not_known(make, desk, terminal, operator_client, row):
    path = make()
    operator_client.post(f"/terminals/work-list/{terminal.pk}/link/revoke/")

    assert desk.get(path).status_code == 404
    assert desk.post(path, {"name": "Petra"}).status_code == 404
    assert row().state == "waiting"


def test_a_new_link_takes_the_place_of_the_one_before(make, desk):
    before, now = make(), make()

    assert desk.get(before).status_code == 404
    assert desk.get(now).status_code == 200


def test_it_ends_when_its_pair_is_no_longer_handed_out(make, desk, mixed):
    path = make()
    mixed.world.discard()

    answer = desk.get(path)

    assert answer.status_code == 410
    assert "no longer handed out" in answer.content.decode()


def test_a_disabled_terminal_needs_none(make, desk, terminal):
    path = make()
    Terminal.objects.filter(pk=terminal.pk).update(enabled=False)

    assert desk.get(path).status_code == 410


def test_for_a_type_that_holds_one_certificate_it_is_the_active_one(make, desk, mixed, terminal):
    TerminalType.objects.filter(pk=terminal.type_id).update(holds_only_one=True)

    [root] = x509.load_pem_x509_certificates(desk.get(f"{make()}file/").content)

    assert root == mixed.world.active.root


def test_it_is_in_the_language_of_the_reader(make, terminal):
    path = make()
    german = Client(headers={"Accept-Language": "de-CH, fr;q=0.5"})
    french = Client(headers={"Accept-Language": "fr"})

    assert 'lang="de"' in german.get(path).content.decode()
    assert "Sicherheit &gt; Zertifikate" in german.get(path).content.decode()
    assert 'lang="en"' in german.get(path, {"language": "en"}).content.decode()
    assert 'lang="en"' in french.get(path).content.decode()


def test_nothing_tells_the_address_to_anybody_else(make, desk):
    path = make()
    answers = [desk.get(path), desk.get(f"{path}file/"), desk.get("/terminals/link/unknown/")]

    for answer in answers:
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert not answer.cookies


def test_no_log_holds_a_link(make, desk, terminal, caplog):
    path = make()
    Terminal.objects.filter(pk=terminal.pk).update(enabled=False)
    caplog.set_level("DEBUG", "django.request")

    assert desk.get(path).status_code == 410
    assert desk.get("/terminals/link/unknown/").status_code == 404

    assert path not in caplog.text
    assert "/terminals/link/" not in caplog.text


def test_it_opens_no_page_behind_the_login(make, desk):
    desk.get(make())

    assert desk.get("/terminals/work-list/").status_code == 302


def test_whoever_guesses_is_kept_out_for_a_while(make, desk):
    path = make()
    for attempt in range(20):
        assert desk.get(f"/terminals/link/guess{attempt}/").status_code == 404

    answer = desk.get("/terminals/link/another/")
    assert (answer.status_code, answer["Retry-After"]) == (429, "600")
    assert desk.get(path).status_code == 429
    assert desk.get(path, REMOTE_ADDR="192.0.2.77").status_code == 200


def test_the_handover_counts_what_is_confirmed_at_the_desk(make, say, mixed, terminal):
    say(make())

    missing = mixed.world.telephones.readiness(
        root_sha256=mixed.world.pending.root_sha256, counts="all", now=mixed.world.now
    )
    assert missing.counting - missing.missing_count == 1


def test_after_the_pair_has_ended_it_gives_nothing(make, mixed, terminal):
    token = make().rstrip("/").rpartition("/")[2]
    end = mixed.world.situation.pending.end
    mixed.world.at(end + DAY)
    rounds.reconcile_rollouts(mixed.world.situation)

    with pytest.raises(links.LinkOver):
        links.open_link(mixed.world.situation, token, address="192.0.2.1")


def test_the_page_of_a_link_tells_who_made_each_and_when_it_was_opened_or_revoked(
    make, desk, terminal, operator_client
):
    first = make()
    desk.get(first)
    page = operator_client.post(f"/terminals/work-list/{terminal.pk}/link/").content.decode()
    newest, before = re.findall(r"(?s)<tr[^>]*>(.*?)</tr>", page.partition("<tbody>")[2])
    opened, revoked = (re.compile(rf'data-label="{word}">([^<]*)<') for word in ("Opened", "Revoked"))

    assert "otto" in before
    assert opened.search(before)[1] != "–" != revoked.search(before)[1]
    assert opened.search(newest)[1] == "–" == revoked.search(newest)[1]
