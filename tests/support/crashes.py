"""Kill the product at every single step: `python -m tests.support.crashes SCENARIO DIRECTORY` prints as JSON what it found.

A step is whatever changes something outside the process: a statement that writes, a commit, a file that is opened to
write, flushed, renamed, linked, deleted or given a mode, a command that is started. For k = 1, 2, ... a copy of the
prepared installation runs in a forked child that kills itself right before its k-th step, until one gets to its end.
After each, `current` must lead to a whole pair at once, and some heartbeats later all must be as if nothing had been.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

STEPS = {"os.rename", "os.symlink", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.chown"}
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT")
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MORE_THAN_A_CLAIM_LASTS = timedelta(minutes=11)
MOST_STEPS = 500

# It writes down what it found, and fails for the pair that the file "refuses" names.
RELOAD = """#!/bin/sh
cd "${0%/*}" && current=$(readlink store/current) && echo "$current" >> log && read -r refused < refuses
[ "$current" != "$refused" ]
"""


# -- an installation in a directory of its own --------------------------------------------------------------------------


def use(directory):
    """From here on this process is the product over this directory."""
    from django.conf import settings
    from django.db import connections

    settings.STORE, settings.KEY_FILE = directory / "store", directory / "secrets" / "host-keys.key"
    connections["default"].settings_dict["NAME"] = directory / "db.sqlite3"


def a_server(directory):
    from certificates.communication_server.store import Store
    from certificates.renewal.switching import CommunicationServer

    store = Store(directory / "store")
    return CommunicationServer(store=store, reload_command=[str(directory / "reload")], look_for=0, look_every=0)


def beat(directory):
    from pbxcerts import heartbeat
    from pbxcerts.system.time import ntp

    def ask(servers):
        answer = ntp.NtpAnswer(servers[0], servers[0], offset=timedelta(), delay=timedelta(), stratum=2, leap=0)
        return ntp.NtpSurvey((answer,))

    heartbeat.beat(server=a_server(directory), ask=ask)


def clock():
    from pbxcerts.system.time import timekeeping

    return timekeeping.current_clock()


def order(**options):
    from certificates.models import Generation
    from certificates.renewal import orders

    orders.order_generation(
        clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna", without_clock=True, **options)
    )


def activate(directory):
    from certificates.renewal import orders

    orders.activate(clock(), by="anna")
    beat(directory)


def is_unfinished():
    from certificates.models import Generation

    return Generation.objects.filter(state__in=["making", "failed"]).exists()


def grow_older():
    """Let time pass for claims and failed attempts: nobody wants to wait for a claim to run out."""
    from django.db.models import F

    from certificates.models import Generation

    for field in ("ordered_at", "failed_at"):
        Generation.objects.filter(state__in=["making", "failed"]).update(**{field: F(field) - MORE_THAN_A_CLAIM_LASTS})


def prepare(directory):
    from django.core.management import call_command
    from django.db import connection

    from certificates.models import Settings
    from pbxcerts.system.models import General

    (directory / "refuses").touch()
    (directory / "reload").write_text(RELOAD)
    (directory / "reload").chmod(0o755)
    if not connection.introspection.table_names():
        call_command("migrate", verbosity=0)
    general, settings = General.load(), Settings.load()
    general.fqdn, general.time_zone, general.on_this_machine = "pbx.example.com", "UTC", False
    general.ntp_enabled, general.ntp_servers = True, ["192.0.2.1"]
    general.save()
    settings.key_type, settings.interval_days, settings.overlap_days = "p256", 10, 5
    settings.generation_time = (datetime.now(UTC) - timedelta(minutes=5)).time().replace(second=0, microsecond=0)
    settings.save()
    beat(directory)


def refusal_of(act):
    """The name of what it raises, "" where it raises nothing."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error).__name__
    return ""


