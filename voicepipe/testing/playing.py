"""Plays a scenario: the caller's part of it in a call to a bot, with what is expected looked for as it goes along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from voicepipe.errors import SettingsError
from voicepipe.loops import now_ms
from voicepipe.own_files import existing
from voicepipe.testing.bots import loaded
from voicepipe.testing.call import Call, CallRecord, calling
from voicepipe.testing.caller import GREETING_SECS, LIVE_GREETING_SECS
from voicepipe.testing.environment import environment
from voicepipe.testing.happened import Happened
from voicepipe.testing.matching import Search, broken, described, instead, latency_ms
from voicepipe.testing.scenarios import Expectation, Pause, Scenario, SendAfter, Turn
from voicepipe.testing.stage import Stage
from voicepipe.transports.sound import Sound, read_wav

_ANSWER_SECS: Final = 20.0
"""How long the caller waits for an answer that is not expected before going on, and for what a turn is said after."""
_SCENARIO_SECS: Final = 900.0
_LOOK_SECS: Final = 0.5
_STRAGGLERS_SECS: Final = 0.2
"""How long after its end something of a call may still be noted."""


@dataclass(slots=True)
class Result:
    """How a scenario went.

    Parameters:
        name: The scenario.
        failures: What was not as expected, each with what was instead; none is good.
        record: What came of the call; None if there was none.
        took_secs: How long it took, by the clock on the wall.
    """

    name: str
    failures: list[str] = field(default_factory=list[str])
    record: CallRecord | None = None
    took_secs: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures


def play(scenario: Scenario, stage: Stage, *, bot: Path | None = None) -> Result:
    """Play a scenario on an event loop of its own.

    Args:
        scenario: The scenario.
        stage: How the call is held; speech and brain that it leaves open are the scenario's.
        bot: The bot's file, in place of the scenario's.

    Raises:
        SettingsError: There is no bot to call.
        FileNotFoundError: There is no such file, of the bot's or of a recording.
        VoicepipeError: A recording cannot be read, or calls cannot be held so; see `Stage.check`.
    """
    path = bot or scenario.bot
    if path is None:
        raise SettingsError(f"{scenario.name}: bot", "is missing; name the bot's file, or pass --bot")
    path = existing(path)
    if stage.speech is None and not stage.live:
        stage = replace(stage, speech=scenario.speech)
    stage = stage.with_brain(scenario.brain)
    stage.check()
    # A recording that is not there is the scenario's mistake, and not the bot's.
    for turn in scenario.turns:
        if turn.audio is not None:
            read_wav(turn.audio)
    result, began_secs = Result(scenario.name), time.monotonic()

    async def played() -> None:
        # What the bot raises can be anything, and is a scenario's result.
        [outcome] = await asyncio.gather(_play(scenario, stage, path, result), return_exceptions=True)
        if isinstance(outcome, Exception):
            # What else went wrong followed from this.
            result.failures[:] = [f"the bot raised {type(outcome).__name__}: {outcome}"]

    stage.run(played)
    result.took_secs = time.monotonic() - began_secs
    return result


async def _play(scenario: Scenario, stage: Stage, path: Path, result: Result) -> None:
    async with stage.place() as place, asyncio.timeout(_SCENARIO_SECS):
        with environment(place), loaded(path) as bot:
            async with calling(bot, place, instant_speech=stage.instant_speech) as call:
                player = _Player(scenario, call, is_live=stage.live)
                await player.play(result.failures)
            result.record = call.record
    result.failures += [f"call: {why}" for why in broken(scenario.call, call.record)]


class _Player:
    def __init__(self, scenario: Scenario, call: Call, *, is_live: bool) -> None:
        self._scenario = scenario
        self._call = call
        self._greeting_secs = LIVE_GREETING_SECS if is_live else GREETING_SECS
        self._sent_ms = now_ms()
        self._turn_start = 0
        self._searched_to = 0

    @property
    def _events(self) -> Sequence[Happened]:
        return self._call.witness.events

    async def play(self, failures: list[str]) -> None:
        for number, turn in enumerate(self._scenario.turns, 1):
            found = await self._turn(number, turn)
            failures += [f"turn {number}: {why}" for why in found]
            if found and self._scenario.stop_on_failure:
                return
        if not self._call.has_ended:
            await self._until_quiet()

    async def _turn(self, number: int, turn: Turn) -> list[str]:
        if turn.acts:
            missing = await self._wait(number, turn.send_after)
            if missing is not None:
                return [missing]
            if self._call.has_ended:
                return ["the call had ended before"]
            self._searched_to = len(self._events)
        self._turn_start, self._sent_ms = self._searched_to, now_ms()
        search = Search(self._turn_start)
        async with self._acting(turn):
            failures = await self._expect(turn, search)
        self._searched_to = search.position
        return failures

    @asynccontextmanager
    async def _acting(self, turn: Turn) -> AsyncGenerator[None]:
        """Have the caller do something while what comes of it is looked for already."""
        acting = asyncio.create_task(self._act(turn), name="the caller's turn")
        try:
            yield
            await acting
        finally:
            acting.cancel()
            await asyncio.wait([acting])

    async def _act(self, turn: Turn) -> None:
        if turn.audio is not None:
            await self._call.say(turn.audio)
        elif isinstance(turn.user, str):
            await self._call.say(turn.user)
        elif turn.user is not None:
            await self._call.say(await self._in_pieces(turn.user))
        elif turn.dtmf is not None:
            await self._call.press(turn.dtmf)
        elif turn.hang_up:
            await self._call.hang_up()

    async def _in_pieces(self, pieces: Sequence[str | Pause]) -> Sound:
        sounds = [await self._call.sound(piece) for piece in pieces if isinstance(piece, str)]
        rate = sounds[0].sample_rate if sounds else 24000
        spoken = iter(sounds)
        pcm = b"".join(
            bytes(2 * (rate * piece.pause_ms // 1000)) if isinstance(piece, Pause) else next(spoken).pcm
            for piece in pieces
        )
        return Sound(pcm, rate)

    async def _wait(self, number: int, after: SendAfter | None) -> str | None:
        """Wait until it is time to speak; returns why that time does not come."""
        if after is None:
            if number == 1:
                await self._call.greeting(self._greeting_secs)
            else:
                await self._until_quiet()
            return None
        from_ms = self._sent_ms
        if after.event is not None:
            anchor = await self._seen(after.event)
            if anchor is None:
                return f"send_after: there was no {after.event}"
            from_ms = anchor.at_ms
        await asyncio.sleep(max(0.0, from_ms + after.delay_ms - now_ms()) / 1000)
        return None

    async def _seen(self, event: str) -> Happened | None:
        until_ms = now_ms() + _ANSWER_SECS * 1000
        while True:
            seen = [one for one in self._events[self._turn_start :] if one.event == event]
            if seen:
                return seen[-1]
            if self._call.has_ended or not await self._news(until_ms):
                return None

    async def _until_quiet(self) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECS):
                await self._call.quiet()
        except TimeoutError:
            # Nobody said that there has to be an answer.
            return

    async def _expect(self, turn: Turn, search: Search) -> list[str]:
        failures: list[str] = []
        for number, expectation in enumerate(turn.expect, 1):
            until_ms = self._sent_ms + expectation.within_ms
            begin = search.begin(expectation)
            if expectation.absent:
                why = await self._stays_absent(expectation, begin, until_ms)
            else:
                why = await self._comes(expectation, search, until_ms)
            if why is None and expectation.latency_ms is not None:
                why = self._is_late(expectation, search.position - 1)
            if why is not None:
                failures.append(f"expect {number}: {why}")
                break
        return failures

    async def _comes(self, expectation: Expectation, search: Search, until_ms: float) -> str | None:
        begin = search.begin(expectation)
        while True:
            await self._listen(begin)
            if search.meets(expectation, self._events, until_ms):
                return None
            if self._call.has_ended:
                await self._call.witness.changed_within(_STRAGGLERS_SECS)
                self._call.note_end()
                await self._listen(begin)
                if search.meets(expectation, self._events, until_ms):
                    return None
                when = "before the call ended"
                break
            if not await self._news(until_ms):
                when = f"within {expectation.within_ms} ms"
                break
        return f"no {described(expectation)} {when}; instead: {instead(expectation, self._events[begin:])}"

    async def _stays_absent(self, expectation: Expectation, begin: int, until_ms: float) -> str | None:
        while True:
            await self._listen(begin)
            came = [event for event in self._events[begin:] if event.event == expectation.event]
            if came:
                after_ms = round(came[0].at_ms - self._sent_ms)
                return f"{expectation.event} came after {after_ms} ms: {instead(expectation, came)}"
            if self._call.has_ended or not await self._news(until_ms):
                return None

    def _is_late(self, expectation: Expectation, index: int) -> str | None:
        measured = latency_ms(self._events, index, self._call.began_ms)
        limit = expectation.latency_ms
        if measured is None or limit is None or measured <= limit:
            return None
        return f"{expectation.event}: expected the bot to speak within {limit:g} ms; it took {measured:g} ms"

    async def _listen(self, begin: int) -> None:
        """Find the words in what was heard."""
        for event in self._events[begin:]:
            await self._call.words(event)

    async def _news(self, until_ms: float) -> bool:
        """Wait for something to happen, or for a moment: that a call has ended may be nothing that happens in it.

        Returns:
            False if the time is over.
        """
        left_secs = (until_ms - now_ms()) / 1000
        if left_secs <= 0:
            return False
        await self._call.witness.changed_within(min(left_secs, _LOOK_SECS))
        return True
