"""The GA session object: wire lines in, happenings out; no event loop, no clock."""

from __future__ import annotations

import base64
import json
from typing import ClassVar

import pytest

from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    created,
    error,
    happened,
    item_added,
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
    ApprovalWanted,
    AudioChunk,
    BotTranscript,
    Failure,
    ItemCreated,
    ItemRetrieved,
    ItemUpdated,
    Oddity,
    RateLimits,
    ResponseFinished,
    ResponseStarted,
    ServerTool,
    SessionReady,
    SettingsApplied,
    ToolCall,
    TranscriptionUsage,
    Usage,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscript,
)
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.events import PCMUAudioFormat


def heard(played_ms: float, sent_ms: float, item_id: str = "item_b1") -> Heard:
    return Heard("resp_1", item_id, played_ms, sent_ms)


@pytest.mark.usefixtures("both_wires")
class TestStart:
    def test_settings_go_out_when_the_session_is_created_and_it_is_ready_when_they_are_confirmed(self):
        session = new_session(SessionProperties(instructions="Be brief."))
        assert session.open() == []
        [update] = sent(session.receive(created()))
        assert update["type"] == "session.update"
        assert update["session"] == {"type": "realtime", "instructions": "Be brief."}
        outputs = session.receive(updated())
        assert happened(outputs) == [
            SessionReady("sess_1", 1_700_000_000),
            SettingsApplied({"id": "sess_1", "type": "realtime"}),
        ]

    def test_what_comes_too_early_waits_in_order_until_the_session_is_ready(self):
        session = new_session()
        assert session.add_message("user", "hello") == []
        assert session.append_audio(b"\x01\x00" * 240) == []
        assert session.create_response() == []
        session.receive(created())
        outputs = sent(session.receive(updated()))
        assert [event["type"] for event in outputs] == [
            "conversation.item.create",
            "input_audio_buffer.append",
            "response.create",
        ]

    def test_of_sound_that_comes_too_early_the_newest_ten_seconds_are_kept(self):
        session = new_session()
        for index in range(15 * 10):
            session.append_audio(bytes([index, 0]) * 2400)
        session.receive(created())
        outputs = sent(session.receive(updated()))
        # What surrounds the sound in each message counts as well, so it is a little less than ten seconds.
        assert len(outputs) == 99
        assert base64.b64decode(outputs[0]["audio"])[0] == 51

    def test_a_refusal_of_the_first_settings_is_fatal_and_names_the_field(self):
        session = new_session()
        [update] = sent(session.receive(created()))
        outputs = session.receive(
            error(
                "invalid_value",
                update["event_id"],
                message="no such voice",
                param="session.audio.output.voice",
            )
        )
        assert outputs == [
            Failure(
                "settings", "no such voice", "invalid_value", fatal=True, field="session.audio.output.voice"
            )
        ]


@pytest.mark.usefixtures("both_wires")
class TestSound:
    def test_an_odd_byte_is_carried_over_to_the_next_chunk(self):
        session = ready_session()
        first = sent(session.append_audio(b"\x01\x02\x03"))
        second = sent(session.append_audio(b"\x04"))
        assert [base64.b64decode(event["audio"]) for event in first + second] == [b"\x01\x02", b"\x03\x04"]

    def test_g711_settings_put_g711_on_the_wire_both_ways(self):
        g711 = PCMUAudioFormat()
        properties = SessionProperties(
            audio=AudioConfiguration(input=AudioInput(format=g711), output=AudioOutput(format=g711))
        )
        session = ready_session(properties)
        assert (session.input_sample_rate, session.output_sample_rate) == (8000, 8000)
        [append] = sent(session.append_audio(bytes(320)))
        assert base64.b64decode(append["audio"]) == b"\xff" * 160
        session.receive(response_created())
        delta = base64.b64encode(b"\xff" * 160).decode()
        ids = {"response_id": "resp_1", "item_id": "item_b1"}
        [chunk] = session.receive(line("response.output_audio.delta", **ids, delta=delta))
        assert isinstance(chunk, AudioChunk)
        assert chunk.pcm == bytes(320)

    def test_a_delta_becomes_a_chunk_of_its_response_and_item(self):
        session = ready_session()
        session.receive(response_created())
        assert session.receive(audio_delta(20)) == [AudioChunk("resp_1", "item_b1", bytes(960))]


