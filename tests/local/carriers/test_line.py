"""The carrier's side without a socket: what leaves when, and what the caller hears when."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest

from voicepipe.local.carriers import CarrierLine, Mishaps, PlivoDialect, TelnyxDialect, TwilioDialect
from voicepipe.local.carriers.line import Cut

DIALECTS = {"twilio": TwilioDialect, "telnyx": TelnyxDialect, "plivo": PlivoDialect}


def names(messages: list[str]) -> list[str]:
    return [json.loads(message)["event"] for message in messages]


def payload(message: str) -> bytes:
    return b64decode(json.loads(message)["media"]["payload"])


class Bot:
    """Writes as a bot does."""

    def __init__(self, line: CarrierLine, opening: list[str]) -> None:
        self.carrier = line.dialect.name
        start = json.loads(opening[-1])
        self.id = start["start"]["streamId"] if self.carrier == "plivo" else start.get("streamSid", "")

    def media(self, sound: bytes) -> str:
        text = b64encode(sound).decode()
        if self.carrier == "plivo":
            media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": text}
            return json.dumps({"event": "playAudio", "media": media})
        return self._message("media", media={"payload": text})

    def mark(self, name: str) -> str:
        if self.carrier == "plivo":
            return json.dumps({"event": "checkpoint", "streamId": self.id, "name": name})
        return self._message("mark", mark={"name": name})

    def clear(self) -> str:
        if self.carrier == "plivo":
            return json.dumps({"event": "clearAudio", "streamId": self.id})
        return self._message("clear")

    def _message(self, kind: str, **rest: object) -> str:
        ids = {"streamSid": self.id} if self.carrier == "twilio" else {}
        return json.dumps({"event": kind, **ids, **rest})


def returned(messages: list[str]) -> list[str]:
    """The names of the marks among messages."""
    events = [json.loads(message) for message in messages]
    return [
        event["name"] if event["event"] == "playedStream" else event["mark"]["name"]
        for event in events
        if event["event"] in ("mark", "playedStream")
    ]


@pytest.fixture(params=list(DIALECTS))
def carrier(request) -> str:
    return request.param


def test_a_frame_leaves_when_its_last_sample_is_there(carrier):
    line = CarrierLine(DIALECTS[carrier]())
    line.open(1000.0)
    line.say(bytes(range(200)))
    assert line.next_due_ms == 1020
    assert line.advance(1019.9) == []
    [first] = line.advance(1020)
    assert payload(first) == bytes(range(160))
    # A driver that wakes late catches up with what is due.
    second, third = line.advance(1065)
    assert payload(second) == bytes(range(160, 200)) + b"\xff" * 120
    assert payload(third) == b"\xff" * 160
    assert [int(json.loads(m)["media"]["chunk"]) for m in (first, second, third)] == [1, 2, 3]
    assert line.next_due_ms == 1080


def test_sound_plays_at_its_own_speed_and_marks_return_when_it_was_played(carrier):
    heard = bytearray()
    line = CarrierLine(DIALECTS[carrier](), heard=heard.extend)
    bot = Bot(line, line.open(0.0))
    line.receive(bot.media(b"\x01" * 400), 5.0)
    line.receive(bot.mark("half"), 5.0)
    line.receive(bot.media(b"\x02" * 160), 5.0)
    line.receive(bot.mark("end"), 5.0)
    assert line.next_due_ms == 20
    line.advance(50)
    assert line.next_due_ms == 55
    assert returned(line.advance(55)) == ["half"]
    assert line.played_ms == 50
    assert returned(line.advance(75)) == ["end"]
    assert not line.is_playing
    line.advance(80)
    assert bytes(heard) == b"\xff" * 40 + b"\x01" * 400 + b"\x02" * 160 + b"\xff" * 40


def test_a_clear_throws_away_what_was_not_played(carrier):
    line = CarrierLine(DIALECTS[carrier]())
    bot = Bot(line, line.open(0.0))
    line.receive(bot.media(bytes(1600)), 0.0)
    line.receive(bot.mark("one"), 0.0)
    line.receive(bot.mark("two"), 0.0)
    answer = line.receive(bot.clear(), 130.0)
    assert line.cuts == [Cut(130.0, 130.0, 70.0)]
    # Plivo does not answer checkpoints that were cut.
    assert returned(answer) == ([] if carrier == "plivo" else ["one", "two"])
    assert ("clearedAudio" in names(answer)) == (carrier == "plivo")
    line.advance(300)
    assert line.played_ms == 130


def test_sound_that_comes_while_nothing_plays_waits_for_the_lead(carrier):
    line = CarrierLine(DIALECTS[carrier](), lead_ms=60)
    bot = Bot(line, line.open(0.0))
    line.receive(bot.media(bytes(160)), 10.0)
    line.receive(bot.media(bytes(160)), 10.0)
    line.receive(bot.mark("end"), 10.0)
    assert returned(line.advance(109)) == []
    assert returned(line.advance(110)) == ["end"]


def test_mishaps_happen_to_the_frames_that_are_named(carrier):
    line = CarrierLine(DIALECTS[carrier](), mishaps=Mishaps(lost={1}, doubled={2}, late={3: 30.0}))
    line.open(0.0)
    at = {now: [int(json.loads(m)["media"]["chunk"]) for m in line.advance(now)] for now in range(0, 101, 10)}
    assert {now: chunks for now, chunks in at.items() if chunks} == {40: [2, 2], 80: [4], 90: [3], 100: [5]}


def test_keys_and_the_end_are_told(carrier):
    line = CarrierLine(DIALECTS[carrier]())
    line.open(0.0)
    assert [json.loads(m)["dtmf"]["digit"] for m in line.press("1#", 10)] == ["1", "#"]
    assert names(line.hang_up()) == ["stop"]
    assert line.advance(100) == []


def test_what_plivo_is_asked_to_press_is_pressed():
    line = CarrierLine(PlivoDialect())
    line.open(0.0)
    line.receive('{"event":"sendDTMF","dtmf":"12#"}', 0.0)
    line.receive('{"event":"sendDTMF","dtmf":"x"}', 0.0)
    assert line.keys == "12#"
    assert line.refusals == ["sendDTMF: 'x' are not all keys"]


@pytest.mark.parametrize("message", ["nonsense", "[]", '{"event":"sing"}', b"\x00"])
def test_twilio_ends_a_stream_at_a_message_it_does_not_know_and_others_complain(carrier, message):
    line = CarrierLine(DIALECTS[carrier]())
    line.open(0.0)
    answer = line.receive(message, 0.0)
    assert len(line.refusals) == 1
    assert line.is_over == (carrier == "twilio")
    assert names(answer) == ([] if carrier == "twilio" else ["error"])


@pytest.mark.parametrize(
    ("dialect", "message", "problem"),
    [
        (TwilioDialect, {"event": "clear", "streamSid": "MZ0"}, "another stream"),
        (TwilioDialect, {"event": "clear"}, "streamSid is missing"),
        (TwilioDialect, {"event": "clear", "streamSid": f"MZ{1:032x}", "x": 1}, "x is unknown"),
        (TwilioDialect, {"event": "mark", "streamSid": f"MZ{1:032x}"}, "mark.name is missing"),
        (TelnyxDialect, {"event": "media", "media": {"payload": "//8A"}}, "20 ms to 30 s"),
        (PlivoDialect, {"event": "checkpoint", "streamId": "0", "name": "a"}, "another stream"),
        (
            PlivoDialect,
            {"event": "playAudio", "media": {"contentType": "audio/x-mulaw;rate=8000", "payload": "//8A"}},
            "contentType",
        ),
        (
            PlivoDialect,
            {
                "event": "playAudio",
                "media": {"contentType": "audio/x-mulaw", "sampleRate": 16000, "payload": "//8A"},
            },
            "sampleRate",
        ),
    ],
)
def test_carriers_are_as_strict_as_they_are(dialect, message, problem):
    line = CarrierLine(dialect())
    line.open(0.0)
    line.receive(json.dumps(message), 0.0)
    [refusal] = line.refusals
    assert problem in refusal


def test_a_stream_that_only_listens_does_nothing_it_is_sent(carrier):
    line = CarrierLine(DIALECTS[carrier](), plays=False)
    bot = Bot(line, line.open(0.0))
    assert line.receive(bot.media(bytes(160)), 0.0) == []
    assert returned(line.receive(bot.mark("one"), 0.0)) == []
    assert not line.is_playing
