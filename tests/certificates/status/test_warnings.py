"""Every warning (rule warnings): false before, true when it should be, sent once, cleared by its counterpart."""

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import time_machine
from django.utils import translation

from certificates.call_proof.models import CallProof
from certificates.models import StoreDecision
from certificates.pki.errors import PairError
from certificates.renewal import deciding, lateness, making, orders
from certificates.renewal.handover import Readiness
from certificates.renewal.situation import Situation
from certificates.status import warning_kinds, warnings
from certificates.status.observing import observe
from certificates.status.warnings import Observations
from pbxcerts.heartbeat import beat
from pbxcerts.system import events
from pbxcerts.system.events import EventKind
from pbxcerts.system.models import EventMessage, Heartbeat
from pbxcerts.system.time.clock import ClockState
from pbxcerts.system.time.ntp import NtpSurvey
from tests.support.copies import DatabaseCopy
from tests.support.generations import DAY, HOUR, MINUTE, SECOND, START, World, missing, utc
from tests.support.machine import Machine

NIGHT = utc("2027-07-01 00:00")
DEADLINE = utc("2027-07-16 00:00")
END = utc("2027-07-31 00:00")
TLS = "192.0.2.10:5061"
WAITING = Readiness(counting=2, **missing("reception", "gate"))


@dataclass
class Scene:
    """A world, what is seen of it outside the database, and the clock it is judged by."""

    world: World
    seen: Observations = field(default_factory=Observations)
    known: dict = field(default_factory=dict)

    def see(self, **seen):
        self.seen = replace(self.seen, **seen)

    def clock(self, **known):
        self.known = known

    @property
    def true(self):
        return warnings.certificate_warnings(Situation.load(self.world.clock(**self.known)), self.seen)

    @property
    def ids(self):
        return [notice.id for notice in self.true]

    def tell(self):
        """As the heartbeat does."""
        events.send_and_clear(self.true, now=self.world.now)

    def messages(self, kind):
        return EventMessage.objects.filter(kind=kind.id)


@pytest.fixture
def before_first(world):
    return Scene(world)


@pytest.fixture
def scene(running):
    return Scene(running)


@pytest.fixture
def handing_over(handing_over):
    return Scene(handing_over)


def make_nothing(world):
    """A round in which making fails."""
    make_pair = making.make_pair

    def refuse(**options):
        raise PairError("no")

    # Nothing that an administrator can enter makes the pure core fail, so its failure is put in its place.
    making.make_pair = refuse
    try:
        world.beat()
    finally:
        making.make_pair = make_pair


def fail_to_switch(scene):
    scene.world.refuse_to_reload()
    scene.world.activate()
    scene.world.reload_again()


def roll_back(scene):
    scene.world.activate()
    scene.world.roll_back()


def withdraw_active(scene):
    orders.withdraw(scene.world.clock(), 1, by="anna")


def made_without_clock(scene):
    scene.clock(state=ClockState.OFF)
    scene.world.at(DEADLINE).beat(scene.world.clock(ClockState.OFF))
    assert scene.world.pending.clock_state == "off"


def at(moment):
    return lambda scene: scene.world.at(moment)


def setting(**values):
    return lambda scene: scene.world.set(**values)


def clock(**known):
    return lambda scene: scene.clock(**known)


def seeing(**seen):
    return lambda scene: scene.see(**seen)


def proved(outcome, step):
    """The last proof by call has ended so, at this step."""
    result = "ok" if outcome == "proved" else "failed"
    steps = [{"step": step, "result": result, "finding": "ok", "where": TLS}] if step else []
    return lambda scene: scene.see(
        proofs=(CallProof(host_sha256=scene.world.active.host_sha256, running=None, outcome=outcome, steps=steps),)
    )


def at_and_seeing(moment, **seen):
    def do(scene):
        scene.world.at(moment)
        scene.see(**seen)

    return do


