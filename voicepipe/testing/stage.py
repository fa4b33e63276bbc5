"""Where a test takes place: against the local server or the API itself, in virtual or real time, with which voice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from voicepipe.errors import SettingsError
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import SpeechEngine, SpeechEngineName, speech_engine
from voicepipe.offline import KEY_VARIABLE, OpenAIPlace, live_url
from voicepipe.testing.clock import VirtualTimeLoop

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How calls of a test are held.

    Parameters:
        live: Whether the bot talks with the API itself, which costs money; else with the local server.
        speech: The caller's voice and ears, and those of the local server: `tones`, exact and instant, or `local`, real
            speech. None takes what fits: `tones`, or with the API itself `local`.
        brain: What the local server answers: a YAML file, or its text; None is the script that comes along.
        real_time: Whether time goes by as it does; else it jumps. The API itself is always talked with in real time.
    """

    live: bool = False
    speech: SpeechEngineName | None = None
    brain: Path | str | None = None
    real_time: bool = False

    def with_brain(self, brain: Path | str | None) -> Self:
        """Return the same, where the local server answers otherwise; None changes nothing."""
        return self if brain is None else replace(self, brain=brain)

    @property
    def is_virtual(self) -> bool:
        """Whether time jumps."""
        return not (self.live or self.real_time)

    @property
    def instant_speech(self) -> bool:
        """Whether speaking and hearing take no time to speak of."""
        return not self._speech_engine().blocking

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something to its end on an event loop of its own, with the clock that is asked for.

        Raises:
            RuntimeError: An event loop runs already in this thread.
        """
        if _event_loop_runs():
            raise RuntimeError("an event loop runs here already: use `async with caller.calling(...)` on it")
        with asyncio.Runner(loop_factory=VirtualTimeLoop if self.is_virtual else None) as runner:
            return runner.run(main())

    def check(self) -> None:
        """Make sure that calls can be held so.

        Raises:
            SettingsError: It is to be the API itself and there is no key, or the brain's file is wrong.
            VoicepipeError: There is no such file.
            MissingExtraError: The voice is not installed.
        """
        self._speech_engine()
        if not self.live:
            self._script()
        elif not os.environ.get(KEY_VARIABLE):
            raise SettingsError(KEY_VARIABLE, "is not set; without it there is only the local server")

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[OpenAIPlace]:
        """Yield where the Realtime API is, as long as it is entered.

        Raises:
            VoicepipeError: As `check`.
        """
        self.check()
        speech = self._speech_engine()
        if self.live:
            yield OpenAIPlace(live_url(), os.environ[KEY_VARIABLE], is_local=False, speech=speech)
            return
        async with LocalServer(speech=speech, brain=ScriptBrain(self._script())) as server:
            yield OpenAIPlace(server.url, "local", is_local=True, speech=speech)

    def _script(self) -> Script:
        return Script.default() if self.brain is None else Script.load(self.brain)

    def _speech_engine(self) -> SpeechEngine:
        return _loaded(self.speech or ("local" if self.live else "tones"))


def _event_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@cache
def _loaded(name: SpeechEngineName) -> SpeechEngine:
    """Return a speech engine; real speech takes its time to load."""
    return speech_engine(name)
