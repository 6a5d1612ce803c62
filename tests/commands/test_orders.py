"""The buttons of the page as commands: ordered, carried out in this process, and told how it went."""

import getpass
import re
import ssl
import threading
from datetime import UTC, datetime, timedelta
from socket import create_connection, create_server
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet

from certificates.communication_server.store import Store
from certificates.management.commands.deadline import instant
from certificates.management.commands.regenerate import Command as Regenerate
from certificates.models import Generation, Switch, Transition
from pbxcerts.system.commands import WrongUse
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import timekeeping

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.fixture
def tls_server(installation):
    """A communication server that loads the pair anew for each connection; the address it listens at."""
    listener = create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        while True:
            plain, _address = listener.accept()
            if ended.is_set():
                plain.close()
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            current = installation.store / "current"
            try:
                context.load_cert_chain(current / "fullchain.pem", current / "host.key")
                context.wrap_socket(plain, server_side=True).close()
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve)
    thread.start()
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    installation.set(tls_addresses=[address])
    yield address
    ended.set()
    with create_connection(listener.getsockname()):
        thread.join()
    listener.close()


def lock_of(installation):
    """Held, it is as if a worker were publishing."""
    return Store(installation.store).locked()


# -- regenerate -------------------------------------------------------------------------------------------------------


def test_the_first_pair_is_made_and_served_before_the_command_returns(installation):
    ran = installation.run("regenerate", "--reason", "first one")

    assert ran.exit_code == 0
    assert "Generation 1 is served now" in ran.out
    generation = Generation.objects.get()
    assert (generation.state, generation.trigger, generation.reason) == ("active", "command", "first one")
    assert installation.served("host.pem").decode() == generation.host_pem


def test_the_records_say_which_user_of_the_operating_system_it_was(installation):
    installation.run("regenerate")

    who = f"{getpass.getuser()} (command line)"
    assert Generation.objects.get().by == who
    assert set(Transition.objects.values_list("by", flat=True)) == {who}


def test_a_second_pair_is_handed_over(active):
    ran = active.run("regenerate", "--json")

    assert ran.exit_code == 0
    assert ran.json["switch"] is None
    assert ran.json["generation"]["state"] == "prepared"
    assert ran.json["generation"]["deadline"].endswith("Z")
    assert (active.store / "next").readlink().name == "0002"
    assert (active.store / "current").readlink().name == "0001"


def test_at_once_the_server_is_switched_without_a_handover(active):
    ran = active.run("regenerate", "--at-once", "--json")

    assert ran.exit_code == 0
    assert ran.json["switch"]["outcome"] == "not_verified"
    assert active.states == {1: "superseded", 2: "active"}


def test_a_server_that_presents_the_new_pair_is_a_verified_switch(active, tls_server):
    ran = active.run("regenerate", "--at-once", "--json")

    assert ran.exit_code == 0
    assert ran.json["switch"]["outcome"] == "verified"
    assert ran.json["switch"]["presented"] == {tls_server: ran.json["generation"]["host_sha256"]}


def test_after_a_switch_the_page_does_not_say_that_the_server_presents_another_certificate(active, tls_server):
    active.run("heartbeat")
    active.run("regenerate", "--at-once")

    new = Generation.objects.get(state="active").host_sha256
    assert Heartbeat.load().presented[tls_server]["sha256"] == new
    assert active.run("status", "--json").json["warnings"] == []


def test_the_clock_is_asked_anew(installation):
    installation.run("check_clock")
    asked = installation.ntp.asked

    installation.run("regenerate")

    assert installation.ntp.asked == asked + 1


@pytest.mark.parametrize("doubt", ["off", "silent", "wrong"])
def test_a_doubtful_clock_refuses_until_it_is_confirmed(installation, doubt):
    match doubt:
        case "off":
            installation.set(ntp_enabled=False)
        case "silent":
            installation.ntp.stratum = 16
        case "wrong":
            installation.ntp.offset = 60

    refused = installation.run("regenerate")
    assert (refused.exit_code, refused.error.code) == (3, "clock")
    assert "--without-clock" in str(refused.error)
    assert installation.states == {}

    assert installation.run("regenerate", "--without-clock").exit_code == 0
    assert Generation.objects.get().clock_override == "confirmed"


def test_a_clock_that_is_far_off_needs_a_reason_as_well(installation):
    installation.ntp.offset = timedelta(days=3).total_seconds()

    assert installation.run("regenerate", "--without-clock").exit_code == 3
    assert installation.run("regenerate", "--without-clock", "--reason", "the battery").exit_code == 0
    assert Generation.objects.get().clock_override == "the battery"


def test_without_a_name_or_address_nothing_is_generated(installation):
    installation.set(fqdn="", ip_addresses=[])

    ran = installation.run("regenerate")

    assert (ran.exit_code, ran.error.code) == (3, "settings")