def presenting(sha256):
    return {TLS: {"sha256": sha256, "error": "", "at": START.isoformat()}}


def next_round(scene):
    scene.world.after(MINUTE).beat()


def generate(scene):
    scene.world.generate(at_once=True)


def repair_first(scene):
    scene.world.reload_again()
    scene.world.after(2 * MINUTE).beat()


def older_database(scene):
    """Restored from before a renewal; the key of what is served is spoilt."""
    copy, store = DatabaseCopy(), scene.world.store.path
    generate(scene)
    (store / "current" / "host.key").write_text("no key")
    copy.put_back()


def another_installation(scene):
    store = scene.world.store
    theirs = store.mark().content().replace(store.mark().installation.encode(), b"f" * 32)
    (store.path / "mark.json").write_bytes(theirs)


def unreadable_mark(scene):
    DatabaseCopy.empty()
    (scene.world.store.path / "mark.json").write_text("{")


def decided(decision):
    def do(scene):
        deciding.order_decision(scene.world.clock(), decision, by="anna")
        scene.world.beat()

    return do


# kind, where it begins, what makes it true, what clears it
CASES = [
    (warning_kinds.NO_GENERATION, "before_first", None, generate),
    (warning_kinds.NO_NAMES, "scene", setting(fqdn="", ip_addresses=[]), setting(fqdn="pbx.example.com")),
    (warning_kinds.CLOCK_OFF, "scene", clock(state=ClockState.OFF), clock()),
    (warning_kinds.CLOCK_UNANSWERED, "scene", clock(state=ClockState.UNANSWERED), clock()),
    (warning_kinds.CLOCK_WRONG, "scene", clock(offset=6 * SECOND), clock(offset=4 * SECOND)),
    (warning_kinds.CLOCK_FAR_OFF, "scene", clock(offset=-13 * HOUR), clock(offset=-11 * HOUR)),
    (warning_kinds.CLOCK_INEXACT, "scene", clock(offset=2 * SECOND), clock(offset=1 * SECOND)),
    (warning_kinds.CLOCK_DISAGREE, "scene", clock(offset=6 * SECOND, disagreed=True), clock(offset=6 * SECOND)),
    (warning_kinds.CLOCK_JUMPED, "scene", clock(jumped=2 * HOUR), clock()),
    (warning_kinds.CLOCK_LAST_CHANCE, "scene", made_without_clock, clock()),
    (warning_kinds.NAMES_MISSING, "scene", setting(dns_names=["sip.example.com"]), generate),
    (
        warning_kinds.NAMES_PREPARED,
        "handing_over",
        lambda scene: (scene.world.set(dns_names=["sip.example.com"]), scene.world.generate()),
        lambda scene: scene.world.activate(),
    ),
    (
        warning_kinds.ADDRESS_GONE,
        "scene",
        lambda scene: (scene.world.set(on_this_machine=True), scene.see(local_addresses=frozenset({"192.0.2.99"}))),
        seeing(local_addresses=frozenset({"192.0.2.99", "192.0.2.10"})),
    ),
    (warning_kinds.INTERVAL_LENGTHENED, "scene", setting(interval_days=400), setting(interval_days=365)),
    (warning_kinds.PAIR_ENDS, "scene", at(END - 14 * DAY), generate),
    (warning_kinds.PAIR_ENDED, "scene", at(END), generate),
    (
        warning_kinds.PAIR_ENDED_CORRECTED,
        "scene",
        lambda scene: (scene.world.at(END), scene.clock(offset=HOUR)),
        generate,
    ),
    (
        warning_kinds.PAIR_NOT_YET_VALID,
        "scene",
        lambda scene: (scene.world.at(START - 3 * DAY), scene.clock(state=ClockState.UNANSWERED)),
        at(START),
    ),
    (
        warning_kinds.HANDOVER_WAITS,
        "handing_over",
        seeing(readiness=Readiness(counting=2)),
        lambda scene: scene.world.activate(),
    ),
    (warning_kinds.HANDOVER_WAITS_ALONE, "handing_over", None, seeing(readiness=Readiness(counting=2))),
    (
        warning_kinds.DEADLINE_NEAR,
        "handing_over",
        at_and_seeing(DEADLINE - 7 * DAY, readiness=WAITING),
        seeing(readiness=Readiness(counting=2)),
    ),
    (
        warning_kinds.DEADLINE_HELD,
        "handing_over",
        at_and_seeing(DEADLINE, readiness=replace(WAITING, rollout_stopped=True)),
        seeing(readiness=WAITING),
    ),
    (
        warning_kinds.DEADLINE_HELD_BY_TERMINALS,
        "handing_over",
        at_and_seeing(DEADLINE, readiness=replace(WAITING, seen=lambda: 2)),
        seeing(readiness=WAITING),
    ),
    (warning_kinds.PAIR_HELD, "handing_over", fail_to_switch, lambda scene: scene.world.activate()),
    (warning_kinds.PAIR_ROLLED_BACK, "handing_over", roll_back, lambda scene: scene.world.activate()),
    (
        warning_kinds.SWITCH_UNPROVED,
        "before_first",
        lambda scene: (scene.world.refuse_to_reload(), generate(scene)),
        repair_first,
    ),
    *(
        (kind, "scene", proved(outcome, step), proved("proved", "tls"))
        for kind, outcome, step in [
            (warning_kinds.CALL_PROOF_TLS, "tls_failed", "tls"),
            (warning_kinds.CALL_PROOF_SIP, "sip_failed", "call"),
            (warning_kinds.CALL_PROOF_MEDIA, "media_failed", "media"),
            (warning_kinds.CALL_PROOF_INTERRUPTED, "interrupted", ""),
        ]
    ),
    (warning_kinds.WITHDRAWN_SERVED, "scene", withdraw_active, next_round),
    (
        warning_kinds.GENERATION_FAILED,
        "scene",
        lambda scene: make_nothing(scene.world.at(NIGHT)),
        next_round,
    ),
    (lateness.GENERATION_MISSED, "scene", at(NIGHT + 2 * HOUR), lambda scene: scene.world.at(NIGHT + DAY).beat()),
    (
        warning_kinds.PUBLISH_FAILED,
        "scene",
        seeing(publish_failure="No space left on device"),
        seeing(publish_failure=""),
    ),
    (warning_kinds.KEY_LOST, "scene", seeing(lost_keys=(1,)), seeing(lost_keys=())),
    (warning_kinds.FILES_DIFFER, "scene", seeing(differences=("current",)), seeing(differences=())),
    (
        warning_kinds.PRESENTS_OTHER,
        "scene",
        lambda scene: (scene.world.set(tls_addresses=[TLS]), scene.see(presented=presenting("0" * 64))),
        lambda scene: scene.see(presented=presenting(scene.world.active.host_sha256)),
    ),
    (warning_kinds.MODES_WIDE, "scene", seeing(wide_modes=("trust (0777)",)), seeing(wide_modes=())),
    (warning_kinds.STORE_OLDER, "scene", older_database, decided(StoreDecision.Decision.FROM_DATABASE)),
    (warning_kinds.STORE_FOREIGN, "scene", another_installation, decided(StoreDecision.Decision.ADOPT)),
    (warning_kinds.STORE_UNREADABLE, "scene", unreadable_mark, decided(StoreDecision.Decision.ADOPT)),
    (
        warning_kinds.HEARTBEAT_MISSING,
        "scene",
        seeing(last_run=START - 6 * MINUTE, silent_for=6 * MINUTE),
        seeing(last_run=START - 5 * MINUTE, silent_for=5 * MINUTE),
    ),
]


