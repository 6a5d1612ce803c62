"""That it really runs: the product as it is started, a year after its first pair, by a clock that Debian's faketime moves."""

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.ntp import NtpResponder
from tests.support.peers import require_program
from tests.support.product import Product

pytestmark = [pytest.mark.peer, pytest.mark.takes_minutes]

LEAD = timedelta(seconds=80)
"""Enough to start, and for one heartbeat before the pair is due."""
# django-q2 looks at its schedules every 30 s, and the heartbeat comes once a minute: so late it can be.
PATIENCE = timedelta(seconds=120)

# libfaketime 0.9.10 spoils time.sleep() of Python 3.11 where the monotonic clock is left alone (its issue 426).
SLEEP_BY_SELECT = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""

FIRST_PAIR = """
import sys

from certificates.renewal.handover import known_terminals
from certificates.renewal.orders import GenerationOrder, order_generation
from certificates.models import Generation, Settings
from certificates.status.observing import communication_server
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import Situation
from pbxcerts.system.time import timekeeping
from pbxcerts.system.models import General

general = General.load()
general.fqdn, general.ip_addresses, general.on_this_machine = "pbx.example.org", ["127.0.0.1"], False
general.time_zone = "Europe/Berlin"
general.ntp_enabled, general.ntp_servers = True, [sys.argv[1]]
general.save()
settings = Settings.load()
settings.key_type = "p256"
settings.save()

timekeeping.check_clock()
clock = timekeeping.current_clock()
order_generation(clock, GenerationOrder(Generation.Trigger.COMMAND))
reconcile(clock, terminals=known_terminals(), server=communication_server())
print(Situation.load(clock).due.at.timestamp())
"""


def faked_clock(ahead: timedelta) -> dict[str, str]:
    """What faketime sets for a program whose clock is ahead. How long the machine has been up stays true."""
    faketime = require_program("faketime")
    printed = subprocess.run(
        [faketime, "--exclude-monotonic", "-f", f"{ahead.total_seconds():+f}s", "env", "-0"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    ).stdout
    variables = dict(line.split("=", 1) for line in printed.split("\0") if line)
    # FAKETIME_SHARED ends with faketime itself, which stands between us and what we start: so it does without.
    return {name: variables[name] for name in ("FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "LD_PRELOAD")}


def generations(data):
    """Number, state, trigger and time of making of every generation, read beside the running product."""
    with closing(sqlite3.connect(f"{(data / 'pbxcerts.sqlite3').as_uri()}?mode=ro", uri=True)) as database:
        rows = database.execute(
            "SELECT number, state, trigger, made_at FROM certificates_generation ORDER BY number"
        ).fetchall()
    return [
        (number, state, trigger, made_at and datetime.fromisoformat(made_at).replace(tzinfo=UTC))
        for number, state, trigger, made_at in rows
    ]


def test_the_worker_renews_and_publishes_by_itself_when_the_pair_is_due(tmp_path):
    require_program("faketime")
    (tmp_path / "sitecustomize.py").write_text(SLEEP_BY_SELECT)
    with NtpResponder() as ntp, Product(tmp_path).install() as product:
        data, store = product.data, product.data / "store"
        due = datetime.fromtimestamp(float(product.run(FIRST_PAIR, ntp.server)), UTC)
        assert [row[:3] for row in generations(data)] == [(1, "active", "command")]

        ahead = due - LEAD - datetime.now(UTC)
        assert ahead > timedelta(days=360)
        ntp.offset = ahead.total_seconds()
        product.up(**faked_clock(ahead), PYTHONPATH=str(tmp_path))

        def faked_now():
            return datetime.now(UTC) + ahead

        while not (store / "next").is_symlink() and faked_now() < due + PATIENCE:
            assert product.still_runs()
            assert len(generations(data)) == 1 or faked_now() >= due, "made before it was due"
            time.sleep(0.5)

        first, second = generations(data)
        assert first[:3] == (1, "active", "command")
        assert second[:3] == (2, "prepared", "schedule")
        assert due <= second[3] <= due + PATIENCE
        assert (store / "current").readlink() == Path("generations/0001")
        assert (store / "next").readlink() == Path("generations/0002")
        root, host = (
            x509.load_pem_x509_certificate((store / "next" / name).read_bytes()) for name in ("root.pem", "host.pem")
        )
        host.verify_directly_issued_by(root)
        assert host.not_valid_before_utc == second[3] - timedelta(hours=24)
        # One bundle for terminals: root and host of the prepared and of the active pair.
        assert len(x509.load_pem_x509_certificates((store / "trust.pem").read_bytes())) == 4

        assert product.end() == 0
