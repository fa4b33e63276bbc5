"""The main job: a spoken question goes through the pipeline and a spoken answer comes out, on the GA wire, with no key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicepipe.audio.resampler import AudioResampler
from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.local.speech.tones import ToneVoice
from voicepipe.pipeline import Pipeline, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.wav_file import WavFileTransport

ANSWERS = "answer: The answer is four."


def tone_question(text: str, **voice: object) -> Sound:
    speaker = ToneVoice(24000, **voice)
    return Sound(np.concatenate(list(speaker.speak(text))).tobytes(), 24000)


def heard_in(path: Path) -> str:
    sound = read_wav(path)
    return speech_engine("tones").ears.listen(np.frombuffer(sound.pcm, np.int16), sound.sample_rate)


def tone_server(**kwargs: object) -> LocalServer:
    return LocalServer(speech=speech_engine("tones"), brain=ScriptBrain(Script.default()), **kwargs)


@pytest.mark.virtual_time
async def test_a_spoken_question_is_answered_in_speech(tmp_path):
    async with tone_server() as server:
        transport = WavFileTransport(
            tone_question("hello"), answer_path=tmp_path / "answer.wav", stereo_path=tmp_path / "both.wav"
        )
        llm = OpenAIRealtimeLLMService(
            api_key="k", base_url=server.url, session_properties=SessionProperties(instructions=ANSWERS)
        )
        result = await run(Pipeline([transport.input(), AudioResampler(), llm, transport.output()]))
    assert result.reason == "ended", result
    assert heard_in(tmp_path / "answer.wav") == "The answer is four."
