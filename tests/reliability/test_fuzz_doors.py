"""Whatever comes: the two other wires of services, carriers' webhooks, recordings. See `test_fuzz`."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.reliability.subjects import ELEVENLABS, OPENAI_BETA
from tests.reliability.test_fuzz import GA_LINES, SEEDED, broken
from tests.services.elevenlabs.convai import wire_lines as eleven
from tests.services.openai.realtime.wire_lines import (
    audio_delta,
    ready_session,
    response_created,
    response_done,
)
from tests.support.phones import CARRIERS, FakeCarrier
from tests.support.wires import speaking
from voicepipe.errors import CarrierMessageError
from voicepipe.phone.carriers.contract import Webhook, WebhookRefusedError
from voicepipe.realtime.events import AudioChunk, Failure, Output, Send
from voicepipe.telemetry.recording.reader import Recording, RecordingError

ELEVEN_LINES: list[str | bytes] = [
    eleven.metadata(),
    eleven.audio(5),
    eleven.agent_says("words", 5),
    eleven.part("delta", "words", 5),
    eleven.complete(5),
    eleven.corrected("words", "wor", 5),
    eleven.user_says("words", 4),
    eleven.user_may_say("words", 4),
    eleven.interruption(4),
    eleven.tool_call("call_1", "get_weather", 5),
    eleven.failed("llm_error", "no"),
    *ELEVENLABS.bare,
]
QUICK = settings(SEEDED, max_examples=60)
ANY = st.binary(max_size=40) | st.text(max_size=40)


def check(outputs: list[Output]) -> None:
    for output in outputs:
        assert not isinstance(output, Send) or json.loads(output.message)


@QUICK
@given(st.lists(broken([*GA_LINES, *OPENAI_BETA.bare]) | ANY, max_size=12))
def test_over_the_betas_wire_the_next_answer_is_heard_whatever_a_server_says(messages):
    with speaking("beta"):
        session = ready_session()
        for message in messages:
            check(list(session.receive(message)))
        outputs: list[Output] = []
        fresh = "resp_after", "item_after"
        for one in (response_created(fresh[0]), audio_delta(20, *fresh), response_done(fresh[0])):
            outputs += session.receive(one)
    assert any(isinstance(output, AudioChunk) for output in outputs)


@QUICK
@given(st.lists(broken(ELEVEN_LINES) | ANY, max_size=12))
@example(
    [eleven.line("conversation_initiation_metadata"), eleven.line("ping", ping_event={"event_id": None})]
)
def test_over_elevenlabs_wire_the_next_answer_is_heard_whatever_a_server_says(messages):
    session = eleven.ready_session()
    ended = False
    for message in messages:
        outputs = session.receive(message)
        check(outputs)
        ended = ended or any(isinstance(one, Failure) and one.fatal for one in outputs)
    check(session.closed())
    check(session.open())
    session.receive(eleven.metadata())
    outputs = eleven.given(
        session, eleven.user_says("hello", 1), eleven.agent_says("new", 2), eleven.audio(2)
    )
    assert ended or any(isinstance(output, AudioChunk) for output in outputs)


# Webhooks.

KINDS = st.sampled_from(["voice", "status", "amd", "markup"])
TELNYX_EVENTS = [
    "call.initiated",
    "call.answered",
    "call.hangup",
    "call.machine.detection.ended",
    "call.machine.greeting.ended",
    "call.speak.ended",
]
FIELDS = [
    "CallSid",
    "CallUUID",
    "CallStatus",
    "From",
    "To",
    "AnsweredBy",
    "Machine",
    "RequestUUID",
    "Event",
    "é",
]


def bodies(carrier: str) -> st.SearchStrategy[bytes]:
    far = FakeCarrier(carrier)
    if carrier != "telnyx":
        fields = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20), max_size=5)
        return fields.map(
            lambda given: "&".join(f"{k}={v}" for k, v in given.items()).encode("utf-8", "replace")
        )
    lines: list[str | bytes] = [json.dumps(far.ringing("v3:1"))]
    lines += [json.dumps(far.event(kind, "v3:1", client_state="eA==")) for kind in TELNYX_EVENTS]
    return broken(lines).map(str.encode)


@pytest.mark.parametrize("carrier", CARRIERS)
@QUICK
@given(data=st.data())
def test_a_webhook_is_understood_or_named_as_unreadable(carrier, data):
    body = data.draw(bodies(carrier) | st.binary(max_size=60))
    query = data.draw(
        st.sampled_from(["", "?call=", "?call=a&leg=human", "?key=x", "?call=%ff", "?=&&=", "?bodySHA256=é"])
    )
    url = f"https://bot.example.com/{carrier}/voice{query}"
    webhook = Webhook(data.draw(KINDS), "POST", url, {}, body)
    with suppress(CarrierMessageError, WebhookRefusedError):
        FakeCarrier(carrier).carrier().read(webhook)


HEADERS = [
    "x-twilio-signature",
    "telnyx-timestamp",
    "telnyx-signature-ed25519",
    "x-plivo-signature-v3",
    "x-plivo-signature-v3-nonce",
]
VALUES = st.text(max_size=40) | st.sampled_from(
    ["", "AAAA", "é", "9" * 5000, "-1", "1e999", "nan", "\ud800", ",,,", "A" * 88]
)


@pytest.mark.parametrize("carrier", CARRIERS)
@QUICK
@given(headers=st.dictionaries(st.sampled_from(HEADERS), VALUES), body=ANY, query=st.text(max_size=20))
def test_headers_that_no_carrier_signed_let_nobody_in(carrier, headers, body, query):
    content = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    url = f"https://bot.example.com/{carrier}/voice?{query}"
    with pytest.raises(WebhookRefusedError):
        FakeCarrier(carrier).carrier().verify(
            Webhook("voice", "POST", url, headers, content), 1_700_000_000.0
        )


# Recordings.


ENTRIES: list[str | bytes] = [
    json.dumps({"n": 0, "t": 0.0, "w": 0, "k": "header", "format": "voicepipe-recording", "version": 1}),
    json.dumps(
        {"n": 1, "t": 5.0, "w": 5, "k": "wire", "way": "sent", "service": 0, "message": {"type": "x"}}
    ),
    json.dumps({"n": 2, "t": 9.0, "w": 9, "k": "end", "reason": "ended"}),
]


@QUICK
@given(data=st.data())
@example(None)
def test_a_recording_of_other_bytes_is_read_or_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("recording")
    first = ENTRIES[0]
    lines = [] if data is None else data.draw(st.lists(broken(ENTRIES) | ANY, max_size=4))
    written = [
        line if isinstance(line, bytes) else line.encode("utf-8", "replace") for line in [first, *lines]
    ]
    (folder / "events.jsonl").write_bytes(b"\n".join(written) + b"\n")
    try:
        recording = Recording(folder)
        entries = recording.entries
    except RecordingError:
        assert lines, "what was written well is read"
        return
    assert entries
    assert recording.duration_ms >= entries[0]["t"]
    assert recording.header["format"] == "voicepipe-recording"