def test_there_is_a_case_for_every_warning():
    every = {value.id for value in vars(warning_kinds).values() if isinstance(value, EventKind)}
    every.add(lateness.GENERATION_MISSED.id)
    assert {kind.id for kind, *_ in CASES} == every


@pytest.mark.parametrize(("kind", "begin", "make_true", "counter"), CASES, ids=[kind.id for kind, *_ in CASES])
def test_it_is_said_when_true_sent_once_and_cleared(request, kind, begin, make_true, counter):
    scene = request.getfixturevalue(begin)
    if make_true is not None:
        assert kind.id not in scene.ids
        scene.tell()
        assert not scene.messages(kind).exists()
        make_true(scene)

    assert kind.id in scene.ids
    scene.tell()
    scene.tell()
    message = scene.messages(kind).get()
    assert (message.severity, message.cleared_at) == (kind.severity, None)
    assert "%(" not in events.text_of(message) + events.cleared_text_of(message)
    assert events.cleared_text_of(message)

    counter(scene)
    assert kind.id not in scene.ids
    scene.tell()
    assert scene.messages(kind).get().cleared_at == scene.world.now


# kind, where it begins, what makes it true, in which other way it ends, what is true then
NOT_MENDED = [
    (
        warning_kinds.CLOCK_UNANSWERED,
        "scene",
        clock(state=ClockState.UNANSWERED),
        clock(state=ClockState.OFF),
        "is off",
    ),
    (warning_kinds.CLOCK_WRONG, "scene", clock(offset=6 * SECOND), clock(offset=13 * HOUR), "more than 12 hours off"),
    (warning_kinds.CLOCK_WRONG, "scene", clock(offset=6 * SECOND), clock(state=ClockState.OFF), "no longer measured"),
    (warning_kinds.CLOCK_FAR_OFF, "scene", clock(offset=13 * HOUR), clock(state=ClockState.OFF), "no longer measured"),
    (warning_kinds.CLOCK_INEXACT, "scene", clock(offset=2 * SECOND), clock(offset=6 * SECOND), "further off"),
    (
        warning_kinds.CLOCK_DISAGREE,
        "scene",
        clock(offset=6 * SECOND, disagreed=True),
        clock(state=ClockState.OFF),
        "no longer compared",
    ),
    (
        warning_kinds.CLOCK_LAST_CHANCE,
        "scene",
        made_without_clock,
        lambda scene: scene.world.generate(clock=scene.world.clock()),
        "generation 2 is no longer the newest pair",
    ),
    (
        warning_kinds.ADDRESS_GONE,
        "scene",
        lambda scene: (scene.world.set(on_this_machine=True), scene.see(local_addresses=frozenset({"192.0.2.99"}))),
        setting(on_this_machine=False),
        "none is expected here any more",
    ),
    (warning_kinds.PAIR_ENDS, "scene", at(END - 14 * DAY), at(END), "or have ended"),
    (
        warning_kinds.PAIR_ENDED_CORRECTED,
        "scene",
        lambda scene: (scene.world.at(END), scene.clock(offset=HOUR)),
        lambda scene: (scene.world.at(END + DAY), scene.clock()),
        "ended by that of the machine too",
    ),
    (warning_kinds.HANDOVER_WAITS, "handing_over", seeing(readiness=WAITING), roll_back, "or held"),
    (
        warning_kinds.HANDOVER_WAITS,
        "handing_over",
        seeing(readiness=WAITING),
        seeing(readiness=Readiness()),
        "no terminal is",
    ),
    (warning_kinds.HANDOVER_WAITS_ALONE, "handing_over", None, fail_to_switch, "or held"),
    (
        warning_kinds.DEADLINE_NEAR,
        "handing_over",
        at_and_seeing(DEADLINE - 7 * DAY, readiness=WAITING),
        at(DEADLINE),
        "the deadline has come",
    ),
    (warning_kinds.KEY_LOST, "scene", seeing(lost_keys=(1,)), seeing(lost_keys=(2,)), "The host key of generation 1"),
    (
        warning_kinds.FILES_DIFFER,
        "scene",
        seeing(differences=("current",)),
        seeing(differences=(), publish_failure="No space left on device"),
        "can't be compared at present",
    ),
    (
        warning_kinds.PRESENTS_OTHER,
        "scene",
        lambda scene: (scene.world.set(tls_addresses=[TLS]), scene.see(presented=presenting("0" * 64))),
        seeing(presented=presenting("")),
        "presents none",
    ),
    (
        warning_kinds.STORE_FOREIGN,
        "scene",
        another_installation,
        lambda scene: (scene.world.store.path / "mark.json").unlink(),
        "what stands there has changed",
    ),
    (
        warning_kinds.GENERATION_FAILED,
        "scene",
        lambda scene: make_nothing(scene.world.at(NIGHT)),
        lambda scene: (setting(interval_days=400)(scene), generate(scene)),
        "another one is active",
    ),
]


