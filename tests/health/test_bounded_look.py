"""A look at what may not answer: nobody waits for it, and nobody can have it repeated by asking (rule asked-from-outside)."""

import asyncio
import threading
import time

import pytest

from pbxcerts.health import bounded_look
from pbxcerts.health.bounded_look import BoundedLook


@pytest.fixture
def may_answer():
    event = threading.Event()
    yield event
    event.set()


class Database:
    def __init__(self, may_answer):
        self.asked = 0
        self._may_answer = may_answer

    def look(self):
        self.asked += 1
        assert self._may_answer.wait(10)
        return self.asked


def test_all_who_ask_at_once_get_one_look(may_answer):
    may_answer.set()
    database = Database(may_answer)

    async def ask():
        look = BoundedLook(database.look, name="look")
        return await asyncio.gather(*(look.now() for _ in range(50)))

    assert asyncio.run(ask()) == [1] * 50
    assert database.asked == 1


def test_a_look_counts_for_a_while_and_then_another_is_taken(may_answer, monkeypatch):
    monkeypatch.setattr(bounded_look, "COUNTS_FOR", 0.2)
    may_answer.set()
    database = Database(may_answer)

    async def ask():
        look = BoundedLook(database.look, name="look")
        first, second = await look.now(), await look.now()
        await asyncio.sleep(0.3)
        return first, second, await look.now()

    assert asyncio.run(ask()) == (1, 1, 2)


def test_who_asks_waits_for_a_moment_only_and_does_not_pile_up_threads(may_answer, monkeypatch):
    monkeypatch.setattr(bounded_look, "ANSWERS_WITHIN", 0.2)
    monkeypatch.setattr(bounded_look, "COUNTS_FOR", 0)
    database = Database(may_answer)

    async def ask():
        look = BoundedLook(database.look, name="look")
        began = time.monotonic()
        said = [await look.now() for _ in range(20)]
        took, asked = time.monotonic() - began, database.asked
        may_answer.set()
        await asyncio.sleep(0.1)
        return said, took, asked, await look.now()

    said, took, asked, afterwards = asyncio.run(ask())
    assert said == [None] * 20
    assert took < 2, "of those who come later none waits anew"
    assert asked == 1
    assert afterwards == 2
