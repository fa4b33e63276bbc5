"""From frames to a call's record: who said what and when, what was heard of it, tools, faults, usage, the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams

from tests.support.tones import spoken, tone_server
from voicepipe.audio.g711 import ulaw_decode
from voicepipe.audio.resampler import AudioResampler
from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    CodedTTSAudioRawFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    PlaybackMarkFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.pipeline import Pipeline, run
from voicepipe.realtime.latency import TurnLatencyMetricsData
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
    TurnDetection,
)
from voicepipe.telemetry import Billing, CallMeter, CallNotes, CallObserver, Latencies
from voicepipe.telemetry.calls import Turn
from voicepipe.telemetry.heard import words_heard
from voicepipe.transports.wav_file import Question, WavFileTransport


class Watched:
    """An observer that is told of frames as a pipeline tells it, at times on the loop's clock."""

    def __init__(self) -> None:
        self.notes = CallNotes()
        self.observer = CallObserver(self.notes)
        self._end = FrameProcessor()

    async def see(self, *frames: Frame) -> None:
        for frame in frames:
            pushed = FramePushed(self._end, self._end, frame, FrameDirection.DOWNSTREAM, timestamp=0)
            await self.observer.on_push_frame(pushed)

    async def after(self, ms: float, *frames: Frame) -> None:
        await asyncio.sleep(ms / 1000)
        await self.see(*frames)

    @property
    def turns(self) -> list[Turn]:
        return self.notes.turns


@pytest.fixture
async def call() -> AsyncIterator[Watched]:
    watched = Watched()
    await watched.observer.on_pipeline_started()
    yield watched
    await watched._end.cleanup()


def interim(text: str) -> InterimTranscriptionFrame:
    return InterimTranscriptionFrame(text, "", "")


def final(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "", finalized=True)


def says(text: str) -> LLMTextFrame:
    frame = LLMTextFrame(text)
    frame.append_to_context = False
    return frame


def sound(ms: int, context_id: str = "resp_1") -> TTSAudioRawFrame:
    return TTSAudioRawFrame(bytes(48 * ms), 24000, 1, context_id=context_id)


def g711(ms: int) -> CodedTTSAudioRawFrame:
    return CodedTTSAudioRawFrame(
        b"", 8000, 1, context_id="resp_1", coding="PCMU", coded=bytes(8 * ms), decode=ulaw_decode
    )


@pytest.mark.virtual_time
@pytest.mark.parametrize("make", [sound, g711])
async def test_sound_counts_however_it_is_coded(call, make):
    await call.after(0, LLMFullResponseStartFrame(), make(1000), make(500), BotStartedSpeakingFrame())
    assert call.turns[0].said_ms == 1500.0


