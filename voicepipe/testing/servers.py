"""The local servers on a thread of their own, for tests that bring their own client: with or without `async`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

Server = TypeVar("Server")


@contextmanager
def in_thread(make: Callable[[], AbstractAsyncContextManager[Server]]) -> Generator[Server]:
    """Run a server in real time, as long as this is entered.

    Args:
        make: Makes it; called on the thread.

    Raises:
        Exception: What the server raised.
    """
    began: Future[tuple[Server, Callable[[], object]]] = Future()

    async def serve() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        async with make() as server:
            began.set_result((server, lambda: loop.call_soon_threadsafe(ended.set)))
            await ended.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="a local server of a test") as pool:
        running = pool.submit(lambda: asyncio.run(serve()))
        futures: list[Future[Any]] = [began, running]
        wait(futures, return_when=FIRST_COMPLETED)
        if not began.done():
            running.result()
        server, stop = began.result()
        try:
            yield server
        finally:
            stop()
        running.result()
