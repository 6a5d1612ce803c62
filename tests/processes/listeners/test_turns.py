"""Turns of those who send before they have been answered (rule in-turn), by the event loop's own clock."""

import asyncio

import pytest

from pbxcerts.processes.listeners.turns import Turns

PAUSE = 0.05


@pytest.fixture
def turns():
    return Turns(PAUSE)


class Connection:
    """Takes turn after turn, `count` times, and knows when they came."""

    def __init__(self, turns, address, count):
        self._turns, self._address, self._count = turns, address, count
        self.came = []
        self.over = asyncio.Event()

    def take(self):
        self._turns.take_turn(self._address, self, self._came)

    def _came(self):
        self.came.append(asyncio.get_running_loop().time())
        if len(self.came) < self._count:
            self.take()
        else:
            self.over.set()


async def all_turns(*connections):
    for connection in connections:
        connection.take()
    async with asyncio.timeout(10):
        for connection in connections:
            await connection.over.wait()
    return sorted(when for connection in connections for when in connection.came)


def test_connections_of_one_address_take_turns_together_however_many_they_are(turns):
    async def three():
        began = asyncio.get_running_loop().time()
        return began, await all_turns(*(Connection(turns, "192.0.2.1", 2) for _ in range(3)))

    began, came = asyncio.run(three())
    # A timer of the loop is exact to a millisecond. On a busy machine the first may notice late that it was its turn.
    assert all(when - began >= turn * PAUSE - 0.002 for turn, when in enumerate(came))


def test_of_those_who_wait_the_first_has_his_turn_first(turns):
    async def two():
        greedy, modest = Connection(turns, "192.0.2.1", 5), Connection(turns, "192.0.2.1", 1)
        await all_turns(greedy, modest)
        return sum(when < modest.came[0] for when in greedy.came)

    assert asyncio.run(two()) == 1


def test_another_address_does_not_wait_for_them(turns):
    async def beside():
        many = [Connection(turns, "192.0.2.1", 1) for _ in range(9)]
        other = Connection(turns, "192.0.2.2", 1)
        await all_turns(*many, other)
        return sum(connection.came < other.came for connection in many)

    assert asyncio.run(beside()) == 1


def test_who_has_gone_takes_no_turn_and_nothing_is_kept_of_anybody(turns):
    async def leave():
        first, gone, last = (Connection(turns, "192.0.2.1", 1) for _ in range(3))
        for connection in (first, gone, last):
            connection.take()
        turns.leave("192.0.2.1", gone)
        turns.leave("192.0.2.9", gone)
        async with asyncio.timeout(10):
            await last.over.wait()
        await asyncio.sleep(PAUSE * 2)
        return gone.came, last.came[0] - first.came[0]

    came, apart = asyncio.run(leave())
    assert came == []
    assert apart < 1.9 * PAUSE
    assert turns._addresses == {}
