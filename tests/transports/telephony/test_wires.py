"""The three wires: given a carrier's lines, what they mean; and what is written in return."""

from __future__ import annotations

import json

import pytest

from tests.transports.telephony.wire_lines import LINES, PLIVO, TELNYX, TWILIO
from voicepipe.errors import CarrierMessageError, CarrierStreamError, SettingsError
from voicepipe.transports.telephony.carriers import recognised, wire_named
from voicepipe.transports.telephony.events import (
    Complaint,
    KeyPressed,
    MarkReturned,
    SoundArrived,
    StreamStarted,
    StreamStopped,
)
from voicepipe.transports.telephony.plivo import PlivoWire
from voicepipe.transports.telephony.telnyx import TelnyxWire
from voicepipe.transports.telephony.twilio import TwilioWire

CARRIERS = list(LINES)


def started(carrier: str):
    wire = wire_named(carrier)
    wire.receive(LINES[carrier]["start"])
    return wire


def test_twilios_start_tells_all_about_the_call():
    assert TwilioWire().receive(TWILIO["start"]) == [
        StreamStarted(
            carrier="twilio",
            stream_id="MZ1",
            call_id="CA1",
            account_id="AC1",
            encoding="audio/x-mulaw",
            sample_rate=8000,
            tracks=("inbound",),
            parameters={"caller": "+15550001"},
        )
    ]


def test_telnyx_start_tells_the_numbers_and_the_callers_codec():
    wire = TelnyxWire()
    assert wire.receive(TELNYX["start"]) == [
        StreamStarted(
            carrier="telnyx",
            stream_id="32DE",
            call_id="v2:c1",
            account_id="U1",
            encoding="PCMA",
            sample_rate=8000,
            caller="+15550001",
            callee="+15550002",
        )
    ]
    assert wire.incoming.name == "PCMA"
    # What goes the other way was agreed on when the stream was opened.
    assert wire.outgoing.name == "PCMU"
    assert TelnyxWire("L16", 16000).outgoing.sample_rate == 16000


def test_plivos_start_has_its_extra_headers_without_their_prefix():
    assert PlivoWire().receive(PLIVO["start"]) == [
        StreamStarted(
            carrier="plivo",
            stream_id="s1",
            call_id="c1",
            account_id="MA1",
            encoding="audio/x-mulaw",
            sample_rate=8000,
            tracks=("inbound",),
            parameters={"caller": "+15550001", "plan": "gold"},
        )
    ]


@pytest.mark.parametrize("written", ["", "{}", "{", "a", "=1", "{a=}"])
def test_strange_extra_headers_of_plivo_harm_nobody(written):
    event = json.loads(PLIVO["start"]) | {"extra_headers": written}
    [begun] = PlivoWire().receive(json.dumps(event))
    assert set(begun.parameters) <= {"a"}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_every_carrier_says_means_the_same(carrier):
    wire, lines = started(carrier), LINES[carrier]
    payload = b"\xd5\xd5\x00" if carrier == "telnyx" else b"\xff\xff\x00"
    assert wire.receive(lines["media"]) == [SoundArrived(payload, 2 if carrier == "telnyx" else None)]
    assert wire.receive(lines["dtmf"].encode()) == [KeyPressed("1")]
    assert wire.receive(lines["mark"]) == [MarkReturned("m1")]
    assert wire.receive(lines["stop"]) == [StreamStopped()]
    # The bot is not to hear itself.
    assert wire.receive(lines["outbound"]) == []
    assert wire.receive('{"event":"something_new"}') == []


def test_complaints_come_with_their_reason():
    assert started("telnyx").receive(TELNYX["error"]) == [Complaint("100002 unknown_error too short")]
    assert started("plivo").receive(PLIVO["error"]) == [Complaint("bad payload")]
    assert started("plivo").receive(PLIVO["cleared"]) == []


WRITTEN = {
    "twilio": [
        {"event": "media", "streamSid": "MZ1", "media": {"payload": "//8A"}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m1"}},
        {"event": "clear", "streamSid": "MZ1"},
        None,
    ],
    "telnyx": [
        {"event": "media", "media": {"payload": "//8A"}},
        {"event": "mark", "mark": {"name": "m1"}},
        {"event": "clear"},
        None,
    ],
    "plivo": [
        {
            "event": "playAudio",
            "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": "//8A"},
        },
        {"event": "checkpoint", "streamId": "s1", "name": "m1"},
        {"event": "clearAudio", "streamId": "s1"},
        {"event": "sendDTMF", "dtmf": "12#"},
    ],
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_what_is_written_is_what_the_carrier_takes(carrier):
    wire = started(carrier)
    keys = wire.dtmf("12#")
    written = [wire.media(b"\xff\xff\x00"), wire.mark("m1"), wire.clear()]
    assert [json.loads(line) for line in written] == WRITTEN[carrier][:3]
    assert (json.loads(keys) if keys else None) == WRITTEN[carrier][3]


def test_plivo_streams_of_linear_sound_are_written_at_their_own_rate():
    event = json.loads(PLIVO["start"])
    event["start"]["mediaFormat"] = {"encoding": "audio/x-l16", "sampleRate": 16000}
    wire = PlivoWire()
    wire.receive(json.dumps(event))
    media = json.loads(wire.media(bytes(640)))["media"]
    assert (media["contentType"], media["sampleRate"]) == ("audio/x-l16", 16000)
    assert wire.outgoing.duration_ms(bytes(640)) == 20
    assert wire.outgoing.encode(b"\x01\x02") == b"\x01\x02"


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("no json", "message"),
        ("[1]", "message"),
        ('{"event":"media"}', "media"),
        ('{"event":"media","media":{"payload":"%%%"}}', "media.payload"),
        ('{"event":"media","media":{"payload":7}}', "payload"),
        ('{"event":"dtmf","dtmf":{}}', "digit"),
        ('{"event":"start"}', "start"),
    ],
)
def test_a_message_that_cannot_be_read_names_the_field(carrier, line, field):
    with pytest.raises(CarrierMessageError) as caught:
        wire_named(carrier).receive(line)
    assert caught.value.field == field
    assert str(caught.value).startswith(field)


@pytest.mark.parametrize(
    ("encoding", "rate", "said"),
    [("audio/x-opus", 8000, "encoding: 'audio/x-opus'"), ("audio/x-mulaw", 16000, "sample_rate: PCMU")],
)
def test_sound_in_a_coding_that_we_do_not_know_is_refused_at_the_start(encoding, rate, said):
    event = json.loads(TWILIO["start"])
    event["start"]["mediaFormat"] = {"encoding": encoding, "sampleRate": rate}
    with pytest.raises(CarrierStreamError, match=said):
        TwilioWire().receive(json.dumps(event))


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_carrier_is_recognised_by_its_start(carrier):
    wire = recognised(LINES[carrier]["start"])
    assert wire is not None
    assert wire.name == carrier


def test_what_comes_before_the_start_tells_nothing():
    assert recognised(TWILIO["connected"]) is None
    assert recognised(TELNYX["connected"]) is None


def test_the_start_of_another_carrier_and_another_name_are_refused():
    with pytest.raises(CarrierMessageError, match="twilio, telnyx, plivo"):
        recognised('{"event":"start","start":{"stream_sid":"1","call_sid":"2","account_sid":"3"}}')
    with pytest.raises(SettingsError, match="carrier: 'vonage' is none of twilio, telnyx, plivo"):
        wire_named("vonage")
