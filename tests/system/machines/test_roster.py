"""Which machines live, which one publishes, and who may take its place (rules machines, one-publishes, same-secrets, one-time)."""

import errno
import shutil
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import IntegrityError

from pbxcerts.system import sealing
from pbxcerts.system.machines import clones, machine_key, shared_secrets
from pbxcerts.system.machines.machine_warnings import machine_warnings, of_every_page
from pbxcerts.system.machines.other_machines import refuses_us
from pbxcerts.system.machines.publisher import TakeOverRefused, claim, forget, register, show_life, take_over
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.machines.shared_secrets import Difference
from pbxcerts.system.models import ClockCheck, Heartbeat
from tests.support.machine import Machine
from tests.support.machines import OTHER, OWN, add, publishes_here, read

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _own_data(settings, tmp_path, key_file):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    sealing.make_key_list()


@pytest.fixture
def machine():
    return Machine()


def kinds(found):
    return {notice.id for notice in machine_warnings(found)}


def publisher():
    return Heartbeat.objects.filter(publishes=True).values_list("key", flat=True).first()


class TestSilence:
    def test_a_machine_whose_beats_stand_for_five_minutes_is_silent(self, machine):
        add(publishes=True)
        for _minute in range(4):
            assert not read(machine).is_silent(read(machine).others[0])
            machine.run(MINUTE)
        machine.run(MINUTE)
        found = read(machine)

        assert found.is_silent(found.others[0])
        assert kinds(found) == {"publisher_silent"}
        assert [notice.id for notice in of_every_page()] == ["publisher_silent"]

    def test_one_beat_is_life(self, machine):
        add(publishes=True)
        read(machine)
        machine.run(6 * MINUTE)
        Heartbeat.objects.filter(key=OTHER).update(beats=8)

        assert kinds(read(machine)) == set()

    def test_no_clock_that_is_set_makes_anybody_silent(self, machine):
        add(publishes=True)
        read(machine)
        machine.set_clock(timedelta(days=400))
        machine.run(MINUTE)

        assert kinds(read(machine)) == set()

    def test_after_a_start_of_this_machine_it_is_observed_anew(self, machine):
        add(publishes=True)
        read(machine)
        machine.run(6 * MINUTE)
        machine.restart()

        assert kinds(read(machine)) == set()

    def test_another_one_than_the_publisher_is_missed_too(self, machine):
        publishes_here()
        add()
        read(machine)
        machine.run(6 * MINUTE)

        assert kinds(read(machine)) == {"machine_silent"}


class TestWhoPublishes:
    def test_the_only_one_does(self):
        assert claim(read())
        assert publisher() == OWN

    def test_not_beside_another_one(self):
        add(publishes=True)
        assert not claim(read())
        assert publisher() == OTHER

    def test_where_nobody_does_the_one_whose_environment_names_a_store(self, settings):
        add()
        assert not claim(read())
        settings.NAMES_STORE = True
        assert claim(read())

    def test_not_one_that_runs_the_panel_alone(self, settings):
        settings.NAMES_STORE = True
        Heartbeat.load()
        Heartbeat.own().update(serves=True)

        assert not claim(read())

    def test_the_database_lets_only_one(self):
        publishes_here()
        with pytest.raises(IntegrityError):
            add(publishes=True)

    def test_of_two_who_have_both_seen_nobody_one_gets_it(self):
        found = read()
        add(publishes=True)

        assert not claim(found)
        assert publisher() == OTHER

    def test_one_that_is_started_without_its_worker_leaves_it_to_another(self, machine):
        publishes_here()
        register(machine.read(), works=False, serves=True)
        assert publisher() is None

        register(machine.read(), works=True, serves=True)
        assert publisher() == OWN

    def test_a_second_store_is_told(self):
        publishes_here()
        add(names_store=True)

        assert kinds(read()) == {"second_store"}

    def test_who_has_lost_it_shows_no_life_as_the_publisher(self):
        publishes_here()
        assert show_life()
        Heartbeat.own().update(publishes=False)
        assert not show_life()


class TestTakingOver:
    def test_after_five_minutes_of_silence(self, machine):
        add(publishes=True)
        Heartbeat.own().update(works=True)
        read(machine)
        machine.run(5 * MINUTE)
        take_over(OWN, read(machine))

        assert publisher() == OWN

    def test_not_before(self, machine):
        add(publishes=True)
        Heartbeat.own().update(works=True)
        read(machine)
        machine.run(4 * MINUTE)

        with pytest.raises(TakeOverRefused, match="west"):
            take_over(OWN, read(machine))
        assert publisher() == OTHER

    def test_not_where_it_has_beaten_since_the_page_was_read(self, machine):
        add(publishes=True)
        Heartbeat.own().update(works=True)
        read(machine)
        machine.run(5 * MINUTE)
        found = read(machine)
        Heartbeat.objects.filter(key=OTHER).update(beats=8)

        with pytest.raises(TakeOverRefused, match="west"):
            take_over(OWN, found)
        assert publisher() == OTHER

    def test_not_by_a_machine_without_a_worker(self, machine):
        Heartbeat.load()

        with pytest.raises(TakeOverRefused):
            take_over(OWN, read(machine))
        assert publisher() is None

    def test_a_machine_that_is_gone_is_forgotten_once_it_is_silent(self, machine):
        publishes_here()
        add()
        read(machine)
        with pytest.raises(TakeOverRefused):
            forget(OTHER, read(machine))
        machine.run(5 * MINUTE)
        forget(OTHER, read(machine))

        assert [row.key for row in Heartbeat.objects.all()] == [OWN]

    def test_never_the_one_that_publishes(self, machine):
        add(publishes=True)
        read(machine)
        machine.run(5 * MINUTE)

        with pytest.raises(TakeOverRefused):
            forget(OTHER, read(machine))