@pytest.mark.parametrize(
    ("kind", "begin", "make_true", "otherwise", "said"),
    NOT_MENDED,
    ids=[f"{one[0].id}: {one[-1]}" for one in NOT_MENDED],
)
def test_what_ends_without_being_mended_is_not_said_to_be_mended(request, kind, begin, make_true, otherwise, said):
    """What clears a message is the truth in each way in which it can end."""
    scene = request.getfixturevalue(begin)
    if make_true is not None:
        make_true(scene)
    scene.tell()
    otherwise(scene)
    scene.tell()

    ended = scene.messages(kind).exclude(cleared_at=None).first()
    assert ended is not None
    with translation.override("en"):
        assert said in events.cleared_text_of(ended)


def test_where_all_is_well_nothing_is_said(scene):
    scene.see(presented=presenting(scene.world.active.host_sha256), last_run=START, local_addresses=frozenset())
    assert scene.ids == []


def test_the_worst_comes_first(scene):
    scene.clock(state=ClockState.OFF)
    scene.world.set(dns_names=["sip.example.com"], interval_days=400)
    assert scene.ids == ["clock_off", "names_missing", "interval_lengthened"]


# -- steps -------------------------------------------------------------------------------------------------------------


def steps(scene, kind):
    return [message.subject.partition("/")[2] for message in scene.messages(kind).order_by("pk")]


