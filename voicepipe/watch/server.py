"""`Watch`: the page with the calls, for the web server that a phone or `voicepipe run` has anyway."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import WSMsgType, web
from loguru import logger

from voicepipe.errors import SettingsError
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.watch.board import Board
from voicepipe.watch.doors import HEADERS, Doors
from voicepipe.watch.watcher import Watcher

_PAGE: Final = Path(__file__).parent / "page"
LOOK: Final = _PAGE / "look.css"
"""The style that the pages of voicepipe have in common."""
_FILES: Final = {
    "/calls": _PAGE / "calls.html",
    "/calls/calls.js": _PAGE / "calls.js",
    "/calls/calls.css": _PAGE / "calls.css",
    "/calls/look.css": LOOK,
}
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_SHORTEST_TOKEN: Final = 16
_SHOW_SECS: Final = 5.0
"""For the token, which is the first thing a watcher sends."""
_SEND_SECS: Final = 10.0
"""For one message to be taken; who takes longer has gone to sleep."""
_EVERY_SECS: Final = 0.1
_LARGEST_MESSAGE: Final = 4096
_WRONG_TOKEN: Final = 4401
_TOO_MANY: Final = 4429


class Watch:
    """Calls to watch, on a page at `/calls`.

        watch = Watch()
        phone = Phone(carrier=Twilio(), watch=watch)
        print(watch.link("http://127.0.0.1:8000"))
        await phone.serve(agent)

    Args:
        token: What the page asks for, 16 characters at least; without it, `VOICEPIPE_WATCH_TOKEN`, or one that is made up.
        hosts: Names under which the page may be reached from other machines, such as `ops.example`. Put a proxy with TLS and
            a log-in in front. Without any, it is reached from this machine alone, and not through a tunnel.
        kept_secs: For how long an ended call stays.
        masking: What is not shown; that of recordings by default.
        most_watchers: More than these at once are refused.

    Raises:
        SettingsError: The token is too short.
    """

    def __init__(
        self,
        token: str = "",
        *,
        hosts: Iterable[str] = (),
        kept_secs: float = 900.0,
        masking: Masking | None = None,
        most_watchers: int = 8,
    ) -> None:
        token = token or os.environ.get("VOICEPIPE_WATCH_TOKEN", "") or secrets.token_urlsafe(24)
        if len(token) < _SHORTEST_TOKEN:
            raise SettingsError("token", f"is too short: {_SHORTEST_TOKEN} characters at least")
        self.board = Board(kept_secs=kept_secs, masking=masking)
        """The calls; `board.observer(...)` puts one on it."""
        self._doors = Doors.of(token, hosts)
        self._most_watchers = most_watchers
        self._sockets: set[web.WebSocketResponse] = set()

    def link(self, origin: str) -> str:
        """Return the page's address with the token, for somebody's browser: behind `#`, so no server is sent it."""
        return f"{origin.rstrip('/')}/calls#{quote(self._doors.token, safe='')}"

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._sockets)

    def add_to(self, app: web.Application) -> None:
        """Serve the page from an application, which ends those who watch when it shuts down."""
        for path in _FILES:
            app.router.add_get(path, self._page)
        app.router.add_get("/calls/live", self._live)
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        for socket in list(self._sockets):
            await socket.close(code=1001)
        self.board.close()

    async def _page(self, request: web.Request) -> web.StreamResponse:
        why = self._doors.refusal(request.remote or "", request.headers)
        if why is not None:
            return web.Response(status=403, text=why, headers=HEADERS)
        return page_file(_FILES[request.path], HEADERS)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        why = self._doors.refusal(request.remote or "", request.headers, is_socket=True)
        if why is not None:
            return web.Response(status=403, text=why, headers=HEADERS)
        socket = web.WebSocketResponse(
            max_msg_size=_LARGEST_MESSAGE, heartbeat=30.0, timeout=2.0, compress=False
        )
        await socket.prepare(request)
        if len(self._sockets) >= self._most_watchers:
            await socket.close(code=_TOO_MANY)
            return socket
        self._sockets.add(socket)
        try:
            if await self._has_token(socket):
                await self._tell(socket)
            else:
                await socket.close(code=_WRONG_TOKEN)
        finally:
            self._sockets.discard(socket)
        return socket

    async def _has_token(self, socket: web.WebSocketResponse) -> bool:
        try:
            async with asyncio.timeout(_SHOW_SECS):
                message = await socket.receive()
        except TimeoutError:
            return False
        if message.type != WSMsgType.TEXT:
            return False
        try:
            shown: Any = json.loads(message.data)
        except ValueError:
            return False
        return isinstance(shown, dict) and self._doors.knows(shown.get("token"))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]

    async def _tell(self, socket: web.WebSocketResponse) -> None:
        """Tell a watcher what happens, until he leaves or takes nothing any more."""
        watcher = Watcher()
        self.board.join(watcher)
        telling = asyncio.create_task(_send(watcher, socket), name="watch: tell")
        leaving = asyncio.create_task(_until_left(socket), name="watch: wait for the end")
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.board.leave(watcher)
            for task in (telling, leaving):
                task.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)


def page_file(path: Path, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a file of a page, as it is sent."""
    kind = _TYPES[path.suffix]
    return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8", headers=headers)


async def _send(watcher: Watcher, socket: web.WebSocketResponse) -> None:
    await socket.send_str(json.dumps([{"type": "hello"}]))
    try:
        while True:
            batch = await watcher.batch()
            async with asyncio.timeout(_SEND_SECS):
                await socket.send_str(json.dumps(batch, ensure_ascii=False))
            # What changes meanwhile is told once.
            await asyncio.sleep(_EVERY_SECS)
    except TimeoutError:
        logger.warning("somebody who watches calls takes nothing any more, and is let go")
    except ConnectionError:
        return


async def _until_left(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass
