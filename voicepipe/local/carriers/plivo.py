"""Plivo's side of audio streaming."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from voicepipe.local.carriers.dialect import (
    BadMessageError,
    Clear,
    Mark,
    Play,
    Press,
    Wish,
    event_of,
    field,
)

_KEYS = set("0123456789*#")


class PlivoDialect:
    """One stream as Plivo has it: checkpoints are answered only when played to their end, never after a `clearAudio`.

    Args:
        number: Makes the ids of this stream.
        call_id: The call's, if it is known already.
    """

    name = "plivo"
    returns_cut_marks = False
    closes_on_bad_messages = False

    def __init__(self, number: int = 1, call_id: str = "") -> None:
        self._stream_id = f"{number:08x}-0000-4000-8000-000000000001"
        self._call_id = call_id or f"{number:08x}-0000-4000-8000-000000000002"
        self._sequence = -1

    def opening(self, parameters: Mapping[str, str], *, both_tracks: bool) -> Sequence[str]:
        """Return `start`."""
        start = {
            "callId": self._call_id,
            "streamId": self._stream_id,
            "accountId": "MA0000000001",
            "tracks": ["inbound", "outbound"] if both_tracks else ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        headers = ", ".join(f"X-PH-{name}: {value}" for name, value in parameters.items())
        self._sequence += 1
        event = {"sequenceNumber": self._sequence, "event": "start", "start": start}
        return [orjson.dumps({**event, "extra_headers": f"{{{headers}}}"}).decode()]

    def media(self, sound: bytes, number: int, at_ms: float) -> str:
        """Return a message of the caller's sound."""
        media = {"track": "inbound", "timestamp": str(round(at_ms)), "chunk": number}
        return self._event("media", media={**media, "payload": b64encode(sound).decode()}, extra_headers="{}")

    def key(self, key: str, at_ms: float) -> str:
        """Return the message of a key."""
        return self._event("dtmf", dtmf={"track": "inbound", "digit": key, "timestamp": str(round(at_ms))})

    def played(self, name: str) -> str:
        """Return the message that answers a checkpoint."""
        return self._event("playedStream", name=name)

    def cleared(self) -> Sequence[str]:
        """Return `clearedAudio`."""
        return [self._event("clearedAudio")]

    def refused(self, problem: str) -> Sequence[str]:
        """Return an `error`."""
        return [self._event("error", reason=problem)]

    def stop(self) -> Sequence[str]:
        """Return `stop`."""
        return [self._event("stop")]

    def read(self, message: str | bytes) -> Wish:
        """Return what the bot wants; see `Dialect`."""
        event = event_of(message)
        kind = event.get("event")
        if kind == "playAudio":
            return self._play(event)
        if kind == "sendDTMF":
            keys = field(event, "dtmf")
            if not set(keys) <= _KEYS:
                raise BadMessageError(f"sendDTMF: {keys!r} are not all keys")
            return Press(keys)
        if kind not in ("checkpoint", "clearAudio"):
            raise BadMessageError(f"an unknown event {kind!r}")
        if field(event, "streamId") != self._stream_id:
            raise BadMessageError(f"{kind}: streamId is that of another stream")
        return Mark(field(event, "name")) if kind == "checkpoint" else Clear()

    def _play(self, event: Mapping[str, Any]) -> Play:
        if field(event, "media", "contentType") != "audio/x-mulaw":
            raise BadMessageError("playAudio: contentType is not that of the stream, audio/x-mulaw")
        if event["media"].get("sampleRate") not in (8000, "8000"):
            raise BadMessageError("playAudio: sampleRate is not that of the stream, 8000")
        try:
            return Play(b64decode(field(event, "media", "payload"), validate=True))
        except binascii.Error:
            raise BadMessageError("playAudio: payload is not base64") from None

    def _event(self, kind: str, **rest: Any) -> str:
        self._sequence += 1
        event = {"sequenceNumber": self._sequence, "event": kind, "streamId": self._stream_id, **rest}
        return orjson.dumps(event).decode()
