"""The service against the local server: what goes in and out of a pipeline, and what goes over the wire meanwhile."""

from __future__ import annotations

import asyncio

import pytest
from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import FunctionCallParams

from tests.services.elevenlabs.convai.talk import Talk, talking
from tests.support.pipelines import BRACKETS, Recorder
from voicepipe.errors import VoicepipeError
from voicepipe.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.local import Fault, Faults, Pace
from voicepipe.local.elevenlabs import Agent, ClientTool, EndCallTool
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS
from voicepipe.local.elevenlabs.pings import Patience
from voicepipe.realtime.history import Said
from voicepipe.realtime.interruptions import Interruptions

HELLO = "Hello! How can I help you?"
GREETS = Agent("agent_1", first_message="Good morning!")
WEATHER = ClientTool("get_weather")
ORDER = ClientTool("get_order_status")
SLOWLY = Pace(delta_ms=100, speed=1.0)
LONG = "count to thirty"


def said(talk: Talk) -> list[tuple[str, str]]:
    return [(one.role, one.text) for one in talk.llm.session.history.entries() if isinstance(one, Said)]


async def weather(params: FunctionCallParams) -> None:
    await params.result_callback({"city": params.arguments["city"], "temperature": 21, "conditions": "fog"})


class TestTurn:
    async def test_frames_of_a_spoken_turn_come_in_the_promised_order(self):
        async with talking() as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        down = talk.bot.down
        turn = (UserStartedSpeakingFrame, InterruptionFrame, UserStoppedSpeakingFrame, LLMTextFrame)
        assert down.names(*turn, TTSTextFrame, *BRACKETS) == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
            "UserStoppedSpeakingFrame",
            "LLMFullResponseStartFrame",
            "LLMTextFrame",
            "TTSTextFrame",
            "TTSStartedFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        [transcript] = talk.bot.up.of(TranscriptionFrame)
        assert transcript.text == "hello"
        assert not down.of(TranscriptionFrame)
        assert talk.words() == HELLO
        first = down.of(TTSAudioRawFrame)[0]
        assert (first.sample_rate, first.num_channels) == (16000, 1)
        assert first.context_id == down.of(TTSStartedFrame)[0].context_id
        assert said(talk) == [("user", "hello"), ("assistant", HELLO)]

    @pytest.mark.parametrize(
        "kind",
        ["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"],
    )
    async def test_every_format_of_the_agents_is_spoken(self, kind):
        agent = Agent("agent_1", input_format=kind, output_format=kind)
        async with talking(agent) as talk:
            await talk.say("hello", rate=24000)
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            rate = int(kind.rpartition("_")[2])
            assert (talk.llm.session.input_sample_rate, talk.llm.session.output_sample_rate) == (rate, rate)
        assert talk.bot.down.of(TTSAudioRawFrame)[0].sample_rate == rate
        assert talk.words() == HELLO

    async def test_words_so_far_are_interim_transcriptions(self):
        agent = Agent("agent_1", client_events=[*DEFAULT_EVENTS, "tentative_user_transcript"])
        async with talking(agent) as talk:
            await talk.say("say", silence_ms=250)
            await talk.say("hello")
            await talk.bot.up.wait_for(TranscriptionFrame)
        names = talk.bot.up.names(UserStartedSpeakingFrame, InterimTranscriptionFrame, TranscriptionFrame)
        assert names[0] == "UserStartedSpeakingFrame"
        assert names[-1] == "TranscriptionFrame"

    async def test_the_first_message_comes_by_itself(self):
        async with talking(GREETS) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == "Good morning!"
        assert talk.bot.down.names(*BRACKETS) == [one.__name__ for one in BRACKETS]

    async def test_a_written_turn_is_answered(self):
        async with talking() as talk:
            messages = [{"role": "user", "content": "hello"}]
            await talk.bot.worker.queue_frame(LLMMessagesAppendFrame(messages, run_llm=True))
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == HELLO
        assert [one["text"] for one in talk.wire.sent("user_message")] == ["hello"]

    async def test_a_conversation_in_writing(self):
        agent = Agent("agent_1", allows=["conversation.text_only"])
        async with talking(agent, text_only=True) as talk:
            await talk.wire.until(lambda: talk.wire.received("conversation_initiation_metadata"))
            await talk.llm.send_user_message("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert [frame.text for frame in talk.bot.down.of(LLMTextFrame)] == [HELLO]
        assert not talk.bot.down.of(TTSAudioRawFrame, TTSStartedFrame)

    @pytest.mark.virtual_time
    async def test_where_no_end_is_marked_silence_is_the_end(self):
        async with talking(GREETS, server_options={"marks_final": False, "pace": SLOWLY}) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == "Good morning!"
        assert talk.bot.down.names(*BRACKETS) == [one.__name__ for one in BRACKETS]

    @pytest.mark.virtual_time
    async def test_pings_do_not_put_off_the_end_of_a_reply(self):
        options = {"marks_final": False, "pace": SLOWLY, "patience": Patience(ping_every_ms=300)}
        async with talking(GREETS, server_options=options) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == "Good morning!"

    @pytest.mark.virtual_time
    async def test_with_a_context_the_turns_are_in_it_in_order(self):
        context = LLMContext([{"role": "system", "content": "Be kind."}])
        pair = LLMContextAggregatorPair(context)
        after = Recorder(keep=FrameDirection.DOWNSTREAM)
        pace = Pace(first_delta_ms=300)
        async with talking(
            around=lambda llm: [pair.user(), llm, after, pair.assistant()], server_options={"pace": pace}
        ) as talk:
            await talk.say("hello")
            await after.wait_for(LLMFullResponseEndFrame)
            await asyncio.sleep(2)
        assert after.names(UserStartedSpeakingFrame, InterruptionFrame) == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
        ]
        texts = [(one["role"], one["content"]) for one in context.get_messages()]
        assert texts == [("system", "Be kind."), ("user", "hello"), ("assistant", HELLO)]

    async def test_vad_scores_are_an_event(self):
        scores: list[float] = []

        def prepare(llm):
            @llm.event_handler("on_server_event")
            async def on_server_event(_llm, name, payload):
                assert name == "vad_score"
                scores.append(payload["vad_score"])

        agent = Agent("agent_1", client_events=[*DEFAULT_EVENTS, "vad_score"])
        async with talking(agent, prepare=prepare) as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert 1.0 in scores


