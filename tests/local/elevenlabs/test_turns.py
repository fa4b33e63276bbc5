"""Turns on the ElevenLabs wire: what the user says and writes, what the agent answers, and what of it was heard."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from tests.local.elevenlabs.stage import LETTER_MS, Stage, payload, types
from tests.support.tones import spoken
from voicepipe.local.brain import Call, Message, ToolResult, ToolUse
from voicepipe.local.elevenlabs import Agent, ClientTool
from voicepipe.local.elevenlabs.agent import DEFAULT_EVENTS
from voicepipe.local.elevenlabs.wishes import Answer, Speak, StopReply

NOISE = (np.random.default_rng(1).standard_normal(16000) * 6000).astype("<i2").tobytes()
"""A second of it."""
AGENT = Agent("agent_1")
CHATTY = Agent(
    "agent_1",
    client_events=[
        *DEFAULT_EVENTS,
        "agent_response_complete",
        "agent_chat_response_part",
        "tentative_user_transcript",
        "vad_score",
    ],
)


@pytest.fixture
def stage():
    stage = Stage(AGENT)
    stage.begin()
    return stage


def turns(stage: Stage) -> list[object]:
    """What the brain would be told now."""
    stage.send(type="user_message", text="(what now)")
    return list(stage.answers().conversation.turns)[:-1]


class TestSpoken:
    def test_a_turn_is_transcribed_then_answered(self, stage):
        assert types(stage.user_says("hello")) == ["user_transcript"]
        assert stage.of("user_transcript")[0]["user_transcript"] == "hello"
        assert types(stage.reply("Hi there.")) == ["agent_response", *["audio"] * 3]
        stage.pass_ms(9 * LETTER_MS)
        assert turns(stage) == [Message("user", "hello"), Message("assistant", "Hi there.")]

    def test_a_sentence_that_wants_more_is_waited_for(self, stage):
        stage.user_says("i want to know the", silence_ms=700)
        assert stage.of("user_transcript") == []
        stage.user_says("time")
        [transcript] = stage.of("user_transcript")
        assert transcript["user_transcript"] == "i want to know the time"

    def test_words_so_far_and_voice_activity_are_told_where_they_are_wanted(self):
        stage = Stage(CHATTY)
        stage.begin()
        stage.user_says("i want to know the", silence_ms=700)
        assert stage.of("tentative_user_transcript")[0]["user_transcript"] == "i want to know the"
        scores = [one["vad_score"] for one in stage.of("vad_score")]
        assert scores[0] == 1.0
        assert scores[-1] == 0.0

    def test_silence_gives_nothing(self, stage):
        assert stage.hear(bytes(32 * 3000)) == []
        assert stage.wishes == []

    def test_an_odd_byte_waits_for_the_next_chunk(self, stage):
        pcm = spoken("hello", 16000).pcm + bytes(32 * 500)
        for start in range(0, len(pcm), 333):
            stage.send(user_audio_chunk=base64.b64encode(pcm[start : start + 333]).decode())
            stage.listen()
        assert stage.of("user_transcript")[0]["user_transcript"] == "hello"

    def test_noise_without_words_is_no_turn(self, stage):
        stage.hear(NOISE + bytes(32 * 5000))
        assert stage.of("user_transcript") == []
        assert stage.pop(Answer) is None


class TestReplies:
    def test_everything_about_a_reply_in_its_order(self):
        stage = Stage(CHATTY)
        stage.begin()
        stage.send(type="user_message", text="hi")
        assert types(stage.reply("Hello.")) == [
            *["agent_chat_response_part"] * 3,
            "agent_response",
            "audio",
            "audio",
            "agent_response_complete",
        ]
        parts = [(one["type"], one["text"]) for one in stage.of("agent_chat_response_part")]
        assert parts == [("start", ""), ("delta", "Hello."), ("stop", "")]

    def test_letters_are_aligned_with_the_sound_they_are_in(self, stage):
        stage.send(type="user_message", text="hi")
        stage.reply("Hello.")
        first, second = (one["alignment"] for one in stage.of("audio"))
        assert first == {
            "chars": ["H", "e", "l", "l"],
            "char_start_times_ms": [0, 50, 100, 150],
            "char_durations_ms": [LETTER_MS] * 4,
        }
        assert second == {
            "chars": ["o", "."],
            "char_start_times_ms": [0, 50],
            "char_durations_ms": [LETTER_MS] * 2,
        }
        assert [one["is_final"] for one in stage.of("audio")] == [False, True]

    def test_older_servers_do_not_mark_the_last_piece(self):
        stage = Stage(AGENT, marks_final=False)
        stage.begin()
        stage.send(type="user_message", text="hi")
        stage.reply("Hello.")
        assert all("is_final" not in one for one in stage.of("audio"))

    def test_a_reply_that_cannot_be_made_ends_the_conversation(self, stage):
        stage.send(type="user_message", text="hi")
        [error, close] = stage.session.fail(stage.answers().reply, "the text endpoint is away")
        assert error["error_event"]["error_type"] == "custom_llm_error"
        assert (close.code, close.reason) == (1011, "the text endpoint is away")
        assert stage.session.is_over

    def test_after_the_end_nothing_is_answered(self, stage):
        stage.send("{")
        assert stage.send(type="user_message", text="hi") == []
        assert stage.pass_ms(100_000) == []


class TestInterruption:
    LONG = "one two three four five six seven eight"

    def speaking(self, stage: Stage, heard_ms: float) -> None:
        """The agent says `LONG`, 1950 ms of it, and has been heard for a time."""
        stage.send(type="user_message", text="count")
        stage.reply(self.LONG)
        stage.pass_ms(heard_ms)

    def test_the_reply_is_corrected_to_the_words_that_had_been_heard(self, stage):
        # "one two three " is 14 letters, its last word over at 13 * 50 ms.
        self.speaking(stage, 700)
        events = stage.send(type="user_message", text="stop")
        assert types(events) == ["interruption", "agent_response_correction"]
        correction = payload(events[1])
        assert correction["original_agent_response"] == self.LONG
        assert correction["corrected_agent_response"] == "one two three"
        assert turns(stage)[1] == Message("assistant", "one two three", cut=True)

    @pytest.mark.parametrize(("heard_ms", "heard"), [(0, ""), (149, ""), (150, "one"), (1949, LONG[:33])])
    def test_a_word_counts_when_it_is_over(self, stage, heard_ms, heard):
        self.speaking(stage, heard_ms)
        stage.send(type="user_message", text="stop")
        assert stage.of("agent_response_correction")[0]["corrected_agent_response"] == heard

    def test_what_was_never_heard_was_never_said(self, stage):
        self.speaking(stage, 0)
        stage.send(type="user_message", text="stop")
        assert stage.answers().conversation.turns == (Message("user", "count"), Message("user", "stop"))

    def test_its_id_is_above_that_of_all_sound_before_it_and_below_that_after(self, stage):
        self.speaking(stage, 500)
        before = stage.of("audio")[-1]["event_id"]
        stage.send(type="user_message", text="stop")
        cut = stage.of("interruption")[0]["event_id"]
        stage.reply("Fine.")
        assert before < cut < stage.of("audio")[-1]["event_id"]

    def test_late_sound_has_an_id_by_which_it_can_be_told(self):
        stage = Stage(AGENT, late_pieces=2)
        stage.begin()
        stage.send(type="user_message", text="count")
        stage.reply(self.LONG, pieces=2)
        events = stage.send(type="user_message", text="stop")
        assert types(events) == ["interruption", "audio", "audio", "agent_response_correction"]
        assert all(payload(late)["event_id"] < payload(events[0])["event_id"] for late in events[1:3])

    def test_speech_interrupts_before_it_is_understood(self, stage):
        self.speaking(stage, 500)
        stage.user_says("stop")
        assert types(stage.events)[-3:] == ["interruption", "agent_response_correction", "user_transcript"]

    def test_a_reply_that_was_played_to_its_end_is_not_interrupted(self, stage):
        self.speaking(stage, 1950)
        assert stage.send(type="user_message", text="and now") == []
        assert turns(stage)[1] == Message("assistant", self.LONG)

    def test_a_reply_of_which_nothing_was_said_is_stopped_in_silence(self, stage):
        stage.send(type="user_message", text="count")
        first = stage.answers()
        assert stage.send(type="user_message", text="no, stop") == []
        stopped = stage.pop(StopReply)
        assert stopped is not None
        assert stopped.reply_id == first.reply.id
        assert stage.answers().conversation.turns == (Message("user", "count"), Message("user", "no, stop"))

    def test_noise_that_stopped_a_reply_in_the_making_has_it_made_again(self, stage):
        stage.send(type="user_message", text="count")
        stage.answers()
        stage.hear(NOISE + bytes(32 * 5000))
        assert stage.of("user_transcript") == []
        assert stage.answers().conversation.turns == (Message("user", "count"),)

    def test_an_agent_without_the_event_cannot_be_interrupted(self):
        events = [one for one in DEFAULT_EVENTS if one != "interruption"]
        stage = Stage(Agent("agent_1", client_events=events))
        stage.begin()
        stage.send(type="user_message", text="count")
        wish = stage.answers()
        stage.send(type="user_message", text="stop")
        assert stage.pop(Answer) is None, "one reply at a time"
        assert types(stage.make(wish.reply, "One.")) == ["agent_response", "audio"]
        assert [turn.text for turn in stage.answers().conversation.turns] == ["count", "stop", "One."]

    def test_both_of_two_utterances_that_wait_to_be_heard_are_corrected(self):
        stage = Stage(Agent("agent_1", tools=[ClientTool("look", expects_response=False)]))
        stage.begin()
        stage.send(type="user_message", text="look")
        stage.reply("I look.", Call("look"))
        stage.reply("I see.")
        stage.pass_ms(100)
        stage.send(type="user_message", text="stop")
        corrected = [one["corrected_agent_response"] for one in stage.of("agent_response_correction")]
        assert corrected == ["I", ""]


class TestInWriting:
    def test_a_contextual_update_is_known_and_not_answered(self, stage):
        assert stage.send(type="contextual_update", text="The user looks at page 3.") == []
        assert stage.wishes == []
        assert turns(stage) == [Message("system", "The user looks at page 3.")]

    def test_it_does_not_interrupt(self, stage):
        stage.send(type="user_message", text="hi")
        stage.reply("Hello you there.")
        assert stage.send(type="contextual_update", text="x") == []

    def test_one_takes_the_place_of_what_had_the_same_id(self, stage):
        for text, context_id in (("Page 3.", "page"), ("Is tired.", "mood"), ("Page 4.", "page")):
            stage.send(type="contextual_update", text=text, context_id=context_id)
        assert turns(stage) == [Message("system", "Is tired."), Message("system", "Page 4.")]

    def test_an_empty_message_is_not_answered(self, stage):
        assert stage.send(type="user_message") == []
        assert stage.send(type="user_message", text=" ") == []
        assert stage.wishes == []

    def test_files_are_named(self, stage):
        stage.send(
            type="multimodal_message",
            text={"type": "user_message", "text": "What is this?"},
            file={"type": "file_input", "file_id": "f1"},
            files=[{"type": "file_input", "file_id": "f1"}, {"type": "file_input", "file_id": "f2"}],
        )
        [turn] = stage.answers().conversation.turns
        assert turn == Message("user", "What is this? [file f1] [file f2]")

    def test_feedback_and_approvals_are_taken(self, stage):
        assert stage.send(type="feedback", event_id=3, score="like") == []
        assert stage.send(type="feedback", event_id=3, score=None) == []
        assert stage.send(type="mcp_tool_approval_result", tool_call_id="x", is_approved=True) == []
        assert stage.closed is None

    def test_without_sound_there_is_none_either_way(self):
        stage = Stage(Agent("agent_1", text_only=True))
        stage.begin()
        assert stage.user_says("hello") == []
        stage.send(type="user_message", text="hello")
        assert types(stage.reply("Hi.")) == ["agent_response"]

    @pytest.mark.parametrize(
        "message",
        [
            {"user_audio_chunk": "%%"},
            {"user_audio_chunk": 3},
            {"type": "pong"},
            {"type": "pong", "event_id": "1"},
            {"type": "client_tool_result", "tool_call_id": "a", "result": {"not": "text"}},
            {"type": "contextual_update"},
            {"type": "feedback", "event_id": 1, "score": "love"},
            {"type": "user_message", "text": 1},
            {"type": 3},
            {"type": "response.create"},
        ],
    )
    def test_what_the_api_does_not_take_ends_the_conversation_with_a_reason(self, stage, message):
        [error] = stage.send(json.dumps(message))
        assert error["error_event"]["error_type"] == "invalid_message"
        assert stage.closed == (1008, error["error_event"]["message"])


class TestTools:
    WEATHER = ClientTool("weather", "The weather.", {"type": "object", "properties": {}})

    def calling(self, *tools: ClientTool, **kwargs: object) -> Stage:
        stage = Stage(Agent("agent_1", tools=tools or [self.WEATHER]), **kwargs)
        stage.begin()
        stage.send(type="user_message", text="weather")
        return stage

    def test_the_brain_is_offered_them(self):
        assert self.calling().answers().conversation.tools == [
            {
                "type": "function",
                "name": "weather",
                "description": "The weather.",
                "parameters": {"type": "object", "properties": {}},
            }
        ]

    def test_a_call_is_answered_then_replied_to(self):
        stage = self.calling()
        assert types(stage.reply(Call("weather", {"city": "Rome"}))) == ["client_tool_call"]
        [call] = stage.of("client_tool_call")
        assert call["parameters"] == {"city": "Rome"}
        assert call["expects_response"] is True
        assert stage.pop(Answer) is None, "the agent is silent until the result"
        events = stage.send(type="client_tool_result", tool_call_id=call["tool_call_id"], result="sunny")
        assert types(events) == ["agent_tool_response"]
        assert payload(events[0])["is_error"] is False
        assert stage.answers().conversation.turns == (
            Message("user", "weather"),
            ToolUse(call["tool_call_id"], "weather", {"city": "Rome"}),
            ToolResult(call["tool_call_id"], "sunny"),
        )

    def test_one_reply_follows_two_calls(self):
        stage = self.calling(ClientTool("one"), ClientTool("two"))
        stage.reply(Call("one"), Call("two"))
        ids = [call["tool_call_id"] for call in stage.of("client_tool_call")]
        stage.send(type="client_tool_result", tool_call_id=ids[1], result="2")
        assert stage.pop(Answer) is None
        stage.send(type="client_tool_result", tool_call_id=ids[0], result="1")
        stage.reply("Both.")
        assert stage.pop(Answer) is None

    def test_an_error_reaches_the_brain_as_one(self):
        stage = self.calling()
        stage.reply(Call("weather"))
        call_id = stage.of("client_tool_call")[0]["tool_call_id"]
        stage.send(type="client_tool_result", tool_call_id=call_id, result="no network", is_error=True)
        assert stage.of("agent_tool_response")[0]["is_error"] is True
        assert stage.answers().conversation.turns[-1] == ToolResult(call_id, '{"error":"no network"}')

    def test_a_call_that_is_not_answered_in_time_has_failed(self):
        stage = self.calling(ClientTool("weather", response_timeout_secs=3))
        stage.reply(Call("weather"))
        assert "agent_tool_response" not in types(stage.pass_ms(2999))
        assert types(stage.pass_ms(1)) == ["agent_tool_response"]
        assert stage.of("agent_tool_response")[0]["is_error"] is True
        assert "in time" in stage.answers().conversation.turns[-1].output

    def test_a_late_result_and_one_of_an_unknown_call_are_passed_over(self):
        stage = self.calling(ClientTool("weather", response_timeout_secs=3))
        stage.reply(Call("weather"))
        stage.pass_ms(3000)
        call_id = stage.of("client_tool_call")[0]["tool_call_id"]
        assert stage.send(type="client_tool_result", tool_call_id=call_id, result="late") == []
        assert stage.send(type="client_tool_result", tool_call_id="other", result="?") == []
        assert stage.closed is None

    def test_a_tool_that_wants_no_answer_does_not_hold_the_agent_up(self):
        stage = self.calling(ClientTool("show", expects_response=False))
        events = stage.reply(Call("show"))
        assert types(events) == ["client_tool_call", "agent_tool_response"]
        assert payload(events[0])["expects_response"] is False
        assert isinstance(stage.answers(), Answer)

    def test_a_tool_that_is_not_there_is_an_error_for_the_brain(self):
        stage = self.calling()
        assert stage.reply(Call("order")) == []
        assert "order" in stage.answers().conversation.turns[-1].output

    def test_a_result_that_comes_while_the_user_speaks_waits_for_the_end_of_the_turn(self):
        stage = self.calling()
        stage.reply(Call("weather"))
        call_id = stage.of("client_tool_call")[0]["tool_call_id"]
        sound = spoken("and the time", 16000).pcm
        stage.hear(sound)
        stage.send(type="client_tool_result", tool_call_id=call_id, result="sunny")
        assert stage.pop(Answer) is None
        stage.hear(bytes(32 * 500))
        turns = stage.answers().conversation.turns
        assert turns[-1] == Message("user", "and the time")
        assert ToolResult(call_id, "sunny") in turns

    def test_a_result_is_replied_to_though_noise_cut_the_reply_that_called(self):
        stage = self.calling()
        wish = stage.answers()
        # The brain is not done: it speaks, calls, and would speak on.
        stage.make(wish.reply, "Let me look for that.", Call("weather"), pieces=100)
        stage.hear(NOISE + bytes(32 * 5000))
        assert types(stage.events).count("interruption") == 1
        call_id = stage.of("client_tool_call")[0]["tool_call_id"]
        stage.send(type="client_tool_result", tool_call_id=call_id, result="sunny")
        assert ToolResult(call_id, "sunny") in stage.answers().conversation.turns

    def test_the_full_result_is_told_where_it_is_wanted(self):
        stage = Stage(
            Agent("agent_1", tools=[self.WEATHER], client_events=["agent_tool_response_full_payload"])
        )
        stage.begin()
        stage.send(type="user_message", text="weather")
        stage.reply(Call("weather"))
        call_id = stage.of("client_tool_call")[0]["tool_call_id"]
        [event] = stage.send(type="client_tool_result", tool_call_id=call_id, result="sunny")
        assert payload(event)["full_tool_result"] == "sunny"


class TestTime:
    def test_pings_tell_how_long_the_last_answer_took(self, stage):
        stage.pass_ms(30)
        stage.send(type="pong", event_id=1)
        [ping] = stage.pass_ms(5000)
        assert payload(ping) == {"event_id": 2, "ping_ms": 30}

    def test_an_answer_counts_for_the_pings_before_it_too(self, stage):
        stage.pass_ms(15_000)
        stage.send(type="pong", event_id=4)
        stage.pass_ms(19_999)
        assert stage.closed is None
        stage.send(type="pong", event_id=99)
        stage.pass_ms(10_000)
        assert stage.closed == (1002, "The answer to a ping did not come in time.")

    def answering_pings(self, stage: Stage, ms: float) -> list[str]:
        kinds: list[str] = []
        for _ in range(int(ms // 1000)):
            for event in stage.pass_ms(1000):
                if event["type"] == "ping":
                    stage.send(type="pong", event_id=payload(event)["event_id"])
                else:
                    kinds.append(event["type"])
        return kinds

    def test_after_a_silence_the_agent_speaks_up(self):
        stage = Stage(Agent("agent_1", turn_timeout_secs=7, first_message="Hello."))
        stage.begin()
        stage.first_message()
        # 300 ms of sound, then 7 seconds.
        stage.pass_ms(7299)
        assert stage.pop(Answer) is None
        stage.pass_ms(1)
        assert stage.answers().conversation.turns[-1] == Message("user", "")

    def test_activity_puts_it_off(self):
        stage = Stage(Agent("agent_1", turn_timeout_secs=7))
        stage.begin()
        stage.pass_ms(6000)
        stage.send(type="user_activity")
        stage.pass_ms(6999)
        assert stage.pop(Answer) is None
        stage.pass_ms(1)
        assert stage.pop(Answer) is not None

    def test_a_user_who_is_silent_for_long_is_hung_up_on(self):
        stage = Stage(Agent("agent_1", silence_end_call_secs=30))
        stage.begin()
        self.answering_pings(stage, 29_000)
        assert stage.closed is None
        assert self.answering_pings(stage, 1000) == []
        assert stage.closed == (1000, "The user was silent for too long.")

    def test_at_its_limit_the_agent_takes_its_leave_first(self):
        stage = Stage(Agent("agent_1", max_duration_secs=10, max_duration_message="Time is up."))
        stage.begin()
        stage.pass_ms(9000)
        stage.send(type="user_message", text="count")
        stage.reply("one two three four five six seven eight nine ten")
        told = [kind for kind in types(stage.pass_ms(1000)) if kind != "ping"]
        assert told == ["interruption", "agent_response_correction"]
        assert stage.pop(Speak).sentences == ["Time is up."]

    def test_and_closes_when_that_has_been_heard(self):
        stage = Stage(Agent("agent_1", max_duration_secs=10, max_duration_message="Time is up."))
        stage.begin()
        stage.pass_ms(10_000)
        stage.first_message()
        assert stage.send(type="user_message", text="wait") == [], "nobody listens any more"
        stage.pass_ms(11 * LETTER_MS - 1)
        assert stage.closed is None
        stage.pass_ms(1)
        assert stage.closed == (1000, "The conversation reached 10 seconds.")
        assert stage.of("error")[0]["code"] == 1000
