"""The process that sends: what it knows, that nobody waits for anybody, and that it is killed without harm."""

import os
import pkgutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.models import Delivery, Destination
from tests.support.http_sink import HttpSink
from tests.support.product import Product, free_port
from tests.support.running import wait_for

KNOWN = "from pbxcerts.system.events import EventKind; print(*sorted(EventKind.known))"


def printed(code):
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "pbxcerts.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.process
def test_it_knows_the_texts_of_every_kind_of_event_message():
    modules = [
        module.name
        for package in ("pbxcerts", "certificates", "terminals")
        for module in pkgutil.walk_packages([package], f"{package}.")
        if not {"__main__", "migrations", "agent"} & set(module.name.split("."))
    ]
    everything = printed(f"import importlib\nfor name in {modules!r}: importlib.import_module(name)\n{KNOWN}")

    assert printed(f"import pbxcerts.management.commands.deliver\n{KNOWN}") == everything
    # What the pages of event messages are served by.
    assert printed(f"import pbxcerts.urls\n{KNOWN}") == everything


@pytest.mark.process
def test_what_runs_all_the_time_never_loads_what_a_service_needs():
    loaded = printed("import pbxcerts.tasks, pbxcerts.urls, pbxcerts.processes.web, sys\nprint(*sys.modules)").split()

    assert "pbxcerts.system.notifications.sending" in loaded
    assert {"apprise", "requests", "smtplib", "markdown"} & set(loaded) <= {"smtplib"}


@pytest.mark.django_db
def test_one_that_hangs_costs_the_others_nothing(desk):
    with HttpSink() as hanging, HttpSink() as quick:
        hanging.late = 60
        slow = desk.destination(url=hanging.url)
        others = [desk.destination(url=quick.url) for _number in range(5)]
        desk.happens()
        desk.notes()
        began = time.monotonic()
        assert sending.deliver_due(limit=1.5) == 5
        assert time.monotonic() - began < 4

    assert {one.destination for one in Delivery.objects.filter(state="delivered")} == set(others)
    assert Destination.objects.get(pk=slow.pk).fault == "no_answer"


@pytest.mark.django_db
def test_credentials_whose_key_is_lost_are_said(desk, key_file):
    destination = desk.destination()
    key_file.write_text("LsUqmpnwCs6OF0vx2fAnq4dBQ_IJ-u8nbCWuNpAHS24=\n")
    delivery = queue.test(destination, desk.now)
    sending.deliver_due()

    delivery.refresh_from_db()
    assert delivery.fault == "key_lost"


@pytest.mark.django_db
def test_what_a_library_raises_never_reaches_log_or_page_with_a_secret(desk, monkeypatch, caplog):
    def fails(_target, _letter):
        raise RuntimeError("http://user:hidden@host/")

    monkeypatch.setattr(sending, "_transport", lambda _kind: fails)
    delivery = queue.test(desk.destination(), desk.now)
    sending.deliver_due()

    delivery.refresh_from_db()
    assert (delivery.fault, delivery.said) == ("unexpected", {"said": "RuntimeError"})
    assert "hidden" not in caplog.text
    assert "RuntimeError" in caplog.text


SET_UP = """
from datetime import UTC, datetime
from pbxcerts.processes import startup
startup.prepare()
from pbxcerts.system.models import EventMessage
from pbxcerts.system.notifications import queue
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.time.timekeeping import read_machine, machine_time
from pbxcerts.system.models import General
import sys
queue.begin_with(Destination(name="hook", kind="webhook", url=sys.argv[1], secret="s", options={"shown": "-"}, digested_on=machine_time().date()))
EventMessage.objects.create(kind="files_differ", severity="serious", params={"files": "root.pem"}, raised_at=machine_time())
queue.note(list(Destination.objects.all()), General.load(), machine_time(), read_machine())
"""
STATE = """
from pbxcerts.system.notifications.models import Delivery
print(*[f"{one.state} {one.attempts}" for one in Delivery.objects.all()])
"""
CLAIM_IS_OVER = "from pbxcerts.system.notifications.models import Delivery; Delivery.objects.update(due_boottime=0)"


def deliver(product):
    """A sender that comes to its end; what it says of it."""
    sender = product.command("-m", "pbxcerts", "deliver")
    output, error = sender.communicate(timeout=60)
    assert sender.returncode == 0, error
    return output


@pytest.mark.process
def test_one_that_is_killed_in_the_middle_repeats_itself_with_the_same_ids(tmp_path):
    product = Product(tmp_path).install()
    with HttpSink() as sink:
        sink.late = 20
        product.run(SET_UP, sink.url)
        sender = product.command("-m", "pbxcerts", "deliver")
        try:
            wait_for(lambda: sink.received, what="the first attempt")
            os.kill(sender.pid, signal.SIGKILL)
        finally:
            with suppress(ProcessLookupError):
                sender.kill()
            sender.communicate()
        assert product.run(STATE).split() == ["waiting", "1"]
        sink.late = 0
        # Its claim is not over yet.
        deliver(product)
        assert len(sink.received) == 1
        product.run(CLAIM_IS_OVER)
        output = deliver(product)

    assert "1 " in output
    assert product.run(STATE).split() == ["delivered", "2"]
    first, second = (body for _method, _path, _headers, body in sink.received)
    assert first == second


@pytest.mark.process
def test_a_receiver_that_is_killed_gets_it_when_it_is_back(tmp_path):
    product, port = Product(tmp_path).install(), free_port()
    product.run(SET_UP, f"http://127.0.0.1:{port}/hook")
    deliver(product)
    assert product.run(STATE).split() == ["waiting", "1"]
    sink = HttpSink()
    sink.port = port
    with sink:
        product.run(CLAIM_IS_OVER)
        deliver(product)

    assert product.run(STATE).split() == ["delivered", "2"]
    assert len(sink.received) == 1
