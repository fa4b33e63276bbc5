"""Twilio's side of Media Streams."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from voicepipe.local.carriers.dialect import BadMessageError, Clear, Mark, Play, Wish, event_of, field

_FIELDS = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


class TwilioDialect:
    """One stream as Twilio has it: numbers are text, and a message it does not know ends the stream (error 31924).

    Args:
        number: Makes the ids of this stream.
        call_id: The call's, if it is known already.
    """

    name = "twilio"
    returns_cut_marks = True
    closes_on_bad_messages = True

    def __init__(self, number: int = 1, call_id: str = "") -> None:
        self._stream_id = f"MZ{number:032x}"
        self._call_id = call_id or f"CA{number:032x}"
        self._account_id = f"AC{number:032x}"
        self._sequence = 0

    def opening(self, parameters: Mapping[str, str], *, both_tracks: bool) -> Sequence[str]:
        """Return `connected` and `start`."""
        start = {
            "streamSid": self._stream_id,
            "accountSid": self._account_id,
            "callSid": self._call_id,
            "tracks": ["inbound", "outbound"] if both_tracks else ["inbound"],
            "customParameters": dict(parameters),
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        return [orjson.dumps(connected).decode(), self._event("start", start=start)]

    def media(self, sound: bytes, number: int, at_ms: float) -> str:
        """Return a message of the caller's sound."""
        media = {"track": "inbound", "chunk": str(number), "timestamp": str(round(at_ms))}
        return self._event("media", media={**media, "payload": b64encode(sound).decode()})

    def key(self, key: str, at_ms: float) -> str:
        """Return the message of a key; Twilio's has no time."""
        del at_ms
        return self._event("dtmf", dtmf={"track": "inbound_track", "digit": key})

    def played(self, name: str) -> str:
        """Return the message that answers a mark."""
        return self._event("mark", mark={"name": name})

    def cleared(self) -> Sequence[str]:
        """Return nothing: the marks say it."""
        return []

    def refused(self, problem: str) -> Sequence[str]:
        """Return nothing: the reason is found in Twilio's debugger only."""
        del problem
        return []

    def stop(self) -> Sequence[str]:
        """Return `stop`."""
        return [self._event("stop", stop={"accountSid": self._account_id, "callSid": self._call_id})]

    def read(self, message: str | bytes) -> Wish:
        """Return what the bot wants; see `Dialect`."""
        event = event_of(message)
        kind = str(event.get("event"))
        if kind not in _FIELDS:
            raise BadMessageError(f"an unknown event {kind!r}")
        unknown = set(event) - _FIELDS[kind]
        if unknown:
            raise BadMessageError(f"{kind}: {sorted(unknown)[0]} is unknown")
        if field(event, "streamSid") != self._stream_id:
            raise BadMessageError(f"{kind}: streamSid is that of another stream")
        if kind == "mark":
            return Mark(field(event, "mark", "name"))
        if kind == "clear":
            return Clear()
        try:
            return Play(b64decode(field(event, "media", "payload"), validate=True))
        except binascii.Error:
            raise BadMessageError("media: payload is not base64") from None

    def _event(self, kind: str, **rest: Any) -> str:
        self._sequence += 1
        event = {
            "event": kind,
            "sequenceNumber": str(self._sequence),
            "streamSid": self._stream_id,
            **rest,
        }
        return orjson.dumps(event).decode()