class TestBargeIn:
    @pytest.mark.virtual_time
    async def test_p18_one_interruption_brackets_after_it_and_history_as_it_was_heard(self):
        faults = Faults(late_deltas=3)
        async with talking(server_options={"pace": Pace(delta_ms=100, speed=4.0), "faults": faults}) as talk:
            await talk.say(LONG)
            await talk.bot.down.wait_for(TTSAudioRawFrame, count=3)
            await asyncio.sleep(1.0)
            await talk.say("stop")
            await talk.bot.up.wait_for(TranscriptionFrame, count=2)
            await talk.bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        frames = (UserStartedSpeakingFrame, InterruptionFrame, UserStoppedSpeakingFrame, *BRACKETS)
        assert talk.bot.down.names(*frames)[5:] == [
            "UserStartedSpeakingFrame",
            "InterruptionFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
            "UserStoppedSpeakingFrame",
            "LLMFullResponseStartFrame",
            "TTSStartedFrame",
            "TTSStoppedFrame",
            "LLMFullResponseEndFrame",
        ]
        at = [type(frame) for frame in talk.bot.down.frames].index(TTSStoppedFrame)
        of_first = talk.bot.down.of(TTSAudioRawFrame)[0].context_id
        late = [f for f in talk.bot.down.frames[at:] if isinstance(f, TTSAudioRawFrame)]
        assert late
        assert all(frame.context_id != of_first for frame in late)
        [correction] = talk.wire.received("agent_response_correction")
        corrected = correction["agent_response_correction_event"]["corrected_agent_response"]
        assert said(talk)[1] == ("assistant", corrected)
        assert corrected

    @pytest.mark.virtual_time
    async def test_an_interruption_from_the_pipeline_silences_it_and_tells_what_was_heard(self):
        async with talking(server_options={"pace": SLOWLY}) as talk:
            await talk.say(LONG)
            await talk.bot.down.wait_for(TTSAudioRawFrame, count=3)
            await talk.bot.worker.queue_frame(InterruptionFrame())
            await talk.wire.until(lambda: talk.wire.sent("contextual_update"))
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            count = len(talk.bot.down.of(TTSAudioRawFrame))
            await asyncio.sleep(1.0)
            assert len(talk.bot.down.of(TTSAudioRawFrame)) == count
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        assert talk.words(since=count) == HELLO

    @pytest.mark.virtual_time
    async def test_where_interruptions_are_off_the_user_is_not_heard_while_the_bot_speaks(self):
        off = Interruptions(allowed=False)
        async with talking(server_options={"pace": SLOWLY}, interruptions=off) as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(TTSAudioRawFrame, count=1)
            await talk.say("stop")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            await asyncio.sleep(2)
        assert talk.words() == HELLO
        assert [frame.text for frame in talk.bot.up.of(TranscriptionFrame)] == ["hello"]


