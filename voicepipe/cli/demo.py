"""`voicepipe demo`: a spoken question in, a spoken answer out, with everything to look at and listen to afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipecat.services.llm_service import FunctionCallParams
from rich.console import Console

from voicepipe.audio.resampler import AudioResampler
from voicepipe.cli.conversation import Conversation, ConversationObserver
from voicepipe.cli.engine_name import EngineName
from voicepipe.cli.engines import ENGINES, Engine, Place
from voicepipe.cli.exits import Exit
from voicepipe.cli.serve import load_script
from voicepipe.cli.show import ConversationView
from voicepipe.cli.telling import tell_breaking_off, tell_file
from voicepipe.errors import AudioFormatError
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.pipeline import Pipeline, RunResult, run
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.wav_file import Question, WavFileTransport

RECORDING = Path(__file__).parent.parent / "local" / "recordings" / "go_forward.wav"
"""A recording of a person; its source and licence are noted beside it."""

_RESULTS = {
    "answer.wav": "the bot, as it was heard",
    "conversation.wav": "you on the left, the bot on the right",
    "transcript.json": "what was said, with times",
}
SPOKEN_QUESTION = "What is the weather in Paris?"


def run_demo(
    question: Path | None,
    *,
    out: Path,
    live: bool,
    engine: EngineName,
    model: str | None,
    script: Path | None,
    port: int,
) -> Exit:
    """Hold the conversation and write down what came of it; returns the exit code.

    Raises:
        FileNotFoundError: There is no such question.
        AudioFormatError: It is not a WAV file, or there is nothing to hear in it.
        PortTakenError: Another program has the port.
        MissingExtraError: The ears and the voice are not installed.
        ConnectionRefused: The server would not have us.
        SettingsError: A model was named for an API that has none.
    """
    questions = [_checked(question or RECORDING)]
    out.mkdir(parents=True, exist_ok=True)
    demo = _Demo(
        out=out,
        live=live,
        engine=ENGINES[engine],
        name=engine.value,
        model=model,
        script=load_script(script),
        port=port,
    )
    return asyncio.run(demo.converse(questions, ask_for_weather=question is None))


def _checked(path: Path) -> Question:
    sound = read_wav(path)
    if sound.is_silent:
        raise AudioFormatError(f"{path}: is silent, so there is no question in it")
    return Question(sound)


@dataclass(frozen=True, kw_only=True)
class _Demo:
    out: Path
    live: bool
    engine: Engine
    name: str
    model: str | None
    script: Script
    port: int
    console: Console = field(default_factory=Console)

    async def converse(self, questions: list[Question], *, ask_for_weather: bool) -> Exit:
        conversation = Conversation()
        async with self._stage() as (place, speech):
            if ask_for_weather and speech is not None:
                questions = [*questions, Question(_spoken(speech, SPOKEN_QUESTION))]
            transport = WavFileTransport(
                questions, answer_path=self.out / "answer.wav", stereo_path=self.out / "conversation.wav"
            )
            bot = self.engine.bot(place)
            bot.register_function("get_weather", _get_weather)
            bot.register_function("get_order_status", _get_order_status)
            pipeline = Pipeline([transport.input(), AudioResampler(), bot, transport.output()])
            with ConversationView(conversation, self.console) as view:
                observer = ConversationObserver(conversation, view.refresh)
                result = await run(pipeline, observers=[observer])
        return self._ended(result, transport, conversation, place)

    @asynccontextmanager
    async def _stage(self) -> AsyncGenerator[tuple[Place, SpeechEngine | None]]:
        """Yield where to talk, and the local voice where there is one."""
        if self.live:
            yield self.engine.live(self.model), None
            return
        with self.console.status("loading ears and voice"):
            speech = speech_engine("local")
        async with self.engine.serve(speech, ScriptBrain(self.script), self.port, self.model) as place:
            yield place, speech

    def _ended(
        self, result: RunResult, transport: WavFileTransport, conversation: Conversation, place: Place
    ) -> Exit:
        about = {"engine": self.name, "model": place.who, "live": self.live, "ended": result.reason}
        (self.out / "transcript.json").write_text(conversation.as_json(**about), encoding="utf-8")
        if result.reason == "failed":
            tell_breaking_off(self.console, result.detail)
            return Exit.REFUSED
        if transport.unanswered or not any(line.text for line in conversation.said_by("bot")):
            self.console.print("[red]There was no answer.[/red]")
            return Exit.NO_ANSWER
        self.console.print()
        for name, what in _RESULTS.items():
            tell_file(self.console, self.out / name, what)
        return Exit.OK


def _spoken(speech: SpeechEngine, text: str) -> Sound:
    pcm = b"".join(piece.tobytes() for piece in speech.voice.speak(text))
    return Sound(pcm, speech.voice.sample_rate)


async def _get_weather(params: FunctionCallParams) -> None:
    city = str(params.arguments.get("city", "")).title()
    await params.result_callback({"city": city, "temperature": 18, "conditions": "a clear sky"})


async def _get_order_status(params: FunctionCallParams) -> None:
    order_id = str(params.arguments.get("order_id", ""))
    await params.result_callback({"order_id": order_id, "status": "on its way"})
