"""The input audio buffer: what may be committed, what clearing forgets, and sound in any chunks and formats."""

from __future__ import annotations

from base64 import b64decode

import pytest

from tests.support.ga_session import GASession, of, one, refusal, the, types
from tests.support.tones import spoken
from voicepipe.audio.g711 import alaw_encode, ulaw_encode
from voicepipe.local.brain import Message

COMMITTED = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]


def manual() -> GASession:
    session = GASession()
    session.update_input(turn_detection=None)
    return session


def commit(session: GASession) -> list[dict]:
    return session.send("input_audio_buffer.commit")


class TestCommitting:
    def test_an_appended_chunk_is_not_answered(self):
        assert manual().append(bytes(4800)) == []

    @pytest.mark.parametrize("ms", [0, 1, 50, 99])
    def test_less_than_100_ms_is_refused(self, ms):
        session = manual()
        session.append(bytes(48 * ms))
        error = one(commit(session))
        assert refusal(error) == ("input_audio_buffer_commit_empty", None)
        assert f"only has {ms:.2f}ms" in error["error"]["message"]

    @pytest.mark.parametrize(("kind", "silence"), [("audio/pcm", b"\0"), ("audio/pcmu", b"\xff")])
    def test_100_ms_may_be_committed_in_each_format(self, kind, silence):
        session = manual()
        session.update_input(format={"type": kind})
        bytes_a_ms = 48 if kind == "audio/pcm" else 8
        session.append(silence * 90 * bytes_a_ms)
        assert refusal(commit(session))[0] == "input_audio_buffer_commit_empty"
        session.append(silence * 10 * bytes_a_ms)
        assert types(commit(session)) == COMMITTED

    def test_what_was_refused_is_still_there(self):
        session = manual()
        session.append(bytes(48 * 60))
        commit(session)
        session.append(bytes(48 * 60))
        assert types(commit(session)) == COMMITTED

    def test_a_commit_gives_an_item_and_no_answer(self):
        session = manual()
        session.write("First.", id="first")
        session.speak("good morning")
        committed, added, done = commit(session)
        assert committed["previous_item_id"] == added["previous_item_id"] == "first"
        assert committed["item_id"] == added["item"]["id"] == done["item"]["id"]
        assert added["item"] == {
            "id": committed["item_id"],
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        assert session.listen() == []
        assert not session.answers

    def test_the_buffer_is_empty_afterwards(self):
        session = manual()
        session.speak("good morning")
        commit(session)
        assert refusal(commit(session))[0] == "input_audio_buffer_commit_empty"

    def test_each_commit_is_what_was_appended_since_the_one_before(self):
        session = manual()
        for text in ("number one", "number two"):
            session.speak(text)
            item_id = commit(session)[0]["item_id"]
            assert b64decode(session.retrieve(item_id)["content"][0]["audio"]) == spoken(text).pcm
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [
            Message("user", "number one"),
            Message("user", "number two"),
        ]

    def test_a_commit_ends_a_turn_that_was_found(self):
        session = GASession()
        started = the(session.speak("good morning"), "input_audio_buffer.speech_started")
        events = commit(session)
        assert types(events) == COMMITTED
        assert events[0]["item_id"] == started["item_id"]
        assert session.silence(600) == [], "the turn is over; its end is not told again"

    def test_after_a_turn_the_client_finds_the_buffer_emptied(self):
        session = GASession()
        session.update_input(turn_detection={"type": "server_vad", "prefix_padding_ms": 0})
        session.speak("hello")
        stopped = session.append(bytes(48 * 280))
        assert "input_audio_buffer.committed" in types(stopped)
        assert refusal(commit(session))[0] == "input_audio_buffer_commit_empty"


class TestClearing:
    def test_what_was_appended_is_forgotten(self):
        session = manual()
        session.speak("hello")
        assert types(session.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
        assert refusal(commit(session))[0] == "input_audio_buffer_commit_empty"
        session.speak("goodbye")
        commit(session)
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "goodbye")]

    def test_a_turn_that_was_under_way_never_ends(self):
        session = GASession()
        session.speak("hello")
        session.send("input_audio_buffer.clear")
        assert session.silence(600) == []
        assert not session.hears

    def test_the_next_words_are_a_new_turn(self):
        session = GASession()
        first = the(session.speak("hello"), "input_audio_buffer.speech_started")
        session.send("input_audio_buffer.clear")
        second = the(session.speak("goodbye"), "input_audio_buffer.speech_started")
        assert first["item_id"] != second["item_id"]
        assert second["audio_start_ms"] >= len(spoken("hello").pcm) // 48
        session.silence()
        session.listen()
        assert session.answers[0].conversation.turns == [Message("user", "goodbye")]

    def test_half_a_sample_is_forgotten_too(self):
        session = manual()
        session.append(b"\x01")
        session.send("input_audio_buffer.clear")
        session.speak("good morning")
        item_id = commit(session)[0]["item_id"]
        assert b64decode(session.retrieve(item_id)["content"][0]["audio"]) == spoken("good morning").pcm


