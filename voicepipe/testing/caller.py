"""`Caller`: the fixture `caller`, which calls a bot and says what a test tells it to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from voicepipe.offline import OpenAIPlace
from voicepipe.testing.bots import Bot, bot_of, loaded
from voicepipe.testing.call import Call, CallRecord, Says, calling
from voicepipe.testing.environment import environment
from voicepipe.testing.stage import Stage

LIVE_GREETING_SECS: Final = 4.0
GREETING_SECS: Final = 1.0


class Caller:
    """Calls bots.

        def test_the_bot_knows_where_an_order_is(caller):
            call = caller.call("bot.py", "Where is order 42?")
            assert "on its way" in call.heard
            assert call.called == ["get_order_status"]

    Args:
        stage: How calls are held.
        folder: What paths are relative to.
    """

    def __init__(self, stage: Stage | None = None, folder: Path | None = None) -> None:
        self.stage = stage or Stage()
        """How calls are held."""
        self.folder = folder or Path()
        """What paths are relative to."""

    def call(
        self, bot: Any, *says: Says, brain: Path | str | None = None, recording: Path | None = None
    ) -> CallRecord:
        """Call a bot, say one thing after the other, each when the answer to the last one is over, and hang up.

        A bot that speaks first is heard out before. For anything more, e.g. a barge-in, there is `calling`.

        Args:
            bot: A file, a function `bot`, an `AgentServer` or an agent of a `Phone`'s.
            says: Words, WAV files (as `Path`) or sound.
            brain: What the local server answers: a YAML file or its text; else what the stage says.
            recording: Where both sides are written as a WAV file.

        Returns:
            What came of it. A bot that hung up early was told less.

        Raises:
            TimeoutError: There was no answer to something.
            RuntimeError: It is called where an event loop runs; there, use `calling`.
            Exception: What the bot raised.
        """

        async def held() -> CallRecord:
            async with self.calling(bot, brain=brain, recording=recording) as call:
                await call.greeting(LIVE_GREETING_SECS if self.stage.live else GREETING_SECS)
                for what in says:
                    if call.has_ended:
                        break
                    await call.say(self.folder / what if isinstance(what, Path) else what)
                    await call.answer()
            return call.record

        return self.stage.run(held)

    @asynccontextmanager
    async def calling(
        self, bot: Any, *, brain: Path | str | None = None, recording: Path | None = None
    ) -> AsyncGenerator[Call]:
        """Call a bot from an `async` test, on that test's event loop and clock.

            async with caller.calling("bot.py") as call:
                await call.say("Where is order 42?")
                assert "on its way" in await call.answer()

        Args:
            bot: As for `call`.
            brain: As for `call`.
            recording: As for `call`.

        Raises:
            Exception: What the bot raised.
        """
        is_path = isinstance(brain, Path) or (brain is not None and "\n" not in brain)
        stage = self.stage.with_brain(self.folder / brain if brain is not None and is_path else brain)
        async with stage.place() as place:
            with self._bot(bot, place) as found:
                async with calling(
                    found, place, recording=recording, instant_speech=stage.instant_speech
                ) as call:
                    yield call

    @contextmanager
    def _bot(self, bot: Any, place: OpenAIPlace) -> Generator[Bot]:
        if not isinstance(bot, str | Path):
            yield bot_of(bot)
            return
        with environment(place), loaded(self.folder / bot) as found:
            yield found
