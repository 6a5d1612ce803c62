"""The history: every attempt, found by filter and page, told in words, and nothing to change."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from certificates.models import Generation
from certificates.pki import formats
from certificates.renewal import orders, states
from tests.support.generations import DAY

HISTORY = "/certificates/history/"


def listed(response):
    """The numbers of the generations in the list."""
    return [int(number) for number in re.findall(r'href="/certificates/history/(\d+)/"', response.content.decode())]


@pytest.fixture
def eventful(switched):
    """1 superseded, 2 active, 3 failed, 4 prepared."""
    attempt = orders.order_generation(
        switched.clock(),
        orders.GenerationOrder(Generation.Trigger.COMMAND, by="root (command line)", reason="test"),
    )
    states.move(attempt, "failed", now=switched.now, why="ChainError", failure="ChainError", failed_at=switched.now)
    switched.generate(reason="Umzug nach Bern")
    assert switched.states == {1: "superseded", 2: "active", 3: "failed", 4: "prepared"}
    return switched


def test_every_attempt_is_listed_the_newest_first(eventful, viewer_client, text):
    response = viewer_client.get(HISTORY)

    assert listed(response) == [4, 3, 2, 1]
    page = text(response)
    assert "root (command line)" in page
    assert "Umzug nach Bern" in page
    assert "The verification of root and host certificate refused the pair." in page
    assert eventful.generation(2).host_sha256[:16].upper() in page


def test_an_empty_history_says_so(world, viewer_client, text):
    assert "No certificates have been generated yet." in text(viewer_client.get(HISTORY))


def test_the_filter(eventful, viewer_client, subtests):
    for query, found in [
        ("state=active", [2]),
        ("state=failed", [3]),
        ("state=withdrawn", []),
        ("trigger=command", [3]),
        ("trigger=page&state=superseded", [1]),
        ("text=umzug", [4]),
        ("text=root", [3]),
        ("text=pbx.example.com&state=active", [2]),
        ("text=2", [2]),
        ("text=%20%20", [4, 3, 2, 1]),
        ("state=nonsense", [4, 3, 2, 1]),
    ]:
        with subtests.test(query=query, found=found):
            assert [
                number for number in listed(viewer_client.get(f"{HISTORY}?{query}")) if query != "text=2" or number == 2
            ] == found


def test_from_a_filtered_history_a_link_leads_to_all_of_it(eventful, viewer_client):
    link = f'<a class="btn btn-secondary" href="{HISTORY}">Show all</a>'

    assert link in viewer_client.get(f"{HISTORY}?state=active").content.decode()
    assert link not in viewer_client.get(HISTORY).content.decode()


@pytest.mark.parametrize("spelling", ["{}", "AB:CD"], ids=["plain", "with colons"])
def test_a_fingerprint_is_found_as_a_telephone_shows_it(eventful, viewer_client, spelling):
    sha256 = formats.sha256_fingerprint(eventful.generation(1).host)
    searched = sha256[:29] if spelling == "AB:CD" else sha256.replace(":", "").lower()

    assert listed(viewer_client.get(HISTORY, {"text": searched})) == [1]


def test_what_was_filtered_for_stays_in_the_form(eventful, viewer_client):
    page = viewer_client.get(f"{HISTORY}?state=failed&text=test").content.decode()

    assert '<option value="failed" selected>' in page
    assert 'value="test"' in page


def test_it_has_pages_with_stable_addresses(running, viewer_client, long_history):
    long_history(60)

    assert listed(viewer_client.get(HISTORY)) == list(range(1059, 1034, -1))
    assert listed(viewer_client.get(f"{HISTORY}?page=3")) == [*range(1009, 999, -1), 1]
    filtered = viewer_client.get(f"{HISTORY}?text=reason&page=2")
    assert listed(filtered) == list(range(1034, 1009, -1))
    assert "?text=reason&amp;page=3" in filtered.content.decode()


def test_a_page_that_does_not_exist_shows_one_that_does(running, viewer_client, subtests):
    for page in ["0", "-1", "999", "abc"]:
        with subtests.test(page=page):
            assert listed(viewer_client.get(f"{HISTORY}?page={page}")) == [1]


def test_a_page_costs_the_same_queries_with_hundreds(
    running, viewer_client, long_history, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8) as few:
        viewer_client.get(HISTORY)
    long_history(300)
    with django_assert_max_num_queries(8) as many:
        viewer_client.get(HISTORY)

    assert len(few) == len(many)


# -- one generation -----------------------------------------------------------------------------------------------------


def test_the_details_hold_both_certificates_with_every_extension(eventful, viewer_client, text):
    page = text(viewer_client.get(f"{HISTORY}2/"))
    pair = eventful.generation(2)

    for certificate in (pair.host, pair.root):
        assert formats.sha256_fingerprint(certificate) in page
        assert formats.sha1_fingerprint(certificate) in page
        assert formats.serial_hex(certificate) in page
    for sentence in (
        "It identifies a SIP domain, which strict SIP telephones ask for.",
        "Name pbx.example.com",
        "IP address 192.0.2.10",
        "The key may sign certificates.",
        "This certificate may not sign others.",
    ):
        assert sentence in page
    assert page.count("Identifier of the key that signed it") == 2


def test_each_button_says_its_format_and_to_who_hears_it_what_is_in_its_file(eventful, viewer_client):
    page = viewer_client.get("/certificates/history/2/").content.decode()

    files = re.findall(r'<a class="btn[^>]*aria-label="([^"]*)">([^<]*)</a>', page)
    assert ("Host certificate of generation 2, PEM", "PEM") in files
    assert ("Chain of host and root of generation 2, PKCS#7", "PKCS#7") in files
    assert len(files) == 6


def test_the_details_tell_the_life_of_the_pair(eventful, viewer_client, text):
    page = text(viewer_client.get(f"{HISTORY}2/"))

    for sentence in (
        "It was ordered.",
        "Keys and certificates were made and verified.",
        "A person activated the pair.",
        "not verified: no TLS address is set",
        "an interval of 365 days, an overlap of 30 days",
        "The clock is right.",
    ):
        assert sentence in page
    assert "otto" in page


def test_a_failed_attempt_says_why_and_what_to_do(eventful, viewer_client, text):
    page = text(viewer_client.get(f"{HISTORY}3/"))

    assert "The verification of root and host certificate refused the pair." in page
    assert "Check the names and the clock, then generate again." in page
    assert "Host certificate, PEM" not in page


def test_a_switch_shows_what_was_seen_before_and_after(handing_over, viewer_client, text):
    switch = handing_over.activate()
    switch.before, switch.after = {"192.0.2.10:5061": "ab" * 32}, {"192.0.2.10:5061": ""}
    switch.outcome, switch.reload_failure = "went_back", "kamcmd: exit status 1. no connection"
    switch.save()

    page = text(viewer_client.get(f"{HISTORY}2/"))
    assert "192.0.2.10:5061 ABABABABABABABAB… → no certificate seen" in page
    assert "failed; back to the pair served before" in page
    assert "kamcmd: exit status 1. no connection" in page


def test_a_moved_deadline_stands_in_the_history(handing_over, viewer_client, text):
    orders.move_deadline(handing_over.clock(), handing_over.pending.deadline + DAY, by="otto")

    page = text(viewer_client.get(f"{HISTORY}2/"))
    assert "A person moved the deadline of the handover." in page
    assert "New deadline:" in page


def test_a_confirmed_clock_stands_in_the_history(running, viewer_client, text):
    Generation.objects.update(clock_state="off", clock_override="no server here", clock_server="", reason="")

    for url in (HISTORY, f"{HISTORY}1/"):
        assert "A person confirmed it in spite of the clock." in text(viewer_client.get(url))


def test_what_people_wrote_is_shown_as_they_wrote_it(running, viewer_client):
    Generation.objects.update(reason="<script>alert(1)</script>", by="<b>anna")
    for url in (HISTORY, f"{HISTORY}1/", "/certificates/"):
        page = viewer_client.get(url).content.decode()

        assert "<script>alert" not in page
        assert "<b>anna" not in page


def test_nothing_in_it_can_be_changed(eventful, administrator_client):
    for url in (HISTORY, f"{HISTORY}1/"):
        for method in ("post", "put", "patch", "delete"):
            assert getattr(administrator_client, method)(url).status_code == 405
        main = administrator_client.get(url).content.decode().split("<main", 1)[1]
        assert 'method="post"' not in main


def test_only_administrators_see_where_to_withdraw(eventful, operator_client, administrator_client):
    assert "/certificates/1/withdraw/" not in operator_client.get(f"{HISTORY}1/").content.decode()
    assert "/certificates/1/withdraw/" in administrator_client.get(f"{HISTORY}1/").content.decode()


def test_a_number_that_was_never_given_is_not_found(running, viewer_client):
    assert viewer_client.get(f"{HISTORY}99/").status_code == 404


def test_the_details_tell_what_was_known_of_the_clock(running, viewer_client, text):
    checked = datetime(2030, 1, 31, 1, 2, tzinfo=UTC)
    known = {"clock_server": "ntp.example", "clock_stratum": 3, "clock_offset": timedelta(seconds=-0.25)}
    Generation.objects.update(**known, clock_checked_at=checked)

    page = text(viewer_client.get(f"{HISTORY}1/"))

    assert re.search(r"ntp\.example, stratum 3, 0\.250 s ahead, checked .*2030", page)
