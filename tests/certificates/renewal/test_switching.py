"""The switch of a real TLS server: what it presents decides whether it is done, goes back, or is tried again
(rules switch, switch-proved, switch-failed).
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import translation

from certificates.communication_server.presented import look_at_tls_address
from certificates.communication_server.store import Store
from certificates.models import Generation, Switch
from certificates.pki import formats
from certificates.renewal import orders, switching
from certificates.renewal.orders import StateRefused
from certificates.renewal.rounds import reconcile
from certificates.status.observing import observe
from certificates.status.warnings import certificate_warnings
from pbxcerts.system.events import text_of
from pbxcerts.system.models import EventMessage, Heartbeat
from tests.support.generations import DAY, HOUR, MINUTE, START
from tests.support.published import served
from tests.support.tls_server import TlsServer, script
from tests.support.x509 import a_pair

pytestmark = [pytest.mark.django_db, pytest.mark.simulation]


@pytest.fixture
def a_server(world, tmp_path):
    """Makes servers that present what STORE/current holds when they are started; the last one's reload command is the product's."""
    servers = []
    world.server = replace(world.server, look_for=0.3, look_every=0.05, reload_timeout=5)

    def make(on_reload="load", *, started=True, files=None):
        files = files or world.published("current")
        server = TlsServer(
            files / "fullchain.pem",
            files / "host.key",
            directory=tmp_path,
            on_reload=on_reload,
            name=f"server{len(servers)}",
        )
        servers.append(server)
        if started:
            server.start()
        world.set(tls_addresses=[server.address for server in servers])
        world.server = replace(world.server, reload_command=server.reload_command)
        return server

    yield make
    for server in servers:
        server.stop()


def presented(server):
    return look_at_tls_address(server.address).sha256


def sha256(number):
    return Generation.objects.get(number=number).host_sha256


def last_switch():
    return Switch.objects.order_by("-pk").first()


def warned(world):
    """{id: severity} of the warnings that are true now."""
    found = certificate_warnings(world.situation, observe(world.situation, Heartbeat.load(), published=world.store))
    return {notice.id: notice.severity.value for notice in found}


# -- it works -----------------------------------------------------------------------------------------------------------


def test_a_server_that_reloads_is_seen_with_the_new_pair(prepared, a_server):
    server = a_server()
    assert presented(server) == sha256(1)
    prepared.activate()
    assert presented(server) == sha256(2)
    assert prepared.states == {1: "superseded", 2: "active"}
    assert served(prepared.store) == 2
    switch = last_switch()
    assert (switch.outcome, switch.running, switch.why, switch.by) == ("verified", None, "person", "otto")
    assert switch.before == {server.address: sha256(1)}
    assert switch.after == {server.address: sha256(2)}
    assert (switch.reload_failure, server.reloads) == ("", 1)
    assert Generation.objects.get(number=2).took_over_from_id == 1
    assert Generation.objects.get(number=1).leaves_bundle_at == START + 30 * DAY
    assert not {"pair_held", "switch_unproved", "presents_other"} & set(warned(prepared))


def test_a_server_that_takes_a_while_is_waited_for(prepared, a_server, tmp_path):
    server = a_server()
    late = script(tmp_path / "late", f'#!/bin/sh\n(sleep 0.2; echo reload >> "{server.log}") > /dev/null 2>&1 &\n')
    prepared.server = replace(prepared.server, reload_command=late, look_for=10)
    prepared.activate()
    assert last_switch().outcome == "verified"


def test_without_an_address_it_is_done_and_marked_as_not_verified(prepared):
    prepared.activate()
    assert last_switch().outcome == "not_verified"
    assert prepared.states == {1: "superseded", 2: "active"}


def test_a_server_that_was_down_before_and_after_costs_a_warning_and_no_waiting(prepared, a_server):
    server = a_server(started=False)
    prepared.server = replace(prepared.server, look_for=3600)
    prepared.activate()
    assert last_switch().outcome == "unreachable"
    assert last_switch().before == last_switch().after == {server.address: ""}
    assert prepared.states == {1: "superseded", 2: "active"}
    message = EventMessage.objects.get(kind="server_unseen")
    assert (message.severity, message.params) == ("serious", {"number": 2})


def test_a_server_that_was_down_and_comes_with_the_new_pair_is_seen(prepared, a_server, tmp_path):
    server = a_server(started=False)
    up = a_server()
    prepared.server = replace(
        prepared.server, reload_command=script(tmp_path / "both", f"#!/bin/sh\necho x >> {up.log}\n")
    )
    prepared.activate()
    assert last_switch().outcome == "verified"
    assert last_switch().after == {server.address: "", up.address: sha256(2)}


def test_a_server_that_was_down_and_comes_with_another_certificate_was_not_unreachable(prepared, a_server):
    """It was reached after the switch, and what it presents is not the new pair; but nothing was there that going back would save."""
    server = a_server(started=False, files=prepared.published("generations/0001"))
    # It is looked at before the switch, then the reload command runs.
    comes_up = iter([lambda: None, server.start])
    prepared.server = replace(prepared.server, alive=lambda: next(comes_up, lambda: None)())
    prepared.activate()
    assert last_switch().before == {server.address: ""}
    assert last_switch().after == {server.address: sha256(1)}
    assert last_switch().outcome == "stays"
    assert (prepared.states, served(prepared.store)) == ({1: "superseded", 2: "active"}, 2)
    assert warned(prepared)["switch_unproved"] == "critical"
    assert not EventMessage.objects.filter(kind="server_unseen").exists()


def test_what_telephones_refused_before_brings_nothing_back(prepared, a_server, of_another):
    """Before and after it presents a certificate that no terminal trusts: the old pair would help nobody."""
    server = a_server("keep", files=of_another)
    prepared.activate()
    assert set(last_switch().before.values()) == set(last_switch().after.values()) != {""}
    assert last_switch().outcome == "stays"
    assert prepared.states == {1: "superseded", 2: "active"}

    server.certificate, server.key = (prepared.published(f"current/{name}") for name in ("fullchain.pem", "host.key"))
    server.on_reload = "load"
    prepared.after(2 * MINUTE).beat()
    assert last_switch().outcome == "verified"


def test_one_look_that_fails_brings_nothing_back(prepared, a_server):
    """At the first look it still presents the old pair, and no time is left: it is looked at once more all the same."""
    server = a_server("keep")
    prepared.server = replace(prepared.server, look_for=0, look_every=0)

    looks = []
    look = switching.look_at_tls_addresses

    def counted(addresses):
        seen = look(addresses)
        looks.append({one.sha256 for one in seen.values()})
        server.on_reload = "watch" if len(looks) == 2 else server.on_reload
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(switching, "look_at_tls_addresses", counted)
        prepared.activate()
    assert looks == [{sha256(1)}, {sha256(1)}, {sha256(2)}]
    assert last_switch().outcome == "verified"


# -- it goes back -------------------------------------------------------------------------------------------------------


def assert_went_back(world):
    assert last_switch().outcome == "went_back"
    assert last_switch().running is None
    assert world.states == {1: "active", 2: "held"}
    assert served(world.store) == 1
    assert world.store.target("next") == "generations/0002"
    held = Generation.objects.get(number=2)
    assert (held.held_because, held.switch_failures) == ("switch_failed", 1)
    assert warned(world)["pair_held"] == "critical"
    assert Generation.objects.get(number=1).leaves_bundle_at is None
    assert world.store.differences(world.situation.publication()) == []


def test_a_server_that_keeps_its_certificate_gets_the_old_pair_back(prepared, a_server):
    server = a_server("keep")
    prepared.activate()
    assert_went_back(prepared)
    assert server.reloads == 2, "it is reloaded again with the old pair"
    assert last_switch().after == {server.address: sha256(1)}


def test_a_server_that_does_not_come_back_gets_the_old_pair_back(prepared, a_server):
    server = a_server("die")
    prepared.activate()
    assert_went_back(prepared)
    assert last_switch().after == {server.address: ""}


def test_one_of_two_addresses_is_enough_to_go_back(prepared, a_server):
    keeps, reloads = a_server("keep"), a_server()
    prepared.activate()
    assert_went_back(prepared)
    assert presented(keeps) == presented(reloads) == sha256(1)
    assert last_switch().after == {keeps.address: sha256(1), reloads.address: sha256(2)}


FAILING = {
    "missing": ([], "No such file"),
    "exit 3": ("#!/bin/sh\necho it hurts >&2\nexit 3\n", "exit status 3. it hurts"),
    "hangs": ("#!/bin/sh\nsleep 60\n", "not finished within 0.3 s"),
    "no shebang": ("echo\n", "Exec format error"),
    "not executable": (None, "Permission denied"),
}


@pytest.fixture(params=FAILING)
def a_failing_command(request, prepared, tmp_path):
    text, failure = FAILING[request.param]
    path = tmp_path / "reload"
    if text:
        script(path, text)
    elif text is None:
        path.touch(mode=0o644)

    def set_it():
        prepared.server = replace(prepared.server, reload_command=[str(path)], reload_timeout=0.3)
        return failure

    return set_it


def test_a_reload_command_that_fails_brings_the_old_pair_back(prepared, a_server, a_failing_command):
    a_server("keep")
    failure = a_failing_command()
    prepared.activate()
    assert_went_back(prepared)
    assert failure in last_switch().reload_failure
    prepared.after(2 * MINUTE).beat()
    message = EventMessage.objects.get(kind="reload_failed")
    assert message.severity == "critical"
    assert failure in message.params["failure"]
    assert failure in text_of(message)


def test_a_reload_command_that_fails_does_not_matter_where_the_new_pair_is_seen(prepared, a_server, a_failing_command):
    a_server("watch")
    failure = a_failing_command()
    prepared.activate()
    assert last_switch().outcome == "verified"
    assert failure in last_switch().reload_failure
    assert served(prepared.store) == 2


def test_without_an_address_the_reload_command_alone_decides(prepared, a_failing_command):
    a_failing_command()
    prepared.activate()
    assert_went_back(prepared)


def test_a_reload_command_that_fails_needs_a_witness_even_where_nobody_was_there_before(
    prepared, a_server, a_failing_command
):
    a_server(started=False)
    a_failing_command()
    prepared.activate()
    assert_went_back(prepared)


def test_the_failure_is_dated_when_it_is_known_and_not_when_the_round_began(prepared, a_server):
    a_server("keep")
    prepared.activate()
    switch, held = last_switch(), Generation.objects.get(number=2)
    assert switch.switched_at == prepared.now
    assert prepared.now + prepared.server.look_for * timedelta(seconds=1) <= held.switch_failed_at <= switch.finished_at
    assert Switch.objects.count() == 2, "the same round does not try again"


# -- it is tried again ------------------------------------------------------------------------------------------------------


def tries(world, *, every, until):
    """Let the heartbeat come; returns when the switch was tried, as spans from now on."""
    start, known, found = world.now, Switch.objects.count(), []
    while world.now < until:
        world.after(every).beat()
        if Switch.objects.count() != known:
            known = Switch.objects.count()
            found.append(world.now - start)
    return found


def assert_is_tried_after(world, *pauses):
    """In minutes, each from the try before, and at none of the heartbeats in between."""
    for pause in pauses:
        began, known = world.now, Switch.objects.count()
        for minute in sorted({minute for minute in (1, 2, 5, 11, 12, 30, pause - 1) if 0 < minute < pause}):
            world.at(began + minute * MINUTE).beat()
            assert Switch.objects.count() == known, minute
        world.at(began + pause * MINUTE).beat()
        assert Switch.objects.count() == known + 1, pause


def test_a_held_pair_is_tried_again_after_1_10_and_60_minutes_and_then_at_each_time_of_day(prepared, a_server):
    a_server("keep")
    prepared.server = replace(prepared.server, look_for=0)
    prepared.after(6 * HOUR).activate()
    # A switch fails a moment after its round has begun, so each pause ends with the beat after next.
    assert_is_tried_after(prepared, 2, 11, 61)
    begin = prepared.after(16 * MINUTE).now
    nights = [begin + span for span in tries(prepared, every=30 * MINUTE, until=START + 3 * DAY)]
    assert [night - START for night in nights] == [DAY, 2 * DAY, 3 * DAY]
    assert {row.why for row in Switch.objects.filter(to=2).order_by("pk")[1:]} == {"retry"}
    assert prepared.states == {1: "active", 2: "held"}
    assert Generation.objects.get(number=2).switch_failures == 7


def test_in_the_last_day_a_held_pair_is_tried_every_hour_and_then_it_is_activated_and_stays(world, a_server):
    world.set(interval_days=3, overlap_days=1)
    world.generate()
    end = world.active.end
    world.at(end - 2 * DAY).generate()
    a_server("keep")
    world.server = replace(world.server, look_for=0)
    world.activate()
    assert_is_tried_after(world, 2, 11, 61)
    world.at(end - 24 * HOUR - MINUTE).beat()
    for begin in (end - 24 * HOUR, end - 4 * HOUR):
        world.at(begin).beat()
        hourly = tries(world, every=10 * MINUTE, until=begin + 4 * HOUR - 10 * MINUTE)
        assert hourly == [70 * MINUTE, 140 * MINUTE, 210 * MINUTE]
    assert world.states == {1: "active", 2: "held"}
    world.at(end).beat()
    assert (last_switch().why, last_switch().outcome) == ("ended", "stays")
    assert world.states[2] == "active"
    assert served(world.store) == 2
    assert warned(world)["switch_unproved"] == "critical"


def test_a_held_pair_becomes_active_when_the_server_has_been_put_right(prepared, a_server):
    server = a_server("keep")
    prepared.activate()
    server.on_reload = "load"
    prepared.after(2 * MINUTE).beat()
    assert (last_switch().why, last_switch().outcome) == ("retry", "verified")
    assert prepared.states == {1: "superseded", 2: "active"}
    assert served(prepared.store) == 2
    assert Generation.objects.get(number=2).switch_failures == 0
    assert "pair_held" not in warned(prepared)


def test_a_server_that_is_still_away_proves_nothing_by_being_away(prepared, a_server):
    server = a_server("die")
    prepared.activate()
    prepared.after(2 * MINUTE).beat()
    assert (last_switch().why, last_switch().outcome) == ("retry", "went_back")
    assert last_switch().before == {server.address: ""}
    assert served(prepared.store) == 1
    server.stop()
    server.on_reload = "load"
    server.start()
    assert presented(server) == sha256(1), "whoever starts it by hand gets the pair that worked"
    prepared.after(15 * MINUTE).beat()
    assert last_switch().outcome == "verified"
    assert served(prepared.store) == 2


def test_a_clock_that_was_set_back_neither_stops_nor_drives_the_retries(prepared, a_server):
    """By a clock that is a day behind, the failure lies ahead: one try at once, and from then on the pauses as ever."""
    a_server("keep")
    prepared.server = replace(prepared.server, look_for=0)
    prepared.after(2 * DAY).activate()
    prepared.after(-DAY)
    assert_is_tried_after(prepared, 1, 11)
    assert tries(prepared, every=4 * MINUTE, until=prepared.now + 48 * MINUTE) == []


def test_an_address_that_was_taken_out_of_the_settings_stops_nothing(prepared, a_server):
    a_server("die")
    prepared.activate()
    prepared.set(tls_addresses=[])
    prepared.after(2 * MINUTE).beat()
    assert last_switch().outcome == "not_verified"
    assert served(prepared.store) == 2


def test_a_person_may_say_that_the_held_pair_becomes_active_now(prepared, a_server):
    server = a_server("keep")
    prepared.activate()
    server.on_reload = "load"
    prepared.activate()
    assert (last_switch().why, last_switch().outcome) == ("person", "verified")


# -- there is nothing to go back to ---------------------------------------------------------------------------------------


@pytest.fixture
def of_another(tmp_path):
    """The files of a pair that the product knows nothing of."""
    pair, place = a_pair(), tmp_path / "another"
    place.mkdir()
    (place / "fullchain.pem").write_bytes(formats.fullchain_pem(pair.host, pair.root))
    (place / "host.key").write_bytes(pair.host_key.reveal())
    return place


def test_a_first_pair_that_is_not_seen_stays_and_is_looked_for_again_and_again(world, a_server, of_another):
    server = a_server("keep", files=of_another)
    world.server = replace(world.server, look_for=0)
    world.generate()
    assert last_switch().outcome == "stays"
    assert (world.states, served(world.store)) == ({1: "active"}, 1)
    assert warned(world)["switch_unproved"] == "critical"
    assert_is_tried_after(world, 2, 11, 61, 61, 61)
    assert {row.why for row in Switch.objects.order_by("pk")[1:]} == {"repeat"}
    assert server.reloads == 6
    assert (world.states, served(world.store)) == ({1: "active"}, 1)

    server.certificate, server.key = world.published("current/fullchain.pem"), world.published("current/host.key")
    server.on_reload = "load"
    world.server = replace(world.server, look_for=5)
    world.after(2 * HOUR).beat()
    assert (last_switch().why, last_switch().outcome) == ("repeat", "verified")
    assert "switch_unproved" not in warned(world)
    assert tries(world, every=10 * MINUTE, until=world.now + 3 * HOUR) == []


def test_a_server_that_does_not_come_back_with_a_first_pair_proves_nothing_by_being_away(world, a_server, of_another):
    a_server("die", files=of_another)
    world.generate()
    assert last_switch().outcome == "stays"
    world.after(2 * MINUTE).beat()
    assert (last_switch().why, last_switch().outcome) == ("repeat", "stays")
    assert warned(world)["switch_unproved"] == "critical"


def test_it_is_looked_for_again_while_a_next_pair_is_prepared_too(world, a_server, of_another):
    a_server("keep", files=of_another)
    world.generate()
    world.after(MINUTE).generate()
    assert world.states == {1: "active", 2: "prepared"}
    world.after(2 * MINUTE).beat()
    assert (last_switch().why, last_switch().to_id) == ("repeat", 1)


def test_it_never_goes_back_to_a_withdrawn_pair(prepared, a_server):
    a_server("keep")
    prepared.withdraw(1)
    assert (last_switch().why, last_switch().outcome) == ("withdrawal", "stays")
    assert prepared.states == {1: "withdrawn", 2: "active"}
    assert served(prepared.store) == 2
    assert not prepared.published("generations/0001/host.key").exists()


def test_it_never_goes_back_to_a_pair_that_two_servers_say_has_ended(running, a_server):
    """The machine's clock alone says that the old pair is still valid: it would go to and fro every minute."""
    end = running.active.end
    running.at(end - 10 * DAY).generate()
    a_server("keep")
    running.at(end + MINUTE)
    running.beat(running.clock(offset=2 * HOUR, agreed=True))
    assert (last_switch().why, last_switch().outcome) == ("ended", "stays")
    assert served(running.store) == 2


