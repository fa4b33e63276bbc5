"""A carrier on this machine: brings calls to a bot, places those that the bot asks for, and obeys its REST requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakValueDictionary

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout

from voicepipe.errors import CallNotTakenError, SettingsError
from voicepipe.local.carriers.call import CarrierName, LocalCall
from voicepipe.local.carriers.exchange import (
    Asked,
    CallStatus,
    Exchange,
    HandOn,
    HangUp,
    News,
    NoStream,
    Stream,
)
from voicepipe.local.carriers.keys import public_half
from voicepipe.local.carriers.plivo_exchange import PlivoExchange
from voicepipe.local.carriers.rest import CarrierRest
from voicepipe.local.carriers.telnyx_exchange import TelnyxExchange
from voicepipe.local.carriers.twilio_exchange import TwilioExchange

CALLER: Final = "+15550001111"
NUMBER: Final = "+15550002222"
_WEBHOOK_TIMEOUT: Final = ClientTimeout(total=15.0)
"""How long carriers wait for a webhook's answer."""
_LONGEST_ANSWER: Final = 1_000_000
_COMMAND_SECS: Final = 10.0
"""How long Telnyx is waited for to be commanded, after its webhook."""
_EXCHANGES: Final[Mapping[str, Callable[[str], Exchange]]] = {
    "twilio": TwilioExchange,
    "telnyx": TelnyxExchange,
    "plivo": PlivoExchange,
}


