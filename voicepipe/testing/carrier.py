"""A telephone call to a `Phone`'s agent without a carrier: webhook, media stream and REST API of Twilio's on loopback."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from aiohttp import ClientSession, web
from pipecat.observers.base_observer import BaseObserver

from voicepipe.errors import CallNotTakenError, PhoneError
from voicepipe.local.carriers import LocalCall
from voicepipe.local.carriers.exchange import NoStream, Stream
from voicepipe.local.carriers.twilio_exchange import TwilioExchange
from voicepipe.phone import Agent, Phone, PhoneLimits, Twilio
from voicepipe.transports.sound import Sound

CALLER: Final = "+15550001111"
NUMBER: Final = "+15550002222"
_SECRET: Final = "loopback"
_SHOWN: Final = 300
"""Letters of an answer that are shown of one that opens no stream."""
_numbers = count(1)


class PhoneLine:
    """The caller's end of a telephone call.

    Args:
        call: The call.
    """

    def __init__(self, call: LocalCall) -> None:
        self._call = call

    @property
    def has_ended(self) -> bool:
        """Whether the call is over, whoever ended it."""
        return self._call.has_ended

    async def say(self, sound: Sound) -> None:
        """Say something, and return when it has been said or nobody listens any more."""
        try:
            await self._call.say(sound)
        except ConnectionError:
            return

    async def press(self, keys: str) -> None:
        """Press keys."""
        await self._call.press(keys)

    async def hang_up(self) -> None:
        """Hang up."""
        await self._call.hang_up()

    async def until_ended(self) -> None:
        """Wait until the call is over."""
        await self._call.until_ended()

    def heard_ms(self) -> float:
        """Return how long the caller has listened."""
        return self._call.heard.duration_ms

    def heard(self, from_ms: float) -> Sound:
        """Return what the caller has heard from then to now."""
        heard = self._call.heard
        return Sound(heard.pcm[2 * round(from_ms * heard.sample_rate / 1000) :], heard.sample_rate)


@asynccontextmanager
async def dialled(agent: Agent, observers: Sequence[BaseObserver]) -> AsyncGenerator[PhoneLine]:
    """Call an agent, and hang up at the end.

    Args:
        agent: What answers.
        observers: See every frame of the call.

    Raises:
        PhoneError: The phone did not take the call.
    """
    async with _rest_api() as (api_url, session):
        carrier = Twilio(account_sid="AC" + "0" * 32, auth_token=_SECRET, api_url=api_url)
        phone = Phone(carrier=carrier, phone_number=NUMBER, pipeline_observers=lambda _call: observers)
        limits = PhoneLimits(shutdown_secs=5.0)
        async with phone.serving(agent, port=0, check_signatures=False, limits=limits) as server:
            call_id = f"CA{next(_numbers):032x}"
            url, parameters = await _ring(session, f"{server.local_url}/twilio/voice", call_id)
            async with LocalCall(url, "twilio", call_id=call_id, parameters=parameters) as call:
                yield PhoneLine(call)
                await call.hang_up()


async def _ring(session: ClientSession, webhook: str, call_id: str) -> tuple[str, Mapping[str, str]]:
    fields = {"CallSid": call_id, "From": CALLER, "To": NUMBER, "CallStatus": "ringing"}
    async with session.post(webhook, data=fields) as response:
        markup = await response.text(errors="replace")
    try:
        wanted = TwilioExchange(_SECRET).stream_in(markup, ())
    except CallNotTakenError as error:
        wanted = NoStream(str(error))
    if isinstance(wanted, Stream):
        return wanted.url, wanted.parameters
    came = markup if len(markup) <= _SHOWN else f"{markup[:_SHOWN]}..."
    raise PhoneError(
        f"the phone did not take the call: {wanted.why}; its webhook answered {response.status} {came!r}"
    )


@asynccontextmanager
async def _rest_api() -> AsyncGenerator[tuple[str, ClientSession]]:
    """Serve what a carrier would be asked to do, and do nothing: a bot that hangs up also closes its stream."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _obey)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession() as session:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", session
    finally:
        await runner.cleanup()


async def _obey(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({"sid": f"CA{next(_numbers):032x}"})