# -- rolled back -------------------------------------------------------------------------------------------------------------


def test_a_roll_back_is_seen_and_the_pair_rolled_back_from_is_held(prepared, a_server):
    server = a_server()
    prepared.activate()
    prepared.after(DAY).roll_back()
    assert (last_switch().why, last_switch().outcome) == ("roll_back", "verified")
    assert prepared.states == {1: "active", 2: "held"}
    assert (served(prepared.store), presented(server)) == (1, sha256(1))
    assert Generation.objects.get(number=2).held_because == "rolled_back"
    assert prepared.after(5 * HOUR).beat().did is False, "only a person or the deadline activates it"


def test_a_roll_back_that_fails_leaves_everything_as_it_was_but_for_a_critical_message(prepared, a_server):
    server = a_server()
    prepared.activate()
    before = Generation.objects.get(number=1).leaves_bundle_at
    bundle = prepared.store.target("trust.pem")
    server.on_reload = "keep"
    prepared.after(DAY).roll_back()
    assert (last_switch().why, last_switch().outcome) == ("roll_back", "went_back")
    assert prepared.states == {1: "superseded", 2: "active"}
    assert (served(prepared.store), presented(server)) == (2, sha256(2))
    assert Generation.objects.get(number=1).leaves_bundle_at == before
    assert prepared.store.target("trust.pem") == bundle
    message = EventMessage.objects.get(kind="roll_back_failed")
    assert (message.severity, message.params) == ("critical", {"number": 1, "active": 2})
    server.on_reload = "load"
    prepared.roll_back()
    assert prepared.states == {1: "active", 2: "held"}, "it can be tried again"