@pytest.mark.usefixtures("both_wires")
class TestTurns:
    def test_a_spoken_turn_is_told_in_the_words_all_providers_share(self):
        session = ready_session()
        item = {"id": "item_b1", "type": "message", "role": "assistant", "status": "completed", "content": []}
        usage = {
            "total_tokens": 253,
            "input_tokens": 132,
            "output_tokens": 121,
            "input_token_details": {
                "text_tokens": 119,
                "audio_tokens": 13,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4},
            },
            "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
        }
        lines = [
            speech_started(),
            speech_stopped(),
            line("input_audio_buffer.committed", item_id="item_u1", previous_item_id=None),
            line(
                "conversation.item.input_audio_transcription.delta",
                item_id="item_u1",
                content_index=0,
                delta="Hel",
            ),
            line(
                "conversation.item.input_audio_transcription.delta",
                item_id="item_u1",
                content_index=0,
                delta="lo",
            ),
            line(
                "conversation.item.input_audio_transcription.completed",
                item_id="item_u1",
                content_index=0,
                transcript="Hello.",
                usage={"type": "duration", "seconds": 1.5},
            ),
            response_created(),
            line("response.output_item.added", response_id="resp_1", output_index=0, item=item),
            words_delta("Hi"),
            audio_delta(100),
            line("response.output_audio.done", response_id="resp_1", item_id="item_b1"),
            item_done(),
            response_done(usage=usage),
            line("rate_limits.updated", rate_limits=[{"name": "tokens", "remaining": 5}]),
        ]
        told = [happening for one in lines for happening in session.receive(one)]
        assert told == [
            UserSpeechStarted("item_u1", 100, cancels_response=True),
            UserSpeechStopped("item_u1", 900, creates_response=True),
            UserTranscript("item_u1", "Hel", final=False),
            UserTranscript("item_u1", "Hello", final=False),
            UserTranscript("item_u1", "Hello.", final=True),
            ItemUpdated("item_u1"),
            TranscriptionUsage("item_u1", seconds=1.5),
            ResponseStarted("resp_1"),
            BotTranscript("resp_1", "item_b1", "Hi"),
            AudioChunk("resp_1", "item_b1", bytes(4800)),
            ItemUpdated("item_b1", item),
            ResponseFinished("resp_1", "completed", "", Usage(132, 121, 253, 119, 13, 0, 64, 60, 4, 30, 91)),
            RateLimits(({"name": "tokens", "remaining": 5},)),
        ]

    @pytest.mark.parametrize(
        ("detection", "cancels", "creates"),
        [
            (None, True, True),
            (TurnDetection(), True, True),
            (TurnDetection(interrupt_response=False), False, True),
            (SemanticTurnDetection(create_response=False), True, False),
        ],
    )
    def test_what_the_server_does_by_itself_follows_from_the_turn_settings(self, detection, cancels, creates):
        session = ready_session(
            SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=detection)))
        )
        [started] = session.receive(speech_started())
        [stopped] = session.receive(speech_stopped())
        assert isinstance(started, UserSpeechStarted)
        assert isinstance(stopped, UserSpeechStopped)
        assert (started.cancels_response, stopped.creates_response) == (cancels, creates)

    def test_turn_detection_false_is_null_on_the_wire_and_leaves_turns_to_the_client(self):
        off = AudioConfiguration(input=AudioInput(turn_detection=False))
        session = new_session(SessionProperties(audio=off))
        [update] = sent(session.receive(created()))
        assert update["session"]["audio"] == {"input": {"turn_detection": None}}
        assert not session.server_decides_turns

    def test_turn_detection_none_is_left_out(self):
        default = AudioConfiguration(input=AudioInput(turn_detection=None))
        session = new_session(SessionProperties(audio=default))
        [update] = sent(session.receive(created()))
        assert "turn_detection" not in update["session"].get("audio", {}).get("input", {})
        assert session.server_decides_turns


