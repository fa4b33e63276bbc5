"""Telnyx's side of media streaming, in rtp mode."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from voicepipe.local.carriers.dialect import BadMessageError, Clear, Mark, Play, Wish, event_of, field

_SHORTEST, _LONGEST = 20 * 8, 30_000 * 8
"""Of one message in rtp mode, in bytes of mu-law."""


class TelnyxDialect:
    """One stream as Telnyx has it: a message it does not take is answered with an `error`, and the stream goes on.

    Args:
        number: Makes the ids of this stream.
        call_id: The call's, if it is known already.
    """

    name = "telnyx"
    returns_cut_marks = True
    closes_on_bad_messages = False

    def __init__(self, number: int = 1, call_id: str = "") -> None:
        self._stream_id = f"{number:08X}-0000-4000-8000-000000000000"
        self._call_id = call_id or f"v3:local-call-{number}"
        self._sequence = 0

    def opening(self, parameters: Mapping[str, str], *, both_tracks: bool) -> Sequence[str]:
        """Return `connected` and `start`; which tracks there are, Telnyx does not say."""
        del both_tracks
        start: dict[str, Any] = {
            "user_id": "00000000-0000-4000-8000-000000000001",
            "call_control_id": self._call_id,
            "call_session_id": "00000000-0000-4000-8000-000000000002",
            "from": "+15550000001",
            "to": "+15550000002",
            "tags": [],
            "client_state": "",
            "custom_parameters": dict(parameters),
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        }
        connected = {"event": "connected", "version": "1.0.0"}
        return [orjson.dumps(connected).decode(), self._event("start", start=start)]

    def media(self, sound: bytes, number: int, at_ms: float) -> str:
        """Return a message of the caller's sound."""
        media = {"track": "inbound", "chunk": str(number), "timestamp": str(round(at_ms))}
        return self._event("media", media={**media, "payload": b64encode(sound).decode()})

    def key(self, key: str, at_ms: float) -> str:
        """Return the message of a key."""
        return self._event("dtmf", occurred_at=f"{at_ms:.0f}", dtmf={"digit": key})

    def played(self, name: str) -> str:
        """Return the message that answers a mark."""
        return self._event("mark", mark={"name": name})

    def cleared(self) -> Sequence[str]:
        """Return nothing: the marks say it."""
        return []

    def refused(self, problem: str) -> Sequence[str]:
        """Return an `error`."""
        payload = {"code": 100002, "title": "unsupported_event", "detail": problem}
        return [self._event("error", payload=payload)]

    def stop(self) -> Sequence[str]:
        """Return `stop`."""
        return [self._event("stop", stop={"call_control_id": self._call_id})]

    def read(self, message: str | bytes) -> Wish:
        """Return what the bot wants; see `Dialect`."""
        event = event_of(message)
        kind = event.get("event")
        if kind == "mark":
            return Mark(field(event, "mark", "name"))
        if kind == "clear":
            return Clear()
        if kind != "media":
            raise BadMessageError(f"an unknown event {kind!r}")
        try:
            sound = b64decode(field(event, "media", "payload"), validate=True)
        except binascii.Error:
            raise BadMessageError("media: payload is not base64") from None
        if not _SHORTEST <= len(sound) <= _LONGEST:
            raise BadMessageError(f"media: {len(sound) / 8:g} ms of sound are not 20 ms to 30 s")
        return Play(sound)

    def _event(self, kind: str, **rest: Any) -> str:
        self._sequence += 1
        event = {
            "event": kind,
            "sequence_number": str(self._sequence),
            "stream_id": self._stream_id,
            **rest,
        }
        return orjson.dumps(event).decode()
