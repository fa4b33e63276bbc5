"""The GA session object: wire lines in, happenings out; no event loop, no clock."""

from __future__ import annotations

import base64
import json

import pytest

from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    created,
    error,
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

    def test_a_number_that_is_not_told_hides_no_turn_no_call_and_no_session(self):
        session = new_session()
        session.receive(line("session.created", session={"id": "sess_1", "expires_at": "in an hour"}))
        assert session.receive(updated())[0] == SessionReady("sess_1", None)
        begun = line("input_audio_buffer.speech_started", audio_start_ms=None, item_id="item_u1")
        assert session.receive(begun) == [UserSpeechStarted("item_u1", 0)]
        ended = line("input_audio_buffer.speech_stopped", audio_end_ms=None, item_id="item_u1")
        assert session.receive(ended) == [UserSpeechStopped("item_u1", 0)]
        session.receive(response_created())
        item = {"id": "item_f", "type": "function_call", "call_id": "c", "name": None, "arguments": "{}"}
        done = line("response.output_item.done", response_id="resp_1", item=item)
        assert happened(session.receive(done))[-1] == ToolCall("resp_1", "c", "", {})

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