class TestLinks:
    @pytest.mark.virtual_time
    async def test_p4_after_a_drop_the_conversation_goes_on_without_a_greeting(self):
        resumed = asyncio.Event()

        def prepare(llm):
            @llm.event_handler("on_resumed")
            async def on_resumed(_llm):
                resumed.set()

        faults = Faults([Fault(at="user_activity", do="drop")])
        async with talking(GREETS, prepare=prepare, server_options={"faults": faults}) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            # All of it has been heard.
            await asyncio.sleep(2)
            await talk.llm.send_user_activity()
            await resumed.wait()
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        assert talk.words() == f"Good morning! {HELLO}"
        [update] = talk.wire.sent("contextual_update")
        assert "You said: Good morning!" in update["text"]

    @pytest.mark.virtual_time
    async def test_a_drop_inside_an_answer_closes_its_brackets_and_the_answer_is_taken_up(self):
        faults = Faults([Fault(at="audio", nth=3, do="drop")])
        async with talking(server_options={"faults": faults, "pace": Pace(delta_ms=100, speed=4.0)}) as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame, count=2)
        assert talk.bot.down.names(*BRACKETS) == [one.__name__ for one in BRACKETS] * 2
        [message] = talk.wire.sent("user_message")
        assert "Go on" in message["text"]

    async def test_a_turn_whose_answer_the_drop_took_is_answered(self):
        faults = Faults([Fault(at="agent_response", do="drop")])
        async with talking(server_options={"faults": faults}) as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
        assert talk.words() == HELLO

    @pytest.mark.parametrize("frame", [EndFrame, CancelFrame])
    @pytest.mark.virtual_time
    async def test_p11_a_hang_up_in_mid_answer_leaves_nothing(self, frame):
        async with talking(server_options={"pace": SLOWLY, "marks_final": False}) as talk:
            await talk.say(LONG)
            await talk.bot.down.wait_for(TTSAudioRawFrame, count=2)
            await talk.bot.worker.queue_frame(frame())
            await talk.bot.ended
        names = talk.bot.down.names(*BRACKETS)
        assert names.count("LLMFullResponseStartFrame") == names.count("LLMFullResponseEndFrame") == 1

    @pytest.mark.virtual_time
    async def test_what_is_changed_while_a_conversation_begins_is_changed_by_another_one(self):
        agent = Agent("agent_1", first_message="Good morning!", allows=["tts.voice_id"])
        late = Faults([Fault(at="conversation_initiation_metadata", do="delay", delay_ms=300)])
        async with talking(agent, server_options={"faults": late}, restart_on_update=True) as talk:
            await talk.wire.until(lambda: talk.wire.sent("conversation_initiation_client_data"))
            await talk.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"voice": "v2"}))
            await talk.wire.until(lambda: len(talk.wire.sent("conversation_initiation_client_data")) == 2)
            _, second = talk.wire.sent("conversation_initiation_client_data")
        assert second["conversation_config_override"]["tts"] == {"voice_id": "v2"}
        assert not talk.bot.up.of(ErrorFrame)

    async def test_p14_a_change_that_the_agent_does_not_allow_does_not_end_the_call(self):
        async with talking(restart_on_update=True) as talk:
            await talk.wire.until(lambda: talk.wire.received("conversation_initiation_metadata"))
            await talk.bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"voice": "v2"}))
            [error] = await talk.bot.up.wait_for(ErrorFrame)
            assert "tts.voice_id" in error.error
            await talk.wire.until(lambda: len(talk.wire.received("conversation_initiation_metadata")) == 2)
            await talk.say("hello")
            await talk.wire.until(lambda: talk.wire.received("user_transcript"))
        assert len(talk.bot.up.of(ErrorFrame)) == 1

    async def test_when_the_agent_ends_the_call_the_pipeline_ends(self):
        ended: list[str] = []

        def prepare(llm):
            @llm.event_handler("on_conversation_ended")
            async def on_conversation_ended(_llm, reason):
                ended.append(reason)

        from voicepipe.local.brain.script import Script

        script = Script.model_validate(
            {"otherwise": "What?", "rules": [{"hear": ["bye"], "say": "Bye.", "call": {"name": "end_call"}}]}
        )
        agent = Agent("agent_1", tools=[EndCallTool()])
        async with talking(agent, prepare=prepare, server_options={"script": script}) as talk:
            await talk.say("bye")
            result = await asyncio.wait_for(asyncio.shield(talk.bot.ended), 5)
        assert result.reason == "ended"
        assert ended == ["The agent ended the call."]
        assert not talk.bot.up.of(ErrorFrame)
        assert len(talk.wire.sent("conversation_initiation_client_data")) == 1

    async def test_the_last_words_of_a_conversation_that_is_over_are_whole(self):
        lines: list[str] = []
        sink = logger.add(lambda line: lines.append(str(line)), level="WARNING")
        bye = Faults(
            [Fault(at="audio", nth=2, do="close", close_code=1000, reason="The agent ended the call.")]
        )
        try:
            async with talking(GREETS, server_options={"faults": bye, "marks_final": False}) as talk:
                result = await asyncio.wait_for(asyncio.shield(talk.bot.ended), 5)
        finally:
            logger.remove(sink)
        assert result.reason == "ended"
        assert talk.bot.down.names(*BRACKETS) == [one.__name__ for one in BRACKETS]
        assert not [line for line in lines if "a response ended as failed" in line]

    @pytest.mark.parametrize(
        ("options", "allowed", "named"),
        [
            ({"system_prompt": "Hi"}, (), "prompt"),
            ({}, (), "name"),
            ({"custom_llm_extra_body": {"a": 1}}, (), "custom_llm_extra_body"),
        ],
    )
    async def test_p15_what_the_agent_refuses_is_told_and_not_tried_again(self, options, allowed, named):
        message = "Hello {{name}}!" if named == "name" else ""
        async with talking(Agent("agent_1", first_message=message, allows=allowed), **options) as talk:
            [error] = await talk.bot.up.wait_for(ErrorFrame)
            assert named in error.error
        assert len(talk.wire.sent("conversation_initiation_client_data")) == 1

    async def test_p15_a_fault_of_the_servers_does_not_end_the_conversation(self):
        faults = Faults(
            [
                Fault(at="user_transcript", do="error", code="llm_timeout", message="slow"),
                Fault(at="agent_response", do="malformed"),
                Fault(at="conversation_initiation_metadata", do="unknown"),
            ]
        )
        async with talking(server_options={"faults": faults}) as talk:
            await talk.say("hello")
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            [error] = talk.bot.up.of(ErrorFrame)
            assert "slow" in error.error
        assert talk.words() == HELLO

    @pytest.mark.parametrize("code", [1002, 1011])
    async def test_a_close_without_words_is_followed_by_another_connection(self, code):
        faults = Faults([Fault(at="user_activity", do="close", close_code=code)])
        async with talking(GREETS, server_options={"faults": faults}) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            await talk.llm.send_user_activity()
            await talk.wire.until(lambda: len(talk.wire.received("conversation_initiation_metadata")) == 2)
        assert not talk.bot.up.of(ErrorFrame)

    @pytest.mark.parametrize(
        ("code", "reason"),
        [(1002, "This request exceeds your quota limit."), (1008, "Policy."), (3000, "No.")],
    )
    async def test_a_close_that_will_come_again_ends_the_service_with_its_reason(self, code, reason):
        faults = Faults([Fault(at="user_activity", do="close", close_code=code, reason=reason)])
        async with talking(GREETS, server_options={"faults": faults}) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            await talk.llm.send_user_activity()
            [error] = await talk.bot.up.wait_for(ErrorFrame)
        assert reason in error.error
        assert len(talk.wire.sent("conversation_initiation_client_data")) == 1

    async def test_sound_of_two_channels_is_one_clear_error(self):
        async with talking() as talk:
            for _ in range(2):
                await talk.bot.worker.queue_frame(InputAudioRawFrame(bytes(1280), 16000, 2))
            [error] = await talk.bot.up.wait_for(ErrorFrame)
        assert "num_channels" in error.error

    async def test_items_cannot_be_asked_for(self):
        async with talking(GREETS) as talk:
            await talk.bot.down.wait_for(LLMFullResponseEndFrame)
            with pytest.raises(VoicepipeError, match="no message that asks for an item"):
                await talk.llm.retrieve_conversation_item("item_1")

    async def test_results_go_downstream_and_up_as_for_every_service(self):
        agent = Agent("agent_1", tools=[WEATHER])
        async with talking(agent, prepare=lambda llm: llm.register_function("get_weather", weather)) as talk:
            await talk.say("what is the weather in paris")
            await talk.bot.down.wait_for(FunctionCallResultFrame)
            await talk.bot.up.wait_for(FunctionCallResultFrame)
