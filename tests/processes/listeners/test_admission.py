"""How many requests of one address are inside (rule few-inside)."""

import asyncio

import pytest

from pbxcerts.processes.listeners import admission
from pbxcerts.processes.listeners.admission import Admission

ADDRESS, ANOTHER = "203.0.113.66", "192.0.2.1"


class Request:
    """Inside until it is told to end, or turned out."""

    def __init__(self, admission, address=ADDRESS):
        self._over = asyncio.Event()
        self.admitted = None
        self.was_turned_out = False
        self.task = asyncio.get_running_loop().create_task(self._be_inside(admission, address))

    @property
    def is_inside(self):
        return self.admitted is not None and not self._over.is_set()

    def end(self):
        self._over.set()

    def _turn_out(self):
        self.was_turned_out = True
        self.end()

    async def _be_inside(self, admission, address):
        async with admission.inside(address, self._turn_out) as self.admitted:
            await self._over.wait()


async def until(question):
    async with asyncio.timeout(10):
        while not question():
            await asyncio.sleep(0.01)


async def end(*requests):
    for request in requests:
        request.task.cancel()
    await asyncio.gather(*(request.task for request in requests), return_exceptions=True)


def test_so_many_of_one_address_are_inside_and_the_others_follow_in_their_order():
    async def come():
        few = Admission(2)
        requests = [Request(few) for _ in range(5)]
        await until(lambda: requests[1].is_inside)
        await asyncio.sleep(0.05)
        assert [one.is_inside for one in requests] == [True, True, False, False, False]

        requests[0].end()
        await until(lambda: requests[2].is_inside)
        assert not requests[3].is_inside
        # It goes while it waits.
        await end(requests[3])
        requests[1].end()
        await until(lambda: requests[4].is_inside)
        assert requests[3].admitted is None
        await end(*requests)
        assert few._addresses == {}

    asyncio.run(come())


@pytest.mark.parametrize("other", [ANOTHER, None], ids=["another address", "no limit of its own"])
def test_others_do_not_wait_for_them(other):
    async def come():
        few = Admission(1)
        requests = [Request(few) for _ in range(3)] + [Request(few, other) for _ in range(1 if other else 3)]
        await asyncio.sleep(0.05)
        assert all(one.is_inside for one in requests[3:])
        assert not requests[1].is_inside
        await end(*requests)

    asyncio.run(come())


def test_who_does_not_take_what_was_made_for_him_is_turned_out_for_another_and_nobody_else_is(monkeypatch):
    monkeypatch.setattr(admission, "GRACE", 0.1)
    monkeypatch.setattr(admission, "LOOK_AGAIN", 0.02)

    async def come():
        few = Admission(2)
        in_a_thread, unread = Request(few), Request(few)
        await until(lambda: unread.is_inside)
        unread.admitted.is_made()
        # Nobody waits.
        await asyncio.sleep(0.2)
        assert unread.is_inside

        waiting, another = Request(few), Request(few)
        await until(lambda: waiting.is_inside)
        assert unread.was_turned_out
        await asyncio.sleep(0.2)
        assert in_a_thread.is_inside
        assert not another.is_inside
        await end(in_a_thread, unread, waiting, another)

    asyncio.run(come())
