"""The web server of a phone: the carrier's webhooks and media streams come in here, and are let in or not."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import ClientSession, web
from loguru import logger

from voicepipe.errors import (
    CarrierMessageError,
    CarrierStreamError,
    PhoneError,
    PortTakenError,
    SettingsError,
    VoicepipeError,
)
from voicepipe.phone.call import Call
from voicepipe.phone.carriers.contract import Carrier, Reply, StreamOffer, Webhook, WebhookRefusedError
from voicepipe.phone.doors import TOKEN, Repeats, Ticket, Tickets
from voicepipe.phone.limits import PhoneLimits
from voicepipe.phone.markups import Markups
from voicepipe.phone.numbers import without_numbers
from voicepipe.phone.sockets import POLICY, upgraded
from voicepipe.plain_words import one_line
from voicepipe.quick_socket import QuickConnection
from voicepipe.transports.doorway import KEEP_ALIVE_SECS, Doorway
from voicepipe.transports.telephony import StreamLimits, TelephonyTransport
from voicepipe.watch import Watch

_KINDS: Final = "voice|status|amd|markup"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_PRINTABLE: Final = re.compile(r"[!-~]+")

OnWebhook = Callable[[Webhook], Awaitable[Reply]]


class PhoneServer:
    """Serves one carrier's webhooks and media streams; an async context manager.

    Args:
        carrier: Whose.
        on_webhook: Awaited with each webhook that is the carrier's own and no repeat; returns the answer.
        host: Where it listens.
        port: 0 takes a free one.
        public_url: The address under which the carrier reaches it; empty takes it from each webhook.
        limits: Bounds.
        checks_signatures: Whether webhooks are checked. Only tests on loopback have a reason not to.
        watch: The page with the calls, if there is to be one.

    Raises:
        SettingsError: `public_url` is no address, or signatures cannot be checked.
    """

    def __init__(
        self,
        carrier: Carrier,
        on_webhook: OnWebhook,
        *,
        host: str,
        port: int,
        public_url: str,
        limits: PhoneLimits,
        checks_signatures: bool,
        watch: Watch | None = None,
    ) -> None:
        if checks_signatures and not carrier.can_verify:
            raise SettingsError("public_key", "is missing: without it nobody knows whose webhooks come in")
        self.refusals: Counter[str] = Counter()
        """How many were not let in, by why."""
        self._carrier = carrier
        self._on_webhook = on_webhook
        self._host = host
        self._port = port
        self._public_url = _checked_url(public_url)
        self._learned_url = ""
        self._limits = limits
        self._checks_signatures = checks_signatures
        self._watch = watch
        self._repeats = Repeats()
        self._markups = Markups()
        self._tickets: Tickets[Call] = Tickets(limits.stream_wait_secs, self._now, _nobody_came)
        self._doorway = Doorway(first_secs=limits.request_secs, connections=limits.connections)
        self._runner: web.AppRunner | None = None
        self._session: ClientSession | None = None

    # What calls need of it.

    @property
    def local_url(self) -> str:
        """Where it listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def public_url(self) -> str:
        """Where the carrier reaches it; empty as long as nobody knows. A tunnel that is opened to its port sets it."""
        return self._public_url

    @public_url.setter
    def public_url(self, url: str) -> None:
        self._public_url = _checked_url(url)

    @property
    def session(self) -> ClientSession:
        """For REST, as long as it serves.

        Raises:
            PhoneError: It does not serve.
        """
        if self._session is None:
            raise PhoneError(
                "the phone does not serve: await phone.serve(...), or async with phone.serving(...)"
            )
        return self._session

    def url(self, kind: str, **query: str) -> str:
        """Return the public address of a webhook.

        Raises:
            SettingsError: It is not known.
        """
        origin = self._public_url or self._learned_url
        if not origin:
            raise SettingsError("public_url", "is missing: the carrier has to know where to reach this phone")
        written = f"?{urlencode(query)}" if query else ""
        return f"{origin}/{self._carrier.name}/{kind}{written}"

    def keep(self, markup: str) -> str:
        """Keep markup, and return the address where the carrier finds it."""
        return self.url("markup", key=self._markups.keep(markup))

    def kept(self, key: str) -> str | None:
        """Return markup that was kept."""
        return self._markups.get(key)

    def offer(self, call: Call) -> StreamOffer:
        """Return the media stream that a call is to have, good for one use."""
        ticket = self._tickets.issue(call)
        loop = asyncio.get_running_loop()
        loop.call_later(self._limits.stream_wait_secs, self._tickets.sweep)
        address = self.url(f"media/{ticket.id}")
        return StreamOffer("ws" + address.removeprefix("http"), {TOKEN: ticket.token})

    # Life.

    async def __aenter__(self) -> PhoneServer:
        """Begin to serve.

        Raises:
            PortTakenError: Another program has the port.
            SettingsError: The host is none of this machine.
        """
        app = web.Application(client_max_size=self._limits.body_bytes, middlewares=[self._doorway.middleware])
        name = self._carrier.name
        app.router.add_get("/health", self._health)
        app.router.add_route("*", f"/{name}/{{kind:{_KINDS}}}", self._webhook)
        app.router.add_get(f"/{name}/media/{{ticket}}", self._media)
        if self._watch is not None:
            self._watch.add_to(app)
        # What is left of a request that was refused is not read.
        runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            shutdown_timeout=1.0,
            lingering_time=0.0,
            keepalive_timeout=KEEP_ALIVE_SECS,
        )
        await runner.setup()
        try:
            await self._listen(runner)
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = self._doorway.port
        self._session = ClientSession()
        if self._watch is not None:
            logger.info(f"calls can be watched at http://127.0.0.1:{self._port}/calls")
        if not self._public_url and self._host in _LOOPBACK:
            logger.info(f"the phone listens at {self.local_url}; the carrier needs a public address for it")
        return self

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await self._doorway.open(runner, self._host, self._port)
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise SettingsError("host", f"{self._host!r} is no address of this machine") from None
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(self._host, self._port) from None
            raise

    async def __aexit__(self, *_: object) -> None:
        """Stop serving."""
        runner, self._runner = self._runner, None
        session, self._session = self._session, None
        self._doorway.close()
        if runner is not None:
            await runner.cleanup()
        if session is not None:
            await session.close()

    # Doors.

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _webhook(self, request: web.Request) -> web.Response:
        # Too large a body is answered with 413 by aiohttp, which stops reading there.
        try:
            async with asyncio.timeout(self._limits.request_secs):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self.refusals["body"] += 1
            raise
        except TimeoutError:
            self.refusals["slow"] += 1
            raise web.HTTPRequestTimeout from None
        try:
            origin = self._public_origin(request)
            webhook = Webhook(
                kind=request.match_info["kind"],
                method=request.method,
                url=origin + request.raw_path,
                headers={name.lower(): value for name, value in request.headers.items()},
                body=body,
            )
            self._check(webhook)
            # Known to be the carrier's request, so this is where the carrier finds us.
            self._learned_url = origin
            reply = await self._on_webhook(webhook)
        except WebhookRefusedError as refusal:
            self.refusals[str(refusal)] += 1
            return web.Response(status=403)
        except CarrierMessageError as error:
            self.refusals["message"] += 1
            logger.warning(f"a webhook of {self._carrier.name} cannot be read: {one_line(str(error))}")
            return web.Response(status=400)
        except VoicepipeError as error:
            why = one_line(without_numbers(str(error)))
            logger.error(f"a webhook of {self._carrier.name} could not be followed: {why}")
            return web.Response(status=502)
        return web.Response(text=reply.body, content_type=reply.content_type, status=reply.status)

    def _check(self, webhook: Webhook) -> None:
        if not self._checks_signatures:
            return
        try:
            mark = self._carrier.verify(webhook, time.time())
        except WebhookRefusedError as refusal:
            self._say_once_why(refusal, webhook)
            raise
        # Markup may be fetched again; all else happens once.
        if webhook.kind != "markup" and not self._repeats.is_new(mark):
            raise WebhookRefusedError("replay")

    def _say_once_why(self, refusal: WebhookRefusedError, webhook: Webhook) -> None:
        # Most often it is the carrier all the same, with another key or at another address than we know of.
        if str(refusal) == "signature" and not self.refusals["signature"]:
            address = one_line(webhook.url.partition("?")[0])
            logger.warning(
                f"a webhook was refused: its signature is not {self._carrier.name}'s for {address} with the key that "
                "the phone has; behind a proxy that changes the address, pass public_url"
            )

    def _public_origin(self, request: web.Request) -> str:
        if self._public_url:
            return self._public_url
        try:
            host = _host_of(f"//{request.host}")
        except ValueError:
            raise WebhookRefusedError("host") from None
        scheme = request.scheme if host in _LOOPBACK else "https"
        return f"{scheme}://{request.host}"

    async def _media(self, request: web.Request) -> web.StreamResponse:
        ticket = self._tickets.look(request.match_info["ticket"])
        if ticket is None:
            self.refusals["stream"] += 1
            return web.Response(status=403)
        return await upgraded(
            request, lambda socket: self._stream(socket, ticket), message_bytes=self._limits.message_bytes
        )

    async def _stream(self, socket: QuickConnection, ticket: Ticket[Call]) -> None:
        limits = StreamLimits(
            start_secs=self._limits.stream_wait_secs, silent_secs=self._limits.silent_stream_secs
        )
        transport = TelephonyTransport(socket, carrier=self._carrier.name, limits=limits)
        if await self._is_let_in(ticket, transport):
            with ticket.holder.logs():
                await ticket.holder.converse(transport)
        else:
            self.refusals["token"] += 1
            await socket.close(POLICY)

    async def _is_let_in(self, ticket: Ticket[Call], transport: TelephonyTransport) -> bool:
        try:
            started = await transport.start()
        except CarrierStreamError as error:
            logger.warning(f"call {ticket.holder.id}: {one_line(str(error))}")
            return False
        call = ticket.holder
        is_right = (
            ticket.is_token(started.parameters.get(TOKEN, "")) and started.call_id == call.carrier_call_id
        )
        # Taken only now: who guesses an address must not use up the ticket of who has the token.
        return is_right and self._tickets.take(ticket.id) is not None

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _nobody_came(call: Call) -> None:
    call.give_up("the carrier did not open its media stream")


def _checked_url(url: str) -> str:
    url = url.strip()
    if not url:
        return ""
    if "://" not in url:
        url = f"https://{url}"
    try:
        host, parts = _host_of(url), urlsplit(url)
        is_address = host and parts.scheme in ("http", "https") and not parts.query and not parts.fragment
    except ValueError:
        host, is_address = "", False
    if not is_address or not _PRINTABLE.fullmatch(url):
        raise SettingsError("public_url", f"{url!r} is no address like 'https://bot.example.com'")
    if url.startswith("http:") and host not in _LOOPBACK:
        logger.warning("public_url: carriers open media streams over TLS alone, which needs 'https://'")
    return url.rstrip("/")


def _host_of(url: str) -> str:
    """Return the host of an address.

    Raises:
        ValueError: It has none that could be read, or its port is none.
    """
    parts = urlsplit(url)
    # Whether it is a number is found out when it is asked for.
    _ = parts.port
    return parts.hostname or ""