class TestSecrets:
    def other(self, settings, **changes):
        """What another machine says of its secrets, which has these settings."""
        before = {name: getattr(settings, name) for name in changes}
        for name, value in changes.items():
            setattr(settings, name, value)
        said = shared_secrets.fingerprints()
        for name, value in before.items():
            setattr(settings, name, value)
        return said

    def list_of(self, place, *keys):
        place.write_text("\n".join(keys))
        return place

    def test_the_same_ones_are_no_difference(self):
        add(publishes=True)
        assert read().refusal is None

    def test_with_another_secret_key_nobody_works(self, settings):
        add(publishes=True, secrets=self.other(settings, SECRET_KEY="another one"))

        assert read().refusal is Difference.SECRET_KEY
        assert refuses_us() == "secret_key"

    def test_nor_with_a_list_that_shares_no_key(self, settings, tmp_path):
        place = self.list_of(tmp_path / "other", Fernet.generate_key().decode())
        add(publishes=True, secrets=self.other(settings, KEY_FILE=place))

        assert read().refusal is Difference.KEY_LIST

    def test_a_new_key_can_be_brought_to_one_machine_after_another(self, settings, tmp_path):
        new, old = Fernet.generate_key().decode(), settings.KEY_FILE.read_text().strip()
        place = self.list_of(tmp_path / "other", new, old)
        add(publishes=True, secrets=self.other(settings, KEY_FILE=place))
        found = read()
        assert found.refusal is None
        assert kinds(found) == {"machine_key_missing"}

        self.list_of(settings.KEY_FILE, new, old)
        assert kinds(read()) == set()

    def test_it_may_begin_with_any_of_them(self, settings, tmp_path):
        new, old = Fernet.generate_key().decode(), settings.KEY_FILE.read_text().strip()
        add(publishes=True)
        self.list_of(settings.KEY_FILE, new, old)
        found = read()

        assert found.refusal is None
        assert kinds(found) == {"machine_key_unknown"}

    def test_the_machine_that_is_right_says_who_is_not(self, settings):
        publishes_here()
        read()
        add(secrets=self.other(settings, SECRET_KEY="another one"))
        found = read()

        assert found.refusal is None
        assert kinds(found) == {"machine_secret_key_differs"}

    def test_no_fingerprint_is_a_secret(self, settings):
        said = str(shared_secrets.fingerprints())
        assert settings.SECRET_KEY not in said
        assert settings.KEY_FILE.read_text().strip() not in said


class TestClocks:
    def test_a_clock_that_differs_from_the_publishers_by_more_than_five_seconds_is_told(self):
        publishes_here()
        Heartbeat.own().update(database_ahead=2.0)
        add(database_ahead=-3600.0)
        found = Machines.load(Machine().read())

        assert found.clock_differs_by(found.others[0]) == timedelta(seconds=3602)
        assert kinds(found) == {"machines_clocks_differ"}

    def test_also_where_time_servers_have_set_right_what_counts(self):
        publishes_here()
        Heartbeat.own().update(database_ahead=2.0, database_ahead_of_machine=2.0)
        add(database_ahead=2.0, database_ahead_of_machine=3602.0)
        found = Machines.load(Machine().read())

        # PostgreSQL says how our own clock stands now.
        assert abs(found.clock_differs_by(found.others[0]) + timedelta(hours=1)) < timedelta(seconds=5)

    def test_one_that_differs_by_less_is_not(self):
        publishes_here()
        Heartbeat.own().update(database_ahead=2.0)
        add(database_ahead=-1.0)

        assert kinds(Machines.load(Machine().read())) == set()


