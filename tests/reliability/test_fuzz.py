"""Whatever comes, a parser answers with what it understood or with its documented error, and goes on after it.

What random input has found is kept as examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.reliability.subjects import OPENAI_GA
from tests.services.openai.realtime.wire_lines import (
    arguments_done,
    audio_delta,
    error,
    item_added,
    item_done,
    ready_session,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    words_delta,
)
from tests.transports.telephony.wire_lines import PLIVO, TELNYX, TWILIO
from voicepipe.errors import AudioFormatError, CarrierMessageError, CarrierStreamError, SettingsError
from voicepipe.realtime.events import Output, Send
from voicepipe.services.openai.realtime import OpenAIRealtimeSession, SessionProperties
from voicepipe.transports.sound import read_wav
from voicepipe.transports.telephony.carriers import recognised, wire_named

SEEDED = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        ["", "AAAA", "é", "9" * 5000, "%%%", "audio/x-mulaw", "8000", "inbound", "item_u1", "resp_1"]
    ),
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a JSON value."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


@st.composite
def broken(draw: st.DrawFn, lines: list[str | bytes]) -> str:
    """Draw a line in which something is another value, or is missing."""
    event = json.loads(draw(st.sampled_from(lines)))
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(event))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        within = event
        for key in path[:-1]:
            within = within[key]
        if isinstance(within, dict) and draw(st.booleans()):
            del within[path[-1]]
        else:
            within[path[-1]] = draw(junk)
    return json.dumps(event)


# The wires of services.

GA_LINES: list[str | bytes] = [
    speech_started(),
    speech_stopped(),
    response_created(),
    audio_delta(20),
    words_delta("words"),
    item_added("item_u1"),
    item_done(),
    arguments_done("call_1", "get_weather", '{"city": "Paris"}'),
    response_done(),
    error("rate_limit_exceeded"),
    *OPENAI_GA.bare,
]


def still_works(session: OpenAIRealtimeSession) -> None:
    """Have a whole answer come, whatever came before."""
    fresh = "resp_after", "item_after"
    outputs: list[Output] = []
    for line in (response_created(fresh[0]), audio_delta(20, *fresh), response_done(fresh[0])):
        outputs += session.receive(line)
    assert "AudioChunk" in {type(output).__name__ for output in outputs}


@SEEDED
@given(st.lists(broken(GA_LINES) | st.binary(max_size=40) | st.text(max_size=40), max_size=12))
@example(['{"type": "error", "error": "é"}', b"\xff\xfe", "[" * 5000])
def test_whatever_a_server_says_the_next_answer_is_heard(messages):
    session = ready_session()
    for message in messages:
        for output in session.receive(message):
            assert not isinstance(output, Send) or json.loads(output.message)
    still_works(session)


@SEEDED
@given(st.lists(broken(GA_LINES), max_size=12))
def test_and_over_another_connection_the_conversation_can_be_told(messages):
    session = ready_session()
    for message in messages:
        list(session.receive(message))
    list(session.closed())
    for output in session.open():
        assert not isinstance(output, Send) or json.loads(output.message)
    told = [*session.receive('{"type": "session.created", "session": {"id": "sess_2"}}')]
    told += session.receive('{"type": "session.updated", "session": {"id": "sess_2"}}')
    assert "SessionReady" in {type(output).__name__ for output in told}
    for output in told:
        assert not isinstance(output, Send) or json.loads(output.message)


# The wires of carriers.

CARRIER_LINES = {"twilio": TWILIO, "telnyx": TELNYX, "plivo": PLIVO}


@pytest.mark.parametrize("carrier", CARRIER_LINES)
@SEEDED
@given(data=st.data())
def test_a_carriers_message_is_understood_or_named_as_unreadable(carrier, data):
    lines = list(CARRIER_LINES[carrier].values())
    messages = data.draw(st.lists(broken(lines) | st.binary(max_size=40) | st.text(max_size=40), max_size=10))
    wire = wire_named(carrier)
    for message in messages:
        try:
            wire.receive(message)
        except (CarrierMessageError, CarrierStreamError):
            continue
    started, *_ = wire.receive(CARRIER_LINES[carrier]["start"])
    assert started.carrier == carrier


@SEEDED
@given(
    broken([line for lines in CARRIER_LINES.values() for line in lines.values()]) | st.binary() | st.text()
)
def test_a_carrier_is_recognised_or_not(message):
    with suppress(CarrierMessageError):
        recognised(message)


@pytest.mark.parametrize("carrier", CARRIER_LINES)
@pytest.mark.parametrize("payload", ["é", "AAA", "\ud800", 5, None, ""])
def test_sound_that_is_not_base64_is_named(carrier, payload):
    event = json.loads(CARRIER_LINES[carrier]["media"])
    event["media"]["payload"] = payload
    with pytest.raises(CarrierMessageError):
        wire_named(carrier).receive(json.dumps(event))


@pytest.mark.parametrize("carrier", ["telnyx", "twilio", "plivo"])
def test_a_number_of_many_digits_is_none(carrier):
    event = json.loads(CARRIER_LINES[carrier]["media"])
    event["media"]["chunk"] = "9" * 5000
    [sound] = wire_named(carrier).receive(json.dumps(event))
    assert sound.chunk is None


# WAV files.


def wav(samples: np.ndarray, subtype: str = "PCM_16", rate: int = 8000) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


WAVS = [
    wav(np.zeros(50)),
    wav(np.ones((50, 2)), "PCM_24"),
    wav(np.zeros(50), "FLOAT"),
    wav(np.zeros(50), "PCM_U8"),
    wav(np.array([np.nan, np.inf, -np.inf, 1e30]), "DOUBLE"),
]


@SEEDED
@given(
    st.sampled_from(WAVS),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
@example(WAVS[4], [], 200)
def test_a_wav_file_is_read_or_refused(tmp_path_factory, content, changes, length):
    changed = bytearray(content)
    for at, value in changes:
        if at < len(changed):
            changed[at] = value
    path = tmp_path_factory.getbasetemp() / "fuzz.wav"
    path.write_bytes(changed[: max(length, 20)] if length < 150 else changed)
    with suppress(AudioFormatError):
        sound = read_wav(path)
        assert sound.sample_rate > 0
        assert len(sound.pcm) % 2 == 0


# Settings.

FIELDS = [*SessionProperties.model_fields, "audio", "unknown"]


@SEEDED
@given(st.dictionaries(st.sampled_from(FIELDS), junk, max_size=4))
def test_settings_are_taken_or_refused_by_name(values):
    with suppress(ValidationError):
        OpenAIRealtimeSession(SessionProperties.model_validate(values))


@SEEDED
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=6), junk, min_size=1, max_size=4))
def test_a_change_of_settings_is_made_or_refused_as_a_whole(changes):
    session = ready_session()
    try:
        outputs = list(session.update(changes))
    except (SettingsError, ValidationError):
        return
    assert all(not isinstance(output, Send) or json.loads(output.message) for output in outputs)