# -- who comes in between -----------------------------------------------------------------------------------------------------


def test_a_round_that_has_read_before_another_one_switched_does_not_put_it_back(prepared):
    """Between reading and locking a whole round of another process takes place."""
    orders.activate(prepared.clock(), by="otto")

    class Slow(Store):
        def locked(self):
            if not between:
                between.append(prepared.beat())
            return super().locked()

    between = []
    slow = replace(prepared.server, store=Slow(prepared.store.path))
    reconcile(prepared.clock(), terminals=prepared.telephones, server=slow)
    assert len(between) == 1
    assert served(prepared.store) == 2
    assert prepared.states == {1: "superseded", 2: "active"}
    assert Switch.objects.filter(to=2).count() == 1


def test_an_order_waits_while_another_process_publishes_and_is_done_by_the_next_round(prepared):
    orders.activate(prepared.clock(), by="otto")
    with Store(prepared.store.path).locked():
        outcome = prepared.beat()
        assert (outcome.was_busy, outcome.did, outcome.publish_failure) == (True, False, "")
        assert last_switch().running
        assert served(prepared.store) == 1
    prepared.beat()
    assert last_switch().outcome == "not_verified"
    assert served(prepared.store) == 2


def test_while_the_server_is_being_switched_nobody_else_changes_anything(prepared):
    orders.activate(prepared.clock(), by="otto")
    for order in (
        lambda: orders.activate(prepared.clock(), by="anna"),
        lambda: orders.discard(prepared.clock(), by="anna"),
        lambda: orders.withdraw(prepared.clock(), 2, by="anna"),
        lambda: orders.order_generation(prepared.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna")),
    ):
        with translation.override("en"), pytest.raises(StateRefused, match="just being switched"):
            order()
    assert Switch.objects.filter(running=True).count() == 1


def test_a_switch_whose_pair_has_ended_meanwhile_is_not_carried_out(prepared):
    orders.activate(prepared.clock(), by="otto")
    prepared.at(prepared.pending.end).beat()
    assert (last_switch().outcome, last_switch().reload_failure) == ("refused", "not valid now")
    assert served(prepared.store) == 1


class WorkerKilled(BaseException):
    pass


def killed_by_its_reload_command(world, monkeypatch):
    """Rounds of a worker that is killed each time it runs the reload command, until one comes through; how many were killed."""
    ran = []

    def kill(*_arguments, **_options):
        ran.append(1)
        raise WorkerKilled

    monkeypatch.setattr(switching, "reload_server", kill)
    for _ in range(10):
        with suppress(WorkerKilled):
            world.after(MINUTE).beat()
            return len(ran)
    raise AssertionError("it never came to an end")


def test_a_reload_command_that_kills_the_worker_is_not_run_for_ever(prepared, a_server, monkeypatch):
    """Nothing else may change a pair while a switch runs, so it has to come to an end."""
    a_server("keep")
    orders.activate(prepared.clock(), by="otto")
    assert killed_by_its_reload_command(prepared, monkeypatch) == 6, (
        "three times with the new pair, three with the old one"
    )
    assert_went_back(prepared)
    assert last_switch().reload_failure == "interrupted"


def test_where_the_server_shows_the_new_pair_all_the_same_it_is_done(prepared, a_server, monkeypatch):
    server = a_server(files=prepared.published("generations/0002"))
    orders.activate(prepared.clock(), by="otto")
    assert killed_by_its_reload_command(prepared, monkeypatch) == 3
    assert presented(server) == sha256(2)
    assert last_switch().outcome == "verified"


def test_life_is_shown_while_it_takes_long(prepared, a_server):
    a_server("keep")
    signs = []
    prepared.server = replace(prepared.server, alive=lambda: signs.append(1), look_every=0.02)
    prepared.activate()
    assert len(signs) > 5
