"""A call to a bot from the caller's side: `calling` puts it through, `Call` is the caller, `CallRecord` what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

from voicepipe.bots import pipeline_of
from voicepipe.errors import SettingsError
from voicepipe.loops import now_ms
from voicepipe.offline import OpenAIPlace
from voicepipe.pipeline import run
from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.observer import CallNotes, CallObserver
from voicepipe.testing.bots import AgentBot, Bot, PhoneBot, PipelineBot
from voicepipe.testing.environment import environment
from voicepipe.testing.happened import LINGER_MS, Happened, Witness
from voicepipe.testing.room import Room
from voicepipe.transports.sound import Sound, read_wav

T = TypeVar("T")
R = TypeVar("R")
Says: TypeAlias = str | Path | Sound
"""What a caller says: words, a WAV file, or sound."""
EndedBy: TypeAlias = Literal["caller", "bot", "error"]

KEYS: Final = frozenset("0123456789*#")
"""What can be pressed."""
_GOES_SECS: Final = 20.0
"""How long a bot may take to end after the caller has gone; what it says then is played to its end."""
_WORK: Final = ("llm_started", "bot_started_speaking", "function_call")
"""Signs of a bot that is about to speak."""


class Line(Protocol):
    """The caller's end of a connection to a bot."""

    @property
    def has_ended(self) -> bool:
        """Whether it is over, whoever ended it."""
        ...

    async def say(self, sound: Sound) -> None:
        """Say something, and return when it has been said or nobody listens any more."""
        ...

    async def press(self, keys: str) -> None:
        """Press keys."""
        ...

    async def hang_up(self) -> None:
        """Go."""
        ...

    def heard_ms(self) -> float:
        """Return how long the caller has listened."""
        ...

    def heard(self, from_ms: float) -> Sound:
        """Return what the caller has heard from then to now."""
        ...


@dataclass(slots=True)
class CallRecord:
    """What came of a call.

    Parameters:
        turns: What was said, in order.
        tools: The functions that were called, in order.
        faults: What went wrong.
        events: What happened, in order; times are milliseconds since the call began.
        heard: What the caller heard of the bot, all of it, in words.
        ended_by: Who ended the call.
        ended_why: What was given as the reason.
        cost: In US dollars, as far as prices are known; None if none is. With the local server, what it would cost.
        duration_ms: How long it lasted.
    """

    turns: Sequence[Turn] = ()
    tools: Sequence[ToolRun] = ()
    faults: Sequence[Fault] = ()
    events: Sequence[Happened] = ()
    heard: str = ""
    ended_by: EndedBy = "caller"
    ended_why: str = ""
    cost: Decimal | None = None
    duration_ms: float = 0.0

    @property
    def latencies_ms(self) -> list[float]:
        """From the end of each turn of the caller's to the first sound of its answer."""
        return [turn.latency_ms for turn in self.turns if turn.latency_ms is not None]

    @property
    def called(self) -> list[str]:
        """The names of the functions that were called, in order."""
        return [tool.name for tool in self.tools]

    @property
    def transcript(self) -> str:
        """What was said, a line for each time somebody spoke: `user: ...`, `bot: ...`."""
        lines = [
            f"{who}: {text}"
            for turn in self.turns
            for who, text in (("user", turn.user_text), ("bot", turn.bot_text))
            if text
        ]
        return "\n".join(lines)


class Call:
    """A call while it goes on; made by `calling`."""

    def __init__(
        self, line: Line, witness: Witness, place: OpenAIPlace, *, instant_speech: bool = False
    ) -> None:
        self.witness = witness
        """What has happened."""
        self.began_ms = now_ms()
        """When it began, on the event loop's clock."""
        self.record = CallRecord()
        """What came of it; whole when the call is over."""
        self._line = line
        self._place = place
        self._instant_speech = instant_speech
        self._hung_up = False
        self._words: dict[int, str] = {}

    @property
    def has_ended(self) -> bool:
        """Whether it is over, whoever ended it."""
        return self._line.has_ended

    def note_end(self) -> None:
        """Have `call_ended` be among what happened, if the call has ended."""
        if self.has_ended and not any(event.event == "call_ended" for event in self.witness.events):
            self.witness.note("call_ended", self.witness.end_reason)

    @property
    def hung_up(self) -> bool:
        """Whether the caller ended it."""
        return self._hung_up

    async def say(self, what: Says) -> None:
        """Say something, and return when it has been said; what has no sound has been said at once.

        Raises:
            FileNotFoundError: There is no such file.
            AudioFormatError: It is no WAV file.
            MissingExtraError: The voice is not installed.
        """
        sound = await self.sound(what)
        self.witness.watch.question_began(now_ms())
        await self._line.say(sound)
        self.witness.watch.question_ended(now_ms())

    async def press(self, keys: str) -> None:
        """Press keys: digits, `*` and `#`.

        Raises:
            SettingsError: There are others among them.
        """
        if set(keys) - KEYS:
            raise SettingsError("keys", f"{keys!r} has other keys than 0 to 9, * and #")
        await self._line.press(keys)

    async def answer(self, within_secs: float = 20.0) -> str:
        """Wait until the bot has answered what was said last, and return the words that were heard of it.

        Returns early if the call ends.

        Raises:
            TimeoutError: There was no answer, or no end to it.
        """
        before = len(self.witness.events)
        async with asyncio.timeout(within_secs):
            await self.quiet()
        words = [await self.words(event) for event in self.witness.events[before:] if event.sound is not None]
        return " ".join(words).strip()

    async def greeting(self, within_secs: float = 1.0) -> None:
        """Let the bot speak first, if it begins within so long, and hear it out."""
        until_ms = now_ms() + within_secs * 1000
        while not self.has_ended and not self._is_at_work:
            if not await self.witness.changed_within((until_ms - now_ms()) / 1000):
                return
        await self.quiet()

    @property
    def _is_at_work(self) -> bool:
        return any(event.event in _WORK for event in self.witness.events)

    async def quiet(self) -> None:
        """Wait until the bot has answered and is silent, or the call has ended."""
        while not self.has_ended and not self.witness.watch.is_over(now_ms()):
            # That it has been quiet for long enough shows without anything happening.
            await self.witness.changed_within(LINGER_MS / 1000)

    async def hang_up(self) -> None:
        """Go, unless the bot has gone."""
        if not self.has_ended:
            self._hung_up = True
            await self._line.hang_up()

    async def sound(self, what: Says) -> Sound:
        """Return what a caller says as sound; words are spoken by the local voice."""
        if isinstance(what, Sound):
            return what
        if isinstance(what, Path):
            return read_wav(what)
        return (
            self._place.spoken(what)
            if self._instant_speech
            else await self._in_thread(self._place.spoken, what)
        )

    async def words(self, event: Happened) -> str:
        """Return the words of something that happened, which may first have to be found in its sound."""
        if event.sound is not None:
            sound, event.sound = event.sound, None
            understood = self._place.understood
            words = understood(sound) if self._instant_speech else await self._in_thread(understood, sound)
            event.text = words.strip()
        return event.text

    async def _in_thread(self, work: Callable[[T], R], what: T) -> R:
        return await asyncio.get_running_loop().run_in_executor(None, work, what)