def test_a_normal_renewal_says_nothing_about_the_end(scene):
    """With V = 30 the pair always has less than 30 days left when it is handed over."""
    scene.world.at(NIGHT).beat()
    for days in range(15):
        scene.world.at(NIGHT + days * DAY + HOUR)
        scene.tell()
    scene.world.at(DEADLINE).beat()
    scene.tell()
    assert not scene.messages(warning_kinds.PAIR_ENDS).exists()
    assert set(EventMessage.objects.values_list("kind", flat=True)) == {"handover_waits_alone"}


def test_the_end_is_said_below_half_of_the_overlap_in_steps(handing_over):
    handing_over.see(readiness=replace(WAITING, rollout_stopped=True))
    for left in (16 * DAY, 15 * DAY, 14 * DAY, 10 * DAY, 7 * DAY, 3 * DAY, DAY, HOUR):
        handing_over.world.at(END - left)
        handing_over.tell()
        handing_over.tell()
    assert steps(handing_over, warning_kinds.PAIR_ENDS) == ["14", "7", "3", "1"]
    assert not handing_over.messages(warning_kinds.PAIR_ENDS).filter(cleared_at__isnull=False).exists()
    handing_over.world.activate()
    handing_over.tell()
    assert handing_over.messages(warning_kinds.PAIR_ENDS).filter(cleared_at=handing_over.world.now).count() == 4


@pytest.mark.parametrize(
    ("language", "one", "three"),
    [
        ("en", "time left, at most: 1 day.", "time left, at most: 3 days."),
        ("de", "höchstens: 1 Tag.", "höchstens: 3 Tage."),
    ],
)
def test_one_day_is_no_1_days(scene, language, one, three):
    for left, expected in ((DAY - HOUR, one), (3 * DAY, three)):
        scene.world.at(END - left)
        (notice,) = [notice for notice in scene.true if notice.id == "pair_ends"]
        with translation.override(language):
            assert expected in notice.text


