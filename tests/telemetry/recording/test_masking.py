"""What never reaches a recording: card numbers, keys, secrets, patterns; in texts, in pieces of texts, in sound."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.realtime.keypad import typed
from voicepipe.telemetry.recording.masking import MASK, Masking, masked_pieces
from voicepipe.telemetry.recording.scribe import CallScribe
from voicepipe.telemetry.recording.writer import Fact, Moment, RecordingFiles, SoundEvent, WireEvent

CARD = "4111 1111 1111 1111"
IN_WORDS = "four one one one, one one one one, one one one one, one one one one"


@pytest.mark.parametrize(
    "text",
    [
        f"my card is {CARD}.",
        "4111-1111-1111-1111",
        "4111111111111111",
        f"It is {IN_WORDS}",
        "378282246310005",
        "key sk-proj-0123456789abcdefABCDEF",
        "Authorization: Bearer abcdef0123456789abcdef",
        typed("1234#"),
    ],
)
def test_it_is_found(text: str):
    masked = Masking().matcher().text(text)
    assert MASK in masked
    assert not any(part in masked for part in ("1111", "one one", "10005", "sk-", "abcdef0123", "1 2 3 4"))


@pytest.mark.parametrize(
    "text",
    [
        "resp_000000100000000000071",
        "Call +44 20 7946 0958 before 2026-11-21",
        "one two three, testing",
        "someone phoned everyone at one",
        "call_id 0191d2d0-7b5c-7cc3-98c5-dc0c0c07398f",
    ],
)
def test_what_is_no_card_number_stays(text: str):
    assert Masking().matcher().text(text) == text


def test_a_value_is_masked_at_any_depth_and_by_its_name():
    value = {
        "a": [{"card": CARD, "n": 4111111111111111, "at": 1795252238236}],
        "api_key": "hunter2",
        "tools": [{"type": "mcp", "authorization": "hunter2", "headers": {"X-Docs-Pass": "hunter2"}}],
        "input_tokens": 3,
    }
    assert Masking().matcher().value(value) == {
        "a": [{"card": MASK, "n": MASK, "at": 1795252238236}],
        "api_key": MASK,
        "tools": [{"type": "mcp", "authorization": MASK, "headers": {"X-Docs-Pass": MASK}}],
        "input_tokens": 3,
    }


def test_patterns_and_secrets_of_ones_own():
    matcher = Masking(patterns=(r"\bDr\. \w+",), secrets=("pa$$word",)).matcher()
    assert matcher.text("Dr. Who said pa$$word") == f"{MASK} said {MASK}"
    assert matcher.is_said_in("ask Dr. Who")
    assert not matcher.is_said_in("pa$$word")


def test_masking_shows_no_secret():
    assert "pa$$word" not in repr(Masking(secrets=("pa$$word",)))


@given(st.text(max_size=40), st.lists(st.integers(0, 60), max_size=12))
def test_pieces_masked_together_are_the_whole_masked(before: str, cuts: list[int]):
    whole = f"{before} {CARD} end"
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in pairwise(places)]
    matcher = Masking().matcher()
    assert "".join(masked_pieces(pieces, matcher.spans(whole))) == matcher.text(whole)


class Call:
    """A scribe and what it wrote."""

    def __init__(self, folder: Path, masking: Masking | None = None) -> None:
        self.files = RecordingFiles(folder)
        self.scribe = CallScribe(self.files, (masking or Masking()).matcher())
        self._folder, self._n = folder, 0

    def _at(self, t: float) -> Moment:
        self._n += 1
        return Moment(self._n, t, 0)

    def frame(self, t: float, name: str, **fields: Any) -> None:
        value = {"frame": name, "from": "service 0", "to": "down", "both": False, "fields": fields}
        self.scribe.take(Fact(self._at(t), "frame", orjson.dumps(value)))

    def fact(self, t: float, kind: Any, **fields: Any) -> None:
        self.scribe.take(Fact(self._at(t), kind, orjson.dumps(fields)))

    def wire(self, t: float, **message: Any) -> None:
        self.scribe.take(WireEvent(self._at(t), 0, "received", orjson.dumps(message)))

    def sound(self, t: float, who: Any, *, loud: int = 1000) -> None:
        # No two chunks are the same, so that none is written only once.
        pcm = np.full(160, loud + self._n, np.int16).tobytes()
        self.scribe.take(SoundEvent(self._at(t), who, 8000, "r" if who == "bot" else "", pcm))

    def close(self) -> tuple[str, list[dict[str, Any]], list[bool]]:
        """The whole file, its entries, and for each chunk of sound whether it is heard."""
        self.scribe.close()
        self.files.close()
        text = (self._folder / "events.jsonl").read_text()
        entries = sorted((orjson.loads(line) for line in text.splitlines()), key=lambda entry: entry["n"])
        sound = (self._folder / "sound.pcm").read_bytes()
        chunks = [sound[e["sound"][0] :][: e["sound"][1]] for e in entries if e["k"] == "sound"]
        return text, entries, [any(chunk) for chunk in chunks]


def test_a_card_number_in_pieces_is_in_no_line_of_the_wire(tmp_path: Path):
    call = Call(tmp_path)
    for piece in ("My num", "ber is 41", "11 11", "11 1111 11", "11 thanks"):
        call.wire(10, type="response.output_audio_transcript.delta", item_id="i", delta=piece)
        call.frame(10, "LLMTextFrame", text=piece)
    call.wire(
        20,
        type="response.output_audio_transcript.done",
        item_id="i",
        transcript=f"My number is {CARD} thanks",
    )
    _, entries, _ = call.close()
    for texts in (
        [e["message"]["delta"] for e in entries if "delta" in e.get("message", {})],
        [e["fields"]["text"] for e in entries if e["k"] == "frame"],
    ):
        assert "".join(texts) == f"My number is {MASK} thanks"
        assert len(texts) == 5, "there is a line for each piece"
    assert entries[-1]["message"]["transcript"] == f"My number is {MASK} thanks"


def test_the_callers_turn_is_silenced_with_its_words_and_the_others_are_not(tmp_path: Path):
    call = Call(tmp_path)
    for t in range(0, 8000, 20):
        call.sound(t, "caller")
        if t in (1000, 4000):
            call.frame(t, "UserStartedSpeakingFrame")
        if t in (2000, 5000):
            call.frame(t, "UserStoppedSpeakingFrame")
        if t == 2500:
            call.frame(t, "InterimTranscriptionFrame", text="hello")
            call.frame(t, "TranscriptionFrame", text="hello there", language=None)
        if t == 6000:
            call.frame(t, "InterimTranscriptionFrame", text="4111 1111 1111")
            call.frame(t, "TranscriptionFrame", text=f"it is {CARD}", language=None)
    text, entries, heard = call.close()
    assert "1111" not in text
    assert not any(heard[150:265]), "from before the server heard speech to after it heard the end"
    assert all(heard[350:])
    assert any(e["k"] == "silenced" for e in entries)


def test_an_answer_with_a_card_number_is_not_heard_on_the_wire_either(tmp_path: Path):
    call = Call(tmp_path)
    call.frame(0, "LLMFullResponseStartFrame")
    call.sound(10, "bot")
    call.frame(20, "LLMTextFrame", text=f"You said {IN_WORDS}.")
    call.sound(30, "bot")
    call.frame(40, "LLMFullResponseEndFrame")
    call.frame(900, "LLMFullResponseStartFrame")
    call.sound(910, "bot")
    text, _, heard = call.close()
    assert heard == [False, False, True]
    assert "one one" not in text


def test_a_card_number_that_only_the_model_heard_silences_the_caller(tmp_path: Path):
    call = Call(tmp_path)
    call.frame(0, "UserStartedSpeakingFrame")
    for t in range(0, 1000, 20):
        call.sound(t, "caller")
    call.frame(1000, "UserStoppedSpeakingFrame")
    call.fact(1100, "tool", index=0, name="pay", arguments={"card": "4111111111111111"})
    text, _, heard = call.close()
    assert not any(heard)
    assert "4111" not in text


def test_pressed_keys_are_neither_read_nor_heard(tmp_path: Path):
    call = Call(tmp_path)
    for t in range(0, 2000, 20):
        call.sound(t, "caller")
        if t == 1000:
            call.frame(t, "InputDTMFFrame", button="7")
    call.wire(2000, type="conversation.item.create", text=typed("7#"))
    text, _, heard = call.close()
    assert '"7"' not in text
    assert "7 #" not in text
    assert all(heard[:20])
    assert not any(heard[26:65])
    assert all(heard[70:])


def test_what_is_private_is_kept_in_shape_only(tmp_path: Path):
    call = Call(tmp_path)
    call.sound(0, "caller")
    call.fact(10, "note", private=True)
    call.sound(20, "caller")
    call.wire(25, type="x.completed", item_id="item_1", transcript="my mother's maiden name is Smith")
    call.fact(30, "note", private=False)
    call.sound(40, "caller")
    text, entries, heard = call.close()
    assert heard == [True, False, True]
    assert "Smith" not in text
    assert entries[3]["message"] == {"type": "x.completed", "item_id": "item_1", "transcript": MASK}


def test_a_long_text_does_not_grow_in_memory_for_ever(tmp_path: Path):
    call = Call(tmp_path)
    for _ in range(2000):
        call.frame(10, "LLMTextFrame", text="word ")
    written = (tmp_path / "events.jsonl").read_bytes().count(b"\n")
    assert written > 1800
    call.close()
