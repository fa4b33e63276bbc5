"""Plivo audio streams, as a bot has to speak them (https://www.plivo.com/docs/voice-agents/audio-streaming)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
    parsed,
    part,
    text,
    text_or_empty,
    texts,
)

_CONTENT_TYPES: Final = {"PCMU": "audio/x-mulaw", "PCMA": "audio/x-alaw", "L16": "audio/x-l16"}
_HEADER_PREFIX: Final = "X-PH-"


class PlivoWire:
    """One Plivo stream. Its marks are called checkpoints; after a `clearAudio` they do not come back."""

    name = "plivo"
    shortest_ms = 1
    # Plivo states no limit; a message of 10 s stays far below the 1 MiB that proxies commonly take.
    longest_ms = 10_000
    # A checkpoint is documented to be answered when sound before it was played to its end, and for nothing else.
    answers_idle_marks = False
    keeps_order = True

    def __init__(self) -> None:
        self.incoming = self.outgoing = line_codec("PCMU", 8000)
        self._stream_id = ""

    def receive(self, message: str | bytes) -> Sequence[CarrierEvent]:
        """Return what a message means; see `CarrierWire`."""
        event = parsed(message)
        kind = event.get("event")
        if kind == "media":
            return callers_sound(event)
        if kind == "playedStream":
            return [MarkReturned(text(event, "name"))]
        if kind == "dtmf":
            return [KeyPressed(text(part(event, "dtmf"), "digit"))]
        if kind == "start":
            return [self._started(event)]
        if kind in ("playFailed", "error"):
            return [Complaint(one_line(str(event.get("reason") or "no reason given"), LONGEST_COMPLAINT))]
        return [StreamStopped()] if kind == "stop" else []

    def _started(self, event: Json) -> StreamStarted:
        start = part(event, "start")
        media_format = part(start, "mediaFormat")
        started = StreamStarted(
            carrier=self.name,
            stream_id=text(start, "streamId"),
            call_id=text(start, "callId"),
            account_id=text_or_empty(start, "accountId"),
            encoding=text(media_format, "encoding"),
            sample_rate=number(media_format, "sampleRate") or 0,
            tracks=texts(start, "tracks"),
            parameters=_extra_headers(text_or_empty(event, "extra_headers")),
        )
        self.incoming = self.outgoing = line_codec(started.encoding, started.sample_rate)
        self._stream_id = started.stream_id
        return started

    def media(self, sound: bytes) -> str:
        """Return the message that plays `sound`."""
        codec = self.outgoing
        media = {
            "contentType": _CONTENT_TYPES[codec.name],
            "sampleRate": codec.sample_rate,
            "payload": encoded(sound).decode(),
        }
        return orjson.dumps({"event": "playAudio", "media": media}).decode()

    def mark(self, name: str) -> str:
        """Return the checkpoint that is answered when all before it has been played."""
        return orjson.dumps({"event": "checkpoint", "streamId": self._stream_id, "name": name}).decode()

    def clear(self) -> str:
        """Return the message that throws away what has not been played."""
        return orjson.dumps({"event": "clearAudio", "streamId": self._stream_id}).decode()

    def dtmf(self, keys: str, /) -> str | None:
        """Return the message that presses keys on the call."""
        return orjson.dumps({"event": "sendDTMF", "dtmf": keys}).decode()


def _extra_headers(written: str) -> dict[str, str]:
    """Read `{X-PH-caller: +1555, x: 1}`, with or without braces and prefix, with `:` or `=`."""
    found: dict[str, str] = {}
    for pair in written.strip().strip("{}").split(","):
        at = min((place for place in (pair.find(":"), pair.find("=")) if place > 0), default=0)
        name = pair[:at].strip().strip('"').removeprefix(_HEADER_PREFIX)
        if name:
            found[name] = pair[at + 1 :].strip().strip('"')
    return found
