"""The page "Self-signed certificates": status, next generation, warnings, buttons."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from certificates.models import Generation
from certificates.pki import formats
from certificates.renewal import orders, states
from certificates.renewal.handover import MissingTerminal, Readiness
from pbxcerts.system.models import General, Heartbeat
from pbxcerts.system.time import timekeeping
from tests.support.generations import DAY, HOUR, lacking
from tests.support.telephones import TenTelephones

OVERVIEW = "/certificates/"
STATUS = "/certificates/status/"


def test_before_the_first_generation_it_says_what_to_do(world, administrator_client, text):
    page = text(administrator_client.get(OVERVIEW))

    assert "No certificates yet" in page
    assert "The first pair is made by you" in page
    assert "Generate now" in page
    assert "Trust bundle" not in page


def test_it_shows_the_active_pair(running, viewer_client, text):
    page = text(viewer_client.get(OVERVIEW))
    pair = running.active

    assert formats.sha256_fingerprint(pair.host) in page
    assert formats.sha256_fingerprint(pair.root) in page
    assert "pbx.example.com, 192.0.2.10" in page
    assert re.search(r"39[45] days left", page)
    assert "anna, on the settings page" in page


def test_nobody_is_told_to_order_the_first_pair_that_is_ordered(world, administrator_client, text):
    orders.order_generation(world.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))

    page = text(administrator_client.get(OVERVIEW))
    assert "Generation 1 is ordered" in page
    assert "No certificates yet" not in page


def test_what_is_left_is_also_a_bar(running, viewer_client):
    Generation.objects.update(end=running.now + DAY * 40, not_before=running.now - DAY * 60)

    page = viewer_client.get(OVERVIEW).content.decode()
    assert '<progress max="100" value="40"' in re.sub(r"\s+", " ", page)


@pytest.mark.parametrize(
    ("left", "shown", "severity"),
    [
        (DAY * 40, "39 days left", ""),
        (DAY * 13, "12 days left", "serious"),
        (HOUR * 5, "4 hours left", "critical"),
        (-HOUR, "Ended", "critical"),
    ],
    ids=["long", "soon", "hours", "ended"],
)
def test_the_bar_turns_with_the_time_that_is_left(running, viewer_client, text, left, shown, severity):
    Generation.objects.update(end=running.now + left)
    page = viewer_client.get(OVERVIEW)

    assert shown in text(page)
    assert (f'class="progress-{severity}"' in page.content.decode()) is bool(severity)


def test_a_pair_that_is_not_valid_yet_has_no_bar_that_is_full(running, viewer_client, text):
    General.objects.update(ntp_enabled=False)
    Generation.objects.update(not_before=running.now + 3 * DAY, end=running.now + 400 * DAY)
    page = viewer_client.get(OVERVIEW)
    assert "Not valid yet" in text(page)
    assert "left" not in re.search(r'(?s)class="pair-left">(.*?)</div>', page.content.decode()).group(1)
    assert "<progress" not in page.content.decode()
    assert "The active certificates are valid only from" in text(page)


def test_a_pair_that_has_ended_by_the_corrected_clock_alone_has_no_minutes_left(running, ntp, viewer_client, text):
    Generation.objects.update(end=running.now + HOUR)
    ntp.offset = 11 * 3600
    timekeeping.check_clock()
    page = viewer_client.get(OVERVIEW)
    assert "Ended by the corrected clock" in text(page)
    assert "0 minutes left" not in text(page)
    assert "<progress" not in page.content.decode()


def test_it_says_when_the_next_generation_comes_and_why_then(running, viewer_client, text):
    page = text(viewer_client.get(OVERVIEW))

    assert "Next automatic generation" in page
    assert "365 days after the active pair was made, at the set time that is nearest." in page
    assert "(Europe/Zurich)" in page


def test_after_a_change_of_the_interval_it_says_that_the_night_is_waited_for(running, viewer_client, text):
    Generation.objects.update(made_at=running.now - DAY * 40)
    running.set(interval_days=30, overlap_days=30)

    assert "it waits for the next set time" in text(viewer_client.get(OVERVIEW))


def test_what_was_missed_is_said(running, viewer_client, text):
    Generation.objects.update(made_at=running.now - DAY * 370)

    assert "It has been due since" in text(viewer_client.get(OVERVIEW))


def test_a_clock_in_doubt_is_said_beside_the_next_generation(running, viewer_client, text):
    General.objects.update(ntp_enabled=False)

    assert "renewed only shortly before they end" in text(viewer_client.get(OVERVIEW))


def test_during_a_handover_it_shows_both_pairs_the_deadline_and_who_is_missing(
    handing_over, terminals, viewer_client, text
):
    page = text(viewer_client.get(OVERVIEW))

    assert "Generation 1 active" in page
    assert "Generation 2 prepared" in page
    assert "1 of 10 missing" in page
    assert "101 Reception: has not answered" in page
    assert "the next date is known when it is over" in page
    assert "new address" in page


class TwelveGates(TenTelephones):
    def readiness(self, **_asked):
        return Readiness(counting=12, **lacking(*(MissingTerminal(str(n), "Gate", "is off") for n in range(101, 113))))


def test_of_many_missing_the_first_are_named_and_told_apart(handing_over, settings, viewer_client, text):
    settings.TERMINALS = f"{__name__}.TwelveGates"

    page = text(viewer_client.get(OVERVIEW))

    assert "12 of 12 missing 101 Gate: is off 102 Gate: is off" in page
    assert "105 Gate: is off and 7 more" in page
    assert "106 Gate: is off" not in page


def test_a_held_pair_says_why_it_is_held(switched, viewer_client, text):
    switched.roll_back()

    page = text(viewer_client.get(OVERVIEW))
    assert "Generation 2 held" in page
    assert "it was rolled back" in page


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ({"sha256": "the active one"}, "192.0.2.10:5061 presented it"),
        ({"sha256": "ff" * 32}, "192.0.2.10:5061 presented another one"),
        ({"sha256": "", "error": "timed out"}, "192.0.2.10:5061 was not reached"),
        (
            {"sha256": "", "error": "timed out", "reached": True},
            "192.0.2.10:5061 took a connection and presented no certificate",
        ),
        (None, "192.0.2.10:5061 has not been looked at yet"),
    ],
    ids=["seen", "another", "unreachable", "no certificate", "not yet"],
)
def test_it_says_whether_the_server_was_seen_presenting_the_pair(running, viewer_client, text, seen, sentence):
    running.set(tls_addresses=["192.0.2.10:5061"])
    if seen is not None:
        sha256 = running.active.host_sha256 if seen["sha256"] == "the active one" else seen["sha256"]
        looked = {"error": "", **seen, "sha256": sha256, "at": running.now.isoformat()}
        Heartbeat.objects.update(presented={"192.0.2.10:5061": looked})

    assert sentence in text(viewer_client.get(OVERVIEW))


def test_without_an_address_to_look_at_it_says_so(running, viewer_client, text):
    assert "no TLS address is set under System / General" in text(viewer_client.get(OVERVIEW))


def test_warnings_stand_there_while_they_are_true(running, viewer_client, text):
    assert "Not in the active host certificate" not in text(viewer_client.get(OVERVIEW))

    running.set(dns_names=["sip.example.com"])
    assert "Not in the active host certificate: sip.example.com" in text(viewer_client.get(OVERVIEW))


def test_published_files_that_differ_are_said(running, viewer_client, text):
    running.published("generations/0001/host.pem").write_text("damaged")

    assert "Published files differ from the database: generations/0001/host.pem" in text(viewer_client.get(OVERVIEW))


def test_the_last_heartbeat_is_shown(running, viewer_client, text):
    assert "not seen yet" in text(viewer_client.get(OVERVIEW))

    at = timezone.now() - timedelta(minutes=1)
    Heartbeat.objects.update(last_run=at)
    page = viewer_client.get(OVERVIEW)
    assert "last seen" in text(page)
    assert "nothing is renewed by itself" not in text(page)


def test_a_failed_attempt_says_why_and_what_to_do(running, operator_client, viewer_client, text):
    attempt = orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))
    states.move(attempt, "failed", now=running.now, why="HostKeyError", failure="HostKeyError", failed_at=running.now)

    page = text(operator_client.get(OVERVIEW))
    assert "Generation 2 has failed: The list of keys that encrypts host keys can&#x27;t be read or used." in page
    assert "Check the file that PBXCERTS_KEY_FILE names" in page
    assert "Check the file" not in text(viewer_client.get(OVERVIEW))


# -- the part that asks for itself --------------------------------------------------------------------------------------


def trigger(response):
    return re.search(r'hx-trigger="([^"]+)"', response.content.decode()).group(1)


def test_it_asks_every_two_seconds_while_something_is_made(running, viewer_client, text):
    assert trigger(viewer_client.get(STATUS)) == "every 20s"
    orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))

    during = viewer_client.get(STATUS)
    assert trigger(during) == "every 2s"
    assert "Generation 2 is ordered" in text(during)

    running.beat()
    after = viewer_client.get(STATUS)
    assert trigger(after) == "every 20s"
    assert "Generation 2 prepared" in text(after)


def test_it_asks_every_two_seconds_while_the_server_is_switched(handing_over, viewer_client, text):
    orders.activate(handing_over.clock(), by="otto")

    during = viewer_client.get(STATUS)
    assert trigger(during) == "every 2s"
    assert "In progress" in text(during)
    assert "The files are put on the file system and the communication server is switched" in text(during)
    assert "Keys and certificates are made" not in text(during), "they were made long ago"


def test_the_part_that_asks_is_no_whole_page(running, viewer_client):
    fragment = viewer_client.get(STATUS).content.decode()

    assert fragment.lstrip().startswith('<div id="status"')
    assert "<html" not in fragment
    assert "<form" not in fragment


# -- who sees which button ----------------------------------------------------------------------------------------------


def test_a_viewer_sees_no_button_that_acts(handing_over, viewer_client, text):
    page = viewer_client.get(OVERVIEW).content.decode()

    for name in ("generate",):
        assert reverse(f"certificates:{name}") not in page
    for name in ("activate", "deadline", "discard"):
        assert reverse(f"certificates:{name}", args=[2]) not in page
    assert 'type="submit">Apply' not in re.sub(r">\s+", ">", page)
    assert reverse("certificates:history") in page
    assert page.count("disabled") >= 6


def test_an_operator_sees_what_is_possible_now(handing_over, operator_client):
    page = operator_client.get(OVERVIEW).content.decode()
    for name in ("activate", "deadline", "discard"):
        assert reverse(f"certificates:{name}", args=[2]) in page
    assert reverse("certificates:roll_back", args=[1]) not in page

    handing_over.activate()
    page = operator_client.get(OVERVIEW).content.decode()
    assert reverse("certificates:roll_back", args=[1]) in page
    assert reverse("certificates:discard", args=[2]) not in page


def test_while_something_is_going_on_there_is_nothing_to_press(running, operator_client):
    orders.order_generation(running.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))

    assert reverse("certificates:generate") not in operator_client.get(OVERVIEW).content.decode()


# -- what it costs and what it is made of -------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [OVERVIEW, STATUS])
def test_hundreds_of_generations_cost_no_more_queries_than_two(
    handing_over, administrator_client, django_assert_max_num_queries, long_history, url
):
    with django_assert_max_num_queries(12) as few:
        administrator_client.get(url)
    long_history(300)
    with django_assert_max_num_queries(12) as many:
        administrator_client.get(url)

    assert len(few) == len(many)


@pytest.mark.parametrize(
    "url", [OVERVIEW, "/certificates/generate/", "/certificates/history/", "/certificates/history/2/"]
)
def test_nothing_on_the_pages_needs_an_exception_from_the_policy_for_content(handing_over, administrator_client, url):
    response = administrator_client.get(url)
    page = response.content.decode()

    assert "style=" not in page
    assert "<style" not in page
    assert not re.search(r"\son\w+=", page)
    assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_the_page_is_right_in_german_too(handing_over, administrator_client, text):
    General.objects.update(language="de")

    page = text(administrator_client.get(OVERVIEW))
    assert "Zertifikate automatisch neu generieren nach (Tagen)" in page
    for word in ("Selbstsignierte Zertifikate", "Zertifikate generieren um (Zeit)", "Übernehmen", "Abbrechen"):
        assert word in page
    assert "Zertifikate generieren um (Zeit)" in page
