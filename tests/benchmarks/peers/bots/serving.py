"""What all bots have around them: the options, a server, and the answer to SIGUSR1."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from websockets.asyncio.server import ServerConnection, serve


def options(*flags: str) -> argparse.Namespace:
    """Return `api`, the URL of the realtime API, and whether each of the flags was given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--api", required=True)
    for flag in flags:
        parser.add_argument(f"--{flag}", action="store_true")
    return parser.parse_args()


def serve_calls(
    media: Callable[[ServerConnection], Awaitable[None]],
    connection: type[ServerConnection] = ServerConnection,
) -> None:
    """Give each call's socket, of the class `connection`, to `media`, until the process is ended."""

    async def run() -> None:
        # Without compression, as the carriers.
        async with await serve(
            media, "127.0.0.1", 0, compression=None, create_connection=connection
        ) as server:
            ready(server.sockets[0].getsockname()[1])
            await asyncio.get_running_loop().create_future()

    logging.getLogger("websockets").setLevel(logging.ERROR)
    uvloop.run(run())


def serve_app(app: Any) -> None:
    """Serve an ASGI application, until the process is ended."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, loop="uvloop", log_level="error", ws_per_message_deflate=False)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(listener.getsockname()[1])

    Server(config).run(sockets=[listener])


def ready(port: int) -> None:
    """Say that calls are taken, and answer SIGUSR1 from here on."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: print("tasks", len(asyncio.all_tasks()), flush=True))
    print("ready", port, flush=True)
