"""The event loop: its time, and which one the programs run on that voicepipe brings along.

That is uvloop's where it is installed, which costs less. A program of one's own has `uvloop.run(main())` or
`asyncio.run(main())`; nothing else here asks which loop it runs on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

_T = TypeVar("_T")


def now_ms() -> float:
    """Return the event loop's time, in milliseconds: the one clock, which tests and replays put forward."""
    return asyncio.get_running_loop().time() * 1000


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a program's coroutine to its end, as `asyncio.run` does, on the quickest loop there is; return its result."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(main)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes event loops of uvloop's; None if it is not installed, which is asyncio's own."""
    return import_module("uvloop").new_event_loop if find_spec("uvloop") is not None else None
