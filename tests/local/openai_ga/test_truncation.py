"""What an answer is cut to, and what cannot be cut (protocol page, section 11.9)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from tests.support.ga_session import FORMAT_MS, GASession, of, one, refusal, the
from tests.support.tones import heard, spoken
from voicepipe.audio.g711 import ulaw_decode
from voicepipe.local.brain import Message
from voicepipe.transports.sound import Sound

TEXT = "one two three four five"


def answered(kind: str = "audio/pcm", **response: Any) -> tuple[GASession, str]:
    session = GASession()
    session.update_output(format={"type": kind})
    session.respond(**response)
    return session, the(session.answer(TEXT), "response.output_item.done")["item"]["id"]


def truncate(session: GASession, item_id: str, audio_end_ms: int) -> dict[str, Any]:
    return one(
        session.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms
        )
    )


def told(session: GASession) -> list[Message]:
    """What the brain is told of the conversation."""
    session.respond()
    return list(session.answers[-1].conversation.turns)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
class TestInEachFormat:
    def test_what_was_not_heard_is_gone(self, kind):
        session, item_id = answered(kind)
        cut = truncate(session, item_id, 225)
        assert cut["type"] == "conversation.item.truncated"
        assert (cut["item_id"], cut["content_index"], cut["audio_end_ms"]) == (item_id, 0, 225)
        part = one(session.retrieve(item_id)["content"])
        assert "transcript" not in part
        assert len(b64decode(part["audio"])) == 225 * FORMAT_MS[kind]
        assert told(session) == [Message("assistant", "one two three", cut=True)]

    def test_beyond_the_sound_is_refused_at_its_end_is_not(self, kind):
        session, item_id = answered(kind)
        sound = b64decode(session.retrieve(item_id)["content"][0]["audio"])
        end_ms = len(sound) // FORMAT_MS[kind]
        assert end_ms == pytest.approx(len(spoken(TEXT).pcm) / 48, abs=5)
        refused = truncate(session, item_id, end_ms + 1)
        assert refusal(refused) == ("invalid_value", "audio_end_ms")
        assert refused["error"]["message"] == (
            f"Audio content of {end_ms}ms is already shorter than {end_ms + 1}ms"
        )
        assert truncate(session, item_id, end_ms)["type"] == "conversation.item.truncated"
        assert told(session) == [Message("assistant", TEXT, cut=True)]


def test_the_sound_that_is_kept_is_what_was_heard():
    session, item_id = answered("audio/pcmu")
    truncate(session, item_id, 232)
    sound = ulaw_decode(b64decode(session.retrieve(item_id)["content"][0]["audio"]))
    assert heard(Sound(sound, 8000)) == "one two three"


def test_to_nothing():
    session, item_id = answered()
    assert truncate(session, item_id, 0)["type"] == "conversation.item.truncated"
    assert told(session) == [Message("assistant", "", cut=True)]


def test_shorter_and_shorter_but_not_longer_again():
    session, item_id = answered()
    truncate(session, item_id, 300)
    assert truncate(session, item_id, 100)["type"] == "conversation.item.truncated"
    refused = truncate(session, item_id, 200)
    assert refusal(refused) == ("invalid_value", "audio_end_ms")
    assert refused["error"]["message"] == "Audio content of 100ms is already shorter than 200ms"


def test_an_item_that_is_not_there():
    session, _ = answered()
    assert refusal(truncate(session, "item_none", 0)) == ("item_truncate_invalid_item_id", "item_id")


class TestOnlySpokenAnswers:
    MESSAGE = "Only model output audio messages can be truncated"

    def refused(self, session: GASession, item_id: str) -> bool:
        event = truncate(session, item_id, 0)
        assert event["error"]["message"] == self.MESSAGE
        return refusal(event) == ("unsupported_content_type", "item_id")

    def test_not_what_the_user_said(self):
        session = GASession()
        session.say("hello")
        assert self.refused(session, the(session.events, "input_audio_buffer.committed")["item_id"])

    def test_not_a_text_answer(self):
        session, item_id = answered(output_modalities=["text"])
        assert self.refused(session, item_id)

    def test_not_an_answer_that_the_client_wrote(self):
        session = GASession()
        session.create("assistant", [{"type": "output_text", "text": "Hello."}], id="mine")
        assert self.refused(session, "mine")

    def test_not_a_function_call(self):
        session = GASession()
        session.respond()
        response = session.answers.pop().response
        item_id = session.call(response, "f")[0]["item"]["id"]
        assert self.refused(session, item_id)

    def test_not_an_answer_whose_sound_was_all_cut_away(self):
        session, item_id = answered()
        truncate(session, item_id, 0)
        assert self.refused(session, item_id)


class TestWhileItIsSpoken:
    def test_an_answer_that_runs_can_be_cut_as_far_as_it_came(self):
        session = GASession()
        session.respond()
        response = session.begin(TEXT)
        session.advance(response)
        item_id = response.items[0].id
        assert refusal(truncate(session, item_id, 201)) == ("invalid_value", "audio_end_ms")
        assert truncate(session, item_id, 150)["type"] == "conversation.item.truncated"

    def test_what_follows_the_cut_is_not_heard(self):
        session = GASession()
        session.respond()
        response = session.begin(TEXT)
        session.advance(response)
        truncate(session, response.items[0].id, 100)
        done = session.finish(response)
        assert of(done, "response.output_audio.delta"), "the sound goes on until it is cancelled"
        item = the(done, "response.output_item.done")["item"]
        assert item["content"] == [{"type": "output_audio"}]
        assert told(session) == [Message("assistant", "one", cut=True)]

    def test_after_a_barge_in_only_what_was_played_is_told(self):
        session = GASession()
        session.respond()
        response = session.begin(TEXT)
        session.advance(response, 2)
        session.speak("wait")
        truncate(session, response.items[0].id, 130)
        session.silence()
        session.listen()
        turns = session.answers[-1].conversation.turns
        assert turns == [Message("assistant", "one two", cut=True), Message("user", "wait")]
