"""Evidence on its way to the database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from pbxcerts.system.events import Notice
from pbxcerts.system.models import EventMessage
from terminals.evidence import queue as evidence_queue
from terminals.evidence import recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust, LoggedEvent, Proved, Reported, UnknownPhone
from terminals.evidence.models import Discovered
from terminals.evidence.queue import EvidenceQueue
from terminals.models import Installation
from terminals.web.provisioning import FETCHED_IN_CLEAR

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def fetched(terminal, *generations, address="192.0.2.1"):
    return FetchedTrust(terminal, frozenset(generations or [1]), "1.pem", "Mitel6930", address, NOW)


def unknown(number, at=NOW):
    return UnknownPhone(f"00085D{number:06X}", "6930", "6.4", "192.0.2.1", at)


class Database:
    """`refuses` says of each batch with which error; None takes it."""

    def __init__(self, refuses=lambda _facts: None):
        self.refuses = refuses
        self.batches = []

    def write(self, facts):
        if (error := self.refuses(list(facts))) is not None:
            raise error
        self.batches.append(list(facts))

    @property
    def taken(self):
        return [fact for batch in self.batches for fact in batch]


def run(database, *facts, pause=0.0):
    async def main():
        queue = EvidenceQueue(database.write)
        task = asyncio.create_task(queue.run())
        for fact in facts:
            queue.add(fact)
            await asyncio.sleep(pause)
        queue.close()
        await asyncio.wait_for(task, 20)
        return queue

    return asyncio.run(main())


def run_at_once(database, *facts):
    """All of them come before the queue is looked at, however slow the machine is."""

    async def main():
        queue = EvidenceQueue(database.write)
        for fact in facts:
            queue.add(fact)
        queue.close()
        await asyncio.wait_for(queue.run(), 20)

    asyncio.run(main())


def test_what_comes_once_more_is_written_behind_what_came_in_between():
    database = Database()
    run_at_once(database, fetched(1), fetched(2), fetched(1))
    assert [fact.terminal for fact in database.taken] == [2, 1]


def test_what_arrives_together_is_written_together_some_hundred_at_a_time():
    database = Database()
    run(database, *(fetched(number) for number in range(1000)))

    assert [len(batch) for batch in database.batches] == [500, 500]
    assert [fact.terminal for fact in database.taken] == list(range(1000))


def test_where_the_database_is_locked_in_the_middle_the_rest_is_written_later_and_nothing_twice(monkeypatch):
    monkeypatch.setattr(evidence_queue, "AGAIN_AFTER", 0.01)
    answers = iter([None, OperationalError("database is locked")])
    database = Database(lambda _facts: next(answers, None))
    run(database, *(fetched(number) for number in range(1500)))

    assert [fact.terminal for fact in database.taken] == list(range(1500))


def test_memory_is_given_back_after_some_hundred_and_not_after_each(monkeypatch):
    given_back = []

    async def main():
        queue = EvidenceQueue(Database().write, afterwards=lambda: given_back.append("now"))
        task = asyncio.create_task(queue.run())
        for count in (100, 399, 1, 10):
            for number in range(count):
                queue.add(fetched(number))
            while queue._waiting:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            given_back.append(count)
        queue.close()
        await task

    asyncio.run(asyncio.wait_for(main(), 20))
    assert given_back == [100, 399, "now", 1, 10]


def test_a_report_that_comes_again_stays_before_its_proof():
    database = Database()
    report = Reported(1, frozenset({"ab"}), "agent", "192.0.2.1", NOW)
    others = [fetched(number) for number in range(2, 800)]
    run(database, report, Proved(1, 1, "agent", "192.0.2.1", NOW), *others, report)

    kinds = [type(fact) for fact in database.taken if fact.terminal == 1]
    assert kinds == [Reported, Proved]


def meanwhile(database, *, seconds, every=0.005):
    """What is written while phones keep coming, and what after they have stopped."""

    async def main():
        queue = EvidenceQueue(database.write)
        task = asyncio.create_task(queue.run())
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        number = 0
        while loop.time() < until:
            queue.add(fetched(number := number + 1))
            await asyncio.sleep(every)
        during = len(database.taken)
        while len(database.taken) < number:
            await asyncio.sleep(0.01)
        queue.close()
        await task
        return during

    return asyncio.run(asyncio.wait_for(main(), 20))


def test_phones_that_keep_coming_are_answered_first_and_written_when_they_stop(monkeypatch):
    monkeypatch.setattr(evidence_queue, "QUIET", 0.2)
    monkeypatch.setattr(evidence_queue, "LONGEST_WAIT", 60)

    assert meanwhile(Database(), seconds=0.5) == 0


def test_what_has_waited_for_long_is_written_although_they_keep_coming(monkeypatch):
    monkeypatch.setattr(evidence_queue, "QUIET", 0.2)
    monkeypatch.setattr(evidence_queue, "LONGEST_WAIT", 0.1)

    assert meanwhile(Database(), seconds=1) > 0


def test_a_phone_that_has_taken_its_trust_file_is_written_once():
    database = Database()
    configuration = FetchedConfiguration(1, "00085D000001.cfg", "Mitel6930", "192.0.2.1", NOW)
    run(database, configuration, fetched(1))

    assert database.taken == [fetched(1)]


def test_who_fetches_from_another_address_takes_nobodys_place():
    """A stranger who asks just after the telephone would be the only one who was seen."""
    database = Database()
    took = [fetched(1, 2, address=f"192.0.2.{number}") for number in (1, 2)]
    asked = [FetchedConfiguration(1, "a.cfg", "", f"192.0.2.{number}", NOW) for number in (1, 2, 3)]
    run(database, *asked, *took)

    assert database.taken == [asked[2], *took]


def test_privacy_addresses_of_one_telephone_are_written_once():
    database = Database()
    run(database, *(fetched(1, 2, address=f"2001:db8::{number:x}") for number in range(1, 20)))

    assert [fact.address for fact in database.taken] == ["2001:db8::13"]


def test_a_report_that_says_the_same_again_stays_before_its_proof_in_time_too():
    database = Database()
    later = NOW + timedelta(seconds=30)
    first = Reported(1, frozenset({"ab"}), "agent", "192.0.2.1", NOW)
    proof = Proved(1, 2, "agent", "192.0.2.1", NOW + timedelta(seconds=1))
    run(database, first, proof, Reported(1, frozenset({"ab"}), "agent", "192.0.2.1", later))

    assert database.taken == [first, proof]


def test_nothing_is_lost_on_a_clean_end():
    database = Database()
    run(database, *(fetched(number) for number in range(50)), pause=0.01)

    assert sorted(fact.terminal for fact in database.taken) == list(range(50))


def test_what_a_locked_database_does_not_take_waits_and_the_newest_stands(monkeypatch):
    monkeypatch.setattr(evidence_queue, "AGAIN_AFTER", 0.01)
    answers = iter([OperationalError("database is locked"), OperationalError("database is locked")])
    database = Database(lambda _facts: next(answers, None))
    run(database, fetched(1), fetched(2), fetched(1, address="192.0.2.9"), pause=0.05)

    assert {fact.terminal: fact.address for fact in database.taken} == {1: "192.0.2.9", 2: "192.0.2.1"}


def test_one_that_cannot_be_written_does_not_hold_up_the_others():
    database = Database(lambda facts: IntegrityError("no") if any(fact.terminal == 13 for fact in facts) else None)
    run(database, *(fetched(number) for number in range(40)))

    assert sorted(fact.terminal for fact in database.taken) == [number for number in range(40) if number != 13]


def test_the_queue_has_an_end(monkeypatch):
    monkeypatch.setattr(evidence_queue, "LIMIT", 10)
    database = Database()
    queue = run(database, *(fetched(number) for number in range(12)), fetched(3))

    assert len(database.taken) == 10
    assert queue.dropped == 2


# -- in the database ---------------------------------------------------------------------------------------------------


def test_a_terminal_that_was_deleted_meanwhile_is_left_out(fleet):
    phone, gone = fleet.add(2)
    facts = [fetched(phone.terminal.pk), fetched(gone.terminal.pk)]
    gone.terminal.delete()

    recording.write_facts(facts)

    assert list(Installation.objects.values_list("terminal", "state")) == [(phone.terminal.pk, "confirmed")]


def test_a_phone_that_fetches_both_files_at_once_is_confirmed(fleet):
    (phone,) = fleet.add(1, address="192.0.2.7:5060")
    configuration = FetchedConfiguration(phone.terminal.pk, "a.cfg", "Mitel6930", "192.0.2.1", NOW)

    recording.write_facts([fetched(phone.terminal.pk), configuration])

    row = Installation.objects.get()
    assert (row.state, row.address_differs) == ("confirmed", True)


def test_queries_grow_with_batches_and_not_with_phones(fleet, django_assert_max_num_queries):
    phones = fleet.add(400)
    # One of them is PostgreSQL's lock.
    with django_assert_max_num_queries(15):
        recording.write_facts([fetched(phone.terminal.pk) for phone in phones])


@pytest.mark.django_db
def test_discovered_phones_are_counted_and_only_some_new_ones_are_taken_at_once():
    for _ in range(3):
        recording.write_facts([unknown(number) for number in range(30)])

    assert sorted(Discovered.objects.values_list("requests", flat=True)) == [2] * 10 + [3] * 20


def test_invented_phones_do_not_crowd_out_evidence_nor_others_while_they_wait(monkeypatch):
    monkeypatch.setattr(evidence_queue, "LIMIT", 1_002)
    other = UnknownPhone("1400E91EDB52", "6930", "6.4", "192.0.2.9", NOW)
    database = Database()
    run_at_once(
        database, *(unknown(number) for number in range(300)), other, *(unknown(number) for number in range(300))
    )
    assert len(database.taken) == 101
    assert other in database.taken

    many = [
        UnknownPhone(f"00085D{number:06X}", "", "", f"203.0.{number // 200}.{number % 200}", NOW)
        for number in range(1_500)
    ]
    database = Database()
    run_at_once(database, *many, fetched(1))

    assert len(database.taken) == 1_001
    assert fetched(1) in database.taken


def test_invented_phones_are_bounded_too_while_the_database_takes_nothing(monkeypatch):
    monkeypatch.setattr(evidence_queue, "AGAIN_AFTER", 0.001)
    locked, refused = [True], []

    def refuse(facts):
        refused.append(len(facts))
        return OperationalError("database is locked") if locked else None

    async def main():
        queue = EvidenceQueue(database.write)
        task = asyncio.create_task(queue.run())
        for again in range(4):
            for number in range(again * 60, again * 60 + 60):
                queue.add(unknown(number))
            before = len(refused)
            while len(refused) < before + 2:
                await asyncio.sleep(0.001)
        locked.clear()
        queue.close()
        await asyncio.wait_for(task, 20)

    database = Database(refuse)
    asyncio.run(main())
    assert len({fact.mac for fact in database.taken}) == 100


@pytest.mark.django_db
def test_what_is_logged_is_logged_once_and_needs_no_confirmation():
    notice = Notice(FETCHED_IN_CLEAR, subject="1 100 b", params={"number": "100", "address": "b"})
    for _ in range(2):
        recording.write_facts([LoggedEvent(notice, NOW)])

    assert list(EventMessage.objects.values_list("kind", "cleared_at")) == [("fetched_over_http", NOW)]


@pytest.mark.django_db
def test_a_thousand_phones_are_logged_by_a_few_statements(django_assert_max_num_queries):
    def logged(*numbers):
        return [
            LoggedEvent(
                Notice(FETCHED_IN_CLEAR, subject=f"1 {number} b", params={"number": str(number), "address": "ä"}), NOW
            )
            for number in numbers
        ]

    recording.write_facts(logged(*range(0, 1000, 2)))
    with django_assert_max_num_queries(6):
        recording.write_facts(logged(*range(1000)))

    messages = EventMessage.objects.all()
    assert {message.subject: message.params for message in messages} == {
        one.notice.subject: one.notice.params for one in logged(*range(1000))
    }
    assert messages.count() == 1000
    assert {(message.severity, message.with_match, message.confirmed_by) for message in messages} == {
        ("normal", False, "")
    }


def test_what_stands_in_the_log_is_not_looked_for_again():
    database = Database()
    logged = LoggedEvent(Notice(FETCHED_IN_CLEAR, subject="1 100 192.0.2.1", params={}), NOW)
    run(database, logged, fetched(1), logged, fetched(2), pause=0.3)

    assert database.taken.count(logged) == 1
    assert len(database.taken) == 3


def test_a_page_goes_first_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(evidence_queue, "PAUSE_FOR_OTHERS", 0.01)
    waited = []
    database = Database()

    async def main():
        queue = EvidenceQueue(database.write, others_first=lambda: waited.append(len(database.taken)) or True)
        task = asyncio.create_task(queue.run())
        queue.add(fetched(1))
        while not database.taken:
            await asyncio.sleep(0.01)
        queue.close()
        await task

    asyncio.run(main())
    assert waited[:10] == [0] * 10


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the trigger is written for SQLite")
def test_where_new_phones_cannot_be_remembered_the_known_ones_are_not_counted_twice(transactional_db):
    recording.write_facts([unknown(1)])
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full BEFORE INSERT ON terminals_discovered BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
        )
    with pytest.raises(DatabaseError, match="disk is full"):
        recording.write_facts([unknown(1), unknown(2)])
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER full")

    recording.write_facts([unknown(1), unknown(2)])

    assert dict(Discovered.objects.values_list("mac", "requests")) == {"00085D000001": 2, "00085D000002": 1}


def test_what_is_just_being_written_still_waits():
    seen = []

    async def main():
        queue = EvidenceQueue(lambda _facts: seen.append(queue.waiting))
        task = asyncio.create_task(queue.run())
        for terminal in (1, 2, 3):
            queue.add(fetched(terminal))
        before = queue.waiting
        queue.close()
        await asyncio.wait_for(task, 20)
        return before, queue.waiting

    assert asyncio.run(main()) == (3, 0)
    assert seen == [3]
