"""Plivo: credentials, and its webhooks without I/O (https://www.plivo.com/docs/voice/)."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from aiohttp import ClientSession

from voicepipe.errors import CarrierMessageError
from voicepipe.phone.carriers.contract import (
    CallStatus,
    Classification,
    IncomingCall,
    LegAnswered,
    MachineDetected,
    MarkupWanted,
    StatusChanged,
    Webhook,
    WebhookEvent,
    WebhookRefusedError,
)
from voicepipe.phone.carriers.plivo_api import PlivoApi
from voicepipe.phone.credentials import from_environment
from voicepipe.transports.telephony import Carrier as CarrierName

DEFAULT_URL: Final = "https://api.plivo.com"
_STATUSES: Final[Mapping[str, CallStatus]] = {
    "ringing": "ringing",
    "in-progress": "in-progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "timeout": "no-answer",
    "failed": "failed",
    "cancel": "canceled",
    "canceled": "canceled",
}
_SIGNATURES: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")


@dataclass(frozen=True)
class Plivo:
    """An account at Plivo.

    Parameters:
        auth_id: `PLIVO_AUTH_ID` if empty.
        auth_token: Also signs Plivo's webhooks; `PLIVO_AUTH_TOKEN` if empty.
        api_url: Where the REST API is, for tests; `PLIVO_API_URL`, or the carrier's own, if empty.

    Raises:
        SettingsError: One of both is missing.
    """

    auth_id: str = ""
    auth_token: str = field(default="", repr=False)
    api_url: str = ""

    name: CarrierName = field(default="plivo", init=False, repr=False)
    # The markup says keepCallAlive, so the call lasts as long as the stream.
    stream_ends_call: bool = field(default=True, init=False, repr=False)
    can_verify: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        api_url = self.api_url or os.environ.get("PLIVO_API_URL", "") or DEFAULT_URL
        object.__setattr__(self, "api_url", api_url)
        object.__setattr__(self, "auth_id", from_environment("auth_id", self.auth_id, "PLIVO_AUTH_ID"))
        token = from_environment("auth_token", self.auth_token, "PLIVO_AUTH_TOKEN")
        object.__setattr__(self, "auth_token", token)

    def api(self, session: ClientSession) -> PlivoApi:
        """Return the REST API on a session."""
        return PlivoApi(session, self.api_url, self.auth_id, self.auth_token)

    def verify(self, webhook: Webhook, now_secs: float) -> str:
        """Check a signature of version 3; its nonce tells a webhook from all others."""
        del now_secs
        nonce = webhook.headers.get("x-plivo-signature-v3-nonce", "")
        given = [part.strip() for name in _SIGNATURES for part in webhook.headers.get(name, "").split(",")]
        form = webhook.form if webhook.method == "POST" else ()
        right = signature(self.auth_token, webhook.url, form, nonce).encode()
        matches = [hmac.compare_digest(right, one.encode("utf-8", "replace")) for one in given]
        if not nonce or not any(matches):
            raise WebhookRefusedError("signature")
        return nonce

    def read(self, webhook: Webhook) -> WebhookEvent | None:
        """Return what a webhook means."""
        if webhook.kind == "markup":
            return MarkupWanted(webhook.query.get("key", ""))
        fields = {**webhook.query, **webhook.fields}
        ref = webhook.query.get("call", "")
        call_id = fields.get("CallUUID", "")
        if not call_id:
            raise CarrierMessageError("CallUUID", "is missing")
        if webhook.kind == "voice":
            if ref:
                return LegAnswered(ref, call_id, webhook.query.get("leg") == "human")
            return IncomingCall(call_id, _number(fields, "From"), _number(fields, "To"))
        if webhook.kind == "amd":
            raw = fields.get("Machine", "unknown").lower()
            return MachineDetected(ref, call_id, _classified(raw), raw)
        if webhook.kind == "status":
            status = _STATUSES.get(fields.get("CallStatus", "").lower())
            is_human = webhook.query.get("leg") == "human"
            cause = fields.get("HangupCause", "")
            return StatusChanged(ref, call_id, status, cause, is_person_leg=is_human) if status else None
        return None


def signature(auth_token: str, url: str, form: Iterable[tuple[str, str]], nonce: str) -> str:
    """Return Plivo's signature, version 3, put together as in Plivo's own package (`plivo.utils.signature_v3`)."""
    parts = urlsplit(url)
    query = "&".join(
        f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True))
    )
    signed = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    fields = "".join(name + value for name, value in sorted(form))
    if fields:
        signed += f"?{query}" + ("." if query else "") + fields
    elif query:
        signed += f"?{query}"
    digest = hmac.new(
        auth_token.encode(), f"{signed}.{nonce}".encode("utf-8", "replace"), hashlib.sha256
    ).digest()
    return b64encode(digest).decode()


def _number(fields: Mapping[str, str], name: str) -> str:
    """Return a number, with the plus that Plivo leaves out."""
    if name not in fields:
        raise CarrierMessageError(name, "is missing")
    number = fields[name]
    return f"+{number}" if number.isdecimal() else number


def _classified(raw: str) -> Classification:
    return "machine" if raw == "true" else "human" if raw == "false" else "unknown"