def test_a_message_that_is_open_says_how_things_are_now_and_is_not_sent_again(scene, django_assert_num_queries):
    scene.see(differences=("trust.pem", "current"))
    scene.tell()
    [sent] = scene.messages(warning_kinds.FILES_DIFFER)
    EventMessage.objects.update(raise_noted=True)

    scene.world.now += HOUR
    scene.see(differences=("current",))
    scene.tell()
    [told] = scene.messages(warning_kinds.FILES_DIFFER)
    assert (sent.params, told.params) == ({"files": "trust.pem, current"}, {"files": "current"})
    assert (told.pk, told.raised_at, told.raise_noted) == (sent.pk, sent.raised_at, True)

    true = scene.true
    with django_assert_num_queries(1):
        events.send_and_clear(true, now=scene.world.now)


def test_any_step_is_said_once_a_renewal_is_overdue(scene):
    scene.world.at(END - 29 * DAY)
    scene.tell()
    assert steps(scene, warning_kinds.PAIR_ENDS) == ["30"]


def test_a_failure_that_was_made_up_for_makes_no_renewal_overdue(scene):
    make_nothing(scene.world.at(NIGHT))
    scene.world.after(MINUTE).beat()
    assert scene.world.states == {1: "active", 2: "failed", 3: "prepared"}
    assert scene.ids == ["handover_waits_alone"]


def test_who_is_missing_is_named_7_3_and_1_days_before_the_deadline(handing_over):
    handing_over.see(readiness=WAITING)
    for left in (8 * DAY, 7 * DAY, 4 * DAY, 3 * DAY, DAY, MINUTE):
        handing_over.world.at(DEADLINE - left)
        handing_over.tell()
    assert steps(handing_over, warning_kinds.DEADLINE_NEAR) == ["7", "3", "1"]
    for message in handing_over.messages(warning_kinds.DEADLINE_NEAR):
        assert "100 reception, 101 gate." in events.text_of(message)


def test_the_waiting_handover_says_for_whom_and_until_when(handing_over):
    handing_over.see(readiness=WAITING)
    (notice,) = [notice for notice in handing_over.true if notice.id == "handover_waits"]
    assert "2 (100 reception, 101 gate)" in notice.text
    assert "16" in notice.text
    handing_over.see(readiness=Readiness(counting=500, **missing(*[f"desk {n}" for n in range(500)])))
    (notice,) = [notice for notice in handing_over.true if notice.id == "handover_waits"]
    assert "500" in notice.text
    assert "desk 4, …" in notice.text
    assert "desk 5" not in notice.text


def test_two_terminals_of_the_same_name_are_told_apart_by_their_numbers(handing_over):
    handing_over.see(readiness=Readiness(counting=3, **missing("gate", "gate", "")))
    (notice,) = [notice for notice in handing_over.true if notice.id == "handover_waits"]
    assert "3 (100 gate, 101 gate, 102)" in notice.text


def test_a_deadline_that_is_held_is_said_each_day(handing_over):
    handing_over.see(readiness=replace(WAITING, rollout_stopped=True))
    for hours in range(0, 72, 6):
        handing_over.world.at(DEADLINE + hours * HOUR)
        handing_over.tell()
    assert steps(handing_over, warning_kinds.DEADLINE_HELD) == ["2027-07-16", "2027-07-17", "2027-07-18"]
    assert not handing_over.messages(warning_kinds.DEADLINE_HELD).filter(cleared_at__isnull=False).exists()


def test_each_missed_night_is_a_message(scene):
    for days in range(3):
        scene.world.at(NIGHT + days * DAY + 3 * HOUR)
        scene.tell()
    missed = [message.params["missed"] for message in scene.messages(lateness.GENERATION_MISSED).order_by("pk")]
    assert missed == [(NIGHT + days * DAY).isoformat() for days in range(3)]


