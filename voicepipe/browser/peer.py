"""Closing a peer connection of aiortc's with all that it has started."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any

from aiortc import RTCPeerConnection


async def closed(peer: RTCPeerConnection) -> None:
    """Close a connection, also one that is just coming about.

    aiortc 1.16 connects in a task that nobody owns: closed meanwhile, it waits for ever for an answer to its checks.
    """
    await peer.close()
    connecting = [task for task in asyncio.all_tasks() if _connects(task, peer)]
    for task in connecting:
        task.cancel()
    await asyncio.gather(*connecting, return_exceptions=True)


def _connects(task: asyncio.Task[Any], peer: RTCPeerConnection) -> bool:
    coroutine = task.get_coro()
    if not isinstance(coroutine, CoroutineType):
        return False
    if coroutine.cr_code.co_qualname != "RTCPeerConnection.__connect" or coroutine.cr_frame is None:
        return False
    return coroutine.cr_frame.f_locals.get("self") is peer