def empty_the_journal():
    """What SQLite writes next needs room on the disk: it would write over what lies in its log already."""
    from django.db import connection

    with connection.cursor() as cursor:
        busy, *_pages = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def open_messages():
    """{kind: [severity, parameters]} of the event messages that are not over."""
    from pbxcerts.system.models import EventMessage

    return {row.kind: [row.severity, row.params] for row in EventMessage.objects.filter(cleared_at=None)}


def state(directory):
    from certificates.communication_server.store import Store
    from certificates.models import Generation, Switch
    from certificates.renewal.situation import Situation
    from pbxcerts.system.models import Heartbeat
    from tests.support.published import leftovers, served

    store = Store(directory / "store")
    situation = Situation.load(clock())
    log = directory / "log"
    return {
        "states": {row.number: row.state for row in Generation.objects.exclude(state="failed").order_by("number")},
        "keys": [row.number for row in Generation.objects.filter(host_key__isnull=False).order_by("number")],
        "switches": list(Switch.objects.order_by("pk").values_list("to_id", "outcome")),
        "running": Switch.objects.filter(running=True).count(),
        "current": served(store),
        "next": store.target("next"),
        "differences": store.differences(situation.publication()),
        "leftovers": leftovers(store) + [path.name for path in (directory / "secrets").glob(".new-*")],
        "keys_on_disk": sorted(path.parent.name for path in store.path.glob("generations/*/host.key")),
        "last_reload": log.read_text().splitlines()[-1] if log.exists() else "",
        "publish_failure": Heartbeat.load().publish_failure,
        "standing": situation.standing.value,
    }


# -- what is killed ------------------------------------------------------------------------------------------------------


class FirstGeneration:
    """A person generates for the first time; an attempt that was killed counts as failed, and the person tries again."""

    def prepare(self, directory):
        prepare(directory)

    def run(self, directory):
        order()
        beat(directory)

    def recover(self, directory):
        from certificates.models import Generation

        if not Generation.objects.filter(state="active").exists():
            order()
            beat(directory)

    def check(self, found):
        assert list(found["states"].values()) == ["active"]
        (number,) = found["states"]
        assert found["current"] == int(number)
        assert found["next"] == ""
        assert found["last_reload"] == f"generations/{int(number):04d}"


class GenerationWithHandover:
    """The schedule's time has come; the heartbeat makes the next pair and prepares it, and by itself once more if killed."""

    def prepare(self, directory):
        from certificates.models import Generation

        prepare(directory)
        order()
        beat(directory)
        pair = Generation.objects.get(number=1)
        due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
        age = pair.made_at - (due - timedelta(days=10))
        for field in ("made_at", "not_before", "planned", "end"):
            setattr(pair, field, getattr(pair, field) - age)
        pair.save()

    def run(self, directory):
        beat(directory)

    def recover(self, directory):
        pass

    def check(self, found):
        assert list(found["states"].values()) == ["active", "prepared"]
        number = int(list(found["states"])[1])
        assert found["next"] == f"generations/{number:04d}"
        assert (found["current"], found["last_reload"]) == (1, "generations/0001")


class GenerationAtOnce:
    """Made and switched to in one round."""

    def prepare(self, directory):
        prepare(directory)
        order()
        beat(directory)

    def run(self, directory):
        order(at_once=True)
        beat(directory)

    def recover(self, directory):
        from certificates.models import Generation

        if Generation.objects.filter(state="active", number=1).exists():
            order(at_once=True)
            beat(directory)

    def check(self, found):
        assert list(found["states"].values()) == ["superseded", "active"]
        number = int(list(found["states"])[1])
        assert found["current"] == number
        assert found["last_reload"] == f"generations/{number:04d}"


class Activation:
    """A person switches to the prepared pair."""

    def prepare(self, directory):
        prepare(directory)
        order()
        beat(directory)
        order()
        beat(directory)

    def run(self, directory):
        activate(directory)

    def recover(self, directory):
        from certificates.models import Switch

        if not Switch.objects.filter(to=2).exists():
            activate(directory)

    def check(self, found):
        assert found["states"] == {"1": "superseded", "2": "active"}
        assert (found["current"], found["next"]) == (2, "")
        assert found["switches"] == [[1, "not_verified"], [2, "not_verified"]]
        assert found["last_reload"] == "generations/0002"


