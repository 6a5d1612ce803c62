"""What gets into the queue, how often it is tried, and what becomes of it. Nothing is sent here."""

from datetime import time, timedelta

import pytest

from pbxcerts.system.models import EventMessage, Severity
from pbxcerts.system.notifications import claims, queue
from pbxcerts.system.notifications.ahead import Ahead, Coming
from pbxcerts.system.notifications.faults import Fault, NotificationError
from pbxcerts.system.notifications.letters import letter_of
from pbxcerts.system.notifications.models import Delivery, Destination, Timing, Watchdog
from pbxcerts.system.notifications.warnings import notification_warnings

pytestmark = pytest.mark.simulation

REFUSED = NotificationError(Fault.REFUSED, host="mail", port=25)


def told(delivery):
    return [(pk, phase) for pk, phase, _severity in delivery.entries]


def test_a_new_event_message_is_due_at_once_for_each_destination(desk):
    first, second = desk.destination(), desk.destination()
    message = desk.happens()
    desk.notes()

    assert [(one.destination, told(one)) for one in desk.due()] == [
        (first, [(message.pk, "raised")]),
        (second, [(message.pk, "raised")]),
    ]


def test_it_is_noted_once(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    desk.notes()

    assert Delivery.objects.count() == 1


def test_what_happened_before_there_was_a_destination_is_told_to_nobody(desk):
    before = desk.happens()
    desk.destination()
    desk.notes()
    desk.ends(before)
    desk.notes()

    (delivery,) = desk.due()
    assert told(delivery) == [(before.pk, "over")]


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (Severity.CRITICAL, ["critical"]),
        (Severity.SERIOUS, ["critical", "serious"]),
        (Severity.NORMAL, ["critical", "serious", "normal"]),
    ],
)
def test_a_destination_is_told_from_its_severity_on_the_worst_first(desk, least, expected):
    desk.destination(least_severity=least)
    for severity in (Severity.NORMAL, Severity.SERIOUS, Severity.CRITICAL):
        desk.happens(severity)
    desk.notes()

    (delivery,) = desk.due()
    assert [severity for _pk, _phase, severity in delivery.entries] == expected


@pytest.mark.parametrize(("positive", "expected"), [(True, 1), (False, 0)])
def test_the_positive_counterpart_is_told_where_it_is_wanted(desk, positive, expected):
    message = desk.happens()
    EventMessage.objects.update(raise_noted=True)
    desk.destination(positive=positive)
    EventMessage.objects.update(clear_noted=False)
    desk.ends(message)
    desk.notes()

    assert len(desk.due()) == expected


def test_what_a_person_has_confirmed_has_no_counterpart(desk):
    desk.destination()
    message = desk.happens(with_match=False)
    desk.notes()
    desk.passes(minutes=2)
    Delivery.objects.update(state=Delivery.State.DELIVERED)
    EventMessage.objects.filter(pk=message.pk).update(cleared_at=desk.now.wall, confirmed_by="anna")
    desk.notes()

    assert Delivery.objects.waiting().count() == 0


def test_a_counterpart_says_what_it_is_about_and_is_counted_as_over(desk):
    destination = desk.destination()
    message = desk.happens(Severity.CRITICAL, params={"files": "root.pem"})
    desk.notes()
    Delivery.objects.update(state=Delivery.State.DELIVERED)
    desk.passes(minutes=2)
    desk.ends(message)
    desk.happens(Severity.SERIOUS)
    desk.notes()

    (delivery,) = desk.due()
    letter = letter_of(delivery, destination, desk.general)
    assert "(Serious: 1, Over: 1)" in letter.subject
    assert letter.severity == "serious"
    assert "What had been told: Published files differ from the database: root.pem." in letter.text


def test_five_hundred_event_messages_in_a_minute_are_one_message_with_a_count(desk):
    destination = desk.destination()
    desk.happens()
    desk.notes()
    (first,) = claims.claim(desk.now)
    claims.succeeded(first, desk.now)
    for _second in range(50):
        for _number in range(10):
            desk.happens(Severity.SERIOUS)
        desk.passes(seconds=1)
        desk.notes()
    assert desk.due() == []
    desk.passes(seconds=15)

    (delivery,) = desk.due()
    letter = letter_of(delivery, destination, desk.general)
    assert delivery.count == 500
    assert "500 event messages (Serious: 500)" in letter.subject
    assert len(letter.events) == 20
    assert "And 480 more" in letter.text