def test_a_generation_that_fails_is_told_with_why(active, settings, tmp_path):
    settings.KEY_FILE = tmp_path / "other.key"
    settings.KEY_FILE.write_text("no key\n")

    ran = active.run("regenerate")

    assert ran.exit_code == 1
    assert "other.key" in str(ran.error)
    assert active.states[1] == "active"


def test_an_attempt_that_failed_names_what_to_do(active, settings, tmp_path):
    """The slot is free again: the next attempt succeeds."""
    right, settings.KEY_FILE = settings.KEY_FILE, tmp_path / "other.key"
    settings.KEY_FILE.write_text("no key\n")
    active.run("regenerate")
    settings.KEY_FILE = right

    assert active.run("regenerate").exit_code == 0
    assert active.states == {1: "active", 2: "failed", 3: "prepared"}


def test_a_switch_that_fails_goes_back_and_is_exit_code_1(active, settings):
    settings.RELOAD_COMMAND = ["false"]

    ran = active.run("regenerate", "--at-once")

    assert (ran.exit_code, ran.error.code) == (1, "went_back")
    assert "back to the pair served before" in str(ran.error)
    assert ran.error.value["switch"]["outcome"] == "went_back"
    assert active.states == {1: "active", 2: "held"}


def test_while_a_worker_holds_the_store_the_command_waits_for_it(installation):
    command = Regenerate()
    command.pause = timedelta(milliseconds=20)
    held, release = threading.Event(), threading.Event()

    def work():
        with lock_of(installation):
            held.set()
            release.wait()

    worker = threading.Thread(target=work)
    worker.start()
    held.wait()
    timer = threading.Timer(0.3, release.set)
    timer.start()

    ran = installation.run(command)

    worker.join()
    timer.join()
    assert ran.exit_code == 0
    assert installation.states == {1: "active"}


def test_it_does_not_wait_for_ever(installation):
    command = Regenerate()
    command.patience = timedelta(0)

    with lock_of(installation):
        ran = installation.run(command)

    assert (ran.exit_code, ran.error.code) == (1, "not_ready")
    assert installation.states == {1: "making"}
    assert installation.run("heartbeat").exit_code == 0
    assert installation.states == {1: "active"}


def test_a_file_system_that_refuses_is_exit_code_1(installation, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.STORE = tmp_path / "file" / "store"

    ran = installation.run("regenerate")

    assert (ran.exit_code, ran.error.code) == (1, "publishing")
    assert str(tmp_path / "file") in str(ran.error)


def test_two_at_once_are_refused(installation):
    command = Regenerate()
    command.patience = timedelta(0)
    with lock_of(installation):
        installation.run(command)

    ran = installation.run("regenerate")

    assert (ran.exit_code, ran.error.code) == (3, "state")


# -- activate, rollback, discard --------------------------------------------------------------------------------------


def test_activate_switches_and_tells_the_outcome(prepared):
    ran = prepared.run("activate", "--reason", "they are ready", "--json")

    assert ran.exit_code == 0
    assert ran.json["switch"] | {"to": 2, "away_from": 1, "why": "person"} == ran.json["switch"]
    assert prepared.states == {1: "superseded", 2: "active"}
    assert Switch.objects.first().reason == "they are ready"
    assert prepared.served("host.pem").decode() == Generation.objects.get(number=2).host_pem


@pytest.mark.parametrize("command", ["activate", "rollback", "discard"])
def test_what_the_state_does_not_allow_is_exit_code_3(active, command):
    ran = active.run(command)

    assert (ran.exit_code, ran.error.code) == (3, "state")
    assert active.states == {1: "active"}


def test_a_failed_switch_of_activate_is_exit_code_1(prepared, settings):
    settings.RELOAD_COMMAND = ["false"]

    ran = prepared.run("activate")

    assert ran.exit_code == 1
    assert prepared.states == {1: "active", 2: "held"}


def test_rollback_goes_to_the_pair_served_before(prepared):
    prepared.run("activate")

    ran = prepared.run("rollback", "--reason", "refused calls")

    assert ran.exit_code == 0
    assert "Generation 1 is served now" in ran.out
    assert prepared.states == {1: "active", 2: "held"}
    assert Transition.objects.filter(to_state="held", reason="refused calls").exists()


def test_discard_takes_the_pair_out_of_the_bundle(prepared):
    ran = prepared.run("discard", "--reason", "wrong name", "--json")

    assert ran.exit_code == 0
    assert ran.json["generation"]["state"] == "discarded"
    assert ran.json["next_generation"]["at"]
    assert not (prepared.store / "next").is_symlink()
    assert Generation.objects.get(number=2).root_pem not in (prepared.store / "trust.pem").read_text()


# -- deadline ---------------------------------------------------------------------------------------------------------


def test_the_deadline_is_moved_to_a_local_time(prepared):
    day = (datetime.now(ZURICH) + timedelta(days=5)).date()

    ran = prepared.run("deadline", f"{day}T02:30")

    assert ran.exit_code == 0
    assert f"{day} 02:30" in ran.out
    wanted = datetime(day.year, day.month, day.day, 2, 30, tzinfo=ZURICH)
    assert Generation.objects.get(number=2).deadline == wanted


def test_the_new_deadline_is_told_to_a_script(prepared):
    at = (datetime.now(UTC) + timedelta(days=5)).replace(second=0, microsecond=0)

    ran = prepared.run("deadline", f"{at:%Y-%m-%dT%H:%M}Z", "--json")

    assert ran.exit_code == 0
    assert datetime.fromisoformat(ran.json["generation"]["deadline"]) == at


def test_a_script_is_told_who_is_served_after_a_roll_back(prepared):
    prepared.run("activate")

    ran = prepared.run("rollback", "--reason", "refused calls", "--json")

    assert ran.exit_code == 0
    assert (ran.json["switch"]["away_from"], ran.json["switch"]["to"]) == (2, 1)
    status = prepared.run("status", "--json").json
    assert {pair["number"]: pair["state"] for pair in status["generations"]} == {1: "active", 2: "held"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-12-01T02:00", "2026-12-01T01:00Z"),
        ("2026-12-01 02:00", "2026-12-01T01:00Z"),
        ("2026-12-01T02:00Z", "2026-12-01T02:00Z"),
        ("2026-12-01T02:00-05:00", "2026-12-01T07:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30Z"),
    ],
)
def test_a_time_is_local_unless_it_has_an_offset(text, wanted):
    assert instant(text, ZURICH) == datetime.fromisoformat(wanted).astimezone(UTC)


