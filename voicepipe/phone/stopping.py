"""Waiting for the signal that ends a program, for as many as wait in one process: each of its phones is told."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_waiting: Final[set[asyncio.Event]] = set()
_before: Final[dict[signal.Signals, Any]] = {}


async def until_signal() -> None:
    """Wait for a signal that ends the program; the next one does what it would do without us.

    Outside of the main thread, where Python delivers none, it waits for ever.
    """
    stop = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        await stop.wait()
    loop = asyncio.get_running_loop()
    # A loop has one handler a signal, so the first who waits installs it and the last one puts back what was there.
    if not _waiting:
        _install(loop)
    _waiting.add(stop)
    try:
        await stop.wait()
    finally:
        _waiting.discard(stop)
        if not _waiting:
            _put_back(loop)


def _install(loop: asyncio.AbstractEventLoop) -> None:
    for number in _SIGNALS:
        # None stands for a handler that was not installed from Python; it cannot be put back.
        _before[number] = signal.getsignal(number) or signal.SIG_DFL
    for number in _SIGNALS:
        loop.add_signal_handler(number, _arrived)


def _arrived() -> None:
    for stop in _waiting:
        stop.set()


def _put_back(loop: asyncio.AbstractEventLoop) -> None:
    for number, handler in _before.items():
        loop.remove_signal_handler(number)
        signal.signal(number, handler)
    _before.clear()
