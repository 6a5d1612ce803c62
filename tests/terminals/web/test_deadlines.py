"""Deadlines by the thousand, by the clock of an event loop that counts its timers."""

import asyncio

from terminals.web.deadlines import Deadlines

SOON, LATER = 0.05, 0.15


class CountingLoop(asyncio.SelectorEventLoop):
    timers = 0

    def call_at(self, when, callback, *args, context=None):
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)


def played(story):
    """What `story`, given deadlines and a list, has put into the list, and how many timers that took."""

    async def play():
        came = []
        loop = asyncio.get_running_loop()
        before = loop.timers
        await story(Deadlines(), came)
        return came, loop.timers - before

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(play())


def test_what_does_not_come_in_time_is_missed_then_and_not_before():
    async def story(deadlines, came):
        loop = asyncio.get_running_loop()
        began = loop.time()
        missed = asyncio.Event()
        deadlines.set(SOON, lambda: (came.append(loop.time() - began), missed.set()))
        await missed.wait()

    [after], _timers = played(story)
    assert after >= SOON


def test_what_is_met_is_not_missed():
    async def story(deadlines, came):
        met, missed = (deadlines.set(SOON, lambda name=name: came.append(name)) for name in ("met", "missed"))
        met.met()
        met.met()
        await asyncio.sleep(2 * SOON)
        missed.met()

    assert played(story)[0] == ["missed"]


def test_one_that_is_set_instead_of_another_has_its_own_time_and_the_other_is_met():
    async def story(deadlines, came):
        loop = asyncio.get_running_loop()
        began = loop.time()
        first = deadlines.set(SOON, lambda: came.append("the other one"))
        deadlines.set(LATER, lambda: came.append(loop.time() - began), instead_of=first)
        await asyncio.sleep(2 * LATER)

    [after], _timers = played(story)
    assert after >= LATER


def test_what_is_met_in_the_moment_in_which_another_is_missed_is_not_missed():
    async def story(deadlines, came):
        deadlines.set(SOON, lambda: (came.append("first"), second.met()))
        second = deadlines.set(SOON, lambda: came.append("second"))
        await asyncio.sleep(3 * SOON)

    assert played(story)[0] == ["first"]


def test_the_first_that_was_set_is_missed_first_and_those_that_wait_less_before_it():
    async def story(deadlines, came):
        all_missed = asyncio.Event()
        for number in range(3):
            deadlines.set(LATER, lambda number=number: came.append(number))
        deadlines.set(LATER, all_missed.set)
        deadlines.set(SOON, lambda: came.append("soon"))
        await all_missed.wait()

    assert played(story)[0] == ["soon", 0, 1, 2]


def test_a_thousand_that_are_met_take_one_timer():
    async def story(deadlines, came):
        for _ in range(1000):
            deadlines.set(SOON, came.append).met()

    assert played(story) == ([], 1)


def test_nobody_looks_any_more_when_all_are_met_and_again_when_one_is_set():
    async def story(deadlines, came):
        deadlines.set(SOON, came.append).met()
        # Two timers are those of the sleeps.
        await asyncio.sleep(3 * SOON)
        deadlines.set(SOON, lambda: came.append("again"))
        await asyncio.sleep(3 * SOON)

    assert played(story) == (["again"], 4)


def test_one_that_was_set_after_the_first_has_its_own_time():
    async def story(deadlines, came):
        loop = asyncio.get_running_loop()
        deadlines.set(LATER, lambda: came.append("first"))
        await asyncio.sleep(SOON)
        began, second = loop.time(), asyncio.Event()
        deadlines.set(LATER, second.set)
        async with asyncio.timeout(10):
            await second.wait()
        came.append(loop.time() - began)

    [first, after], _timers = played(story)
    assert first == "first"
    assert after >= LATER


def test_one_that_fails_keeps_no_other_from_being_missed():
    async def story(deadlines, came):
        asyncio.get_running_loop().set_exception_handler(lambda _loop, about: came.append(type(about["exception"])))
        deadlines.set(SOON, lambda: 1 / 0)
        deadlines.set(SOON, lambda: came.append("the other"))
        await asyncio.sleep(3 * SOON)

    assert played(story)[0] == [ZeroDivisionError, "the other"]
