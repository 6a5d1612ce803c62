"""A small installation in English and in Zurich whose clock is right, and commands that run in this process."""

import contextlib
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from certificates.management.orders import OrderCommand
from certificates.models import Generation, Settings
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from tests.support.happened import once
from tests.support.ntp import NtpResponder


@dataclass
class Ran:
    """What a command left. `error` is what it raised, None where it was successful."""

    out: str
    err: str
    error: Any

    @property
    def exit_code(self) -> int:
        return self.error.returncode if self.error else 0

    @property
    def json(self):
        return json.loads(self.out)


class Stream(io.TextIOWrapper):
    """Takes text and, below it, bytes, as the real one does."""

    def __init__(self) -> None:
        self.content = io.BytesIO()
        super().__init__(self.content, encoding="utf-8", write_through=True)


@dataclass
class Installation:
    store: Path
    ntp: NtpResponder

    def run(self, command, *arguments) -> Ran:
        out, err = Stream(), Stream()
        error = None
        try:
            call_command(command, *arguments, stdout=out, stderr=err)
        except Exception as raised:
            if not hasattr(raised, "returncode"):
                raise
            error = raised
        self.last_bytes = out.content.getvalue()
        with contextlib.suppress(UnicodeDecodeError):
            return Ran(self.last_bytes.decode(), err.content.getvalue().decode(), error)
        return Ran("", err.content.getvalue().decode(), error)

    def set(self, **values) -> None:
        General.objects.update(**{name: value for name, value in values.items() if hasattr(General, name)})
        Settings.objects.update(**{name: value for name, value in values.items() if not hasattr(General, name)})

    @property
    def states(self) -> dict[int, str]:
        return {g.number: str(g.state) for g in Generation.objects.order_by("number")}

    def served(self, name: str) -> bytes:
        return (self.store / "current" / name).read_bytes()


@pytest.fixture
def installation(db, tmp_path, settings, monkeypatch, ntp):
    """Nothing is generated yet."""
    # A mistake in the code must not make the tests wait for five minutes.
    monkeypatch.setattr(OrderCommand, "patience", timedelta(seconds=20))
    settings.DATA = tmp_path
    settings.STORE = tmp_path / "store"
    settings.KEY_FILE = tmp_path / "host-keys.key"
    Settings.load()
    installation = Installation(settings.STORE, ntp)
    installation.set(
        fqdn="pbx.example.com",
        ip_addresses=["192.0.2.10"],
        on_this_machine=False,
        time_zone="Europe/Zurich",
        language="en",
        ntp_enabled=True,
        ntp_servers=[ntp.server],
        key_type="p256",
    )
    return installation


@pytest.fixture
def active(installation):
    """Generation 1 is served."""
    once("commands: active", partial(installation.run, "regenerate"), installation.store)
    assert installation.states == {1: "active"}
    timekeeping.check_clock()
    return installation


@pytest.fixture
def prepared(active):
    """Generation 1 is served, generation 2 is handed out."""
    once("commands: prepared", partial(active.run, "regenerate"), active.store)
    assert active.states == {1: "active", 2: "prepared"}
    return active
