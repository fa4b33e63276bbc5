"""The main job: a spoken question goes through the pipeline and a spoken answer comes out, on the GA wire, with no key."""

from __future__ import annotations

import numpy as np
import pytest
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams

from tests.support.pipelines import Recorder
from tests.support.tones import heard, heard_in, spoken, tone_server
from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from voicepipe.local import LocalServer, Pace
from voicepipe.local.brain.script import ScriptBrain
from voicepipe.local.speech.engines import speech_engine
from voicepipe.pipeline import Pipeline, RunResult, run
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.transports.sound import Sound, read_wav
from voicepipe.transports.wav_file import Question, WavFileTransport

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


async def converse(
    server: LocalServer, transport: WavFileTransport, *between: Recorder, prepare=lambda llm: None
) -> RunResult:
    llm = OpenAIRealtimeLLMService(
        api_key="k", base_url=server.url, session_properties=SessionProperties(tools=[WEATHER])
    )
    prepare(llm)
    result = await run(Pipeline([transport.input(), AudioResampler(), llm, *between, transport.output()]))
    assert not transport.unanswered
    return result


@pytest.mark.virtual_time
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100])
async def test_a_spoken_question_is_answered_in_speech_whatever_the_files_rate(tmp_path, rate):
    question = spoken("hello", 24000)
    if rate != 24000:
        from voicepipe.audio.resampler import StreamResampler

        resampler = StreamResampler(24000, rate)
        question = Sound(resampler.process(question.pcm) + resampler.flush(), rate)
    transport = WavFileTransport(
        question, answer_path=tmp_path / "answer.wav", stereo_path=tmp_path / "both.wav"
    )
    async with tone_server() as server:
        result = await converse(server, transport)
    assert result.reason == "ended", result
    assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"


@pytest.mark.virtual_time
async def test_p7_the_answer_speaks_of_what_a_function_gave(tmp_path):
    async def weather(params: FunctionCallParams) -> None:
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    transport = WavFileTransport(spoken("what is the weather in paris"), answer_path=tmp_path / "answer.wav")
    recorder = Recorder(keep=FrameDirection.DOWNSTREAM)
    async with tone_server() as server:
        await converse(
            server, transport, recorder, prepare=lambda llm: llm.register_function("get_weather", weather)
        )
    assert heard_in(tmp_path / "answer.wav") == "In Paris it is 21 degrees and fog."
    assert len(recorder.of(FunctionCallResultFrame)) == 1


@pytest.mark.virtual_time
async def test_both_parties_are_on_one_time_axis(tmp_path):
    transport = WavFileTransport(spoken("hello"), stereo_path=tmp_path / "both.wav")
    recorder = Recorder(keep=FrameDirection.UPSTREAM)
    async with tone_server() as server:
        await converse(server, transport, recorder)
    import soundfile

    both, rate = soundfile.read(tmp_path / "both.wav", dtype="int16")
    caller, bot = (Sound(np.ascontiguousarray(both[:, side]).tobytes(), rate) for side in (0, 1))
    assert heard(caller) == "hello"
    assert heard(bot) == "Hello! How can I help you?"
    first_of_bot = int(np.flatnonzero(both[:, 1])[0])
    last_of_caller = int(np.flatnonzero(both[:, 0])[-1])
    # The turn ends after 200 ms of silence, as the API's default has it.
    assert 180 <= 1000 * (first_of_bot - last_of_caller) / rate <= 320


@pytest.mark.virtual_time
@pytest.mark.parametrize("after_ms", [150, 437, 1000, 1999])
async def test_a_barge_in_cuts_history_at_what_was_heard_and_the_next_answer_knows_it(tmp_path, after_ms):
    wire: list[tuple[str, dict]] = []
    transport = WavFileTransport(
        [spoken("count to twenty"), Question(spoken("where did you stop"), barge_in_after_ms=after_ms)],
        answer_path=tmp_path / "answer.wav",
    )
    recorder = Recorder(keep=FrameDirection.DOWNSTREAM)
    up = Recorder(keep=FrameDirection.UPSTREAM)
    # Little faster than it plays, so that the answer is still coming when the caller barges in.
    pace = Pace(delta_ms=100, speed=1.1)
    async with tone_server(pace=pace, on_event=lambda way, event: wire.append((way, dict(event)))) as server:
        await converse(server, transport, recorder, up)

    [cut] = transport.cuts
    [truncate] = [
        event for way, event in wire if way == "in" and event["type"] == "conversation.item.truncate"
    ]
    assert abs(truncate["audio_end_ms"] - cut.played_ms) <= 20
    assert not [event for way, event in wire if way == "out" and event["type"] == "error"]

    # Of the counting just that much was heard, and the next answer says so.
    said = heard_in(tmp_path / "answer.wav")
    counted, _, stopped = said.partition(" You stopped me after: ")
    last_words = stopped.removesuffix(".")
    assert last_words
    assert last_words.rstrip(",").split()[-1] in counted

    # One interruption inside the answer, and brackets closed once after it.
    kinds = (
        InterruptionFrame,
        LLMFullResponseStartFrame,
        TTSStartedFrame,
        TTSStoppedFrame,
        LLMFullResponseEndFrame,
    )
    names = recorder.names(*kinds)
    first = names[names.index("LLMFullResponseStartFrame") :]
    assert first[: first.index("LLMFullResponseStartFrame", 1)] == [
        "LLMFullResponseStartFrame",
        "TTSStartedFrame",
        "InterruptionFrame",
        "TTSStoppedFrame",
        "LLMFullResponseEndFrame",
    ]
    assert (
        up.names(BotStartedSpeakingFrame, BotStoppedSpeakingFrame)
        == [
            "BotStartedSpeakingFrame",
            "BotStoppedSpeakingFrame",
        ]
        * 2
    )


@pytest.mark.virtual_time
async def test_p18_late_sound_of_a_cut_answer_is_not_heard(tmp_path):
    transport = WavFileTransport(
        [spoken("count to twenty"), Question(spoken("please stop"), barge_in_after_ms=500)],
        answer_path=tmp_path / "answer.wav",
    )
    # Slower than it plays three times over: sound is still coming when the caller barges in.
    async with tone_server(pace=Pace(speed=1.2)) as server:
        await converse(server, transport)
    said = heard_in(tmp_path / "answer.wav")
    assert said.endswith("All right, I stop.")
    assert "twenty" not in said


async def test_real_speech_is_understood_and_answered_in_real_speech(tmp_path):
    """The demo's way, with real ears and a real voice: what was answered is understood by the ears again."""
    speech = speech_engine("local")
    question = np.concatenate(list(speech.voice.speak("Hello, who are you?")))
    transport = WavFileTransport(
        Sound(question.tobytes(), speech.voice.sample_rate),
        answer_path=tmp_path / "answer.wav",
        linger_ms=300,
    )
    async with LocalServer(speech=speech, brain=ScriptBrain()) as server:
        result = await converse(server, transport)
    assert result.reason == "ended"
    answer = read_wav(tmp_path / "answer.wav")
    words = speech.ears.listen(np.frombuffer(answer.pcm, np.int16), answer.sample_rate).lower()
    assert "bot" in words
    assert "script" in words