class TestChunks:
    @pytest.mark.parametrize("chunk_bytes", [1, 7, 961, 1_000_000])
    def test_a_sample_may_be_split_between_two(self, chunk_bytes):
        session = manual()
        pcm = spoken("good morning").pcm
        session.append(pcm, chunk_bytes)
        item_id = commit(session)[0]["item_id"]
        assert b64decode(session.retrieve(item_id)["content"][0]["audio"]) == pcm

    @pytest.mark.parametrize("chunk_bytes", [333, 4800, 1_000_000])
    def test_turns_are_found_at_the_same_times_in_any_chunks(self, chunk_bytes):
        def times(chunk: int) -> list[int]:
            session = GASession()
            pcm = (
                bytes(48 * 400) + spoken("hello").pcm + bytes(48 * 500) + spoken("bye").pcm + bytes(48 * 300)
            )
            events = session.append(pcm, chunk)
            return [
                event.get("audio_start_ms", event.get("audio_end_ms")) for event in events_with_times(events)
            ]

        def events_with_times(events: list[dict]) -> list[dict]:
            return [event for event in events if "speech_" in event["type"]]

        assert times(chunk_bytes) == times(960)
        assert len(times(chunk_bytes)) == 4

    def test_nothing_may_be_appended(self):
        assert manual().send("input_audio_buffer.append", audio="") == []

    def test_more_than_15_mib_at_once_is_refused(self):
        session = manual()
        largest = "A" * (15 * 1024 * 1024 // 3 * 4)
        assert session.send("input_audio_buffer.append", audio=largest) == []
        refused = session.send("input_audio_buffer.append", audio=largest + "AAAA")
        assert refusal(refused) == ("invalid_value", "audio")


class TestG711:
    @pytest.mark.parametrize(("kind", "encode"), [("audio/pcmu", ulaw_encode), ("audio/pcma", alaw_encode)])
    @pytest.mark.parametrize("chunk_bytes", [1, 160, 100_000])
    def test_it_is_understood(self, kind, encode, chunk_bytes):
        session = manual()
        session.update_input(format={"type": kind})
        sound = encode(spoken("good morning", 8000).pcm)
        session.append(sound, chunk_bytes)
        item_id = commit(session)[0]["item_id"]
        session.listen()
        session.respond()
        assert session.answers[0].conversation.turns == [Message("user", "good morning")]
        shown = b64decode(session.retrieve(item_id)["content"][0]["audio"])
        assert len(shown) / 8 == pytest.approx(len(sound) / 8, abs=10)

    def test_turns_are_found_in_it(self):
        session = GASession()
        session.update_input(format={"type": "audio/pcmu"})
        sound = ulaw_encode(bytes(16 * 400) + spoken("hello", 8000).pcm + bytes(16 * 300))
        events = session.append(sound, 160)
        started = the(events, "input_audio_buffer.speech_started")["audio_start_ms"]
        stopped = the(events, "input_audio_buffer.speech_stopped")["audio_end_ms"]
        assert started == pytest.approx(400 - 300, abs=32)
        assert stopped == pytest.approx(400 + 96 + 200, abs=64)

    def test_the_format_may_change_between_utterances(self):
        session = manual()
        for kind, sound in [
            ("audio/pcm", spoken("number one").pcm),
            ("audio/pcmu", ulaw_encode(spoken("number two", 8000).pcm)),
            ("audio/pcma", alaw_encode(spoken("number three", 8000).pcm)),
        ]:
            session.update_input(format={"type": kind})
            session.append(sound)
            commit(session)
        session.listen()
        session.respond()
        words = [turn.text for turn in session.answers[0].conversation.turns]
        assert words == ["number one", "number two", "number three"]


def test_a_client_that_never_commits_fills_ten_minutes_at_most():
    session = manual()
    for _ in range(7):
        session.append(bytes(48 * 100_000), 48 * 100_000)
    item_id = commit(session)[0]["item_id"]
    assert len(b64decode(session.retrieve(item_id)["content"][0]["audio"])) == 48 * 600_000
    assert len(of(session.events, "input_audio_buffer.committed")) == 1