@asynccontextmanager
async def calling(
    bot: Bot, place: OpenAIPlace, *, recording: Path | None = None, instant_speech: bool = False
) -> AsyncGenerator[Call]:
    """Call a bot; at the end hang up and complete the record.

        async with calling(bot_of(bot), openai) as call:
            await call.say("Where is order 42?")
            assert "on its way" in await call.answer()
        print(call.record.cost)

    Args:
        bot: Who is called.
        place: Where the bot finds the Realtime API, and the caller a voice.
        recording: Where both sides are written as a WAV file; telephone calls are not.
        instant_speech: Whether the caller's voice and ears take no time to speak of, and need no thread.

    Raises:
        TimeoutError: The bot did not end when the caller had gone.
        Exception: What the bot raised.
    """
    notes, witness = CallNotes(), Witness()
    observer, outcome = CallObserver(notes), _Outcome()
    observers = [observer, witness]
    with environment(place):
        if isinstance(bot, PhoneBot):
            from voicepipe.testing.carrier import dialled

            connected = dialled(bot.agent, observers)
        else:
            room = Room(stereo_path=recording, on_end=witness.wake)
            room.observers += observers
            connected = _in_room(bot, place, room, outcome)
        async with connected as line:
            witness.ears = line
            call = Call(line, witness, place, instant_speech=instant_speech)
            yield call
            if call.has_ended and not call.hung_up:
                outcome.ended_by = "bot"
            await call.hang_up()
        call.record = await _record(call, notes, observer, outcome)


@dataclass(slots=True)
class _Outcome:
    ended_by: EndedBy = "caller"
    why: str = ""


@asynccontextmanager
async def _in_room(
    bot: PipelineBot | AgentBot, place: OpenAIPlace, room: Room, outcome: _Outcome
) -> AsyncGenerator[Room]:
    talking = _talk(bot, room, place) if isinstance(bot, PipelineBot) else _serve(bot, room)
    task = asyncio.create_task(talking, name="the bot that is called")
    task.add_done_callback(lambda _: room.end())
    try:
        await room.until_started()
        yield room
        await room.hang_up()
        failure = await _gone(task)
        if failure is not None:
            outcome.ended_by, outcome.why = "error", failure
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _gone(task: asyncio.Task[str | None]) -> str | None:
    try:
        async with asyncio.timeout(_GOES_SECS):
            return await asyncio.shield(task)
    except TimeoutError:
        raise TimeoutError(f"the bot did not end within {_GOES_SECS:g} s after the caller had gone") from None


async def _talk(bot: PipelineBot, room: Room, place: OpenAIPlace) -> str | None:
    """Have a conversation; returns why it failed, if it did."""
    pipeline = await pipeline_of(lambda transport: bot.function(transport, place), room)
    result = await run(pipeline, handle_signals=False)
    return result.detail if result.reason == "failed" else None


async def _serve(bot: AgentBot, room: Room) -> str | None:
    closed = await bot.server.serve(room)
    return next((str(event.error) for event in closed if event.reason == "error"), None)


async def _record(call: Call, notes: CallNotes, observer: CallObserver, outcome: _Outcome) -> CallRecord:
    account = notes.last_account
    events = call.witness.events
    heard = [await call.words(event) for event in events if event.event in ("response", "bot_interrupted")]
    for event in events:
        event.at_ms = round(event.at_ms - call.began_ms, 1)
    return CallRecord(
        turns=notes.turns,
        tools=notes.tools,
        faults=notes.faults,
        events=events,
        heard=" ".join(words for words in heard if words),
        ended_by=outcome.ended_by,
        ended_why=outcome.why or (observer.end[1] if observer.end is not None else ""),
        cost=account.cost.total if account is not None else None,
        duration_ms=round(now_ms() - call.began_ms, 1),
    )
