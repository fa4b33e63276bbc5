"""What holds for every test: nothing is left running after it, and tests that need time get a virtual clock."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import pytest_asyncio
from aiosqlite.core import Connection as AiosqliteConnection
from loguru import logger

from tests.support.chromium import chromium_path
from tests.support.wires import speaking
from voicepipe.testing import VirtualTimeLoop

_KEPT_THREADS = ("asyncio_", "ThreadPoolExecutor")
"""The loop's own pool of threads ends with the loop."""
_LAST_LINES_SECS = 2.0


_execute, _connect = AiosqliteConnection._execute, AiosqliteConnection._connect


async def _execute_in_no_time(self: AiosqliteConnection, *args: Any, **kwargs: Any) -> Any:
    with _no_time_passes():
        return await _execute(self, *args, **kwargs)


async def _connect_in_no_time(self: AiosqliteConnection) -> AiosqliteConnection:
    with _no_time_passes():
        return await _connect(self)


def _no_time_passes() -> AbstractContextManager[None]:
    loop = asyncio.get_running_loop()
    return loop.held() if isinstance(loop, VirtualTimeLoop) else nullcontext()


# Each of its connections has a thread of its own, which a loop of virtual time does not know of: while it writes records,
# hours could pass in a call on hold.
AiosqliteConnection._execute = _execute_in_no_time
AiosqliteConnection._connect = _connect_in_no_time


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "virtual_time: the event loop's clock jumps to the next timer")
    config.addinivalue_line("markers", "browser: drives Chromium; skipped where there is none, except in CI")
    logger.remove()
    logger.add(sys.stderr, level="WARNING")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    has_no_browser = chromium_path() is None and not os.environ.get("NEEDS_CHROMIUM")
    for item in items:
        if has_no_browser and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="there is no Chromium: apt-get install chromium"))
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "nothing_is_left_running")


@pytest.fixture(params=["ga", "beta"])
def both_wires(request: pytest.FixtureRequest) -> Iterator[None]:
    """What holds for both of OpenAI's wires is run over each."""
    with speaking(request.param):
        yield


@pytest_asyncio.fixture
async def nothing_is_left_running() -> AsyncIterator[None]:
    """P-11: no task and no thread that a test started is left after it."""
    threads_before, tasks_before = set(threading.enumerate()), asyncio.all_tasks()
    yield
    current = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() - tasks_before if task is not current and not task.done()]
    assert not tasks, f"tasks are left: {[task.get_name() for task in tasks]}"
    started = set(threading.enumerate()) - threads_before
    left = [thread for thread in started if not thread.name.startswith(_KEPT_THREADS)]
    for thread in left:
        # Who has handed over its result may still be on its last lines, as asyncio's watcher of a child is.
        thread.join(_LAST_LINES_SECS)
    threads = [thread.name for thread in left if thread.is_alive()]
    assert not threads, f"threads are left: {threads}"