@pytest.mark.virtual_time
class TestTurns:
    async def test_words_times_and_latency_of_a_turn(self, call):
        await call.after(1000, UserStartedSpeakingFrame())
        await call.after(500, interim("What is"))
        assert (call.turns[0].user_text, call.turns[0].user_is_final) == ("What is", False)
        await call.after(500, UserStoppedSpeakingFrame(), final(" What is it? "))
        await call.after(300, LLMFullResponseStartFrame(), says("It is "), says("fog."), sound(1000))
        latency = TurnLatencyMetricsData(processor="llm", server_ms=300.0, added_ms=0.5)
        await call.see(MetricsFrame(data=[latency]))
        await call.after(20, BotStartedSpeakingFrame())
        await call.after(1000, LLMFullResponseEndFrame(), BotStoppedSpeakingFrame())
        [turn] = call.turns
        assert turn == Turn(
            index=0,
            started_ms=1000.0,
            user_text="What is it?",
            user_is_final=True,
            user_stopped_ms=2000.0,
            bot_text="It is fog.",
            bot_started_ms=2320.0,
            bot_stopped_ms=3320.0,
            said_ms=1000.0,
            heard_ms=1000.0,
            latency_ms=320.0,
            server_ms=300.0,
            added_ms=0.5,
        )
        assert turn.playout_ms == 19.5
        latencies = Latencies()
        latencies.add(turn)
        assert {stage: one.average_ms for stage, one in latencies.summaries().items()} == {
            "server": 300.0,
            "added": 0.5,
            "playout": 19.5,
            "total": 320.0,
        }

    async def test_a_greeting_is_a_turn_in_which_the_user_said_nothing(self, call):
        await call.see(LLMFullResponseStartFrame(), says("Welcome!"), LLMFullResponseEndFrame())
        await call.after(2000, UserStartedSpeakingFrame())
        assert [(turn.user_text, turn.bot_text, turn.started_ms) for turn in call.turns] == [
            ("", "Welcome!", 0.0),
            ("", "", 2000.0),
        ]
        assert call.turns[0].latency_ms is None

    async def test_words_that_come_late_belong_to_the_turn_before(self, call):
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
        await call.after(100, UserStartedSpeakingFrame(), final("first"))
        await call.after(100, UserStoppedSpeakingFrame(), final("second"))
        assert [turn.user_text for turn in call.turns] == ["first", "second"]

    async def test_words_that_come_in_pieces_are_all_kept(self, call):
        await call.see(UserStartedSpeakingFrame(), interim("Hel"), final("Hello."), interim("How"))
        assert (call.turns[0].user_text, call.turns[0].user_is_final) == ("Hello. How", False)
        await call.see(final("How are you?"), UserStoppedSpeakingFrame(), final("Well?"))
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), final("Bye."))
        assert [turn.user_text for turn in call.turns] == ["Hello. How are you? Well?", "Bye."]

    async def test_an_answer_in_two_responses_is_one(self, call):
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
        for text in ("Let me see.", "It is fog."):
            await call.see(LLMFullResponseStartFrame(), says(text), LLMFullResponseEndFrame())
        assert call.turns[0].bot_text == "Let me see. It is fog."

    async def test_both_copies_of_a_broadcast_frame_count_once(self, call):
        down, up = UserStartedSpeakingFrame(), UserStartedSpeakingFrame()
        down.broadcast_sibling_id, up.broadcast_sibling_id = up.id, down.id
        await call.see(down, UserStoppedSpeakingFrame(), up)
        assert len(call.turns) == 1


@pytest.mark.virtual_time
class TestWhatWasHeard:
    async def test_of_a_cut_answer_only_what_was_played(self, call):
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
        await call.see(says("one two three four"), sound(2000), BotStartedSpeakingFrame())
        await call.after(1000, UserStartedSpeakingFrame(), InterruptionFrame(), BotStoppedSpeakingFrame())
        await call.see(LLMFullResponseEndFrame())
        cut, new = call.turns
        assert cut.is_interrupted
        assert (cut.said_ms, cut.heard_ms, cut.bot_stopped_ms) == (2000.0, 1000.0, 1000.0)
        assert (cut.bot_text, cut.heard_text) == ("one two three four", "one two")
        assert not new.is_interrupted

    async def test_a_transports_word_on_playback_counts(self, call):
        await call.see(LLMFullResponseStartFrame(), says("one two three four"), sound(2000))
        at_ms = asyncio.get_running_loop().time() * 1000 + 400
        await call.after(400, PlaybackMarkFrame(context_id="resp_1", played_ms=0.0, at_ms=at_ms))
        await call.after(600, InterruptionFrame())
        assert call.turns[0].heard_ms == 600.0

    async def test_an_answer_of_which_nothing_was_heard(self, call):
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), LLMFullResponseStartFrame())
        await call.see(says("Well, "), InterruptionFrame(), LLMFullResponseEndFrame())
        [turn] = call.turns
        assert (turn.is_interrupted, turn.heard_text, turn.bot_stopped_ms) == (True, "", None)

    async def test_of_an_answer_that_runs_when_the_call_ends_what_was_played_by_then(self, call):
        await call.see(LLMFullResponseStartFrame(), says("one two"), sound(2000), BotStartedSpeakingFrame())
        await asyncio.sleep(0.5)
        call.observer.finish()
        await asyncio.sleep(0.5)
        call.observer.finish()
        assert call.turns[0].heard_ms == 500.0

    async def test_an_interruption_after_the_answer_cuts_nothing(self, call):
        await call.see(LLMFullResponseStartFrame(), says("Hi."), sound(500), BotStartedSpeakingFrame())
        await call.after(500, LLMFullResponseEndFrame(), BotStoppedSpeakingFrame())
        await call.after(10, UserStartedSpeakingFrame(), InterruptionFrame())
        turn = call.turns[0]
        assert (turn.is_interrupted, turn.heard_text, turn.heard_ms) == (False, None, 500.0)

    async def test_what_is_said_after_a_cut_without_a_user_is_a_new_turn(self, call):
        await call.see(LLMFullResponseStartFrame(), says("one two"), sound(2000), InterruptionFrame())
        await call.see(LLMFullResponseEndFrame(), LLMFullResponseStartFrame(), says("three"))
        assert [turn.bot_text for turn in call.turns] == ["one two", "three"]

    @pytest.mark.parametrize(
        ("heard_ms", "words"), [(0, ""), (1, ""), (500, "one"), (999, "one two"), (1000, "one two six")]
    )
    def test_words_are_cut_at_the_last_whole_one(self, heard_ms, words):
        assert words_heard("one two six", heard_ms, 1000) == words


