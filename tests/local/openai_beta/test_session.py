"""The local server's beta session without a server: what it takes, what it refuses, and what its events look like."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest

from tests.support.ga_session import GASession, of, one, refusal, the, types
from tests.support.tones import spoken
from voicepipe.local.brain import Call
from voicepipe.local.openai_beta.session import BetaServerSession
from voicepipe.local.openai_beta.translation import ga_event
from voicepipe.local.openai_ga.events import Event, Ids
from voicepipe.local.openai_ga.session import GAServerSession
from voicepipe.local.openai_ga.wishes import Answer, Hear
from voicepipe.local.speech.tones import ToneActivity, ToneEars

PCMU = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}


class BetaSession:
    """A session whose wishes are granted by the test."""

    def __init__(self) -> None:
        ids = Ids()
        model = "gpt-4o-realtime-preview"
        self.session = BetaServerSession(
            GAServerSession(model, ToneActivity(), ids=ids, expires_at=3600), ids
        )
        self.hears: list[Hear] = []
        self.answers: list[Answer] = []
        self.opened = self._taken(self.session.open())

    def send(self, type_: str, **fields: Any) -> list[Event]:
        return self._taken(self.session.receive(orjson.dumps({"type": type_, **fields}).decode()))

    def update(self, **changes: Any) -> Event:
        return one(self.send("session.update", session=changes))

    def create(self, role: str, *parts: dict) -> list[Event]:
        return self.send(
            "conversation.item.create", item={"type": "message", "role": role, "content": list(parts)}
        )

    def say(self, text: str) -> list[Event]:
        pcm = spoken(text).pcm + bytes(48 * 300)
        events: list[Event] = []
        for at in range(0, len(pcm), 960):
            events += self.send("input_audio_buffer.append", audio=b64encode(pcm[at : at + 960]).decode())
        while self.hears:
            wish = self.hears.pop(0)
            events += self._taken(self.session.heard(wish.key, ToneEars().listen(wish.pcm, 24000)))
        return events

    def answer(self, text: str = "Yes.", call: Call | None = None) -> list[Event]:
        response = self.answers.pop(0).response
        self.session.say(response, text, spoken(text).pcm if text and response.speaks else b"")
        events: list[Event] = []
        while response.has_more:
            events += self._taken(self.session.advance(response, 200))
        if call is not None:
            events += self._taken(self.session.call(response, call))
        return events + self._taken(self.session.finish(response))

    def _taken(self, outputs: list) -> list[Event]:
        self.hears += [output for output in outputs if isinstance(output, Hear)]
        self.answers += [output for output in outputs if isinstance(output, Answer)]
        return [output for output in outputs if isinstance(output, dict)]


class TestSettings:
    def test_a_session_begins_with_the_betas_defaults_and_its_conversation(self):
        created, conversation = BetaSession().opened
        assert (created["type"], conversation["type"]) == ("session.created", "conversation.created")
        settings = created["session"]
        assert settings["object"] == "realtime.session"
        assert {
            name: settings[name] for name in ("modalities", "voice", "temperature", "turn_detection")
        } == {
            "modalities": ["audio", "text"],
            "voice": "alloy",
            "temperature": 0.8,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "idle_timeout_ms": None,
                "create_response": True,
                "interrupt_response": True,
            },
        }
        assert settings["input_audio_format"] == settings["output_audio_format"] == "pcm16"
        assert (settings["input_audio_transcription"], settings["input_audio_noise_reduction"]) == (
            None,
            None,
        )
        assert settings["max_response_output_tokens"] == "inf"
        assert not {"type", "audio", "output_modalities", "max_output_tokens", "truncation"} & set(settings)

    @pytest.mark.parametrize(
        "change",
        [
            {"modalities": ["text"]},
            {"instructions": "Brief."},
            {"voice": "verse"},
            PCMU,
            {"input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "fog"}},
            {"input_audio_noise_reduction": {"type": "near_field"}},
            {"turn_detection": None},
            {"tool_choice": "none", "temperature": 1.2, "max_response_output_tokens": 5, "speed": 1.5},
        ],
    )
    def test_what_is_set_is_confirmed_in_the_same_words_and_stays(self, change):
        session = BetaSession()
        assert session.update(**change)["session"].items() >= change.items()
        assert session.update()["session"].items() >= change.items()

    @pytest.mark.parametrize(
        ("change", "code", "param"),
        [
            ({"type": "realtime"}, "unknown_parameter", "session.type"),
            ({"audio": {}}, "unknown_parameter", "session.audio"),
            ({"output_modalities": ["audio"]}, "unknown_parameter", "session.output_modalities"),
            ({"max_output_tokens": 5}, "unknown_parameter", "session.max_output_tokens"),
            ({"modalities": ["audio"]}, "invalid_value", "session.modalities"),
            ({"modalities": []}, "invalid_value", "session.modalities"),
            ({"voice": "marin"}, "invalid_value", "session.voice"),
            ({"temperature": 2.0}, "invalid_value", "session.temperature"),
            ({"temperature": 0.5}, "invalid_value", "session.temperature"),
            ({"input_audio_format": "audio/pcm"}, "invalid_value", "session.input_audio_format"),
            ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "invalid_value", None),
        ],
    )
    def test_names_of_the_ga_wire_and_wrong_values_are_refused_and_nothing_is_applied(
        self, change, code, param
    ):
        session = BetaSession()
        before = session.update()["session"]
        told = refusal(session.update(instructions="Other.", **change))
        assert told[0] == code
        assert param is None or told[1] == param
        assert session.update()["session"] == before

    def test_the_refusal_of_sound_alone_says_which_combinations_there_are(self):
        error = BetaSession().update(modalities=["audio"])["error"]
        assert "Supported combinations are: ['text'] and ['audio', 'text']." in error["message"]

    def test_a_refusal_of_the_session_itself_has_the_words_of_the_client(self):
        session = BetaSession()
        session.send("response.create")
        session.answer()
        assert refusal(session.update(voice="echo")) == ("cannot_update_voice", "session.voice")


class TestEvents:
    def test_a_spoken_turn_in_the_order_of_the_beta(self):
        session = BetaSession()
        session.update(input_audio_transcription={"model": "whisper-1"})
        events = session.say("hello") + session.answer("Hi there.")
        assert types(events) == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.created",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_item.added",
            "conversation.item.created",
            "response.content_part.added",
            "response.audio_transcript.delta",
            "response.audio.delta",
            "response.audio.done",
            "response.audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]

    def test_a_response_is_flat(self):
        session = BetaSession()
        wish = {"modalities": ["text"], "temperature": 1.0, "max_response_output_tokens": 50, "voice": "echo"}
        [created] = session.send("response.create", response=wish)
        response = created["response"]
        assert response["conversation_id"] == session.opened[1]["conversation"]["id"]
        assert response["modalities"] == ["text"]
        assert response["voice"] == "echo"
        assert response["output_audio_format"] == "pcm16"
        assert not {"audio", "output_modalities"} & set(response)
        events = session.answer("Yes.")
        assert "response.text.delta" in types(events)
        [item] = the(events, "response.done")["response"]["output"]
        assert item["content"] == [{"type": "text", "text": "Yes."}]

    def test_the_longest_answer_has_two_names_in_a_response(self):
        for name in ("max_response_output_tokens", "max_output_tokens"):
            session = BetaSession()
            [created] = session.send("response.create", response={name: 1})
            assert created["response"]["max_output_tokens"] == 1

    def test_spoken_items_have_parts_of_sound(self):
        session = BetaSession()
        session.send("response.create")
        events = session.answer("Yes.")
        [item] = the(events, "response.done")["response"]["output"]
        assert item["content"] == [{"type": "audio", "transcript": "Yes."}]
        got = one(session.send("conversation.item.retrieve", item_id=item["id"]))["item"]
        assert got["content"][0]["type"] == "audio"

    def test_a_functions_arguments_come_without_its_name(self):
        session = BetaSession()
        session.send("response.create")
        events = session.answer("", Call("look", {"at": "this"}))
        done = the(events, "response.function_call_arguments.done")
        assert "name" not in done
        assert the(events, "response.output_item.done")["item"]["name"] == "look"

    def test_there_is_one_event_for_an_item_that_a_client_makes(self):
        events = BetaSession().create("user", {"type": "input_text", "text": "hi"})
        assert types(events) == ["conversation.item.created"]

    @pytest.mark.parametrize(
        ("role", "part", "code"),
        [
            ("assistant", {"type": "output_text", "text": "a"}, "invalid_value"),
            ("user", {"type": "text", "text": "a"}, "invalid_value"),
            ("user", {"type": "input_image", "image_url": "data:image/png;base64,"}, "invalid_value"),
        ],
    )
    def test_parts_of_the_ga_wire_are_refused(self, role, part, code):
        assert refusal(BetaSession().create(role, part))[0] == code

    def test_what_the_model_said_is_made_as_text(self):
        [created] = BetaSession().create("assistant", {"type": "text", "text": "a"})
        assert created["item"]["content"] == [{"type": "text", "text": "a"}]

    def test_events_of_the_ga_wire_that_the_beta_has_not_do_not_come(self):
        session = BetaSession()
        names = set(types(session.say("hello") + session.answer()))
        assert (
            not {"conversation.item.added", "conversation.item.done", "response.output_audio.delta"} & names
        )

    @pytest.mark.parametrize("message", ["{", "[]", '{"type": "conversation.item.made"}', b"{}"])
    def test_what_is_no_event_is_refused_and_the_session_goes_on(self, message):
        session = BetaSession()
        assert one(session._taken(session.session.receive(message)))["type"] == "error"
        assert session.update()["type"] == "session.updated"

    @pytest.mark.parametrize("format_", ["g711_ulaw", "g711_alaw"])
    def test_g711_is_on_the_wire(self, format_):
        session = BetaSession()
        session.update(output_audio_format=format_)
        session.send("response.create")
        deltas = of(session.answer("Yes."), "response.audio.delta")
        ms = len(spoken("Yes.").pcm) / 48
        assert sum(len(delta["delta"]) for delta in deltas) * 3 / 4 / 8 == pytest.approx(ms, rel=0.05)


def test_what_is_translated_for_the_ga_session_is_what_it_takes():
    """The tables reach every field of the GA shapes: whatever the beta takes, the GA session does not refuse."""
    session = GASession()
    update = {
        "type": "session.update",
        "session": {
            "modalities": ["text", "audio"],
            "instructions": "a",
            "voice": "ash",
            **PCMU,
            "input_audio_transcription": {"language": "en"},
            "input_audio_noise_reduction": {"type": "far_field"},
            "turn_detection": {"type": "semantic_vad", "eagerness": "low"},
            "tools": [{"type": "function", "name": "look", "parameters": {}}],
            "tool_choice": {"type": "function", "name": "look"},
            "temperature": 0.7,
            "max_response_output_tokens": 7,
            "speed": 0.5,
            "include": ["item.input_audio_transcription.logprobs"],
        },
    }
    [told] = session.receive(orjson.dumps(ga_event(update)).decode())
    assert told["type"] == "session.updated"
    audio = told["session"]["audio"]
    assert audio["input"]["transcription"] == {"model": "whisper-1", "language": "en"}
    assert (audio["output"]["voice"], audio["output"]["speed"]) == ("ash", 0.5)
