"""Triggers and the search that change must reach the databases that have older ones: by a migration that installs them anew."""

import hashlib
from importlib import import_module
from pathlib import Path

import terminals.migrations
from terminals.directory import search_index
from terminals.tally import triggers


def digest():
    """Of all statements by which they are made, of either database."""
    statements = [
        *triggers.statements("sqlite"),
        *triggers.statements("postgresql"),
        *search_index.STATEMENTS_OF_SQLITE,
        search_index.statement_of_postgresql("public"),
    ]
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


def newest_installed():
    """What the newest migration that installs them has written down."""
    [place] = terminals.migrations.__path__
    names = sorted(file.stem for file in Path(place).glob("0*.py"))
    found = [getattr(import_module(f"terminals.migrations.{name}"), "INSTALLS", None) for name in names]
    return [one for one in found if one][-1]


def test_the_newest_migration_that_installs_them_has_installed_these():
    assert newest_installed() == digest(), (
        "triggers or search have changed: write a migration like terminals/0024 that installs them, with this digest of them"
    )


def test_a_trigger_that_has_changed_is_noticed(monkeypatch):
    monkeypatch.setattr(triggers, "_OF_TERMINALS", triggers._OF_TERMINALS.replace("known.count +", "known.count -"))

    assert newest_installed() != digest()
