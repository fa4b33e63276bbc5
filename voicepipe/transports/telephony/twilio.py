"""Twilio Media Streams, as a bot has to speak them (https://www.twilio.com/docs/voice/media-streams/websocket-messages)."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from voicepipe.quick_base64 import encoded
from voicepipe.transports.telephony.events import (
    CarrierEvent,
    KeyPressed,
    MarkReturned,
    StreamStarted,
    StreamStopped,
)
from voicepipe.transports.telephony.line_codec import line_codec
from voicepipe.transports.telephony.reading import (
    Json,
    callers_sound,
    number,
    parameters,
    parsed,
    part,
    text,
    text_or_empty,
    texts,
)


class TwilioWire:
    """One Twilio stream. It needs the id from `start` in all it sends, so nothing can be sent before."""

    name = "twilio"
    shortest_ms = 1
    # Twilio states no limit; a message of 10 s stays far below the 1 MiB that proxies commonly take.
    longest_ms = 10_000
    answers_idle_marks = True
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
        if kind == "mark":
            return [MarkReturned(text(part(event, "mark"), "name"))]
        if kind == "dtmf":
            return [KeyPressed(text(part(event, "dtmf"), "digit"))]
        if kind == "start":
            return [self._started(event)]
        return [StreamStopped()] if kind == "stop" else []

    def _started(self, event: Json) -> StreamStarted:
        start = part(event, "start")
        media_format = part(start, "mediaFormat")
        started = StreamStarted(
            carrier=self.name,
            stream_id=text(start, "streamSid"),
            call_id=text(start, "callSid"),
            account_id=text_or_empty(start, "accountSid"),
            encoding=text(media_format, "encoding"),
            sample_rate=number(media_format, "sampleRate") or 0,
            tracks=texts(start, "tracks"),
            parameters=parameters(start.get("customParameters")),
        )
        self.incoming = self.outgoing = line_codec(started.encoding, started.sample_rate)
        self._stream_id = started.stream_id
        return started

    def media(self, sound: bytes) -> str:
        """Return the message that plays `sound`."""
        return self._message("media", {"media": {"payload": encoded(sound).decode()}})

    def mark(self, name: str) -> str:
        """Return the message that comes back when all before it has been played."""
        return self._message("mark", {"mark": {"name": name}})

    def clear(self) -> str:
        """Return the message that throws away what has not been played; all marks come back then."""
        return self._message("clear", {})

    def dtmf(self, _keys: str, /) -> str | None:
        """Return None: a Twilio stream presses no keys."""
        return None

    def _message(self, kind: str, rest: Json) -> str:
        return orjson.dumps({"event": kind, "streamSid": self._stream_id, **rest}).decode()