def test_what_comes_again_is_sent_again(scene):
    for _ in range(2):
        scene.clock(state=ClockState.OFF)
        scene.tell()
        scene.clock()
        scene.tell()
    assert scene.messages(warning_kinds.CLOCK_OFF).exclude(cleared_at=None).count() == 2


# -- negative controls -------------------------------------------------------------------------------------------------


def test_half_an_hour_without_the_address_on_another_machine_is_no_matter(scene):
    scene.see(local_addresses=frozenset({"192.0.2.99"}))
    assert "address_gone" not in scene.ids


def test_another_certificate_in_the_middle_of_a_switch_is_no_matter(handing_over):
    handing_over.world.set(tls_addresses=[TLS])
    handing_over.see(presented=presenting("0" * 64))
    assert "presents_other" in handing_over.ids
    orders.activate(handing_over.world.clock(), by="otto")
    assert "presents_other" not in handing_over.ids


def test_an_address_that_was_not_reached_presents_nothing_else(scene):
    scene.world.set(tls_addresses=[TLS])
    scene.see(presented=presenting(""))
    assert "presents_other" not in scene.ids


def test_two_ports_of_one_server_are_told_apart(scene):
    other = "192.0.2.10:443"
    scene.world.set(tls_addresses=[TLS, other])
    scene.see(presented={**presenting("0" * 64), other: {"sha256": "0" * 64, "error": "", "at": START.isoformat()}})
    scene.tell()
    assert scene.messages(warning_kinds.PRESENTS_OTHER).count() == 2
    scene.see(presented=presenting("0" * 64))
    scene.tell()
    assert scene.messages(warning_kinds.PRESENTS_OTHER).get(cleared_at=None).subject == TLS


@pytest.mark.parametrize(
    ("moment", "known", "kind"),
    [
        (END, {}, warning_kinds.PAIR_ENDED),
        (END, {"offset": HOUR}, warning_kinds.PAIR_ENDED_CORRECTED),
        (END - HOUR, {"offset": -2 * HOUR}, None),
        (START - DAY - MINUTE, {}, warning_kinds.PAIR_NOT_YET_VALID),
        (START - DAY - HOUR, {"offset": -2 * HOUR}, warning_kinds.PAIR_NOT_YET_VALID),
        (START - HOUR, {"offset": 30 * HOUR}, None),
        (START + DAY, {"jumped": -400 * DAY}, None),
    ],
)
def test_of_the_end_and_the_beginning_the_time_that_counts_decides_what_is_said(scene, moment, known, kind):
    scene.world.at(moment)
    scene.clock(**known)
    said = {warning_kinds.PAIR_ENDED.id, warning_kinds.PAIR_ENDED_CORRECTED.id, warning_kinds.PAIR_NOT_YET_VALID.id} & {
        *scene.ids
    }
    assert said == ({kind.id} if kind else set())


def test_a_shortened_interval_is_not_a_lengthened_one(scene):
    scene.world.set(interval_days=30)
    assert "interval_lengthened" not in scene.ids


def test_a_generation_in_spite_of_the_clock_by_a_person_is_not_the_last_chance(before_first):
    clock = before_first.world.clock(ClockState.OFF)
    before_first.world.generate(clock=clock, without_clock=True)
    before_first.clock(state=ClockState.OFF)
    assert before_first.ids == ["clock_off"]


def test_the_heartbeat_itself_sends_the_last_chance(scene):
    """It is over in the very round that takes it."""
    outcome = scene.world.at(DEADLINE).beat(scene.world.clock(ClockState.OFF))
    assert "clock_last_chance" in [notice.id for notice in warnings.certificate_warnings(outcome.situation, scene.seen)]


