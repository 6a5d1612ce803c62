"""What was seen and is not in the database yet outlives the process that saw it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from pbxcerts.system.events import Notice
from terminals.evidence.facts import (
    CameBack,
    FetchedConfiguration,
    FetchedTrust,
    LoggedEvent,
    Proved,
    Reported,
    UnknownPhone,
)
from terminals.evidence.journal import Journal
from terminals.evidence.queue import EvidenceQueue
from terminals.web.provisioning import FETCHED_IN_CLEAR

NOW = datetime(2026, 7, 1, 2, 3, 4, 567, tzinfo=UTC)
FACTS = [
    FetchedConfiguration(1, "00085D000001.cfg", "Mitel6930 ä", "192.0.2.1", NOW, "6.4"),
    FetchedTrust(1, frozenset({1, 2}), "2-1.pem", "Mitel6930", "192.0.2.1", NOW, "6.4"),
    Reported(2, frozenset({"ab", "cd"}), "agent", "2001:db8::2", NOW),
    Proved(2, 2, "agent", "2001:db8::2", NOW),
]


def files(directory):
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def killed(tmp_path):
    """A process that was killed after these facts: nothing was closed, nothing forgotten."""

    def left(*facts):
        Journal(tmp_path).write(facts)
        return tmp_path

    return left


def test_all_that_a_terminal_can_prove_is_read_as_it_was_written(killed):
    assert Journal(killed(*FACTS)).left() == FACTS


BY_THE_FIRST_VERSION = """\
[["FetchedConfiguration", {"terminal": 1, "file": "00085D000001.cfg", "user_agent": "Mitel6930 \\u00e4", \
"address": "192.0.2.1", "at": "2026-07-01T02:03:04.000567+00:00", "firmware": "6.4"}], \
["FetchedTrust", {"terminal": 1, "generations": [1, 2], "file": "2-1.pem", "user_agent": "Mitel6930", \
"address": "192.0.2.1", "at": "2026-07-01T02:03:04.000567+00:00", "firmware": "6.4"}], \
["Reported", {"terminal": 2, "fingerprints": ["ab", "cd"], "user_agent": "agent", \
"address": "2001:db8::2", "at": "2026-07-01T02:03:04.000567+00:00", "firmware": ""}], \
["Proved", {"terminal": 2, "generation": 2, "user_agent": "agent", \
"address": "2001:db8::2", "at": "2026-07-01T02:03:04.000567+00:00", "firmware": ""}]]
"""


def test_what_an_earlier_version_wrote_is_read_whatever_the_classes_are_called_now(tmp_path):
    (tmp_path / "evidence-1").write_text(BY_THE_FIRST_VERSION)

    assert Journal(tmp_path).left() == FACTS


def test_an_earlier_version_can_read_what_this_one_writes(killed):
    assert (killed(*FACTS) / "evidence-1").read_text() == BY_THE_FIRST_VERSION


def test_those_that_came_back_stand_on_a_line_of_their_own_because_no_earlier_version_knows_them(killed):
    came = CameBack(1, True, True, "192.0.2.1", NOW, by_secret_path=True)
    directory = killed(*FACTS, came)

    assert (directory / "evidence-1").read_text().splitlines(keepends=True)[0] == BY_THE_FIRST_VERSION
    assert Journal(directory).left() == [*FACTS, came]


def test_what_an_earlier_version_cannot_read_stands_on_lines_of_its_own(killed):
    newer = [
        replace(FACTS[0], named=frozenset({1, 2})),
        replace(FACTS[1], by_secret_path=True),
        replace(FACTS[0], named=frozenset({2}), by_secret_path=True),
    ]
    directory = killed(*newer, *FACTS)

    lines = (directory / "evidence-1").read_text().splitlines(keepends=True)
    assert len(lines) == 4
    assert BY_THE_FIRST_VERSION in lines
    assert sorted(map(repr, Journal(directory).left())) == sorted(map(repr, [*newer, *FACTS]))


def test_what_several_processes_left_comes_in_its_order(killed):
    for fact in FACTS:
        directory = killed(fact)

    assert Journal(directory).left() == FACTS


def test_what_is_forgotten_is_gone_and_what_came_since_is_not(tmp_path):
    journal = Journal(tmp_path)
    journal.write(FACTS[:2])
    before = journal.turn()
    journal.write(FACTS[2:])
    journal.forget(before)

    assert Journal(tmp_path).left() == FACTS[2:]


@pytest.mark.parametrize("spoilt", [b'[["Proved", {"terminal"', b'[["Fax", {}]]', b'[["Proved", {"at": 1}]]', b"\xff"])
def test_a_line_that_was_cut_or_is_of_another_version_costs_no_other(killed, spoilt):
    directory = killed(*FACTS)
    with (directory / "evidence-1").open("ab") as file:
        file.write(spoilt)

    assert Journal(directory).left() == FACTS


def test_nobody_else_reads_it(killed):
    directory = killed(*FACTS)

    assert (directory / "evidence-1").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_written_is_told_once(tmp_path, caplog):
    journal = Journal(tmp_path / "none")
    journal.write(FACTS)
    journal.write(FACTS)

    assert journal.turn() == []
    assert caplog.text.count("in memory alone") == 1


# -- with the queue ----------------------------------------------------------------------------------------------------


def process(directory, *facts, write):
    """A web process: it sees these, and is told to end."""

    async def main():
        queue = EvidenceQueue(write, journal=Journal(directory))
        task = asyncio.create_task(queue.run())
        for fact in facts:
            queue.add(fact)
        await asyncio.sleep(0.3)
        queue.close()
        await asyncio.wait_for(task, 20)

    asyncio.run(main())


def test_what_is_in_the_database_is_in_no_file_any_more(tmp_path):
    taken = []
    process(tmp_path, *reversed(FACTS), write=taken.extend)

    assert taken == [*reversed(FACTS)]
    assert files(tmp_path) == []


def test_the_next_process_writes_what_the_one_before_left_first(killed):
    taken = []
    directory = killed(*FACTS[:2])
    process(directory, *FACTS[2:], write=taken.extend)

    assert taken == FACTS
    assert files(directory) == []


def test_while_the_database_takes_nothing_it_stays(tmp_path):
    seen = []

    def locked_at_first(facts):
        seen.append(files(tmp_path))
        if len(seen) == 1:
            raise OperationalError("database is locked")

    process(tmp_path, *FACTS, write=locked_at_first)

    assert seen == [["evidence-1"], ["evidence-1"]]
    assert files(tmp_path) == []


def test_who_is_unknown_and_what_is_only_logged_is_worth_no_file(tmp_path):
    seen = []
    unknown = UnknownPhone("00085D000009", "6930", "6.4", "192.0.2.1", NOW)
    logged = LoggedEvent(Notice(FETCHED_IN_CLEAR, subject="1 100 b", params={"number": "100", "address": "b"}), NOW)
    process(tmp_path, unknown, logged, write=lambda facts: seen.append((len(facts), files(tmp_path))))

    assert seen == [(2, [])]


def test_an_error_of_the_database_leaves_nothing_for_the_collector_of_another_thread(tmp_path):
    """Its frames hold cursors; whoever collected them would wait for the connection of the thread that writes."""
    alive = []

    class Cursor:
        def __init__(self):
            alive.append(1)

        def __del__(self):
            alive.pop()

    counted = []

    def write(_facts):
        counted.append(len(alive))
        if len(counted) == 1:
            _fails_as_django_does(Cursor())

    process(tmp_path, *FACTS, write=write)

    assert counted == [0, 0]
    assert files(tmp_path) == []


def _fails_as_django_does(cursor):
    try:
        raise ValueError(f"locked: {cursor is not None}")
    except ValueError as error:
        # As `django.db.utils.DatabaseErrorWrapper` does it: the frame knows the error, and the error the frame.
        raised = OperationalError("database is locked")
        raise raised from error