class FailedActivation(Activation):
    """The server refuses the new pair, and gets the old one back."""

    def prepare(self, directory):
        super().prepare(directory)
        (directory / "refuses").write_text("generations/0002")

    def check(self, found):
        assert found["states"] == {"1": "active", "2": "held"}
        assert (found["current"], found["next"]) == (1, "generations/0002")
        assert found["switches"] == [[1, "not_verified"], [2, "went_back"]]
        assert found["last_reload"] == "generations/0001"


class RollBack(Activation):
    def prepare(self, directory):
        super().prepare(directory)
        activate(directory)

    def run(self, directory):
        from certificates.renewal import orders

        orders.roll_back(clock(), by="anna")
        beat(directory)

    def recover(self, directory):
        from certificates.models import Switch

        if not Switch.objects.filter(why="roll_back").exists():
            self.run(directory)

    def check(self, found):
        assert found["states"] == {"1": "active", "2": "held"}
        assert (found["current"], found["next"]) == (1, "generations/0002")
        assert found["last_reload"] == "generations/0001"


class EndOfThePairBefore(Activation):
    """Its key goes from the disk and from the database."""

    def prepare(self, directory):
        from certificates.models import Generation

        super().prepare(directory)
        activate(directory)
        pair = Generation.objects.get(number=1)
        for field in ("made_at", "not_before", "planned", "end", "leaves_bundle_at"):
            setattr(pair, field, getattr(pair, field) - timedelta(days=20))
        pair.save()

    def run(self, directory):
        beat(directory)

    def recover(self, directory):
        pass

    def check(self, found):
        assert found["states"] == {"1": "superseded", "2": "active"}
        assert found["keys"] == [2]
        assert found["keys_on_disk"] == ["0002"]
        assert found["current"] == 2


class OlderDatabase:
    """A copy of before the last renewal was restored; what is served is adopted."""

    def prepare(self, directory):
        from django.db import connections

        prepare(directory)
        order()
        beat(directory)
        connections.close_all()
        copied = sorted(directory.glob("db.sqlite3*"))
        for file in copied:
            shutil.copy2(file, directory / f"copy-of-{file.name}")
        order(at_once=True)
        beat(directory)
        connections.close_all()
        for file in directory.glob("db.sqlite3*"):
            file.unlink()
        for file in copied:
            (directory / f"copy-of-{file.name}").rename(file)

    def run(self, directory):
        beat(directory)

    def recover(self, directory):
        pass

    def check(self, found):
        assert found["states"] == {"1": "superseded", "2": "active"}
        assert (found["current"], found["next"]) == (2, "")
        assert found["keys_on_disk"] == ["0001", "0002"]
        assert found["last_reload"] == "generations/0002"
        assert found["standing"] == "same"


class DatabasePublished(OlderDatabase):
    """The same; a person has decided that the database is published."""

    def prepare(self, directory):
        from certificates.models import StoreDecision
        from certificates.renewal import deciding

        super().prepare(directory)
        deciding.order_decision(clock(), StoreDecision.Decision.FROM_DATABASE, by="anna")

    def check(self, found):
        assert found["states"] == {"1": "active"}
        assert (found["current"], found["next"]) == (1, "")
        assert found["keys_on_disk"] == ["0001"]
        assert found["standing"] == "same"


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        FirstGeneration,
        GenerationWithHandover,
        GenerationAtOnce,
        Activation,
        FailedActivation,
        RollBack,
        EndOfThePairBefore,
        OlderDatabase,
        DatabasePublished,
    )
}


# -- killing -------------------------------------------------------------------------------------------------------------