@pytest.mark.parametrize(
    ("clock_set_by", "minutes"), [(400 * DAY, 5), (-400 * DAY, 6), (timedelta(), 5), (timedelta(), 6)]
)
def test_whether_the_heartbeat_is_missing_is_judged_by_the_boot_clock(scene, clock_set_by, minutes):
    """Set ahead, it seemed to be missing; set back, it never did."""
    machine = Machine(wall=START)
    Heartbeat.load()
    Heartbeat.objects.update(last_run=machine.wall, ran_boottime=machine.boottime, ran_boot_id=machine.boot_id)
    machine.run(minutes * MINUTE)
    machine.set_clock(by=clock_set_by)
    scene.seen = observe(scene.world.situation, Heartbeat.load(), reading=machine.read())
    assert ("heartbeat_missing" in scene.ids) is (minutes > 5)


@pytest.mark.parametrize("minutes", [4, 6])
def test_after_a_start_of_the_machine_it_has_five_minutes_too(scene, minutes):
    machine = Machine(wall=START)
    Heartbeat.load()
    Heartbeat.objects.update(last_run=machine.wall, ran_boottime=machine.boottime, ran_boot_id=machine.boot_id)
    machine.restart(clock_moves=-3 * DAY)
    machine.run(minutes * MINUTE)
    scene.seen = observe(scene.world.situation, Heartbeat.load(), reading=machine.read())
    assert ("heartbeat_missing" in scene.ids) is (minutes > 5)


@pytest.mark.parametrize("minutes", [4, 6])
def test_of_a_beat_of_an_earlier_version_only_the_machines_clock_is_known(scene, minutes):
    machine = Machine(wall=START)
    Heartbeat.load()
    Heartbeat.objects.update(last_run=machine.wall)
    machine.run(minutes * MINUTE)
    scene.seen = observe(scene.world.situation, Heartbeat.load(), reading=machine.read())
    assert ("heartbeat_missing" in scene.ids) is (minutes > 5)


def test_a_heartbeat_that_comes_back_says_that_it_was_missing(scene, monkeypatch):
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 5000 + time.time() - START.timestamp())

    def beat_at(moment):
        with time_machine.travel(moment, tick=False):
            beat(server=scene.world.server, ask=lambda servers: NtpSurvey(()))

    beat_at(START + MINUTE)
    beat_at(START + 2 * MINUTE)
    assert not scene.messages(warning_kinds.HEARTBEAT_MISSING).exists()
    beat_at(START + HOUR)
    message = scene.messages(warning_kinds.HEARTBEAT_MISSING).get()
    assert message.params == {"last_run": (START + 2 * MINUTE).isoformat()}
    assert message.cleared_at is None
    beat_at(START + HOUR + MINUTE)
    message.refresh_from_db()
    assert message.cleared_at == START + HOUR + MINUTE


@pytest.mark.parametrize(
    ("known", "kind", "german", "english"),
    [
        ({"offset": 7 * SECOND}, warning_kinds.CLOCK_WRONG, "geht 7,0 s nach", "is 7.0 s behind"),
        ({"offset": -2.5 * SECOND}, warning_kinds.CLOCK_INEXACT, "geht 2,5 s vor", "is 2.5 s ahead"),
        ({"offset": 13 * HOUR}, warning_kinds.CLOCK_FAR_OFF, "(13 Stunden nach)", "(13 hours behind)"),
        (
            {"jumped": 2 * HOUR},
            warning_kinds.CLOCK_JUMPED,
            "um 2 Stunden nach vorn gestellt",
            "was set 2 hours forward",
        ),
    ],
)
def test_how_far_the_clock_is_off_is_a_number_of_the_readers_language(scene, known, kind, german, english):
    scene.clock(**known)
    scene.tell()
    message = scene.messages(kind).get()
    for language, expected in (("de", german), ("en", english)):
        with translation.override(language):
            (notice,) = (notice for notice in scene.true if notice.id == kind.id)
            for text in (notice.text, events.text_of(message)):
                assert expected in text.replace("\N{NO-BREAK SPACE}", " ")
