"""Places a call to a bot on loopback: drives a `CarrierLine` on the event loop's clock and on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicepipe.audio.g711 import ulaw_decode, ulaw_encode
from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import SettingsError
from voicepipe.local.carriers.dialect import Dialect
from voicepipe.local.carriers.line import CarrierLine, Cut
from voicepipe.local.carriers.mishaps import Mishaps
from voicepipe.local.carriers.plivo import PlivoDialect
from voicepipe.local.carriers.telnyx import TelnyxDialect
from voicepipe.local.carriers.twilio import TwilioDialect
from voicepipe.loops import now_ms
from voicepipe.transports.sound import Sound
from voicepipe.transports.tracks import Tracks

CarrierName: TypeAlias = Literal["twilio", "telnyx", "plivo"]
Side: TypeAlias = Literal["caller", "bot", "carrier", "nobody"]
"""Who ended a call; nobody if the line broke."""
Way: TypeAlias = Literal["in", "out"]
OnMessage: TypeAlias = Callable[[Way, str | bytes, float], None]

RATE: Final = 8000
_DIALECTS: Final[Mapping[str, Callable[[int, str], Dialect]]] = {
    "twilio": TwilioDialect,
    "telnyx": TelnyxDialect,
    "plivo": PlivoDialect,
}
_numbers = count(1)


class LocalCall:
    """A call, as a carrier would bring it; an async context manager that hangs up on leaving.

        async with LocalCall("ws://127.0.0.1:8000/media", "twilio", record_path="call.wav") as call:
            await call.say(read_wav("question.wav"))
            await call.until_answered()

    What the caller hears is kept as mu-law, 8 kB a second, for as long as the object lives.

    Args:
        url: The bot's media-stream address.
        carrier: Whose wire is spoken.
        call_id: The carrier's id of the call, which a webhook told the bot before; empty makes one.
        parameters: What the markup hands on to the bot.
        record_path: Where the call is written as it goes on: the caller left, what the caller heard right, 8 kHz.
        plays: Whether the stream goes both ways.
        both_tracks: Whether the carrier says at the start that it sends the bot's track too.
        lead_ms: How long sound of the bot waits that comes while nothing plays, as on a carrier's further way.
        mishaps: What goes wrong.
        on_message: Called with every message, "out" to the bot or "in" from it, and the loop's time in milliseconds.

    Raises:
        SettingsError: There is no such carrier.
    """

    def __init__(
        self,
        url: str,
        carrier: CarrierName = "twilio",
        *,
        call_id: str = "",
        parameters: Mapping[str, str] | None = None,
        record_path: str | Path | None = None,
        plays: bool = True,
        both_tracks: bool = False,
        lead_ms: float = 0.0,
        mishaps: Mishaps | None = None,
        on_message: OnMessage | None = None,
    ) -> None:
        if carrier not in _DIALECTS:
            raise SettingsError("carrier", f"{carrier!r} is none of {', '.join(_DIALECTS)}")
        self._url = url
        self._mishaps = mishaps or Mishaps()
        self._on_message = on_message
        self._heard = bytearray()
        self._record_path = Path(record_path) if record_path else None
        self._tracks: Tracks | None = None
        self._line = CarrierLine(
            _DIALECTS[carrier](next(_numbers), call_id),
            parameters=parameters,
            plays=plays,
            both_tracks=both_tracks,
            lead_ms=lead_ms,
            mishaps=self._mishaps,
            said=self._note_said,
            heard=self._note_heard,
        )
        self._changed = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._has_ended = asyncio.Event()
        self._ended_by: Side | None = None
        self._quiet_since_ms = 0.0

    # What is known of the call.

    @property
    def heard(self) -> Sound:
        """What the caller has heard from the beginning on, silence included."""
        return Sound(ulaw_decode(bytes(self._heard)), RATE)

    @property
    def played_ms(self) -> float:
        """How much of the bot's sound has been played by now."""
        return self._line.played_ms

    @property
    def cuts(self) -> list[Cut]:
        """Where the bot was cut."""
        return list(self._line.cuts)

    @property
    def keys(self) -> str:
        """The keys that the bot pressed on the wire."""
        return self._line.keys

    @property
    def refusals(self) -> list[str]:
        """What the bot sent that the carrier does not take."""
        return list(self._line.refusals)

    @property
    def has_ended(self) -> bool:
        """Whether the stream is over, whoever ended it."""
        return self._has_ended.is_set()

    @property
    def ended_by(self) -> Side | None:
        """Who ended it; None as long as it goes on."""
        return self._ended_by if self.has_ended else None

    @property
    def said_ms(self) -> float:
        """How much of the caller's sound has left, silence included: the time of the call, in frames of 20 ms."""
        return self._line.said_ms

    # What the caller does.

    async def say(self, sound: Sound) -> None:
        """Say something, and return when it has been said."""
        resampler = StreamResampler(sound.sample_rate, RATE)
        self._line.say(ulaw_encode(resampler.process(sound.pcm) + resampler.flush()))
        await self.until(lambda: not self._line.is_saying)

    async def press(self, keys: str) -> None:
        """Press keys."""
        await self._send(self._line.press(keys, now_ms()))

    async def hang_up(self, by: Side = "caller") -> None:
        """End the call: the carrier says so and closes the stream. Nothing happens if it is over.

        Args:
            by: Who wanted it: the caller, or the bot by the carrier's REST API, or the carrier itself.
        """
        if self._socket is None or self.has_ended:
            return
        self._ended_by = self._ended_by or by
        await self._send(self._line.hang_up())
        await self._socket.close()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; it is asked whenever something happens on the line.

        Raises:
            ConnectionError: The call has ended before.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: holds() or self.has_ended)
        if not holds():
            raise ConnectionError("the call has ended")

    async def until_played(self, played_ms: float) -> None:
        """Wait until so much of the bot's sound has been played over the whole call.

        Raises:
            ConnectionError: The call has ended before.
        """
        await self.until(lambda: self._line.played_ms >= played_ms)

    async def until_answered(self, *, quiet_ms: float = 800.0, after_ms: float | None = None) -> None:
        """Wait until the bot has said something and been quiet for so long after it.

        Args:
            quiet_ms: For how long.
            after_ms: How much of the bot's sound had been played before what counts; None is all that was up to now.

        Raises:
            ConnectionError: The call has ended before.
        """
        before_ms = self._line.played_ms if after_ms is None else after_ms
        await self.until(
            lambda: self._line.played_ms > before_ms and now_ms() - self._quiet_since_ms >= quiet_ms
        )

    async def until_ended(self) -> None:
        """Wait until the stream is over, whoever ends it."""
        await self._has_ended.wait()

    # Life.

    async def __aenter__(self) -> Self:
        """Call.

        Raises:
            OSError: The bot cannot be reached, or the recording not be written.
            websockets.exceptions.InvalidHandshake: The bot does not take the call.
        """
        self._socket = await connect(self._url, compression=None, max_size=None, ping_interval=None)
        if self._record_path is not None:
            try:
                self._tracks = Tracks(RATE, None, self._record_path)
            except OSError:
                await self._socket.close()
                raise
        await self._send(self._line.open(now_ms()))
        self._tasks = [
            asyncio.create_task(self._keep_time(self._socket), name="local call: time"),
            asyncio.create_task(self._read(self._socket), name="local call: read"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up if nobody has, and finish the recording."""
        try:
            await self.hang_up()
            if self._socket is not None:
                await self._socket.close()
        finally:
            for task in self._tasks:
                task.cancel()
            results = await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._tracks is not None:
                self._tracks.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep_time(self, socket: ClientConnection) -> None:
        began_ms = now_ms()
        cut_off_ms = self._mishaps.cut_off_after_ms
        while not self._line.is_over and not self.has_ended:
            # Absolute times: a late wake-up is caught up with by the next one.
            await asyncio.sleep(max(0.0, (self._line.next_due_ms - now_ms()) / 1000))
            if cut_off_ms is not None and now_ms() - began_ms >= cut_off_ms:
                socket.transport.abort()
                return
            await self._send(self._line.advance(now_ms()))
            await self._notify()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while not self._line.is_over:
                message = await socket.recv()
                self._show("in", message)
                await self._send(self._line.receive(message, now_ms()))
            # Only the carrier ends a stream while it reads: at a message that it does not take.
            self._ended_by = self._ended_by or "carrier"
            await socket.close()
        except ConnectionClosed as closed:
            self._ended_by = self._ended_by or ("nobody" if closed.rcvd is None else "bot")
        finally:
            self._has_ended.set()
            await self._notify()

    async def _send(self, messages: list[str]) -> None:
        assert self._socket is not None
        try:
            for message in messages:
                self._show("out", message)
                await self._socket.send(message)
        except ConnectionClosed:
            # The reader sees it as well, and says so.
            return

    async def _notify(self) -> None:
        if self._line.is_playing:
            self._quiet_since_ms = now_ms()
        async with self._changed:
            self._changed.notify_all()

    def _show(self, way: Way, message: str | bytes) -> None:
        if self._on_message is not None:
            self._on_message(way, message, now_ms())

    def _note_said(self, sound: bytes) -> None:
        if self._tracks is not None:
            self._tracks.caller(ulaw_decode(sound))

    def _note_heard(self, sound: bytes) -> None:
        self._heard += sound
        if self._tracks is not None:
            self._tracks.bot(ulaw_decode(sound))