@pytest.mark.usefixtures("both_wires")
class TestBargeIn:
    def test_history_is_cut_at_what_was_heard_and_the_server_cancels_by_itself(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(1000))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(412.9, 1000)]))
        assert truncate["type"] == "conversation.item.truncate"
        assert (truncate["item_id"], truncate["content_index"], truncate["audio_end_ms"]) == (
            "item_b1",
            0,
            412,
        )

    def test_p1_a_truncation_never_names_more_than_arrived(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(300))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(2000, 2000)]))
        assert truncate["audio_end_ms"] == 300

    def test_p1_counters_are_per_item(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500, item_id="item_b1"))
        session.receive(item_done("item_b1"))
        session.receive(audio_delta(400, item_id="item_b2"))
        session.receive(speech_started())
        messages = sent(session.interrupt([heard(500, 500, "item_b1"), heard(150, 400, "item_b2")]))
        assert [(m["item_id"], m["audio_end_ms"]) for m in messages] == [("item_b2", 150)]

    def test_p1_a_refused_truncation_is_told_and_the_session_goes_on(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500))
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(100, 500)]))
        refusal = "Audio content of 0ms is already shorter than 100ms"
        outputs = session.receive(error("invalid_value", truncate["event_id"], message=refusal))
        assert outputs == [Failure("request", refusal, "invalid_value")]
        session.receive(response_done(status="cancelled"))
        session.receive(speech_stopped())
        session.receive(response_created("resp_2"))
        assert session.receive(audio_delta(20, "resp_2", "item_b2")) == [
            AudioChunk("resp_2", "item_b2", bytes(960))
        ]

    def test_p2_an_item_nobody_heard_is_deleted_after_its_response_and_never_truncated_at_0(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(speech_started())
        assert session.interrupt([heard(0, 200)]) == []
        done = session.receive(response_done(status="cancelled", status_details={"reason": "turn_detected"}))
        assert happened(done) == [ResponseFinished("resp_1", "cancelled", "turn_detected")]
        assert [(m["type"], m["item_id"]) for m in sent(done)] == [("conversation.item.delete", "item_b1")]

    def test_p2_nothing_is_said_of_a_response_without_sound_yet(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(speech_started())
        assert session.interrupt([]) == []

    def test_an_item_heard_to_its_end_is_left_as_it_is(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(item_done())
        session.receive(response_done())
        session.receive(speech_started())
        assert session.interrupt([heard(200, 200)]) == []

    def test_sound_still_playing_after_its_response_ended_is_truncated_without_a_cancel(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(3000))
        session.receive(item_done())
        session.receive(response_done())
        session.receive(speech_started())
        [truncate] = sent(session.interrupt([heard(700, 3000)]))
        assert (truncate["type"], truncate["audio_end_ms"]) == ("conversation.item.truncate", 700)

    def test_an_interruption_without_speech_cancels_the_response(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(500))
        types = [(m["type"], m.get("response_id")) for m in sent(session.interrupt([heard(100, 500)]))]
        assert types == [("response.cancel", "resp_1"), ("conversation.item.truncate", None)]

    def test_a_response_interrupted_before_it_began_is_cancelled_by_id_when_it_does(self):
        session = ready_session()
        session.create_response()
        assert session.interrupt([]) == []
        outputs = session.receive(response_created("resp_7"))
        assert [(m["type"], m["response_id"]) for m in sent(outputs)] == [("response.cancel", "resp_7")]
        assert session.receive(audio_delta(20, "resp_7")) == []

    def test_p18_late_sound_and_words_of_a_cut_response_are_dropped(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(audio_delta(200))
        session.receive(speech_started())
        session.interrupt([heard(50, 200)])
        assert session.receive(audio_delta(200)) == []
        assert session.receive(words_delta("late")) == []
        session.receive(response_done(status="cancelled"))
        assert session.receive(audio_delta(200)) == []
        assert session.passed_over["sound after its response's end"] == 2


@pytest.mark.usefixtures("both_wires")
class TestOneResponseAtATime:
    def test_p5_a_second_response_waits_for_the_first_to_end_and_runs_once(self):
        session = ready_session()
        assert [m["type"] for m in sent(session.create_response())] == ["response.create"]
        assert session.create_response() == []
        session.receive(response_created())
        assert session.create_response() == []
        assert [m["type"] for m in sent(session.receive(response_done()))] == ["response.create"]
        session.receive(response_created("resp_2"))
        assert sent(session.receive(response_done("resp_2"))) == []

    def test_p5_a_response_refused_because_another_runs_is_asked_for_again_when_that_ends(self):
        session = ready_session()
        [ask] = sent(session.create_response())
        busy = error("conversation_already_has_active_response", ask["event_id"])
        assert session.receive(busy) == []
        again = sent(session.receive(response_done("resp_unseen")))
        assert [m["type"] for m in again] == ["response.create"]

    def test_p5_instructions_of_their_own_are_never_merged_with_another_wish(self):
        session = ready_session()
        session.receive(response_created())
        session.create_response(instructions="one")
        session.create_response(instructions="two")
        [one] = sent(session.receive(response_done()))
        session.receive(response_created("resp_2"))
        [two] = sent(session.receive(response_done("resp_2")))
        assert [m["response"]["instructions"] for m in (one, two)] == ["one", "two"]

    def test_while_the_user_speaks_a_wish_waits_and_the_servers_own_answer_covers_it(self):
        session = ready_session()
        session.receive(speech_started())
        assert session.create_response() == []
        session.receive(speech_stopped())
        session.receive(response_created())
        assert sent(session.receive(response_done())) == []

    def test_a_result_the_server_had_not_taken_in_when_it_answered_gets_its_own_response(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "look", "{}"))
        session.receive(response_done())
        session.receive(speech_started())
        [item] = sent(session.send_tool_result("call_1", "42"))
        session.receive(speech_stopped())
        session.receive(response_created("resp_2"))
        session.receive(item_added(item["item"]["id"]))
        assert [m["type"] for m in sent(session.receive(response_done("resp_2")))] == ["response.create"]

    def test_when_the_servers_own_answer_fails_a_waiting_wish_is_granted(self):
        session = ready_session()
        session.receive(speech_started())
        session.create_response()
        session.receive(speech_stopped())
        outputs = session.receive(error("", message="The server had an error"))
        assert [m["type"] for m in sent(outputs)] == ["response.create"]


@pytest.mark.usefixtures("both_wires")
class TestTools:
    def test_p7_the_result_goes_out_and_one_response_follows_after_response_done(self):
        session = ready_session()
        session.receive(response_created())
        [call] = session.receive(arguments_done("call_1", "get_weather", '{"city": "Paris"}'))
        assert call == ToolCall("resp_1", "call_1", "get_weather", {"city": "Paris"})
        early = sent(session.send_tool_result("call_1", '{"sky": "clear"}'))
        assert [m["type"] for m in early] == ["conversation.item.create"]
        assert early[0]["item"] | {"id": ""} == {
            "id": "",
            "type": "function_call_output",
            "call_id": "call_1",
            "output": '{"sky": "clear"}',
        }
        done = session.receive(response_done())
        assert happened(done) == [ResponseFinished("resp_1", "completed", calls=("call_1",))]
        assert [m["type"] for m in sent(done)] == ["response.create"]

    def test_parallel_calls_are_followed_by_one_response_after_the_last_answer(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "a", "{}"))
        session.receive(arguments_done("call_2", "b", "{}"))
        session.receive(response_done())
        assert [m["type"] for m in sent(session.send_tool_result("call_2", "2"))] == [
            "conversation.item.create"
        ]
        assert [m["type"] for m in sent(session.send_tool_result("call_1", "1"))] == [
            "conversation.item.create",
            "response.create",
        ]

    def test_results_that_want_no_answer_get_none(self):
        session = ready_session()
        session.receive(response_created())
        session.receive(arguments_done("call_1", "a", "{}"))
        session.receive(response_done())
        outputs = sent(session.send_tool_result("call_1", "1", respond=False))
        assert [m["type"] for m in outputs] == ["conversation.item.create"]

    def test_a_call_told_twice_runs_once(self):
        session = ready_session()
        session.receive(response_created())
        item = {"id": "i", "type": "function_call", "call_id": "call_1", "name": "a", "arguments": "{}"}
        assert len(session.receive(arguments_done("call_1", "a", "{}"))) == 1
        assert session.receive(arguments_done("call_1", "a", "{}")) == []
        again = session.receive(line("response.output_item.done", response_id="resp_1", item=item))
        assert not [output for output in again if isinstance(output, ToolCall)]

    def test_a_missing_name_is_taken_from_the_item(self):
        session = ready_session()
        session.receive(response_created())
        item = {"id": "i", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": ""}
        session.receive(line("response.output_item.added", response_id="resp_1", item=item))
        [call] = session.receive(arguments_done("call_1", "", "{}"))
        assert isinstance(call, ToolCall)
        assert call.name == "look"

    @pytest.mark.parametrize("arguments", ["{", "[1]", '"text"'])
    def test_arguments_that_are_no_json_object_are_told_as_a_problem(self, arguments):
        session = ready_session()
        session.receive(response_created())
        [call] = session.receive(arguments_done("call_1", "a", arguments))
        assert isinstance(call, ToolCall)
        assert call.arguments is None
        assert "arguments" in call.problem

    def test_a_result_for_an_unknown_call_is_not_sent(self):
        assert ready_session().send_tool_result("call_9", "x") == []


@pytest.mark.usefixtures("both_wires")
class TestSettings:
    def test_an_update_sends_only_what_changes_at_any_depth(self):
        """Promise P-13, row S002-38."""
        begin = SessionProperties(
            instructions="A",
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3))),
        )
        session = ready_session(begin)
        [update] = sent(session.update({"instructions": "A", "audio": {"output": {"speed": 1.2}}}))
        assert update["session"] == {"type": "realtime", "audio": {"output": {"speed": 1.2}}}
        detection = session.properties.audio.input.turn_detection
        assert detection.threshold == 0.3

    def test_part_of_turn_detection_can_change_and_goes_out_whole(self):
        begin = SessionProperties(
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3)))
        )
        session = ready_session(begin)
        [update] = sent(
            session.update({"audio": {"input": {"turn_detection": {"silence_duration_ms": 900}}}})
        )
        detection = update["session"]["audio"]["input"]["turn_detection"]
        assert (detection["threshold"], detection["silence_duration_ms"]) == (0.3, 900)

    def test_another_type_of_turn_detection_takes_no_field_of_the_old_one_along(self):
        begin = SessionProperties(
            audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection(threshold=0.3)))
        )
        session = ready_session(begin)
        change = {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}}
        [update] = sent(session.update(change))
        assert update["session"]["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "low",
        }

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"instruktions": "x"}, "instruktions"),
            ({"max_output_tokens": 0}, "max_output_tokens"),
            ({"audio": {"output": {"speed": 9.0}}}, "audio.output.speed"),
            (
                {"audio": {"input": {"turn_detection": {"threshold": 9}}}},
                "audio.input.turn_detection.threshold",
            ),
            ({"model": "gpt-realtime-2"}, "model"),
        ],
    )
    def test_a_bad_change_names_the_field_changes_nothing_and_sends_nothing(self, changes, field):
        begin = SessionProperties(
            instructions="A", audio=AudioConfiguration(input=AudioInput(turn_detection=TurnDetection()))
        )
        session = ready_session(begin)
        [failure] = session.update({"instructions": "B", **changes})
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.field, failure.fatal) == ("settings", field, False)
        assert session.properties == begin

    def test_the_voice_can_change_until_the_bot_has_spoken(self):
        session = ready_session()
        assert len(sent(session.update({"audio": {"output": {"voice": "cedar"}}}))) == 1
        session.receive(response_created())
        session.receive(audio_delta(20))
        [failure] = session.update({"audio": {"output": {"voice": "marin"}}})
        assert isinstance(failure, Failure)
        assert failure.field == "audio.output.voice"

    def test_a_refused_update_takes_no_other_with_it(self):
        session = ready_session()
        [first] = sent(session.update({"instructions": "A"}))
        session.update({"max_output_tokens": 100})
        [failure] = session.receive(error("invalid_value", first["event_id"], param="session.instructions"))
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.fatal) == ("settings", False)
        session.receive(updated())
        assert session.properties == SessionProperties(max_output_tokens=100)

    @pytest.mark.parametrize(
        ("code", "param"),
        [("cannot_update_voice", None), ("invalid_value", "session.audio.output.voice")],
    )
    def test_p14_a_refused_field_is_told_and_the_rest_of_its_update_goes_out_again(self, code, param):
        session = ready_session()
        changes = {"instructions": "Be brief.", "audio": {"output": {"voice": "cedar", "speed": 1.2}}}
        [update] = sent(session.update(changes))
        outputs = session.receive(error(code, update["event_id"], param=param, message="Not now."))
        [told] = happened(outputs)
        assert (told.kind, told.fatal, told.message) == ("settings", False, "Not now.")
        [again] = sent(outputs)
        assert again["session"] == {
            "type": "realtime",
            "instructions": "Be brief.",
            "audio": {"output": {"speed": 1.2}},
        }
        assert session.properties.instructions == "Be brief."
        assert session.properties.audio.output.voice is None

    def test_p14_a_refusal_that_names_no_field_takes_the_update_back_and_nothing_else(self):
        session = ready_session(SessionProperties(instructions="A"))
        [update] = sent(session.update({"instructions": "B"}))
        outputs = session.receive(error("invalid_value", update["event_id"], message="No."))
        assert sent(outputs) == []
        assert session.properties.instructions == "A"

    def test_p14_a_field_of_the_first_settings_that_is_refused_is_left_out(self):
        session = new_session(SessionProperties(instructions="A", tool_choice="auto"))
        [first] = sent(session.receive(created()))
        refusal = error("unknown_parameter", first["event_id"], param="session.tool_choice", message="?")
        outputs = session.receive(refusal)
        assert [failure.fatal for failure in happened(outputs)] == [False]
        [again] = sent(outputs)
        assert again["session"] == {"type": "realtime", "instructions": "A"}
        assert isinstance(session.receive(updated())[0], SessionReady)

    def test_audio_and_text_is_taken_as_audio(self):
        session = new_session(SessionProperties(output_modalities=["audio", "text"]))
        [update] = sent(session.receive(created()))
        assert update["session"]["output_modalities"] == ["audio"]


