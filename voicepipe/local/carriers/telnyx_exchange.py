"""Telnyx's webhooks and its Call Control API (https://developers.telnyx.com/docs/voice/programmable-voice)."""

from __future__ import annotations

import re
import secrets
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import orjson

from voicepipe.errors import CallNotTakenError
from voicepipe.local.carriers.exchange import (
    Asked,
    CallStatus,
    Command,
    HandOn,
    HangUp,
    News,
    NoStream,
    Stream,
    last_of,
)
from voicepipe.local.carriers.keys import telnyx_signer

_ACTION = re.compile(r"/calls/(.+)/actions/([a-z_]+)$")
_CAUSES: Final[Mapping[str, str]] = {
    "busy": "user_busy",
    "no-answer": "timeout",
    "completed": "normal_clearing",
}


class TelnyxExchange:
    """Telnyx, for one application; see `Exchange`.

    Args:
        secret: The private key with which webhooks are signed, base64 of 32 bytes.

    Raises:
        SettingsError: It is no such key.
        MissingExtraError: The package that signs is not installed.
    """

    def __init__(self, secret: str) -> None:
        self._signer = telnyx_signer(secret)
        self._placed: list[Asked] = []
        self._placed_id = ""

    def new_call_id(self) -> str:
        """Return an id of a call."""
        return f"v3:{secrets.token_urlsafe(18)}"

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return JSON, with an Ed25519 signature of the time and the body."""
        del url, nonce
        body = orjson.dumps(fields)
        stamp = str(int(time.time() if at_secs is None else at_secs))
        signature = b64encode(self._signer.sign(stamp.encode() + b"|" + body)).decode()
        headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
        return body, {**headers, "Content-Type": "application/json"}

    def event(self, kind: str, call_id: str, **payload: Any) -> dict[str, Any]:
        """Return any webhook."""
        payload = {"call_control_id": call_id, **payload}
        return {"data": {"event_type": kind, "id": secrets.token_hex(8), "payload": payload}}

    def ringing(self, call_id: str, caller: str, callee: str) -> dict[str, Any]:
        """Return the webhook of an incoming call."""
        return self.event("call.initiated", call_id, direction="incoming", **{"from": caller, "to": callee})

    def answered(self, call_id: str, caller: str, callee: str) -> dict[str, Any] | None:
        """Return what says that a call was answered, upon which bots open a stream that have not opened one with it."""
        return self.event("call.answered", call_id, direction="incoming", **{"from": caller, "to": callee})

    def ended(self, call_id: str) -> dict[str, Any] | None:
        """Return what says that a call is over."""
        return self.event("call.hangup", call_id, hangup_cause="normal_clearing", hangup_source="caller")

    def stream_in(self, markup: str, asked: Sequence[Asked]) -> Stream | NoStream | None:
        """Return the stream of the newest command that opens one."""
        del markup
        actions = [(found[2], one) for one in asked if (found := _ACTION.search(one.path))]
        for action, one in reversed(actions):
            if action in ("answer", "streaming_start") and one.fields.get("stream_url"):
                return _stream(one.fields)
            if action in ("reject", "hangup"):
                cause = one.fields.get("cause", "without a reason")
                return NoStream(f"the bot refused the call ({cause})")
        return None

    def answer(self, asked: Asked) -> Mapping[str, Any]:
        """Return the answer to a request."""
        if asked.path.endswith("/calls"):
            self._placed.append(asked)
            self._placed_id = self.new_call_id()
            return {"data": {"call_control_id": self._placed_id}}
        return {"data": {"result": "ok", "application_name": "bot"}}

    def command(self, asked: Asked) -> Command | None:
        """Return what a command does with a call whose stream runs."""
        found = _ACTION.search(asked.path)
        if found is None:
            return None
        call_id, action = found[1], found[2]
        if action == "transfer":
            return HandOn(call_id, str(asked.fields.get("to", "")))
        if action == "streaming_stop":
            return HandOn(call_id)
        return HangUp(call_id) if action == "hangup" else None

    def picked_up(self) -> News:
        """Return what says that the call placed last was answered."""
        return self._about("call.answered", self._placed_id)

    def status(self, call_id: str, status: CallStatus) -> News:
        """Return what says that a call is over, and why."""
        return self._about("call.hangup", call_id, hangup_cause=_CAUSES.get(status, status))

    def detection(self, call_id: str, *, is_machine: bool) -> Sequence[News]:
        """Return what the detection found, and the end of the greeting."""
        found = "machine" if is_machine else "human"
        return [
            self._about("call.machine.detection.ended", call_id, result=found),
            self._about("call.machine.greeting.ended", call_id, result="ended"),
        ]

    def _about(self, kind: str, call_id: str, **payload: Any) -> News:
        asked = last_of(self._placed).fields
        fields = self.event(kind, call_id, client_state=asked.get("client_state", ""), **payload)
        return News(str(asked["webhook_url"]), fields, call_id)


def _stream(fields: Mapping[str, Any]) -> Stream:
    if fields.get("stream_bidirectional_mode") != "rtp":
        raise CallNotTakenError(
            "the bot's command has no stream_bidirectional_mode 'rtp', without which nothing it says is heard"
        )
    given = cast("Sequence[Mapping[str, str]]", fields.get("custom_parameters") or [])
    return Stream(str(fields["stream_url"]), {one["name"]: one["value"] for one in given})