def test_what_is_no_time_is_wrong_use(prepared, subtests):
    for text in ["tomorrow", "", "2026-12-01", "02:00", "2026-13-01T02:00", "2026-12-01T24:61", "2027-03-28T02:30"]:
        with subtests.test(text=text):
            before = Generation.objects.get(number=2).deadline

            with pytest.raises(WrongUse):
                instant(text, ZURICH)

            assert prepared.run("deadline", text).exit_code == 2
            assert Generation.objects.get(number=2).deadline == before


@pytest.mark.parametrize("days", [-1, 400])
def test_a_deadline_outside_its_limits_is_refused(prepared, days):
    at = datetime.now(ZURICH) + timedelta(days=days)

    assert prepared.run("deadline", f"{at:%Y-%m-%dT%H:%M}").exit_code == 3


# -- withdraw ---------------------------------------------------------------------------------------------------------


def test_the_active_pair_is_withdrawn_once_another_is_served(active):
    leaked = active.served("host.pem")

    ran = active.run("withdraw", "1", "--reason", "laptop stolen", "--json")

    assert ran.exit_code == 0
    assert active.states == {1: "withdrawn", 2: "active"}
    assert ran.json["generation"] | {"number": 1, "state": "withdrawn"} == ran.json["generation"]
    assert ran.json["switch"]["to"] == 2
    assert active.served("host.pem") != leaked
    assert leaked not in (active.store / "trust.pem").read_bytes()


def test_a_prepared_pair_that_is_withdrawn_is_replaced_with_handover(prepared):
    ran = prepared.run("withdraw", "2")

    assert ran.exit_code == 0
    assert "Generation 3 is prepared" in ran.out
    assert prepared.states == {1: "active", 2: "withdrawn", 3: "prepared"}


def test_a_superseded_pair_just_leaves_the_bundle(prepared):
    prepared.run("activate")

    ran = prepared.run("withdraw", "1", "--json")

    assert ran.exit_code == 0
    assert ran.json["switch"] is None
    assert prepared.states == {1: "withdrawn", 2: "active"}
    assert Generation.objects.get(number=1).root_pem not in (prepared.store / "trust.pem").read_text()


def test_a_withdrawn_pair_that_is_still_served_is_exit_code_1(active, settings):
    # Nothing can be made: the names are gone that a certificate needs, after the order was given.
    active.set(fqdn="not a name")

    ran = active.run("withdraw", "1")

    assert (ran.exit_code, ran.error.code) == (1, "still_served")
    assert ran.error.value["generation"]["withdrawn_at"]


@pytest.mark.parametrize("number", ["0", "2", "99"])
def test_a_pair_that_does_not_exist_is_a_wrong_value(active, number):
    assert active.run("withdraw", number).exit_code == 2


def test_withdrawing_twice_is_refused(prepared):
    prepared.run("withdraw", "2")

    assert prepared.run("withdraw", "2").exit_code == 3