class TestKey:
    def test_it_stays_the_same_from_the_first_start_on(self, tmp_path):
        key = machine_key.read(tmp_path)
        machine_key.keep(tmp_path, key)
        assert machine_key.read(tmp_path) == key

    def test_until_then_each_process_has_one_of_its_own_and_leaves_no_file(self, tmp_path):
        assert machine_key.read(tmp_path) != machine_key.read(tmp_path)
        assert not (tmp_path / machine_key.FILE).exists()

    def test_a_copy_on_another_operating_system_is_another_machine(self, tmp_path, monkeypatch):
        key = machine_key.read(tmp_path)
        machine_key.keep(tmp_path, key)
        (tmp_path / "machine-id").write_text("another\n")
        monkeypatch.setattr(machine_key, "MACHINE_ID", tmp_path / "machine-id")
        other = machine_key.read(tmp_path)
        machine_key.keep(tmp_path, other)

        assert machine_key.read(tmp_path) == other != key

    @pytest.mark.parametrize("content", ["", "{", '{"key": "\'; DROP TABLE"}', '{"key": 7, "system": ""}', "[]"])
    def test_what_is_no_key_is_none(self, tmp_path, content):
        (tmp_path / machine_key.FILE).write_text(content)
        assert len(machine_key.read(tmp_path)) == 32


class TestClones:
    """Data directories with the same key, as a clone of a virtual machine has it."""

    @pytest.fixture
    def start(self, settings, tmp_path):
        def start(name):
            (tmp_path / name / "run").mkdir(parents=True, exist_ok=True)
            settings.DATA = tmp_path / name
            register(Machine().read(), works=True, serves=True)

        return start

    @pytest.fixture
    def clone(self, tmp_path):
        def clone(name, of):
            shutil.copytree(tmp_path / of, tmp_path / name)

        return clone

    @pytest.fixture
    def told(self, settings, tmp_path):
        """Whether it is told after one beat more of each of these, in their order."""

        def told(*names):
            for name in names:
                settings.DATA = tmp_path / name
                read()
            return "two_of_one_machine" in kinds(Machines.load(Machine().read()))

        return told

    @pytest.mark.parametrize("starts", [True, False], ids=["is started", "goes on with its memory"])
    def test_two_that_beat_as_one_machine_are_told_until_one_is_left(self, start, clone, told, starts):
        start("original")
        assert not told("original", "original")
        clone("clone", of="original")
        if starts:
            start("clone")
        assert not told("clone", "original")
        assert told("clone", "original")
        # Whoever is faster, in whatever order.
        assert told("clone", "clone", "original", "original", "original", "clone")
        assert told(*["original"] * 15)
        assert not told("original")

    def test_a_restart_of_the_clone_does_not_end_it(self, start, clone, told):
        start("original")
        clone("clone", of="original")
        assert told("clone", "original", "clone", "original")
        start("clone")
        assert told("original", "clone")

    def test_a_machine_that_starts_again_and_again_is_one(self, start, told):
        for _start in range(5):
            start("original")
            start("original")
            assert not told("original", "original")

    def test_one_that_is_put_back_to_a_snapshot_of_itself_is_one(self, start, clone, told):
        start("original")
        for number in range(3):
            clone(f"snapshot {number}", of="original")
            assert not told(*["original"] * 15)
            assert not told(*[f"snapshot {number}"] * 15)
            assert not told("original")

    def test_a_round_during_which_others_beat_is_not_another_machine(self, start, told):
        """Commands beat too."""
        start("original")
        for _round in range(5):
            long = Machines.load(Machine().read())
            assert not told("original", "original")
            Heartbeat.own().update(**long.told())
            assert not told("original")

    def test_another_machine_is_told_of_too(self, start, told):
        start("original")
        add(starts={"word": "a", "turns": 3, "alone": 0})
        assert told("original")

    def test_commands_without_a_start_change_nothing(self, told, tmp_path):
        (tmp_path / "command").mkdir()
        assert not told("command")
        assert Heartbeat.load().starts == {}

    def test_on_a_full_disk_no_word_is_left_that_would_be_unknown_later(self, start, told, monkeypatch):
        def full(*_arguments):
            raise OSError(errno.ENOSPC, "No space left on device")

        start("original")
        left = Heartbeat.load().starts
        with monkeypatch.context() as patch:
            patch.setattr(clones.os, "open", full)
            assert not told("original", "original")
            assert Heartbeat.load().starts == left
        assert not told("original")
        assert Heartbeat.load().starts["turns"] == 0


class TestFirstRow:
    def test_what_commands_have_left_without_the_directory_of_a_machine_is_none_and_goes_with_the_next(self, settings):
        publishes_here()
        left = ["a" * 32, "b" * 32]
        for key in left:
            Heartbeat.objects.create(key=key)
        assert read().others == ()
        settings.MACHINE = "c" * 32
        Heartbeat.load()

        assert not Heartbeat.objects.filter(key__in=left).exists()

    def test_a_version_that_knew_one_machine_has_left_it_with_what_it_published(self):
        check = ClockCheck.objects.create(checked_at="2026-07-01T08:00Z", boottime=1.0, boot_id="b")
        Heartbeat.objects.create(key="", publishes=True, beats=41)

        assert Heartbeat.load().beats == 41
        assert publisher() == OWN
        check.refresh_from_db()
        assert check.machine == OWN
