"""Telnyx media streaming, as a bot has to speak it (https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from voicepipe.plain_words import one_line
from voicepipe.quick_base64 import encoded
from voicepipe.transports.telephony.events import (
    CarrierEvent,
    Complaint,
    KeyPressed,
    MarkReturned,
    StreamStarted,
    StreamStopped,
)
from voicepipe.transports.telephony.line_codec import line_codec
from voicepipe.transports.telephony.reading import (
    LONGEST_COMPLAINT,
    Json,
    callers_sound,
    number,
    parameters,
    parsed,
    part,
    text,
    text_or_empty,
)


class TelnyxWire:
    """One Telnyx stream. It has to be opened with `stream_bidirectional_mode: rtp`, or Telnyx plays nothing.

    Args:
        bidirectional_codec: The `stream_bidirectional_codec` it was opened with; `start` names the caller's codec only.
        bidirectional_sampling_rate: The `stream_bidirectional_sampling_rate` it was opened with, in hertz.

    Raises:
        CarrierStreamError: That codec is not one of PCMU, PCMA and L16.
    """

    name = "telnyx"
    # The bounds of one message in rtp mode.
    shortest_ms = 20
    longest_ms = 30_000
    answers_idle_marks = True
    # Telnyx says so itself; chunks have numbers.
    keeps_order = False

    def __init__(self, bidirectional_codec: str = "PCMU", bidirectional_sampling_rate: int = 8000) -> None:
        self.incoming = line_codec("PCMU", 8000)
        self.outgoing = line_codec(bidirectional_codec, bidirectional_sampling_rate)

    def receive(self, message: str | bytes) -> Sequence[CarrierEvent]:
        """Return what a message means; see `CarrierWire`."""
        event = parsed(message)
        kind = event.get("event")
        if kind == "media":
            return callers_sound(event, numbered=not self.keeps_order)
        if kind == "mark":
            return [MarkReturned(text(part(event, "mark"), "name"))]
        if kind == "dtmf":
            return [KeyPressed(text(part(event, "dtmf"), "digit"))]
        if kind == "start":
            return [self._started(event)]
        if kind == "error":
            return [_complaint(part(event, "payload"))]
        return [StreamStopped()] if kind == "stop" else []

    def _started(self, event: Json) -> StreamStarted:
        start = part(event, "start")
        media_format = part(start, "media_format")
        started = StreamStarted(
            carrier=self.name,
            stream_id=text(event, "stream_id"),
            call_id=text(start, "call_control_id"),
            account_id=text_or_empty(start, "user_id"),
            encoding=text(media_format, "encoding"),
            sample_rate=number(media_format, "sample_rate") or 0,
            parameters=parameters(start.get("custom_parameters")),
            caller=text_or_empty(start, "from"),
            callee=text_or_empty(start, "to"),
        )
        self.incoming = line_codec(started.encoding, started.sample_rate)
        return started

    def media(self, sound: bytes) -> str:
        """Return the message that plays `sound`, which must last 20 ms to 30 s."""
        return orjson.dumps({"event": "media", "media": {"payload": encoded(sound).decode()}}).decode()

    def mark(self, name: str) -> str:
        """Return the message that comes back when all before it has been played."""
        return orjson.dumps({"event": "mark", "mark": {"name": name}}).decode()

    def clear(self) -> str:
        """Return the message that throws away what has not been played; all marks come back then."""
        return '{"event":"clear"}'

    def dtmf(self, _keys: str, /) -> str | None:
        """Return None: a Telnyx stream presses no keys."""
        return None


def _complaint(problem: Json) -> Complaint:
    words = (str(problem[name]) for name in ("code", "title", "detail") if problem.get(name))
    return Complaint(one_line(" ".join(words), LONGEST_COMPLAINT) or "no reason given")
