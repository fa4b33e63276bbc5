"""`voicepipe talk` with a sound system that is made of files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from tests.support.tones import heard_in, spoken
from voicepipe.cli.levels import level_of
from voicepipe.cli.talk_view import TalkView
from voicepipe.telemetry.calls import Fault, ToolRun, Turn

FAKE_AUDIO = Path(__file__).parent.parent / "support" / "fake_audio"
WITHIN_SECS = 60

BOT = """
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline
from voicepipe.frames import BotStoppedSpeakingFrame, EndWorkerFrame
from voicepipe.services.openai.realtime import (
    AudioConfiguration, AudioInput, InputAudioTranscription, SessionProperties,
)

class Once(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, BotStoppedSpeakingFrame) and direction == FrameDirection.UPSTREAM:
            await self.push_frame(EndWorkerFrame(), FrameDirection.UPSTREAM)

def bot(transport, openai):
    properties = SessionProperties(
        audio=AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
    )
    llm = OpenAIRealtimeLLMService(
        api_key=openai.api_key, base_url=openai.base_url, session_properties=properties
    )
    return Pipeline([transport.input(), AudioResampler(), llm, Once(), transport.output()])
"""


def talk(*arguments: str | Path, fake: bool = True, **env: str | Path) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-c", "from voicepipe.cli import main; main()", "talk", "--local"]
    path = os.pathsep.join([str(FAKE_AUDIO), os.environ.get("PYTHONPATH", "")]) if fake else ""
    environment = {**os.environ, "PYTHONPATH": path, "VOICEPIPE_SPEECH": "tones", "COLUMNS": "200"}
    return subprocess.run(
        [*start, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=WITHIN_SECS,
        check=False,
        env={**environment, **{name: str(value) for name, value in env.items()}},
    )


def test_a_spoken_question_is_answered_with_captions_latency_and_cost(tmp_path):
    bot, mouth, ear = tmp_path / "bot.py", tmp_path / "mouth.wav", tmp_path / "ear.wav"
    bot.write_text(BOT)
    question = spoken("hello")
    silence = np.zeros(question.sample_rate // 2, np.int16)
    pcm = np.concatenate([silence, np.frombuffer(question.pcm, np.int16)])
    soundfile.write(mouth, pcm, question.sample_rate)
    run = talk(bot, FAKE_MICROPHONE=mouth, FAKE_LOUDSPEAKER=ear)
    assert run.returncode == 0, run.stderr
    assert heard_in(ear).startswith("Hello! How can I help you?")
    for words in (
        "local server",
        "fake input",
        "you   hello",
        "bot   Hello! How can I help you?",
        " ms)",
        "mic",
    ):
        assert words in run.stdout
    assert "would be $0.00" in run.stdout
    assert "the sound system was given back" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "devices", "said"),
    [
        ([], {}, "microphone: this machine has no microphone (No Default Input Device Available)"),
        ([], {"FAKE_MICROPHONE": "x.wav"}, "loudspeaker: this machine has no loudspeaker"),
        (["--input-device", "7"], {}, "microphone: this machine has no microphone number 7 (Invalid device)"),
        (["--input-device", "0"], {}, "microphone: device number 0, fake loudspeaker, is no microphone"),
    ],
)
def test_without_a_device_it_says_which_one_is_missing(arguments, devices, said):
    run = talk(*arguments, **devices)
    assert run.returncode == 6
    assert said in run.stderr
    assert "the sound system was given back" in run.stdout


def test_without_the_extra_it_says_what_to_install(tmp_path):
    (tmp_path / "pyaudio.py").write_text("raise ImportError\n")
    run = talk(fake=False, PYTHONPATH=tmp_path)
    assert run.returncode == 4
    assert "pip install 'voicepipe[mic]'" in run.stderr


def test_the_level_goes_from_silence_to_loud_speech():
    assert level_of(b"") == level_of(bytes(960)) == 0.0
    levels = [level_of(np.full(480, peak, np.int16).tobytes()) for peak in (10, 100, 1000, 10000, 30000)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0.0, 1.0)
    assert level_of(b"\x01") == 0.0


def drawn(view: TalkView) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(view.drawn())
    return captured.get()


def test_the_view_shows_what_was_heard_of_a_cut_answer_and_what_went_wrong():
    times = iter(range(100))
    view = TalkView(Console(quiet=True), clock=lambda: float(next(times)))
    with view:
        turn = Turn(
            0, 0.0, user_text="count", user_is_final=True, bot_text="one, two, three.", latency_ms=312.4
        )
        view.turn(turn)
        view.tool(ToolRun(0, 0, "call_1", "lookup", {"id": 7}, 5.0))
        assert 'lookup({"id": 7})  [running]' in drawn(view)
        view.tool(ToolRun(0, 0, "call_1", "lookup", {"id": 7}, 5.0, 9.0, {"ok": True}, "done"))
        turn.heard_text, turn.is_interrupted = "one, two,", True
        view.turn(turn)
        view.fault(Fault(0, 10.0, "rate limited", False))
        view.level(1.0)
        text = drawn(view)
    assert "you   count" in text
    assert 'lookup({"id": 7}) = {"ok": true}' in text
    assert "bot   one, two, three.  [interrupted]  (312 ms)" in text
    assert "oops  rate limited" in text
    assert f"mic   {'█' * 24}  answers after 312 ms (median)" in text