@pytest.mark.virtual_time
class TestTheRest:
    async def test_a_call_that_is_told_twice_is_one(self, call):
        for _ in range(2):
            await call.see(FunctionCallInProgressFrame("weather", "call_1", {}))
        await call.after(250, FunctionCallResultFrame("weather", "call_1", {}, "fog"))
        assert [(tool.status, tool.ended_ms) for tool in call.notes.tools] == [("done", 250.0)]

    async def test_tools_with_arguments_result_and_times(self, call):
        await call.see(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
        for number in (1, 2, 3):
            await call.see(FunctionCallInProgressFrame("weather", f"call_{number}", {"n": number}))
        await call.after(250, FunctionCallResultFrame("weather", "call_1", {"n": 1}, {"fog": True}))
        await call.see(FunctionCallCancelFrame("weather", "call_2"))
        call.observer.finish()
        assert [(tool.name, tool.status, tool.result, tool.ended_ms) for tool in call.notes.tools] == [
            ("weather", "done", {"fog": True}, 250.0),
            ("weather", "cancelled", None, 250.0),
            ("weather", "cancelled", None, 250.0),
        ]
        assert [(tool.index, tool.turn_index, tool.arguments) for tool in call.notes.tools] == [
            (0, 0, {"n": 1}),
            (1, 0, {"n": 2}),
            (2, 0, {"n": 3}),
        ]

    async def test_faults_and_the_end(self, call):
        await call.see(ErrorFrame("no such city"), EndFrame(reason="goodbye"), CancelFrame())
        [fault] = call.notes.faults
        assert (fault.message, fault.is_fatal) == ("no such city", False)
        assert call.observer.end == ("ended", "goodbye")


@asynccontextmanager
async def conversation(*questions: str, observer: CallObserver, path) -> AsyncIterator[None]:
    async def weather(params: FunctionCallParams) -> None:
        await params.result_callback({"temperature": 21, "conditions": "fog"})

    tool = {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    listening = AudioInput(
        transcription=InputAudioTranscription(model="whisper-1"), turn_detection=TurnDetection()
    )
    properties = SessionProperties(tools=[tool], audio=AudioConfiguration(input=listening))
    transport = WavFileTransport(
        [Question(spoken(text)) for text in questions], answer_path=path / "answer.wav"
    )
    async with tone_server() as server:
        llm = OpenAIRealtimeLLMService(
            api_key="k", model="gpt-realtime-mini", base_url=server.url, session_properties=properties
        )
        llm.register_function("get_weather", weather)
        pipeline = Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
        result = await run(pipeline, observers=[observer])
        assert result.reason == "ended", result
        yield


@pytest.mark.virtual_time
async def test_a_whole_call_through_the_local_server(tmp_path):
    notes = CallNotes()
    meter = CallMeter(billing=Billing(carrier="twilio"))
    observer = CallObserver(notes, meter)
    async with conversation("hello", "what is the weather in paris", observer=observer, path=tmp_path):
        pass
    assert [(turn.user_text, turn.bot_text) for turn in notes.turns] == [
        ("hello", "Hello! How can I help you?"),
        ("what is the weather in paris", "In Paris it is 21 degrees and fog."),
    ]
    assert all(turn.heard_ms == turn.said_ms > 0 and turn.latency_ms is not None for turn in notes.turns)
    [tool] = notes.tools
    assert (tool.name, tool.turn_index, tool.status) == ("get_weather", 1, "done")
    assert observer.end == ("ended", "all questions were asked")
    account = notes.last_account
    assert account is not None
    assert account.used.responses == 3
    assert list(account.used.tokens) == ["gpt-realtime-mini"]
    assert list(account.used.transcribed_secs) == ["whisper-1"]
    assert account.carrier_minutes == 1
    cost = account.cost
    assert cost.total == sum(cost.parts.values(), Decimal(0)) > Decimal("0.0085")
    assert account == meter.account(1e9), "minutes go on after the call's end"