@dataclass
class Countdown:
    """Kills this process right before its k-th step, and says into `pipe` which one that was."""

    left: int
    pipe: int
    below: str

    def __call__(self, what):
        self.left -= 1
        if self.left == 0:
            os.write(self.pipe, what.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self):
        from django.db import connection

        sys.addaudithook(self._audit)
        connection.ensure_connection()
        connection.connection.set_trace_callback(self._trace)
        # What no audit hook is told: a file is written and not yet flushed.
        fsync = os.fsync

        def flush(descriptor):
            self(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink()}")
            fsync(descriptor)

        os.fsync = flush

    def _audit(self, event, arguments):
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and path.startswith(self.below) and flags & TO_WRITE:
                self(f"open {path}")
        elif event in STEPS:
            self(f"{event} {arguments[0]}")
        elif event == "subprocess.Popen":
            self(f"start {arguments[0]}")

    def _trace(self, statement):
        if statement.lstrip().upper().startswith(WRITES):
            self(statement[:60])


def in_a_child(function):
    """What `function` returns, as JSON; None where it was killed before. Raises what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer, code = function(writing), 0
        except BaseException:  # noqa: BLE001 - told to the parent, whatever it is
            answer, code = traceback.format_exc(), 1
        os.write(writing, json.dumps(answer).encode())
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None, said
    if os.WEXITSTATUS(status):
        raise AssertionError(json.loads(said))
    return json.loads(said), ""


def walk(scenario, root):
    """Yields what went wrong; the last line says how many steps were walked."""
    import django

    os.environ["PBXCERTS_DATA"] = str(root / "data")
    django.setup()
    from django.db import connections

    from certificates.communication_server.store import Store
    from tests.support.product import copy_new_database
    from tests.support.published import served

    template = root / "template"
    (template / "secrets").mkdir(parents=True)
    copy_new_database(template / "db.sqlite3")

    def with_it(directory, act):
        def run(pipe):
            use(directory)
            return act(pipe)

        return in_a_child(run)

    def prepare_it(_):
        scenario.prepare(template)
        connections.close_all()

    with_it(template, prepare_it)
    began_with = served(Store(template / "store"))
    # What is loaded once here need not be loaded in every child.
    warm = root / "warm"
    shutil.copytree(template, warm, symlinks=True)
    use(warm)
    scenario.run(warm)
    state(warm)
    connections.close_all()

    for step in range(1, MOST_STEPS):
        here = root / f"{step:03d}"
        shutil.copytree(template, here, symlinks=True)

        def run(pipe, here=here, step=step):
            Countdown(step, pipe, str(here)).install()
            scenario.run(here)
            return "survived"

        survived, killed_at = with_it(here, run)
        where = f"step {step}, before {killed_at}"
        try:
            at_once = served(Store(here / "store"))
            assert at_once is not None or began_with is None, "nothing is served"

            def recover(_, here=here):
                beat(here)
                # A claim that was never finished runs out, and then the next attempt is made.
                for _round in range(2 if is_unfinished() else 0):
                    grow_older()
                    beat(here)
                scenario.recover(here)
                return state(here)

            found, _ = with_it(here, recover)
            assert found["running"] == 0, found
            assert found["differences"] == found["leftovers"] == [], found
            assert found["keys_on_disk"] == [f"{number:04d}" for number in found["keys"]], found
            assert found["publish_failure"] == "", found
            try:
                scenario.check(found)
            except AssertionError:
                raise AssertionError(found) from None
            if "went_back" not in str(found["switches"]) and not isinstance(scenario, RollBack | DatabasePublished):
                assert (at_once or 0) <= found["current"], f"back from {at_once} to {found['current']}"
        except AssertionError as error:
            yield f"{where}: {error}"
        shutil.rmtree(here)
        if survived:
            yield step - 1
            return
    yield f"more than {MOST_STEPS} steps"


def main():
    name, directory = sys.argv[1:]
    found = list(walk(SCENARIOS[name](), Path(directory)))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
