"""What the next connection is told when one was lost: by where in a turn that happened (promises P-3, P-4, P-6)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    created,
    happened,
    item_done,
    line,
    new_session,
    ready_session,
    response_created,
    response_done,
    sent,
    speech_started,
    speech_stopped,
    updated,
    words_delta,
)
from voicepipe.audio.playback import Heard
from voicepipe.realtime.events import (
    Output,
    ResponseFinished,
    SessionReady,
    SideResponse,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    OpenAIRealtimeSession,
    SessionProperties,
    TurnDetection,
)

MANUAL = SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=False)))
SECOND = bytes(48_000)


def transcribed(text: str, item_id: str = "item_u1") -> bytes:
    type_ = "conversation.item.input_audio_transcription.completed"
    return line(type_, item_id=item_id, content_index=0, transcript=text)


def restored(session: OpenAIRealtimeSession) -> tuple[list[dict[str, Any]], list[Output]]:
    """Let another connection come; returns what it is told after the settings, and all that happened."""
    [update] = sent(session.receive(created()))
    assert update["type"] == "session.update"
    outputs = session.receive(updated())
    return sent(outputs), outputs


def items(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Role and words of the messages among some events, function calls and their answers likewise."""
    found: list[tuple[str, str]] = []
    for event in events:
        if event["type"] != "conversation.item.create":
            continue
        item = event["item"]
        if item["type"] == "message":
            found.append((item["role"], item["content"][0]["text"]))
        elif item["type"] == "function_call":
            found.append(("call", item["name"]))
        else:
            found.append(("answer", item["output"]))
    return found


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def spoken_turn(session: OpenAIRealtimeSession, question: str, answer: str, n: int = 1) -> None:
    """A whole turn, of which all was heard."""
    user, bot, response = f"item_u{n}", f"item_b{n}", f"resp_{n}"
    for one in (speech_started(user), speech_stopped(user), transcribed(question, user)):
        session.receive(one)
    session.receive(response_created(response))
    session.receive(words_delta(answer, response, bot))
    session.receive(audio_delta(1000, response, bot))
    session.receive(item_done(bot))
    session.receive(response_done(response))