class LocalCarrier:
    """One of the three carriers, as far as a bot sees it; an async context manager.

        async with LocalCarrier("twilio", auth_token) as carrier, await carrier.call("http://127.0.0.1:8000") as call:
            await call.say(read_wav("question.wav"))
            await call.until_answered()

    A bot whose carrier has `api_url=carrier.api_url`, or finds it in `TWILIO_API_URL` and so on, can hang up, transfer and
    call out as well.

    Args:
        name: Whose webhooks, REST API and wire.
        secret: What the webhooks are signed with: the auth token of Twilio or Plivo, the private key for Telnyx
            (see `voicepipe.local.carriers.keys`).
        number: The bot's number.
        caller: Who calls.
        public_url: Under which address the bot believes to be reached, if that is another than the one it is called at.
        api_port: Of the REST API; 0 takes a free one.

    Raises:
        SettingsError: There is no such carrier, or the secret cannot be used.
        MissingExtraError: Telnyx's package for signatures is not installed.
    """

    def __init__(
        self,
        name: CarrierName,
        secret: str,
        *,
        number: str = NUMBER,
        caller: str = CALLER,
        public_url: str = "",
        api_port: int = 0,
    ) -> None:
        if name not in _EXCHANGES:
            raise SettingsError("carrier", f"{name!r} is none of {', '.join(_EXCHANGES)}")
        self.name: CarrierName = name
        """Which carrier it is."""
        self.exchange = _EXCHANGES[name](secret)
        """How its webhooks and its REST API look."""
        self.bot_key = public_half(secret) if name == "telnyx" else secret
        """What a bot checks the webhooks with: Telnyx's public key, or the auth token."""
        self.handed_on: dict[str, str] = {}
        """The calls that the bot had taken from its stream, by id, with the number that was dialled instead, if one was."""
        self._number = number
        self._caller = caller
        self._public_url = public_url.rstrip("/")
        self._reached_at = ""
        self._rest = CarrierRest(self.exchange.answer, self._done, api_port)
        self._commanded = asyncio.Condition()
        self._calls: WeakValueDictionary[str, LocalCall] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None

    # REST.

    @property
    def api_url(self) -> str:
        """Where the REST API is."""
        return self._rest.url

    @property
    def asked(self) -> list[Asked]:
        """What the bot asked of the REST API, the oldest first."""
        return self._rest.asked

    @property
    def answers(self) -> dict[str, tuple[int, Any]]:
        """Status and JSON that a path which ends so is answered with, in place of success."""
        return self._rest.answers

    def asked_for(self, *ends: str) -> list[Asked]:
        """Return what reached paths of the REST API that end so."""
        return self._rest.asked_for(*ends)

    # Webhooks.

    def new_id(self) -> str:
        """Return an id that no other call has."""
        return self.exchange.new_call_id()

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a webhook; see `Exchange`."""
        return self.exchange.signed(self._public(url), fields, at_secs=at_secs, nonce=nonce)

    async def send(self, url: str, body: Any, headers: Mapping[str, str]) -> tuple[int, str]:
        """Send a webhook as it is, and return status and text of the answer.

        Raises:
            CallNotTakenError: There was no answer.
        """
        if self._session is None:
            raise RuntimeError("the carrier is not open: async with LocalCarrier(...)")
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=_WEBHOOK_TIMEOUT
            ) as response:
                text = await response.content.read(_LONGEST_ANSWER)
                return response.status, text.decode(errors="replace")
        except (ClientError, TimeoutError) as error:
            why = "nobody listens there" if isinstance(error, ClientConnectorError) else type(error).__name__
            raise CallNotTakenError(
                f"{_without_query(url)} gave no answer: {why}; is the bot running?"
            ) from None

    async def tell(self, url: str, fields: Mapping[str, Any]) -> tuple[int, str]:
        """Sign a webhook and send it; see `send`."""
        url = self._reached(url)
        return await self.send(url, *self.signed(url, fields))

    # Calls to the bot.

    def ringing(self, call_id: str, caller: str = "") -> dict[str, Any]:
        """Return the fields of an incoming call's webhook."""
        return self.exchange.ringing(call_id, caller or self._caller, self._number)

    async def ring(self, bot_url: str, *, caller: str = "", call_id: str = "") -> tuple[str, Stream]:
        """Bring a call to a bot; return the call's id and the stream that is to be opened.

        Args:
            bot_url: Where the bot is reached; its webhook is at `/<carrier>/voice`, unless the address has a path.
            caller: In place of the carrier's own.
            call_id: In place of a new one.

        Raises:
            CallNotTakenError: It could not be reached, refused the webhook, or wants no stream.
        """
        call_id = call_id or self.new_id()
        url = voice_url(bot_url, self.name)
        self._reached_at = url
        before = len(self.asked)
        status, text = await self.tell(url, self.ringing(call_id, caller))
        _check(status, url)
        return call_id, await self._stream(text, url, call_id, before)

    async def call(self, bot_url: str, **kwargs: Any) -> LocalCall:
        """Bring a call to a bot; what is returned is to be entered. Takes what `LocalCall` takes besides."""
        call_id, stream = await self.ring(bot_url)
        return self.local_call(call_id, stream, **kwargs)

    def local_call(self, call_id: str, stream: Stream, **kwargs: Any) -> LocalCall:
        """Return the media stream of a call, to be entered; it ends when the bot asks the REST API for that."""
        call = LocalCall(
            self._reached(stream.url), self.name, call_id=call_id, parameters=stream.parameters, **kwargs
        )
        self._calls[call_id] = call
        return call

    async def tell_end(self, bot_url: str, call_id: str) -> None:
        """Tell the bot that an incoming call is over, where the carrier does that at the address that took the call.

        Raises:
            CallNotTakenError: The bot cannot be reached.
        """
        fields = self.exchange.ended(call_id)
        if fields is not None:
            await self.tell(voice_url(bot_url, self.name), fields)

    # Calls of the bot.

    async def pick_up(self) -> tuple[str, Stream]:
        """Have whom the bot called last pick up; return the call's id and the stream that is to be opened.

        Raises:
            CallNotTakenError: The bot refused the webhook, or wants no stream.
            LookupError: The bot has called nobody.
        """
        news, before = self.exchange.picked_up(), len(self.asked)
        status, text = await self.tell(news.url, news.fields)
        _check(status, news.url)
        return news.call_id, await self._stream(text, news.url, news.call_id, before)

    async def say_status(self, call_id: str, status: CallStatus) -> int:
        """Say where the call placed last got; return the status of the answer."""
        return await self._say(self.exchange.status(call_id, status))

    async def say_machine(self, call_id: str, *, is_machine: bool) -> None:
        """Say who picked up the call placed last, and that a machine records now."""
        for news in self.exchange.detection(call_id, is_machine=is_machine):
            await self._say(news)

    # Life.

    async def __aenter__(self) -> Self:
        """Serve the REST API.

        Raises:
            PortTakenError: Another program has the port.
        """
        await self._rest.__aenter__()
        self._session = ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving. Calls are their own."""
        session, self._session = self._session, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if session is not None:
            await session.close()
        await self._rest.__aexit__()

    async def _say(self, news: News) -> int:
        return (await self.tell(news.url, news.fields))[0]

    async def _stream(self, markup: str, url: str, call_id: str, before: int) -> Stream:
        """Return the stream that the bot wants; its commands may come after its answer to the webhook."""
        found = self._stream_in(markup, call_id, before)
        if found is None and any(asked.path.endswith("/answer") for asked in self.asked[before:]):
            fields = self.exchange.answered(call_id, self._caller, self._number)
            if fields is not None:
                await self.tell(url, fields)
        try:
            async with asyncio.timeout(_COMMAND_SECS), self._commanded:
                while (found := self._stream_in(markup, call_id, before)) is None:
                    await self._commanded.wait()
        except TimeoutError:
            raise CallNotTakenError(
                "the bot took the webhook and then did not ask this carrier to answer the call;"
                f" start it with {self.name.upper()}_API_URL={self.api_url}"
            ) from None
        if isinstance(found, NoStream):
            raise CallNotTakenError(found.why)
        return found

    def _stream_in(self, markup: str, call_id: str, before: int) -> Stream | NoStream | None:
        about = [asked for asked in self.asked[before:] if f"/{call_id}/" in asked.path]
        return self.exchange.stream_in(markup, about)

    def _done(self, asked: Asked) -> None:
        self._start(self._tell_commanded())
        command = self.exchange.command(asked)
        if command is None:
            return
        if isinstance(command, HandOn):
            self.handed_on[command.call_id] = command.to
        call = self._calls.get(command.call_id)
        if call is not None:
            # Not before the request is answered, for which the bot waits.
            self._start(call.hang_up("bot" if isinstance(command, HangUp) else "carrier"))

    async def _tell_commanded(self) -> None:
        async with self._commanded:
            self._commanded.notify_all()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"local {self.name}: a command")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Addresses: the bot's own, and where it is reached from here.

    def _public(self, url: str) -> str:
        """Return an address as the bot believes it to be."""
        return _at(url, self._public_url) if self._public_url else url

    def _reached(self, url: str) -> str:
        """Return an address as it is reached."""
        if not self._public_url or urlsplit(url).netloc != urlsplit(self._public_url).netloc:
            return url
        return _at(url, self._reached_at or self._public_url)


def voice_url(bot_url: str, carrier: str) -> str:
    """Return the address of a bot's voice webhook: `/<carrier>/voice`, unless there is a path already.

    Raises:
        SettingsError: It is no address.
    """
    parts = urlsplit(bot_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("url", f"{bot_url!r} is no address like 'http://127.0.0.1:8000'")
    path = parts.path if parts.path.strip("/") else f"/{carrier}/voice"
    return urlunsplit(parts._replace(path=path))


def _at(url: str, origin: str) -> str:
    """Return an address at another host; that of a stream stays one of a stream."""
    parts, host = urlsplit(url), urlsplit(origin)
    scheme = "ws" + host.scheme.removeprefix("http") if parts.scheme.startswith("ws") else host.scheme
    return urlunsplit((scheme, host.netloc, parts.path, parts.query, ""))


def _check(status: int, url: str) -> None:
    """See that a webhook was taken.

    Raises:
        CallNotTakenError: It was not.
    """
    if status == HTTPStatus.OK:
        return
    hints = {
        403: "the bot refused the webhook: its key is another one, or it believes to be at another address",
        404: "there is no voice webhook; the bot may have been started for another carrier",
        502: "the bot could not follow the webhook; its log says why",
    }
    why = hints.get(status, "the bot did not take the call")
    raise CallNotTakenError(f"{_without_query(url)} answered with status {status}: {why}", status)


def _without_query(url: str) -> str:
    return url.partition("?")[0]
