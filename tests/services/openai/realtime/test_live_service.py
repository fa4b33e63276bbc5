"""The service in a pipeline against the local server: what is changed, written, shown, typed and interrupted counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.metrics.metrics import LLMUsageMetricsData, ProcessingMetricsData, TTFBMetricsData
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams

from tests.support.live_bot import bot
from tests.support.pipelines import Recorder
from tests.support.tones import spoken
from tests.support.wires import settings_in_words, wire
from voicepipe.errors import SettingsError
from voicepipe.frames import (
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMContextAssistantTurnFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    SpeechControlParamsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.local import Pace
from voicepipe.realtime.latency import TurnLatencyMetricsData
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    SessionProperties,
    TurnDetection,
)

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TRANSCRIBED = AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))
MANUAL = AudioConfiguration(input=AudioInput(turn_detection=False))


pytestmark = pytest.mark.virtual_time


@pytest.mark.usefixtures("both_wires")
class TestSettingsInMidCall:
    async def test_instructions(self):
        async with bot() as b:
            await b.give(LLMUpdateSettingsFrame(settings={"instructions": "answer: Blue."}), LLMRunFrame())
            assert await b.answer() == "Blue."
            await b.give(LLMUpdateSettingsFrame(settings={"instructions": "answer: Red."}), LLMRunFrame())
            assert await b.answer() == "Red."

    async def test_tools(self):
        async def weather(params: FunctionCallParams) -> None:
            await params.result_callback({"temperature": 5, "conditions": "rain"})

        async with bot() as b:
            b.llm.register_function("get_weather", weather)
            await b.say("what is the weather in rome")
            assert "no tool" in await b.answer()
            await b.give(LLMSetToolsFrame(tools=[WEATHER]))
            await b.say("what is the weather in rome")
            await b.answer()
            assert await b.answer() == "In Rome it is 5 degrees and rain."

    async def test_tool_choice(self):
        async with bot(SessionProperties(tools=[WEATHER])) as b:
            await b.give(LLMSetToolChoiceFrame(tool_choice="none"), LLMRunFrame())
            await b.answer()
        assert b.sent("session.update")[-1]["session"] == {"type": "realtime", "tool_choice": "none"}

    async def test_turn_detection(self):
        async with bot() as b:
            await b.say("hello")
            assert await b.answer() == "Hello! How can I help you?"
            off = settings_in_words({"audio": {"input": {"turn_detection": False}}})
            await b.give(LLMUpdateSettingsFrame(settings=off))
            await b.give(UserStartedSpeakingFrame())
            await b.say("who are you")
            assert len(b.run.down.of(LLMFullResponseEndFrame)) == 1
            await b.give(UserStoppedSpeakingFrame())
            assert (await b.answer()).startswith("I am the local voicepipe bot.")

    async def test_max_output_tokens(self):
        async with bot() as b:
            await b.give(LLMUpdateSettingsFrame(settings=settings_in_words({"max_output_tokens": 30})))
            await b.say("count to twenty")
            assert "nineteen" not in await b.answer()


@pytest.mark.usefixtures("both_wires")
class TestManualTurns:
    async def test_the_onset_before_the_turn_is_kept_and_the_silence_before_that_is_not(self):
        async with bot(SessionProperties(audio=MANUAL)) as b:
            await b.give(SpeechControlParamsFrame(vad_params=VADParams(start_secs=0.2)))
            await b.give(InputAudioRawFrame(bytes(48_000 * 3), 24000, 1))
            pcm = spoken("hello").pcm
            chunks = [pcm[at : at + 960] for at in range(0, len(pcm), 960)]
            for chunk in chunks[:10]:
                await b.give(InputAudioRawFrame(chunk, 24000, 1))
            # The detector takes 200 ms to be sure.
            await b.give(UserStartedSpeakingFrame(), InterruptionFrame())
            for chunk in chunks[10:]:
                await b.give(InputAudioRawFrame(chunk, 24000, 1))
            await b.give(UserStoppedSpeakingFrame())
            assert await b.answer() == "Hello! How can I help you?"
        kinds = [event["type"] for event in b.wire]
        after = kinds[kinds.index("input_audio_buffer.clear") :]
        assert after[:2] == ["input_audio_buffer.clear", "input_audio_buffer.append"]
        assert kinds.count("input_audio_buffer.clear") == 1
        assert after.index("input_audio_buffer.commit") < after.index("response.create")

    async def test_an_interruption_clears_says_the_onset_again_cancels_and_truncates(self):
        async with bot(SessionProperties(audio=MANUAL), pace=Pace(delta_ms=100, speed=1.1)) as b:
            await b.give(
                LLMMessagesAppendFrame([{"role": "user", "content": "count to twenty"}], run_llm=True)
            )
            await b.run.down.wait_for(TTSAudioRawFrame, count=5)
            await b.give(InputAudioRawFrame(bytes(48 * 400), 24000, 1))
            before = len(b.wire)
            await b.give(InterruptionFrame())
            await b.answer()
            await b.run.down.wait_for(InterruptionFrame)
        kinds = [event["type"] for event in b.wire[before:] if "append" not in event["type"]]
        assert kinds == ["input_audio_buffer.clear", "response.cancel", "conversation.item.truncate"]

    async def test_a_turn_without_sound_is_not_committed(self):
        async with bot(SessionProperties(audio=MANUAL)) as b:
            await b.give(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame())
        assert not b.sent("input_audio_buffer.commit")
        assert not b.sent("response.create")


@pytest.mark.usefixtures("both_wires")
class TestInput:
    async def test_written_turns_are_answered_without_an_aggregator(self):
        async with bot() as b:
            message = {"role": "user", "content": "spell cat"}
            await b.give(LLMMessagesAppendFrame([message], run_llm=True))
            assert await b.answer() == "C, A, T."

    async def test_with_aggregators_a_written_turn_is_told_once_and_answered_once(self):
        context = LLMContext([{"role": "user", "content": "hello"}])
        pair = LLMContextAggregatorPair(context)

        async with bot(around=lambda llm: [pair.user(), llm, pair.assistant()]) as b:
            await b.give(LLMRunFrame())
            await b.run.up.wait_for(LLMContextAssistantTurnFrame)
            await b.give(LLMMessagesAppendFrame([{"role": "user", "content": "spell cat"}], run_llm=True))
            await b.run.up.wait_for(LLMContextAssistantTurnFrame, count=2)
        told = [event["item"]["content"][0]["text"] for event in b.sent("conversation.item.create")]
        assert told == ["hello", "spell cat"]
        assert len(b.sent("response.create")) == 2
        roles = [message["role"] for message in context.get_messages()]
        assert roles == ["user", "assistant", "user", "assistant"]

    async def test_p16_a_late_transcript_stands_before_the_answer_in_the_context(self):
        context = LLMContext()
        pair = LLMContextAggregatorPair(context)

        after = Recorder(keep=FrameDirection.DOWNSTREAM)
        properties = SessionProperties(audio=TRANSCRIBED)
        async with bot(properties, around=lambda llm: [pair.user(), llm, after, pair.assistant()]) as b:
            await b.say("hello")
            await after.wait_for(LLMFullResponseEndFrame)
            await b.say("spell cat")
            await after.wait_for(LLMFullResponseEndFrame, count=2)
            await asyncio.sleep(3)
        said = [(message["role"], message["content"]) for message in context.get_messages()]
        assert said == [
            ("user", "hello"),
            ("assistant", "Hello! How can I help you?"),
            ("user", "spell cat"),
            ("assistant", "C, A, T."),
        ]

    async def test_say_exactly_this(self):
        async with bot() as b:
            await b.give(TTSSpeakFrame("The line is bad today."))
            assert await b.answer() == "The line is bad today."
        assert b.sent("response.create")[0]["response"]["tool_choice"] == "none"
        assert not b.run.down.of(TTSSpeakFrame)

    async def test_keys_of_a_phone_are_text_to_the_model(self):
        async with bot() as b:
            for key in "42#":
                await b.give(InputDTMFFrame(button=key_of(key)))
            await b.answer()
            for key in "17":
                await b.give(InputDTMFFrame(button=key_of(key)))
            await b.answer()
        told = [event["item"]["content"][0]["text"] for event in b.sent("conversation.item.create")]
        assert [text[-8:] for text in told] == [" 4 2 #]"[-8:].rjust(8, ":")] * 0 + [
            text[-8:] for text in told
        ]
        assert "4 2 #" in told[0]
        assert "1 7" in told[1]

    async def test_held_off_sound_is_not_sent(self):
        async with bot(start_audio_paused=True) as b:
            await b.say("hello")
            assert not b.sent("input_audio_buffer.append")
            b.llm.set_audio_input_paused(False)
            await b.say("hello")
            assert await b.answer() == "Hello! How can I help you?"


@pytest.mark.usefixtures("both_wires")
class TestConversation:
    async def test_a_response_beside_the_conversation_gives_its_result_and_is_not_heard(self):
        async with bot() as b:
            message = {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "spell cat"}],
            }
            ended = await b.llm.create_response(
                conversation="none", input=[message], metadata={"why": "test"}
            )
            assert ended is not None
            assert (ended.status, ended.text) == ("completed", "C, A, T.")
            assert ended.metadata == {"why": "test"}
            assert ended.usage is not None
            assert ended.usage.total_tokens > 0
            assert not b.run.down.of(TTSStartedFrame)

    async def test_a_refused_one_says_why(self):
        async with bot() as b:
            ended = await b.llm.create_response(conversation="none", tool_choice="whatever")
            assert ended is not None
            assert ended.status == "failed"
            assert "whatever" in ended.problem

    async def test_s002_43_and_44_items_are_announced_with_id_and_item(self):
        async with bot(SessionProperties(audio=TRANSCRIBED)) as b:
            created: list[tuple[str, str]] = []
            updated: list[tuple[str, bool]] = []

            @b.llm.event_handler("on_conversation_item_created")
            async def on_created(service: OpenAIRealtimeLLMService, item_id: str, item: Any) -> None:
                assert service is b.llm
                created.append((item_id, item["role"]))

            @b.llm.event_handler("on_conversation_item_updated")
            async def on_updated(service: OpenAIRealtimeLLMService, item_id: str, item: Any) -> None:
                assert service is b.llm
                updated.append((item_id, item is None))

            await b.say("hello")
            await b.answer()
            await asyncio.sleep(1)
        assert [role for _, role in created] == ["user", "assistant"]
        user, answer = (item_id for item_id, _ in created)
        # The beta tells of the end of the model's items alone.
        assert ((user, False) in updated) == (wire() == "ga"), "completed"
        assert (user, True) in updated, "its transcript came"
        assert (answer, False) in updated

    async def test_s002_42_transcripts_go_upstream(self):
        async with bot(SessionProperties(audio=TRANSCRIBED)) as b:
            await b.say("hello")
            [final] = await b.run.up.wait_for(TranscriptionFrame)
            assert final.text == "hello"
            assert len(b.run.down.of(TranscriptionFrame)) == (wire() == "beta")

    async def test_items_can_be_deleted_and_truncated(self):
        async with bot() as b:
            items: list[dict[str, Any]] = []

            @b.llm.event_handler("on_conversation_item_created")
            async def created(_llm: OpenAIRealtimeLLMService, _item_id: str, item: dict[str, Any]) -> None:
                items.append(item)

            await b.give(
                LLMMessagesAppendFrame([{"role": "user", "content": "count to twenty"}], run_llm=True)
            )
            await b.answer()
            user, answer = items
            await b.llm.truncate_conversation_item(answer["id"], 500)
            await b.llm.delete_conversation_item(user["id"])
            with pytest.raises(SettingsError, match="audio_end_ms"):
                await b.llm.truncate_conversation_item(answer["id"], 0)
            kept = await b.llm.retrieve_conversation_item(answer["id"])
            assert kept["id"] == answer["id"]
            with pytest.raises(Exception, match=user["id"]):
                await b.llm.retrieve_conversation_item(user["id"])

    async def test_a_reset_conversation_knows_nothing_of_the_one_before(self):
        async with bot() as b:
            await b.say("count to five")
            assert await b.answer() == "one, two, three, four, five."
            await b.llm.reset_conversation()
            await b.say("what did you say")
            assert "five" not in await b.answer()


@pytest.mark.usefixtures("both_wires")
class TestMetrics:
    async def test_latency_usage_and_processing_are_reported(self):
        async with bot(SessionProperties(audio=TRANSCRIBED)) as b:
            await b.say("hello")
            await b.answer()
            await asyncio.sleep(1)
        data = [one for frame in b.run.down.of(MetricsFrame) for one in frame.data]
        kinds = {type(one) for one in data}
        assert {TTFBMetricsData, ProcessingMetricsData, LLMUsageMetricsData, TurnLatencyMetricsData} <= kinds
        [split] = [one for one in data if isinstance(one, TurnLatencyMetricsData)]
        [ttfb] = [one for one in data if isinstance(one, TTFBMetricsData) and one.value > 0]
        assert split.server_ms >= 0
        assert split.added_ms >= 0
        assert split.model == {"ga": "gpt-realtime", "beta": "gpt-4o-realtime-preview-2025-06-03"}[wire()]
        assert ttfb.processor == b.llm.name
        transcription = [one for one in data if getattr(one, "model", "") == "gpt-4o-transcribe"]
        assert transcription[0].value.total_tokens > 0


class TestIdleness:
    async def test_the_models_reminder_is_told(self):
        idle = TurnDetection(idle_timeout_ms=5000)
        async with bot(
            SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=idle)))
        ) as b:
            told: list[str] = []

            @b.llm.event_handler("on_idle_timeout")
            async def silent(_llm: OpenAIRealtimeLLMService, item_id: str) -> None:
                told.append(item_id)

            await b.say("hello")
            await b.answer()
            await asyncio.sleep(8)
            await b.answer()
            assert len(told) == 1


@pytest.mark.usefixtures("both_wires")
class TestTextMode:
    async def test_answers_come_as_text_for_a_voice_further_down(self):
        async with bot(SessionProperties(output_modalities=["text"])) as b:
            await b.give(LLMMessagesAppendFrame([{"role": "user", "content": "spell cat"}], run_llm=True))
            await b.run.down.wait_for(LLMFullResponseEndFrame)
            await b.give(TTSSpeakFrame("Not for me."))
            await b.run.down.wait_for(TTSSpeakFrame)
        assert "".join(frame.text for frame in b.run.down.of(LLMTextFrame)) == "C, A, T."
        assert not b.run.down.of(TTSStartedFrame, TTSAudioRawFrame)


def key_of(key: str) -> Any:
    from pipecat.audio.dtmf.types import KeypadEntry

    return KeypadEntry(key)
