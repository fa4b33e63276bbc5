"""Telnyx: credentials, and its webhooks without I/O (https://developers.telnyx.com/docs/voice/programmable-voice)."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
from aiohttp import ClientSession

from voicepipe.errors import CarrierMessageError, MissingExtraError, SettingsError
from voicepipe.phone.carriers.contract import (
    CallStatus,
    Classification,
    GreetingEnded,
    IncomingCall,
    LegAnswered,
    MachineDetected,
    StatusChanged,
    SummarySaid,
    Webhook,
    WebhookEvent,
    WebhookRefusedError,
)
from voicepipe.phone.carriers.telnyx_api import TelnyxApi, read_state
from voicepipe.phone.credentials import from_environment
from voicepipe.transports.telephony import Carrier as CarrierName

DEFAULT_URL: Final = "https://api.telnyx.com"
_WINDOW_SECS: Final = 300.0
_AHEAD_SECS: Final = 60.0
_CAUSES: Final[Mapping[str, CallStatus]] = {
    "normal_clearing": "completed",
    "user_busy": "busy",
    "timeout": "no-answer",
    "no_answer": "no-answer",
    "originator_cancel": "canceled",
    "call_rejected": "busy",
    "time_limit": "completed",
}


@dataclass(frozen=True)
class Telnyx:
    """An account at Telnyx.

    Parameters:
        api_key: `TELNYX_API_KEY` if empty.
        connection_id: Of the Voice API application whose number it is; `TELNYX_CONNECTION_ID` if empty. Needed for
            outbound calls and for setting the webhook.
        public_key: With which webhooks are checked, base64, from the portal; `TELNYX_PUBLIC_KEY` if empty.
        api_url: Where the REST API is, for tests; `TELNYX_API_URL`, or the carrier's own, if empty.

    Raises:
        SettingsError: The key is missing, or the public key is none.
        MissingExtraError: There is a public key, and the package that checks with it is not installed.
    """

    api_key: str = field(default="", repr=False)
    connection_id: str = ""
    public_key: str = ""
    api_url: str = ""

    name: CarrierName = field(default="telnyx", init=False, repr=False)
    stream_ends_call: bool = field(default=False, init=False, repr=False)
    _checker: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        api_url = self.api_url or os.environ.get("TELNYX_API_URL", "") or DEFAULT_URL
        object.__setattr__(self, "api_url", api_url)
        object.__setattr__(self, "api_key", from_environment("api_key", self.api_key, "TELNYX_API_KEY"))
        for name in ("connection_id", "public_key"):
            object.__setattr__(
                self, name, getattr(self, name) or os.environ.get(f"TELNYX_{name.upper()}", "")
            )
        if self.public_key:
            object.__setattr__(self, "_checker", _checker(self.public_key))

    @property
    def can_verify(self) -> bool:
        """Whether there is a public key."""
        return self._checker is not None

    def api(self, session: ClientSession) -> TelnyxApi:
        """Return the REST API on a session."""
        return TelnyxApi(session, self.api_url, self.api_key, self.connection_id)

    def verify(self, webhook: Webhook, now_secs: float) -> str:
        """Check the Ed25519 signature of time and body; older than five minutes is a replay."""
        from cryptography.exceptions import InvalidSignature

        stamp = webhook.headers.get("telnyx-timestamp", "")
        given = webhook.headers.get("telnyx-signature-ed25519", "")
        if self._checker is None or not stamp.isdecimal() or len(stamp) > 12:
            raise WebhookRefusedError("signature")
        if not -_AHEAD_SECS <= now_secs - int(stamp) <= _WINDOW_SECS:
            raise WebhookRefusedError("replay")
        signed = stamp.encode("utf-8", "replace") + b"|" + webhook.body
        # A list while Telnyx changes its keys.
        for one in given.split(","):
            try:
                self._checker.verify(b64decode(one.strip(), validate=True), signed)
            except (InvalidSignature, ValueError):
                continue
            return one.strip()
        raise WebhookRefusedError("signature")

    def read(self, webhook: Webhook) -> WebhookEvent | None:
        """Return what a webhook means."""
        kind, payload = _event(webhook.body)
        call_id = _text(payload, "call_control_id")
        if not call_id and kind.startswith("call."):
            raise CarrierMessageError("data.payload.call_control_id", "is missing")
        ref, leg = read_state(_text(payload, "client_state"))
        is_human = leg == "human"
        if kind == "call.initiated":
            if payload.get("direction") == "incoming":
                return IncomingCall(call_id, _text(payload, "from"), _text(payload, "to"))
            return StatusChanged(ref, call_id, "ringing", is_person_leg=is_human)
        if kind == "call.answered":
            # Incoming calls are answered by us, and that opens the stream already.
            return LegAnswered(ref, call_id, is_human) if ref else None
        if kind == "call.hangup":
            cause = _text(payload, "hangup_cause")
            return StatusChanged(ref, call_id, _CAUSES.get(cause, "failed"), cause, is_human)
        if kind == "call.speak.ended":
            return SummarySaid(ref, call_id) if is_human else None
        return _of_detection(kind, payload, ref, call_id)


def _of_detection(
    kind: str, payload: Mapping[str, Any], ref: str, call_id: str
) -> MachineDetected | GreetingEnded | None:
    if kind == "call.machine.detection.ended":
        raw = _text(payload, "result") or "unknown"
        found = _classified(raw)
        # What a machine is told while it greets, it does not record.
        return MachineDetected(ref, call_id, found, raw, may_speak=found != "machine")
    ended = kind in ("call.machine.greeting.ended", "call.machine.premium.greeting.ended")
    return GreetingEnded(ref, call_id) if ended else None


def _event(body: bytes) -> tuple[str, Mapping[str, Any]]:
    try:
        data = orjson.loads(body)["data"]
        kind, payload = data["event_type"], data["payload"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise CarrierMessageError("data", "is missing or has no event_type and payload") from None
    if not isinstance(kind, str) or not isinstance(payload, dict):
        raise CarrierMessageError("data.payload", "is no object")
    return kind, cast("Mapping[str, Any]", payload)


def _text(payload: Mapping[str, Any], name: str) -> str:
    """Return a text, empty if there is none or null in its place."""
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _checker(public_key: str) -> Any:
    """Return what checks signatures, for a raw key of 32 bytes or one in DER."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ModuleNotFoundError:
        raise MissingExtraError("checking Telnyx's webhooks", "phone") from None
    try:
        raw = b64decode(public_key, validate=True)
        key = Ed25519PublicKey.from_public_bytes(raw) if len(raw) == 32 else load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingsError("public_key", "is no Ed25519 key in base64, as the portal shows it")
    return key


def _classified(raw: str) -> Classification:
    if raw.startswith("human"):
        return "human"
    return "machine" if raw == "machine" else "fax" if raw == "fax_detected" else "unknown"
