"""`BrowserServer`: serves the page, answers its offers, and owns the conversations that come of them."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from aiohttp import web
from loguru import logger
from pydantic import ValidationError

from voicepipe.bots import Bot
from voicepipe.browser.conversation import BotFailed, BrowserConversation, Offer, OfferRefused
from voicepipe.browser.doors import HEADERS, Doors
from voicepipe.errors import PortTakenError, VoicepipeError
from voicepipe.local.address import checked_port, loopback, netloc
from voicepipe.telemetry.calls import CallInfo
from voicepipe.telemetry.logs import in_call
from voicepipe.transports.doorway import KEEP_ALIVE_SECS, Doorway
from voicepipe.watch.server import LOOK, Watch, page_file

_PAGE: Final = Path(__file__).parent / "page"
_FILES: Final = {
    "/": _PAGE / "index.html",
    "/page.js": _PAGE / "page.js",
    "/page.css": _PAGE / "page.css",
    "/look.css": LOOK,
}
_LARGEST_BODY: Final = 64 * 1024
"""Bytes. An offer with sound and all the addresses of a machine has about 5 kB."""
_REMEMBERED: Final = 32
"""How many conversations that are over can still be asked how they ended."""
_LEAVING_SECS: Final = 5.0
_REQUEST_SECS: Final = 10.0
_MOST_CONNECTIONS: Final = 200

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of the bot.

    Parameters:
        bot: Its name.
        server: Which API it talks with.
        is_local: Whether that is the server on this machine, so that nothing is charged.
    """

    bot: str = "bot"
    server: str = ""
    is_local: bool = False


class BrowserServer:
    """The server; an async context manager that ends all conversations on leaving.

        async with BrowserServer(bot) as server:
            print(server.url)

    Args:
        bot: Makes the pipeline of each conversation, from its transport.
        about: What the page says of it.
        host: A loopback address; it takes no other. For other machines put a proxy with TLS before it: except on this
            machine, a browser gives its microphone to no page without.
        port: 0 takes a free one.
        origins: The origins of such a proxy.
        max_conversations: More than these at once are refused with HTTP status 503.
        watch: Shows them while they go on, at `/calls`.

    Raises:
        SettingsError: `host` is no loopback address, `port` is no port, or an origin is none.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        about: About | None = None,
        host: str = "127.0.0.1",
        port: int = 7860,
        origins: Iterable[str] = (),
        max_conversations: int = 4,
        watch: Watch | None = None,
    ) -> None:
        self._bot = bot
        self._watch = watch
        self._about = about or About()
        self._host = loopback(host)
        self._port = checked_port(port)
        self._origins = tuple(origins)
        self._doors = Doors.at(self._port, self._origins)
        self._max_conversations = max_conversations
        self._conversations: dict[str, BrowserConversation] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._opening = 0
        self._is_closing = False
        self._doorway = Doorway(first_secs=_REQUEST_SECS, connections=_MOST_CONNECTIONS)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{netloc(self._host, self._port)}/"

    @property
    def conversations(self) -> int:
        """How many conversations there are now."""
        return len(self._tasks)

    def change_bot(self, bot: Bot) -> None:
        """Hold all conversations from here on with another bot; those that run are ended, and pages begin anew."""
        self._bot = bot
        for number in self._tasks:
            self._conversations[number].end("change")

    async def __aenter__(self) -> Self:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
            VoicepipeError: The port cannot be used for another reason.
        """
        runner = web.AppRunner(
            self._app(), access_log=None, shutdown_timeout=_LEAVING_SECS, keepalive_timeout=KEEP_ALIVE_SECS
        )
        await runner.setup()
        try:
            await self._doorway.open(runner, self._host, self._port)
        except OSError as error:
            await runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(self._host, self._port) from None
            raise VoicepipeError(f"cannot serve at {self._host}:{self._port}: {error}") from error
        self._runner = runner
        self._port = self._doorway.port
        self._doors = Doors.at(self._port, self._origins)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all conversations and stop serving."""
        self._is_closing = True
        for number in self._tasks:
            self._conversations[number].end("server")
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._doorway.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None
        # An offer that was being answered meanwhile.
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _app(self) -> web.Application:
        app = web.Application(
            middlewares=[self._doorway.middleware, self._guard], client_max_size=_LARGEST_BODY
        )
        app.router.add_get("/api/about", self._tell_about)
        app.router.add_post("/api/conversations", self._begin)
        app.router.add_get("/api/conversations/{number}/end", self._tell_end)
        app.router.add_delete("/api/conversations/{number}", self._hang_up)
        for path in _FILES:
            app.router.add_get(path, _page)
        if self._watch is not None:
            self._watch.add_to(app)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep strangers out, and answer in JSON what goes wrong."""
        why = self._doors.refusal(request.method, request.headers.get("Host"), request.headers.get("Origin"))
        if why is not None:
            response: web.StreamResponse = _error(403, why)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = _error(error.status, error.reason)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    async def _tell_about(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(self._about))

    async def _begin(self, request: web.Request) -> web.Response:
        """Answer an offer and begin a conversation."""
        if self._is_closing or len(self._tasks) + self._opening >= self._max_conversations:
            return _error(503, f"There are {self._max_conversations} conversations already; end one first.")
        if request.content_type != "application/json":
            return _error(415, "Content-Type: has to be application/json")
        try:
            offer = Offer.model_validate_json(await _body(request))
            number, answer = await self._open(offer)
        except ValidationError as error:
            return _error(400, _first_fault(error))
        except OfferRefused as error:
            return _error(400, str(error))
        except BotFailed as error:
            logger.opt(exception=error.__cause__).error("the bot could not be made")
            return _error(500, str(error))
        return web.json_response({"conversation": number, **answer})

    async def _open(self, offer: Offer) -> tuple[str, Mapping[str, str]]:
        conversation = BrowserConversation(self._bot)
        self._opening += 1
        try:
            answer = await conversation.answer(offer)
        finally:
            self._opening -= 1
        number = secrets.token_urlsafe(12)
        self._conversations[number] = conversation
        # The number ends a conversation, so neither the log nor whoever watches is told it.
        info = CallInfo(call_id=secrets.token_hex(4), labels={"bot": self._about.bot})
        observers = [] if self._watch is None else [self._watch.board.observer(info)]
        with in_call(info.call_id):
            task = asyncio.create_task(conversation.run(observers), name=f"conversation {info.call_id}")
        self._tasks[number] = task
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        over = [number for number in self._conversations if number not in self._tasks]
        for forgotten in over[:-_REMEMBERED]:
            del self._conversations[forgotten]
        return number, answer

    async def _tell_end(self, request: web.Request) -> web.Response:
        """Answer once the conversation is over: who ended it, and why."""
        by, detail = await self._named(request).ended()
        return web.json_response({"by": by, "detail": detail})

    async def _hang_up(self, request: web.Request) -> web.Response:
        self._named(request).end("page")
        return web.Response(status=204)

    def _named(self, request: web.Request) -> BrowserConversation:
        conversation = self._conversations.get(request.match_info["number"])
        if conversation is None:
            raise web.HTTPNotFound(reason="There is no such conversation.")
        return conversation


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_REQUEST_SECS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason=f"The body did not come within {_REQUEST_SECS:g} s.") from None


async def _page(request: web.Request) -> web.Response:
    return page_file(_FILES[request.path])


def _error(status: int, message: str) -> web.Response:
    return web.Response(status=status, text=json.dumps({"error": message}), content_type="application/json")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "the body"
    return f"{where}: {fault['msg']}"