@pytest.mark.usefixtures("both_wires")
class TestErrors:
    @pytest.mark.parametrize("code", ["response_cancel_not_active"])
    def test_errors_that_mean_nothing_are_passed_over(self, code):
        assert ready_session().receive(error(code, "evt_x")) == []

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("invalid_api_key", "authentication"),
            ("insufficient_quota", "quota"),
            ("model_not_found", "model"),
        ],
    )
    def test_p15_errors_that_end_a_session_are_told_as_fatal(self, code, kind):
        [failure] = ready_session().receive(error(code, message="why"))
        assert failure == Failure(kind, "why", code, fatal=True)

    def test_p15_any_other_error_leaves_the_session_running(self):
        session = ready_session()
        [failure] = session.receive(error("invalid_value", "evt_x", message="no"))
        assert isinstance(failure, Failure)
        assert not failure.fatal
        assert happened(session.receive(response_created())) == [ResponseStarted("resp_1")]

    def test_a_failed_response_still_ends_and_says_why(self):
        session = ready_session()
        session.receive(response_created())
        details = {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}
        outputs = session.receive(response_done(status="failed", status_details=details))
        assert outputs == [
            ResponseFinished("resp_1", "failed"),
            Failure("rate_limit", "slow down", "rate_limit_exceeded"),
        ]

    def test_a_bare_string_as_status_details_is_read_too(self):
        session = ready_session()
        session.receive(response_created())
        outputs = session.receive(response_done(status="failed", status_details="overloaded"))
        assert outputs[0] == ResponseFinished("resp_1", "failed", "overloaded")

    @pytest.mark.parametrize(
        "message", [b"{", b"[]", b"{}", b'{"type": 3}', b'{"type": "error"}', b"\xff\x00"]
    )
    def test_a_message_that_cannot_be_read_is_counted_and_harms_nothing(self, message):
        session = ready_session()
        assert [type(output) for output in session.receive(message)] == [Oddity]
        assert session.receive(message) == []
        assert sum(session.passed_over.values()) == 2
        assert session.receive(response_created()) == [ResponseStarted("resp_1")]

    def test_unknown_events_and_fields_are_passed_over(self):
        session = ready_session()
        assert session.receive(line("response.new_thing", anything=1)) == [Oddity("response.new_thing")]
        assert session.receive(line("response.new_thing", anything=2)) == []
        assert session.passed_over == {"response.new_thing": 2}

    def test_a_lost_connection_ends_the_response_that_ran(self):
        session = ready_session()
        session.receive(response_created())
        assert session.closed() == [ResponseFinished("resp_1", "failed", "the connection was lost")]
        assert session.closed() == []


