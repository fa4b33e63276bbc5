"""A wait that lasts too long ends the block; many short ones do not, and neither does work between them."""

from __future__ import annotations

import asyncio

import pytest

from voicepipe.transports.telephony.patience import Patience

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_wait_that_lasts_too_long_is_a_time_out():
    async def wait() -> None:
        async with Patience(3) as patience:
            for _ in range(4):
                patience.begins()
                await asyncio.sleep(2)
                patience.ends()
            patience.begins()
            await asyncio.Event().wait()

    began = now()
    with pytest.raises(TimeoutError):
        await wait()
    assert now() - began == pytest.approx(11)


async def test_what_is_done_between_waits_may_take_long():
    async with Patience(1) as patience:
        patience.begins()
        patience.ends()
        await asyncio.sleep(10)


async def test_without_a_limit_it_waits_for_ever():
    async with Patience(None) as patience:
        patience.begins()
        await asyncio.sleep(10_000)


async def test_a_task_that_is_cancelled_meanwhile_stays_cancelled():
    async def wait() -> None:
        async with Patience(5) as patience:
            patience.begins()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_in_the_block_is_that_error():
    with pytest.raises(ValueError, match="mine"):
        async with Patience(1):
            raise ValueError("mine")
