"""`voicepipe demo`: a spoken question in, a spoken answer out, with everything to look at and listen to afterwards."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipecat.services.llm_service import FunctionCallParams
from rich.console import Console

from voicepipe.audio.resampler import AudioResampler
from voicepipe.cli.conversation import Conversation, ConversationObserver
from voicepipe.cli.exits import Exit
from voicepipe.cli.serve import load_script
from voicepipe.cli.show import ConversationView
from voicepipe.errors import AudioFormatError, ConnectionRefused
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import SpeechEngine, speech_engine
from voicepipe.pipeline import Pipeline, RunResult, run
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.service import DEFAULT_URL
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

_INSTRUCTIONS = "You are a friendly assistant on a telephone. Answer in one or two short sentences."
_WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city, now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
_ORDER_TOOL = {
    "type": "function",
    "name": "get_order_status",
    "description": "Where an order is.",
    "parameters": {
        "type": "object",
        "properties": {"order_id": {"type": "string"}},
        "required": ["order_id"],
    },
}


@dataclass(frozen=True, slots=True)
class _Server:
    url: str
    api_key: str
    speech: SpeechEngine | None


def run_demo(
    question: Path | None, *, out: Path, live: bool, model: str, script: Path | None, port: int
) -> Exit:
    """Hold the conversation and write down what came of it; returns the exit code.

    Raises:
        FileNotFoundError: There is no such question.
        AudioFormatError: It is not a WAV file, or there is nothing to hear in it.
        PortTakenError: Another program has the port.
        MissingExtraError: The ears and the voice are not installed.
        ConnectionRefused: The server would not have us.
    """
    questions = [_checked(question or RECORDING)]
    out.mkdir(parents=True, exist_ok=True)
    demo = _Demo(out=out, live=live, model=model, script=load_script(script), port=port)
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
    model: str
    script: Script
    port: int
    console: Console = field(default_factory=Console)

    async def converse(self, questions: list[Question], *, ask_for_weather: bool) -> Exit:
        conversation = Conversation()
        async with self._server() as server:
            if ask_for_weather and server.speech is not None:
                questions = [*questions, Question(_spoken(server.speech, SPOKEN_QUESTION))]
            transport = WavFileTransport(
                questions, answer_path=self.out / "answer.wav", stereo_path=self.out / "conversation.wav"
            )
            bot = _bot(server, self.model)
            pipeline = Pipeline([transport.input(), AudioResampler(), bot, transport.output()])
            with ConversationView(conversation, self.console) as view:
                observer = ConversationObserver(conversation, view.refresh)
                result = await run(pipeline, observers=[observer])
        return self._ended(result, transport, conversation)

    @asynccontextmanager
    async def _server(self) -> AsyncGenerator[_Server]:
        if self.live:
            key = os.environ.get("OPENAI_API_KEY", "")
            if not key:
                raise ConnectionRefused("--live needs a key: set OPENAI_API_KEY", "authentication")
            yield _Server(_live_url(), key, None)
            return
        with self.console.status("loading ears and voice"):
            speech = speech_engine("local")
        async with LocalServer(speech=speech, brain=ScriptBrain(self.script), port=self.port) as server:
            yield _Server(server.url, "local", speech)

    def _ended(self, result: RunResult, transport: WavFileTransport, conversation: Conversation) -> Exit:
        about = {"model": self.model, "live": self.live, "ended": result.reason}
        (self.out / "transcript.json").write_text(conversation.as_json(**about), encoding="utf-8")
        if result.reason == "failed":
            self.console.print(f"[red]The conversation broke off:[/red] {result.detail}", soft_wrap=True)
            return Exit.REFUSED
        if transport.unanswered or not any(line.text for line in conversation.said_by("bot")):
            self.console.print("[red]There was no answer.[/red]")
            return Exit.NO_ANSWER
        self.console.print()
        for name, what in _RESULTS.items():
            self.console.print(f"  {self.out / name}  [dim]{what}[/dim]", soft_wrap=True, highlight=False)
        return Exit.OK


def _live_url() -> str:
    """Return OpenAI's address, or that of whatever OPENAI_BASE_URL names in its place."""
    base = os.environ.get("OPENAI_BASE_URL")
    return f"{base.replace('http', 'ws', 1).rstrip('/')}/realtime" if base else DEFAULT_URL


def _spoken(speech: SpeechEngine, text: str) -> Sound:
    pcm = b"".join(piece.tobytes() for piece in speech.voice.speak(text))
    return Sound(pcm, speech.voice.sample_rate)


def _bot(server: _Server, model: str) -> OpenAIRealtimeLLMService:
    properties = SessionProperties(
        instructions=_INSTRUCTIONS,
        audio=AudioConfiguration(
            input=AudioInput(transcription=InputAudioTranscription(), turn_detection=TurnDetection())
        ),
        tools=[_WEATHER_TOOL, _ORDER_TOOL],
    )
    llm = OpenAIRealtimeLLMService(
        api_key=server.api_key, model=model, base_url=server.url, session_properties=properties
    )
    llm.register_function("get_weather", _get_weather)
    llm.register_function("get_order_status", _get_order_status)
    return llm


async def _get_weather(params: FunctionCallParams) -> None:
    city = str(params.arguments.get("city", "")).title()
    await params.result_callback({"city": city, "temperature": 18, "conditions": "a clear sky"})


async def _get_order_status(params: FunctionCallParams) -> None:
    order_id = str(params.arguments.get("order_id", ""))
    await params.result_callback({"order_id": order_id, "status": "on its way"})