@pytest.mark.usefixtures("both_wires")
class TestConversation:
    def test_items_are_announced(self):
        session = ready_session()
        item = {"id": "item_1", "type": "message"}
        assert session.receive(line("conversation.item.added", item=item)) == [ItemCreated("item_1", item)]
        assert session.receive(line("conversation.item.truncated", item_id="item_1")) == [
            ItemUpdated("item_1")
        ]

    def test_an_item_can_be_retrieved_and_a_missing_one_says_why(self):
        session = ready_session()
        [ask] = sent(session.retrieve("item_1"))
        assert (ask["type"], ask["item_id"]) == ("conversation.item.retrieve", "item_1")
        item = {"id": "item_1", "type": "message"}
        assert session.receive(line("conversation.item.retrieved", item=item)) == [
            ItemRetrieved("item_1", item)
        ]
        refusal = error("item_retrieve_invalid_item_id", ask["event_id"], message="no such item")
        assert session.receive(refusal) == [ItemRetrieved("item_1", None, "no such item")]

    def test_messages_are_put_in_the_shape_of_their_role(self):
        session = ready_session()
        for role, part in (("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")):
            [message] = sent(session.add_message(role, "words"))
            assert message["item"]["content"] == [{"type": part, "text": "words"}]
            assert message["item"]["role"] == role

    def test_responses_out_of_band_do_not_touch_the_conversation(self):
        session = ready_session()
        assert session.receive(response_created("resp_oob", conversation_id=None)) == []
        assert session.receive(audio_delta(20, "resp_oob")) == []
        assert json.loads(session.create_response()[0].message)["type"] == "response.create"


