"""The first page: whether calls are secured, what comes, and for what a person is needed."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from certificates.pki.schedule import PairPlan
from certificates.status.page import CertificateStatus
from certificates.status.warning_kinds import CLOCK_OFF
from pbxcerts.event_kinds import every_kind
from pbxcerts.panel.overview import Overview
from pbxcerts.panel.timeline import LEAST, WIDTH, _overlaps, _Scale
from pbxcerts.panel.where_to_act import PLACES, place_of
from pbxcerts.system.events import Notice, said_once
from pbxcerts.system.models import General, Heartbeat
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.time.timekeeping import read_machine
from terminals.checking.models import Checking
from terminals.models import Installation, Terminal, TerminalType
from tests.terminals.pages.conftest import english, fleet, mixed, put, text, world, yealink

__all__ = ["english", "fleet", "mixed", "put", "text", "world", "yealink"]

HOME = "/"


@pytest.fixture
def alive(world):
    """The heartbeat was just seen."""
    reading = read_machine()
    Heartbeat.load()
    Heartbeat.objects.update(last_run=reading.wall, ran_boottime=reading.boottime, ran_boot_id=reading.boot_id)


def test_it_is_the_first_page_and_answers_whether_calls_are_secured(world, alive, administrator_client, text):
    page = text(administrator_client.get(HOME))

    assert "Calls are secured until" in page
    assert "They are renewed by themselves on" in page


def test_without_a_heartbeat_it_promises_nothing_and_says_what_helps(mixed, administrator_client, viewer_client, text):
    page = text(administrator_client.get(HOME))

    assert "Nothing is renewed by itself any more" in page
    assert "Start pbxcerts again; its journal says why it has ended." in page
    assert "They are renewed by themselves" not in page
    assert "About 12 telephones restart" not in page
    assert "Start pbxcerts again" not in text(viewer_client.get(HOME))


def test_it_says_who_restarts_and_who_needs_a_person(mixed, alive, administrator_client, text):
    page = text(administrator_client.get(HOME))

    assert re.search(r"From .+ on about 12 telephones restart\.", page)
    assert re.search(r"3 terminals need a person, until .+: they stand on the work list\.", page)
    assert "0 of 21 terminals have generation 2." in page
    assert "3 need a person" in page
    assert 'href="/terminals/work-list/"' in administrator_client.get(HOME).content.decode()


def test_for_whom_calls_are_not_secured_is_said_first(mixed, alive, administrator_client, text):
    first = {"generation_id": 1, "state": "confirmed", "confirmed_at": mixed.world.now, "evidence": "fetched"}
    for phone in mixed.phones.values():
        Installation.objects.create(terminal=phone.terminal, **first)
    assert CertificateStatus.load().assurance.severity == "ok"

    mixed.world.activate()
    said = CertificateStatus.load().assurance
    assert said.severity == "critical"
    assert said.text.startswith(
        "21 terminals do not trust generation 2 and refuse the communication server at their next connection."
    )
    for page in (HOME, reverse("certificates:overview")):
        assert said.text in text(administrator_client.get(page))


def test_the_parts_of_the_bar_are_all_terminals_and_fill_it(mixed, put, administrator_client):
    put("mitel_sip", 4, state="asked")
    put("mitel_sip", 2, state="failed", failure="refused")
    Installation.objects.filter(generation=2, state="waiting", terminal__type__method="ip_system").update(
        state="confirmed", confirmed_at=mixed.world.now
    )
    parts = Overview(CertificateStatus.load()).parts

    assert {part.kind: int(part.words.split()[0]) for part in parts} == {
        "done": 6,
        "under-way": 4,
        "waiting": 6,
        "by-hand": 3,
        "trouble": 2,
    }
    assert [part.left for part in parts[1:]] == [part.left + part.width for part in parts[:-1]]
    assert parts[-1].left + parts[-1].width == WIDTH


def test_what_needs_attention_leads_to_where_it_is_done(world, alive, administrator_client):
    General.objects.update(fqdn="", ip_addresses=[])
    shown = administrator_client.get(HOME).content.decode()

    assert re.search(r'href="/system/general/">\s*Names and addresses', shown)


def test_the_same_trouble_of_several_types_is_said_once_and_names_them(mixed, alive, administrator_client, text):
    def add(maker):
        one = TerminalType.objects.create(name=f"Of {maker}", method=maker, turns_checking_on=True)
        lost = Terminal.objects.create(number=f"8{one.pk}", type=one)
        at = {"asked_at": mixed.world.now, "taken_back_at": mixed.world.now}
        Checking.objects.create(terminal=lost, method=maker, state="taken_back", why="not_back", **at)
        return f"Of {maker}: 1 ({lost.number})"

    add("snom")
    assert "Telephones of the type Of snom did not come back" in text(administrator_client.get(HOME))

    others = [add("yealink"), add("grandstream")]
    page = text(administrator_client.get(HOME))
    assert page.count("did not come back after pbxcerts had turned their check") == 1
    assert "Telephones of several types did not come back" in page
    assert "Of snom: 1 (8" in page
    assert all(other in page for other in others)


def test_destinations_that_all_fail_are_one_need(world, alive, administrator_client, text):
    for name in ("By day", "By night"):
        Destination.objects.create(name=name, kind="email", options={}, failures=9, fault="login_refused")

    page = text(administrator_client.get(HOME))

    assert page.count("Event messages do not reach") == 1
    assert "“By day”; “By night”" in page


@pytest.mark.parametrize("kind", [one for one in every_kind() if one.several], ids=lambda kind: kind.id)
def test_what_is_true_of_several_subjects_is_said_in_one_sentence(kind):
    def notice(subject):
        named = re.findall(r"%\((\w+)\)s", str(kind.each))
        return Notice(kind, subject=subject, params=dict.fromkeys(named, f"what is of {subject}"))

    other = Notice(CLOCK_OFF)
    first, once = said_once([notice("one"), other, notice("another")])

    assert "what is of one" in first.text
    assert "what is of another" in first.text
    assert once == other
    assert said_once([notice("one"), other]) == [notice("one"), other]


def test_every_kind_that_has_a_place_is_one_and_the_place_is_there():
    assert set(PLACES) <= {kind.id for kind in every_kind()}
    assert all(place_of(kind).url.startswith("/") for kind in PLACES)
    assert place_of("reload_failed") is None


def test_the_timeline_shows_the_pairs_now_and_the_deadline(mixed, administrator_client, text):
    timeline = Overview(CertificateStatus.load()).timeline
    situation = mixed.world.situation

    assert [(bar.kind, bar.end) for bar in timeline.bars] == [
        ("active", situation.active.end),
        ("prepared", situation.pending.end),
    ]
    assert [mark.kind for mark in timeline.marks] == ["now", "deadline", "restarts"]
    assert timeline.marks[1].at == situation.pending.deadline
    assert all(0 <= bar.left < bar.left + bar.width <= WIDTH for bar in timeline.bars)
    assert text(administrator_client.get(HOME)).count("at the latest") >= 2


def test_the_timeline_names_the_overlap_of_a_pair_with_the_next_in_picture_and_table(mixed, viewer_client):
    situation = mixed.world.situation
    (overlap,) = Overview(CertificateStatus.load()).timeline.overlaps
    page = viewer_client.get(HOME).content.decode()
    picture, table = page[page.index('<svg class="timeline') :].split("</svg>")[0], page.split('id="timeline-table"')[1]

    assert (overlap.begin, overlap.end) == (situation.pending.made_at, situation.active.end)
    assert f"generation {situation.active.number}" in overlap.title.lower()
    assert re.search(r"<text class=\"overlap-text[^>]*>Overlap</text>", picture)
    assert overlap.title in table


def test_what_is_written_in_the_picture_is_drawn_after_its_bars_and_lines(mixed, viewer_client):
    page = viewer_client.get(HOME).content.decode()
    picture = page[page.index('<svg class="timeline') :].split("</svg>")[0]
    drawn, written = r"<rect|<line", r'<text class="(bar|overlap)-text'

    assert len(re.findall(drawn, picture)) > 2
    assert max(m.start() for m in re.finditer(drawn, picture)) < min(m.start() for m in re.finditer(written, picture))


@pytest.mark.parametrize(("later", "number"), [(timedelta(0), 0), (timedelta(seconds=1), 1)])
def test_a_pair_that_ends_when_the_next_is_made_has_no_overlap(world, later, number):
    older = world.situation.active.plan
    newer = PairPlan(older.end - later, older.end - timedelta(days=1), older.end, older.end + timedelta(days=30))
    scale = _Scale.over(world.now, [newer.end])

    assert len([*_overlaps(scale, [("active", "", older), ("planned", "", newer)])]) == number


def test_the_timeline_of_short_intervals_shows_three_months(world):
    world.set(interval_days=1, overlap_days=0)
    timeline = Overview(CertificateStatus.load()).timeline

    assert timeline.end - timeline.begin >= LEAST
    assert len({tick.left for tick in timeline.ticks}) == len(timeline.ticks) > 1


def test_a_long_validity_is_cut_at_two_years(world):
    world.set(interval_days=3650)
    world.generate(at_once=True)
    timeline = Overview(CertificateStatus.load()).timeline

    assert timedelta(days=729) < timeline.end - timeline.begin <= timedelta(days=731)
    active = next(bar for bar in timeline.bars if bar.kind == "active")
    assert active.end > timeline.end
    assert active.left + active.width == WIDTH


def test_the_part_that_asks_for_itself_is_the_page_without_its_frame(world, administrator_client):
    part = administrator_client.get(reverse("home_state"), headers={"HX-Request": "true"}).content.decode()

    assert 'id="overview"' in part
    assert "<html" not in part


def test_its_cost_does_not_grow_with_the_terminals(mixed, administrator_client):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            administrator_client.get(HOME)
        return len(captured)

    queries()
    few = queries()
    mixed.add(60)
    # One more names those that the rollout has not taken in yet.
    assert queries() <= few + 1


def test_who_may_only_view_is_told_to_generate_nothing(world, viewer_client, operator_client):
    General.objects.update(fqdn="other.example.org")
    assert "/certificates/generate/" in operator_client.get(HOME).content.decode()
    shown = viewer_client.get(HOME).content.decode()

    assert "Generate manually." in operator_client.get(HOME).content.decode()
    assert "/certificates/generate/" not in shown
    assert "Generate manually." not in shown


def test_one_who_may_go_back_does_it_from_the_first_page_where_somebody_works(
    world, alive, viewer_client, operator_client
):
    assert "/rollback/" not in operator_client.get(HOME).content.decode()
    world.generate(at_once=True)

    back = reverse("certificates:roll_back", args=[1])
    assert back in operator_client.get(HOME).content.decode()
    assert back not in viewer_client.get(HOME).content.decode()

    Heartbeat.objects.update(last_run=None)
    assert back not in operator_client.get(HOME).content.decode()


def test_a_new_installation_is_led_through_what_it_needs(db, key_file, settings, tmp_path, administrator_client, text):
    settings.STORE = tmp_path / "store"
    General.load()
    General.objects.update(language="en")
    page = text(administrator_client.get(HOME))

    assert "First steps" in page
    assert "First start, step 2 of 4" in page
    assert "Communication server" not in page.partition("First steps")[2].partition("What needs attention")[0]


def test_of_the_first_steps_what_is_left_is_shown(world, administrator_client, viewer_client, text):
    page = text(administrator_client.get(HOME))
    steps = page.partition("First steps")[2].partition("What needs attention")[0]

    assert "First start" not in steps
    assert "Recipe to copy" in steps
    assert "Test now" not in steps
    assert "Terminals A generation reaches only" in steps
    assert "First steps" not in text(viewer_client.get(HOME))

    General.objects.update(tls_addresses=["192.0.2.10:5061"])
    assert "Test now" in text(administrator_client.get(HOME))


def test_where_all_steps_are_done_none_is_shown(mixed, administrator_client, text):
    address = "192.0.2.10:5061"
    General.objects.update(tls_addresses=[address])
    seen = {"sha256": mixed.world.active.host_sha256, "error": "", "reached": True, "at": mixed.world.now.isoformat()}
    Heartbeat.load()
    Heartbeat.objects.update(presented={address: seen})

    assert "First steps" not in text(administrator_client.get(HOME))