@pytest.mark.usefixtures("both_wires")
class TestHistory:
    def test_p3_settings_and_history_are_told_again_in_order(self):
        session = ready_session(SessionProperties(instructions="Be brief."))
        spoken_turn(session, "Who are you?", "I am a bot.")
        session.update({"instructions": "Be very brief."})
        session.closed()
        [update] = sent(session.receive(created()))
        assert update["session"]["instructions"] == "Be very brief."
        events = sent(session.receive(updated()))
        assert items(events)[:2] == [("user", "Who are you?"), ("assistant", "I am a bot.")]
        assert "response.create" not in types(events)

    def test_p4_a_note_after_the_history_says_that_the_conversation_goes_on(self):
        session = ready_session()
        spoken_turn(session, "Hello.", "Hello!")
        session.closed()
        events, outputs = restored(session)
        role, words = items(events)[-1]
        assert role == "system"
        assert "same conversation" in words
        assert "not greet" in words
        [ready] = [one for one in outputs if isinstance(one, SessionReady)]
        assert ready.is_resumed

    def test_the_first_connection_is_no_resumption(self):
        session = new_session()
        session.add_message("user", "Hi.")
        events, outputs = restored(session)
        assert items(events) == [("user", "Hi.")]
        assert outputs[0] == SessionReady("sess_1", 1_700_000_000, is_resumed=False)

    def test_of_an_interrupted_answer_only_what_was_heard_is_told(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(words_delta("One two three four five six seven eight."))
        session.receive(audio_delta(4000))
        session.receive(item_done())
        session.receive(speech_started())
        session.interrupt([Heard("resp_1", "item_b1", 2000, 4000)])
        session.receive(response_done(status="cancelled"))
        session.closed()
        events, _ = restored(session)
        assert ("assistant", "One two three four") in items(events)

    def test_an_answer_nobody_heard_is_left_out(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(words_delta("Never heard."))
        session.receive(audio_delta(500))
        session.receive(speech_started())
        session.interrupt([Heard("resp_1", "item_b1", 0, 500)])
        session.receive(response_done(status="cancelled"))
        session.closed()
        assert "assistant" not in dict(items(restored(session)[0]))

    def test_a_late_transcript_stands_before_the_answer_to_it(self):
        session = ready_session()
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(response_created())
        session.receive(words_delta("Four."))
        session.receive(audio_delta(500))
        session.receive(response_done())
        session.receive(transcribed("Two and two?"))
        session.closed()
        assert items(restored(session)[0])[:2] == [("user", "Two and two?"), ("assistant", "Four.")]

    def test_messages_in_the_gap_are_told_once(self):
        session = ready_session()
        session.closed()
        assert session.add_message("user", "Anybody there?") == []
        assert items(restored(session)[0])[0] == ("user", "Anybody there?")

    def test_a_setting_changed_in_the_gap_is_told_with_the_others(self):
        session = ready_session()
        session.closed()
        assert session.update({"instructions": "New."}) == []
        assert sent(session.receive(created()))[0]["session"]["instructions"] == "New."

    def test_the_voice_can_change_with_the_connection(self):
        session = ready_session()
        spoken_turn(session, "Hello.", "Hello!")
        session.closed()
        assert session.update({"audio": {"output": {"voice": "cedar"}}}) == []
        assert session.properties.audio.output.voice == "cedar"

    def test_reset_forgets_the_conversation_and_keeps_the_settings(self):
        session = ready_session(SessionProperties(instructions="Be brief."))
        spoken_turn(session, "Hello.", "Hello!")
        session.reset()
        [update] = sent(session.receive(created()))
        assert update["session"]["instructions"] == "Be brief."
        assert sent(session.receive(updated())) == []

    @pytest.mark.parametrize("is_lost", [True, False])
    def test_reset_takes_no_sound_and_no_image_along_that_waited_for_a_connection(self, is_lost):
        session = ready_session()
        session.receive(speech_started())
        session.append_audio(SECOND)
        if is_lost:
            session.closed()
            session.append_audio(SECOND)
            session.add_image("data:image/png;base64,AA==")
        session.reset()
        session.receive(created())
        assert sent(session.receive(updated())) == []

    def test_twice_lost_before_it_was_ready_tells_all_of_it_once(self):
        session = ready_session()
        spoken_turn(session, "Hello.", "Hello!")
        session.receive(speech_started("item_u2"))
        session.append_audio(SECOND)
        session.closed()
        session.receive(created())
        session.closed()
        events, _ = restored(session)
        assert items(events)[:2] == [("user", "Hello."), ("assistant", "Hello!")]
        assert types(events).count("input_audio_buffer.append") == 1


@pytest.mark.usefixtures("both_wires")
class TestSound:
    def test_speech_before_and_in_the_gap_is_sent_again_in_order(self):
        session = ready_session()
        session.receive(speech_started())
        session.append_audio(b"\1\0" * 2400)
        session.closed()
        session.append_audio(b"\2\0" * 2400)
        events, _ = restored(session)
        sounds = [e["audio"] for e in events if e["type"] == "input_audio_buffer.append"]
        assert [base64.b64decode(sound)[0] for sound in sounds] == [1, 2]

    def test_no_more_than_ten_seconds_of_it(self):
        session = ready_session()
        session.receive(speech_started())
        for _ in range(20):
            session.append_audio(SECOND)
        session.closed()
        for _ in range(5):
            session.append_audio(SECOND)
        events, _ = restored(session)
        sounds = [e["audio"] for e in events if e["type"] == "input_audio_buffer.append"]
        assert 9 * 64_000 <= sum(map(len, sounds)) <= 10 * 64_000

    def test_a_turn_that_is_said_again_is_not_told_twice(self):
        session = ready_session()
        session.receive(speech_started())
        session.append_audio(SECOND)
        session.closed()
        restored(session)
        assert happened(session.receive(speech_started("item_u9"))) == []
        [stopped] = happened(session.receive(speech_stopped("item_u9")))
        assert isinstance(stopped, UserSpeechStopped)
        later = line("input_audio_buffer.speech_started", audio_start_ms=5000, item_id="item_u10")
        assert isinstance(happened(session.receive(later))[0], UserSpeechStarted)

    def test_a_turn_that_had_ended_is_said_again_and_told_neither_to_begin_nor_to_end(self):
        session = ready_session()
        session.append_audio(SECOND)
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.closed()
        events, _ = restored(session)
        assert "input_audio_buffer.append" in types(events)
        assert "response.create" not in types(events), "the server answers what it hears"
        assert happened(session.receive(speech_started("item_u9"))) == []
        assert happened(session.receive(speech_stopped("item_u9"))) == []
        [begun] = happened(session.receive(response_created("resp_9")))
        assert begun.response_id == "resp_9"

    def test_a_turn_whose_words_are_known_is_not_said_again_but_answered(self):
        session = ready_session()
        session.append_audio(SECOND)
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(transcribed("What time is it?"))
        session.closed()
        events, _ = restored(session)
        assert items(events)[0] == ("user", "What time is it?")
        assert types(events)[-1] == "response.create"
        assert "input_audio_buffer.append" not in types(events)

    def test_a_turn_that_the_application_answers_is_not_answered_for_it(self):
        quiet = AudioInput(turn_detection=TurnDetection(create_response=False))
        session = ready_session(SessionProperties(audio=AudioConfiguration(input=quiet)))
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(transcribed("Hm."))
        session.closed()
        assert "response.create" not in types(restored(session)[0])

    def test_a_manual_turn_is_said_again_committed_and_answered(self):
        session = ready_session(MANUAL)
        session.append_audio(SECOND)
        session.commit()
        session.create_response()
        session.closed()
        assert types(restored(session)[0])[-3:] == [
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "response.create",
        ]

    def test_a_manual_turn_that_goes_on_is_said_again_and_not_committed(self):
        session = ready_session(MANUAL)
        session.append_audio(SECOND)
        session.closed()
        assert types(restored(session)[0])[-1] == "input_audio_buffer.append"
        assert types(sent(session.commit())) == ["input_audio_buffer.commit"]


@pytest.mark.usefixtures("both_wires")
class TestAnswers:
    def test_an_answer_of_which_nothing_came_is_asked_for_again(self):
        session = ready_session()
        session.add_message("user", "Hello?")
        session.create_response(instructions="Shout.")
        session.receive(response_created())
        ended = session.closed()
        assert ended == [ResponseFinished("resp_1", "failed", "the connection was lost")]
        events, _ = restored(session)
        assert events[-1]["type"] == "response.create"
        assert events[-1]["response"] == {"instructions": "Shout."}

    def test_an_answer_that_was_asked_for_and_had_not_begun_is_asked_for_again_once(self):
        session = ready_session()
        session.create_response()
        session.closed()
        assert types(restored(session)[0]).count("response.create") == 1

    def test_an_answer_that_broke_off_is_taken_up_again(self):
        session = ready_session()
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(transcribed("Count."))
        session.receive(response_created())
        session.receive(words_delta("One two three four"))
        session.receive(audio_delta(500))
        session.closed()
        events, _ = restored(session)
        told = items(events)
        assert told[0] == ("user", "Count.")
        assert told[1][0] == "assistant"
        assert "One two three four".startswith(told[1][1])
        assert "go on from exactly where it stops" in told[2][1]
        assert types(events)[-1] == "response.create"

    def test_an_answer_that_broke_off_is_left_at_that_if_so_wished(self):
        session = new_session(resumes_answers=False)
        session.receive(created())
        session.receive(updated())
        session.receive(response_created())
        session.receive(audio_delta(500))
        session.closed()
        events, _ = restored(session)
        assert "response.create" not in types(events)
        assert "broke off" not in items(events)[-1][1]

    def test_an_answer_that_the_user_interrupted_is_not_taken_up_again(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500))
        session.interrupt([Heard("resp_1", "item_b1", 100, 500)])
        session.closed()
        assert "response.create" not in types(restored(session)[0])

    def test_a_barge_in_after_the_change_leaves_only_what_was_heard(self):
        session = ready_session()
        spoken_turn(session, "Count.", "One two three four five six.")
        session.closed()
        restored(session)
        events = sent(session.interrupt([Heard("resp_1", "item_b1", 500, 1000)]))
        assert types(events) == ["conversation.item.create", "conversation.item.delete"]
        assert events[0]["item"]["content"][0]["text"] == "One two three"
        assert events[0]["previous_item_id"] == events[1]["item_id"] == "item_b1"

    def test_responses_beside_the_conversation_end(self):
        session = ready_session()
        session.side_response("side_1", {})
        [ended] = session.closed()
        assert ended == SideResponse("side_1", "failed", problem="the connection was lost")


@pytest.mark.usefixtures("both_wires")
class TestTools:
    def calling(self) -> OpenAIRealtimeSession:
        session = ready_session()
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(transcribed("Weather?"))
        session.receive(response_created())
        session.receive(arguments_done("call_1", "weather", '{"city": "Ulm"}'))
        return session

    @pytest.mark.parametrize("ended", [True, False])
    def test_p6_a_running_call_gives_its_result_to_the_next_connection(self, ended):
        session = self.calling()
        if ended:
            session.receive(response_done())
        session.closed()
        events, _ = restored(session)
        assert items(events)[:2] == [("user", "Weather?"), ("call", "weather")]
        assert "response.create" not in types(events)
        answer = sent(session.send_tool_result("call_1", "sunny"))
        assert types(answer) == ["conversation.item.create", "response.create"]
        assert answer[0]["item"]["call_id"] == "call_1"

    def test_p6_a_result_in_the_gap_is_told_with_its_call_and_answered(self):
        session = self.calling()
        session.receive(response_done())
        session.closed()
        assert session.send_tool_result("call_1", "sunny") == []
        events, _ = restored(session)
        assert items(events)[:3] == [("user", "Weather?"), ("call", "weather"), ("answer", "sunny")]
        assert types(events)[-1] == "response.create"

    def test_parallel_calls_stand_together_with_their_answers_behind(self):
        session = self.calling()
        session.receive(arguments_done("call_2", "time", "{}"))
        session.receive(response_done())
        session.send_tool_result("call_2", "noon")
        session.send_tool_result("call_1", "sunny")
        session.closed()
        told = items(restored(session)[0])
        assert told[1:3] == [("call", "weather"), ("call", "time")]
        assert sorted(told[3:5]) == [("answer", "noon"), ("answer", "sunny")]

    def test_half_a_call_is_made_again(self):
        session = ready_session()
        session.receive(speech_started())
        session.receive(speech_stopped())
        session.receive(transcribed("Weather?"))
        session.receive(response_created())
        item = {"id": "item_c", "type": "function_call", "call_id": "call_1", "name": "weather"}
        session.receive(line("response.output_item.added", response_id="resp_1", item=item))
        session.receive(line("response.function_call_arguments.delta", response_id="resp_1", delta='{"ci'))
        session.closed()
        assert types(restored(session)[0])[-1] == "response.create"