def test_withdrawing_by_a_clock_that_one_server_calls_far_off_needs_tick_and_reason(active):
    active.ntp.offset = 400 * 86_400
    for arguments in ([], ["--without-clock"], ["--reason", "leaked"]):
        ran = active.run("withdraw", "1", *arguments)
        assert (ran.exit_code, ran.error.code) == (3, "clock")
        assert "--without-clock" in str(ran.error)
    assert active.states == {1: "active"}

    ran = active.run("withdraw", "1", "--without-clock", "--reason", "leaked", "--json")

    assert ran.exit_code == 0
    assert active.states == {1: "withdrawn", 2: "active"}


# -- publish, heartbeat, check_clock ----------------------------------------------------------------------------------


def test_publish_repeats_what_the_database_holds(active):
    wanted = active.served("host.pem")
    (active.store / "current" / "host.pem").write_text("overwritten")

    ran = active.run("publish", "--json")

    assert ran.exit_code == 0
    assert ran.json["published"] == {
        "current": 1,
        "store": "same",
        "matches": True,
        "differences": [],
        "failure": None,
        "unread_keys": [],
    }
    assert active.served("host.pem") == wanted


def test_publish_does_not_say_that_all_is_well_where_a_key_could_not_be_read(active, settings):
    settings.KEY_FILE.write_text(Fernet.generate_key().decode())

    ran = active.run("publish", "--json")

    assert (ran.exit_code, ran.error.code) == (1, "key_lost")
    assert "generation 1" in str(ran.error)
    assert ran.error.value["published"]["matches"] is False
    assert ran.error.value["published"]["unread_keys"] == [1]


def test_with_nothing_to_publish_there_is_nothing_to_do(installation):
    ran = installation.run("publish")

    assert ran.exit_code == 0
    assert "no pair yet" in ran.out


def test_publish_says_why_it_can_not(active, settings):
    settings.KEY_FILE.write_text("no key\n")

    assert (ran := active.run("publish")).exit_code == 1
    assert str(settings.KEY_FILE) in str(ran.error)


def test_the_heartbeat_tells_what_it_did(prepared):
    command = Regenerate()
    command.patience = timedelta(0)
    with lock_of(prepared):
        prepared.run(command)

    ran = prepared.run("heartbeat", "--json")

    assert ran.exit_code == 0
    assert ran.json["did"]
    assert [(change["generation"], change["to"]) for change in ran.json["changes"]] == [
        (2, "discarded"),
        (3, "prepared"),
    ]
    assert Heartbeat.load().last_run is not None


def test_a_heartbeat_with_nothing_due_says_so(active):
    active.run("heartbeat")

    assert active.run("heartbeat").out == "Nothing was due.\n"


def test_check_clock_tells_the_offset(installation):
    ran = installation.run("check_clock", "--json")

    assert ran.exit_code == 0
    assert ran.json["clock"]["state"] == "right"
    assert ran.json["clock"]["server"] == installation.ntp.server
    assert abs(ran.json["clock"]["offset"]) < 1
    assert ran.json["answers"][0]["stratum"] == 2


def test_a_clock_that_is_wrong_was_checked_all_the_same(installation):
    installation.ntp.offset = 60

    ran = installation.run("check_clock")

    assert ran.exit_code == 0
    assert re.search(r"(59\.9\d* s|1 minute) behind", ran.out), ran.out


def test_no_answer_is_exit_code_1(installation):
    installation.ntp.stratum = 16

    ran = installation.run("check_clock")

    assert (ran.exit_code, ran.error.code) == (1, "unanswered")
    assert installation.ntp.server in str(ran.error)


def test_where_no_server_is_to_be_asked_there_is_nothing_to_do(installation):
    installation.set(ntp_enabled=False)

    ran = installation.run("check_clock")

    assert ran.exit_code == 0
    assert installation.ntp.asked == 0


def test_a_clock_that_somebody_has_set_is_accepted(installation):
    installation.set(ntp_enabled=False)
    reading = timekeeping.read_machine()
    Heartbeat.load()
    Heartbeat.objects.update(wall=reading.wall - timedelta(days=2), boottime=reading.boottime, boot_id=reading.boot_id)
    clock = installation.run("check_clock", "--json").json["clock"]
    assert clock["jumped"] == pytest.approx(2 * 86_400, abs=1)
    assert clock["machine"][:10] != clock["counts"][:10]

    ran = installation.run("check_clock", "--accept", "--json")

    assert ran.exit_code == 0
    assert ran.json["clock"]["jumped"] is None
    assert ran.json["clock"]["machine"] == ran.json["clock"]["counts"]


def test_where_no_clock_is_to_be_accepted_that_is_exit_code_3(installation):
    ran = installation.run("check_clock", "--accept")

    assert (ran.exit_code, ran.error.code) == (3, "clock")