def test_after_a_minute_of_quiet_a_message_is_due_at_once_again(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    claims.succeeded(claims.claim(desk.now)[0], desk.now)
    desk.passes(seconds=61)
    desk.happens()
    desk.notes()

    assert len(desk.due()) == 1


def test_it_is_tried_again_after_1_5_and_30_minutes_then_hourly_for_a_day_then_given_up(desk):
    destination, other = desk.destination(), desk.destination(least_severity=Severity.SERIOUS)
    desk.happens()
    desk.notes()
    Delivery.objects.filter(destination=other).delete()
    minutes = []
    began = desk.now.wall
    while found := claims.claim(desk.now):
        minutes.append(round((desk.now.wall - began) / timedelta(minutes=1)))
        claims.failed(found[0], REFUSED, desk.now)
        waiting = Delivery.objects.waiting().first()
        if waiting is not None:
            desk.passes(seconds=waiting.due_boottime - desk.now.boottime)

    assert minutes == [0, 1, 6, 36, *(36 + 60 * hour for hour in range(1, 25))]
    delivery = Delivery.objects.get()
    assert delivery.state == Delivery.State.GIVEN_UP
    assert "mail" in delivery.fault_text
    given_up = EventMessage.objects.get(kind="delivery_given_up")
    assert given_up.params == {"name": destination.name, "count": 1}
    desk.notes()
    assert [one.destination for one in desk.due()] == [other]


def test_not_a_second_too_early(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    claims.failed(claims.claim(desk.now)[0], REFUSED, desk.now)
    desk.passes(seconds=59)
    assert desk.due() == []
    desk.passes(seconds=1)
    assert len(desk.due()) == 1


def test_a_destination_that_fails_is_told_at_the_others_and_cleared_when_it_is_back(desk):
    failing, other = desk.destination(), desk.destination()
    for failures, expected in ((2, []), (3, [str(failing.pk)])):
        Destination.objects.filter(pk=failing.pk).update(failures=failures)
        notices = list(notification_warnings(Destination.objects.all(), Watchdog.load()))
        assert [notice.subject for notice in notices] == expected
    desk.happens(kind="destination_fails", subject=str(failing.pk), params={"name": failing.name})
    desk.notes()

    assert [one.destination for one in desk.due()] == [other]


def test_what_has_been_tried_never_grows(desk):
    """Else a message with the same id would say two things."""
    desk.destination()
    first = desk.happens()
    desk.notes()
    claims.failed(claims.claim(desk.now)[0], REFUSED, desk.now)
    second = desk.happens()
    desk.notes()
    third = desk.happens()
    desk.notes()

    assert [told(one) for one in Delivery.objects.waiting()] == [
        [(first.pk, "raised")],
        [(second.pk, "raised"), (third.pk, "raised")],
    ]


def test_while_a_destination_fails_what_happens_waits_together(desk):
    desk.destination()
    for _minute in range(180):
        desk.happens()
        desk.notes()
        for claimed in claims.claim(desk.now):
            claims.failed(claimed, REFUSED, desk.now)
        desk.passes(minutes=1)

    assert Delivery.objects.waiting().count() < 12
    assert sum(one.count for one in Delivery.objects.all()) == 180


def test_when_a_destination_is_back_all_that_waits_is_due(desk):
    desk.destination()
    for _time in range(3):
        desk.happens()
        desk.notes()
        claims.failed(claims.claim(desk.now)[0], REFUSED, desk.now)
        desk.passes(hours=1)
    claims.succeeded(claims.claim(desk.now)[0], desk.now)

    assert len(desk.due()) == Delivery.objects.waiting().count() > 0


def test_two_senders_never_try_one_delivery_at_the_same_time(desk):
    desk.destination()
    desk.happens()
    desk.notes()

    assert len(claims.claim(desk.now)) == 1
    assert claims.claim(desk.now) == []


def test_one_that_another_sender_has_claimed_since_it_was_read_is_left_to_it(desk, monkeypatch):
    desk.destination()
    desk.happens()
    desk.notes()
    original = claims.due_in

    def other_was_first(*arguments):
        Delivery.objects.update(attempts=1)
        return original(*arguments)

    monkeypatch.setattr(claims, "due_in", other_was_first)

    assert claims.claim(desk.now) == []
    assert Delivery.objects.get().attempts == 1


def test_the_claim_of_a_sender_that_was_killed_ends_by_itself_and_the_repetition_is_the_same(desk):
    destination = desk.destination()
    desk.happens()
    desk.notes()
    (killed,) = claims.claim(desk.now)
    before = letter_of(killed.delivery, destination, desk.general)
    desk.passes(seconds=121)
    (again,) = claims.claim(desk.now)
    after = letter_of(again.delivery, destination, desk.general)

    assert again.delivery.attempts == 2
    assert (before.id, [one.id for one in before.events]) == (after.id, [one.id for one in after.events])


def test_a_message_that_kills_its_sender_each_time_is_given_up_too(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    for _time in range(60):
        claims.claim(desk.now)
        desk.passes(hours=1)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.fault) == (Delivery.State.GIVEN_UP, "interrupted")


def test_an_outcome_of_a_claim_that_has_ended_changes_nothing(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    (late,) = claims.claim(desk.now)
    desk.passes(seconds=121)
    (now,) = claims.claim(desk.now)
    claims.succeeded(now, desk.now)
    claims.failed(late, REFUSED, desk.now)

    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    assert Destination.objects.get().failures == 0


def test_a_clock_that_is_set_changes_no_pause(desk):
    desk.destination()
    desk.happens()
    desk.notes()
    claims.failed(claims.claim(desk.now)[0], REFUSED, desk.now)
    from dataclasses import replace

    desk.now = replace(desk.now, wall=desk.now.wall + timedelta(days=400))
    assert desk.due() == []
    desk.now = replace(desk.now, wall=desk.now.wall - timedelta(days=800), boottime=desk.now.boottime + 61)
    assert len(desk.due()) == 1


@pytest.mark.parametrize(("ahead", "is_due"), [(timedelta(minutes=30), False), (timedelta(days=300), True)])
def test_after_a_start_of_the_machine_its_clock_says_unless_it_was_ahead(desk, ahead, is_due):
    from dataclasses import replace

    desk.destination()
    desk.happens()
    desk.notes()
    Delivery.objects.update(due_at=desk.now.wall + ahead)
    desk.now = replace(desk.now, boot_id="another", boottime=1.0)

    assert bool(desk.due()) is is_due


# -- digest ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def daily(desk):
    """It is 13:00 in the zone of the installation; the digest comes at 14:00."""
    desk.general.time_zone = "Europe/Zurich"
    desk.general.save()
    yesterday = queue.today(desk.general, desk.now.wall) - timedelta(days=1)
    return desk.destination(timing=Timing.DIGEST, digest_at=time(14), digested_on=yesterday)


def test_a_digest_is_sent_once_a_day_at_its_time(desk, daily):
    message = desk.happens()
    desk.notes()
    desk.passes(minutes=59)
    desk.notes()
    assert desk.due() == []
    desk.passes(minutes=1)
    desk.notes()
    (delivery,) = desk.due()
    assert (delivery.kind, told(delivery)) == ("digest", [(message.pk, "raised")])
    claims.succeeded(claims.claim(desk.now)[0], desk.now)
    desk.ends(message)
    desk.passes(minutes=5)
    desk.notes()
    assert desk.due() == []
    desk.passes(days=1)
    desk.notes()
    assert [told(one) for one in desk.due()] == [[(message.pk, "over")]]


def test_what_is_still_open_stands_in_each_digest(desk, daily):
    desk.happens(params={"files": "old.pem"})
    desk.notes()
    desk.passes(hours=1)
    desk.notes()
    claims.succeeded(claims.claim(desk.now)[0], desk.now)
    desk.passes(days=1)
    desk.notes()

    (delivery,) = desk.due()
    letter = letter_of(delivery, daily, desk.general)
    assert letter.total == 0
    assert [one.phase for one in letter.open_events] == ["raised"]
    assert "Open since before:" in letter.text
    assert "old.pem" in letter.text


def test_where_there_is_nothing_to_say_there_is_no_digest(desk, daily):
    desk.passes(hours=2)
    desk.notes()

    assert Delivery.objects.count() == 0


def test_one_that_is_changed_to_at_once_sends_what_it_has_collected(desk, daily):
    message = desk.happens()
    desk.notes()
    daily.timing = Timing.AT_ONCE
    queue.change(daily, was_used=True, expected_version=daily.version, now=desk.now)

    assert [told(one) for one in desk.due()] == [[(message.pk, "raised")]]


def test_one_that_is_no_longer_in_use_tells_nothing_later(desk):
    destination = desk.destination()
    desk.happens()
    desk.notes()
    destination.enabled = False
    queue.change(destination, was_used=True, expected_version=destination.version, now=desk.now)
    desk.happens()
    desk.notes()
    destination.refresh_from_db()
    destination.enabled = True
    queue.change(destination, was_used=False, expected_version=destination.version, now=desk.now)
    desk.notes()

    assert Delivery.objects.count() == 0


def test_old_messages_are_cleaned_up(desk):
    destination = desk.destination()
    for _number in range(claims.KEPT_DELIVERIES + 5):
        claims.succeeded(claims.Claim(queue.test(destination, desk.now), destination), desk.now)
    waiting = queue.test(destination, desk.now)
    claims.clean_up(destination)

    assert Delivery.objects.count() == claims.KEPT_DELIVERIES + 1
    assert Delivery.objects.waiting().get() == waiting


# -- in advance --------------------------------------------------------------------------------------------------------


def test_what_comes_is_told_seven_days_and_one_day_before_and_once_each(desk):
    desk.destination()
    desk.destination(in_advance=False)
    ahead = Ahead(comes_at=desk.now.wall + timedelta(days=8), nights=((desk.now.wall, 12),), by_hand=3)
    days = []
    for _hour in range(9 * 24):
        desk.notes(ahead)
        for claimed in claims.claim(desk.now):
            days.append((ahead.comes_at - desk.now.wall) / timedelta(days=1))
            claims.succeeded(claimed, desk.now)
        desk.passes(hours=1)

    assert days == [7, 1]


def in_digest(desk, daily, ahead):
    """What the digest says that is due after an hour; None where none is."""
    desk.passes(hours=1)
    desk.notes(ahead)
    due = desk.due()
    return letter_of(due[0], daily, desk.general).text if due else None


def test_a_digest_says_what_comes(desk, daily):
    ahead = Ahead(comes_at=desk.now.wall + timedelta(days=3), by_hand=2, until=desk.now.wall + timedelta(days=9))
    Destination.objects.update(in_advance=False)
    text = in_digest(desk, daily, ahead)
    assert "the next generation is made" in text
    assert "2 terminals need a person, until" in text


def test_a_digest_says_it_however_far_ahead_it_is(desk, daily):
    desk.happens()
    assert "the next generation is made" in in_digest(desk, daily, Ahead(comes_at=desk.now.wall + timedelta(days=200)))


def test_there_is_no_digest_only_because_something_comes_in_months(desk, daily):
    assert in_digest(desk, daily, Ahead(comes_at=desk.now.wall + timedelta(days=200))) is None


def test_in_the_week_before_there_is_one_although_nothing_is_open(desk, daily):
    Destination.objects.update(in_advance=False)
    assert in_digest(desk, daily, Ahead(comes_at=desk.now.wall + timedelta(days=7))) is not None


def test_it_is_not_worked_out_where_nobody_is_told(desk, daily):
    """It costs a look at the terminals, in each heartbeat of a week."""
    worked_out = []
    coming = Coming(
        desk.now.wall + timedelta(days=5), None, lambda: worked_out.append(1) or Ahead(comes_at=desk.now.wall)
    )
    desk.destination()
    destinations = list(Destination.objects.all())
    for _minute in range(3):
        queue.note(destinations, desk.general, desk.now.wall, desk.now, coming)
        desk.passes(minutes=1)

    assert len(worked_out) == 1


@pytest.mark.parametrize(
    ("names", "count", "said"),
    [
        (("12 Lobby", "13"), 2, "By hand: 12 Lobby, 13."),
        (("12 Lobby", "13"), 6, "By hand: 12 Lobby, 13, and 4 more."),
    ],
)
def test_it_names_who_needs_a_person(desk, daily, names, count, said):
    ahead = Ahead(comes_at=desk.now.wall + timedelta(days=3), by_hand=count, names=names)
    assert f"- {said}\n" in in_digest(desk, daily, ahead)


def test_where_nobody_needs_a_person_nobody_is_named(desk, daily):
    assert "By hand:" not in in_digest(desk, daily, Ahead(comes_at=desk.now.wall + timedelta(days=3)))
