"""What can be done at once is done at once, and what is left comes in its order."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from voicepipe.rests import Rest, after, done, each, joined


class Work:
    """Notes what is done, and how much of it had to be awaited."""

    def __init__(self, *slow: int) -> None:
        self.done: list[int] = []
        self._slow = slow

    def do(self, number: int) -> Rest:
        if number in self._slow:
            return partial(self._do_later, number)
        self.done.append(number)
        return None

    async def _do_later(self, number: int) -> None:
        await asyncio.sleep(0)
        self.done.append(number)


@pytest.mark.parametrize(("slow", "at_once"), [((), 4), ((2,), 2), ((0,), 0), ((0, 3), 0), ((3,), 3)])
async def test_each_is_done_in_its_order_and_at_once_as_far_as_that_goes(slow: tuple[int, ...], at_once: int):
    work = Work(*slow)
    rest = each(range(4), work.do)
    assert work.done == list(range(at_once))
    assert (rest is None) is not slow
    await done(rest)
    assert work.done == [0, 1, 2, 3]


@pytest.mark.parametrize("slow", [(), (0,), (1,), (0, 1)])
async def test_what_comes_after_comes_after(slow: tuple[int, ...]):
    work = Work(*slow)
    await done(after(work.do(0), lambda: work.do(1)))
    assert work.done == [0, 1]


async def test_what_is_left_of_several_is_awaited_in_turn():
    work = Work(1, 3)
    rest = joined([work.do(number) for number in range(4)])
    assert work.done == [0, 2]
    await done(rest)
    assert work.done == [0, 2, 1, 3]
    assert joined([None, None]) is None