class TestServerTools:
    """Tools that the server runs itself (protocol page, 11.12)."""

    CALL: ClassVar = {
        "id": "item_m",
        "type": "mcp_call",
        "server_label": "files",
        "name": "read",
        "arguments": "{}",
    }

    def test_their_listing_is_told(self):
        session = ready_session()
        assert session.receive(line("mcp_list_tools.in_progress", item_id="item_l")) == [
            ServerTool("listing", "item_l")
        ]
        assert session.receive(line("mcp_list_tools.completed", item_id="item_l")) == [
            ServerTool("listed", "item_l")
        ]
        assert session.receive(line("mcp_list_tools.failed", item_id="item_l")) == [
            ServerTool("failed", "item_l")
        ]

    def test_a_call_is_told_and_its_result_is_spoken_to(self):
        session = ready_session()
        session.receive(response_created())
        [calling] = session.receive(line("response.output_item.added", response_id="resp_1", item=self.CALL))
        assert calling == ServerTool("calling", "item_m", self.CALL)
        done = {**self.CALL, "output": "text"}
        [called] = session.receive(line("response.output_item.done", response_id="resp_1", item=done))
        assert called == ServerTool("called", "item_m", done)
        [create] = sent(session.receive(response_done(output=[done])))
        assert create["type"] == "response.create"

    def test_a_call_that_was_spoken_to_already_needs_no_further_response(self):
        session = ready_session()
        session.receive(response_created())
        output = [self.CALL, {"id": "item_b", "type": "message"}]
        assert sent(session.receive(response_done(output=output))) == []

    def test_a_failed_call_is_told(self):
        session = ready_session()
        failed = {**self.CALL, "error": {"type": "http_error", "code": 500}}
        [told] = session.receive(line("response.output_item.done", response_id="resp_1", item=failed))
        assert told == ServerTool("failed", "item_m", failed)

    @pytest.mark.parametrize(("approve", "reason"), [(True, ""), (False, "Not that file.")])
    def test_an_approval_is_asked_for_and_given(self, approve, reason):
        session = ready_session()
        item = {**self.CALL, "id": "item_a", "type": "mcp_approval_request"}
        told = session.receive(line("conversation.item.done", item=item, previous_item_id=None))
        assert told[-1] == ApprovalWanted("item_a", "files", "read", "{}")
        [answer] = sent(session.approve("item_a", approve=approve, reason=reason))
        assert answer["item"]["type"] == "mcp_approval_response"
        assert answer["item"]["approval_request_id"] == "item_a"
        assert answer["item"]["approve"] is approve
        assert answer["item"].get("reason", "") == reason


class TestSideResponses:
    def test_the_result_comes_by_its_token_and_nothing_of_it_is_heard(self):
        session = ready_session()
        [ask] = sent(session.side_response("t1", {"instructions": "Sum up.", "metadata": {"for": "log"}}))
        assert ask["response"]["conversation"] == "none"
        metadata = ask["response"]["metadata"]
        assert session.receive(response_created("resp_s", conversation_id=None)) == []
        assert session.receive(words_delta("Short.", "resp_s")) == []
        output = [{"type": "message", "content": [{"type": "output_text", "text": "Short."}]}]
        [ended] = session.receive(response_done("resp_s", metadata=metadata, output=output))
        assert (ended.token, ended.status, ended.text, ended.metadata) == (
            "t1",
            "completed",
            "Short.",
            {"for": "log"},
        )

    def test_one_that_is_refused_ends(self):
        session = ready_session()
        session.side_response("t1", {})
        [ended] = session.receive(error("invalid_value", "t1", message="No."))
        assert (ended.token, ended.status, ended.problem) == ("t1", "failed", "No.")
