"""Twilio: credentials, and its webhooks without I/O (https://www.twilio.com/docs/voice/twiml)."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

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
from voicepipe.phone.carriers.twilio_api import TwilioApi
from voicepipe.phone.credentials import from_environment
from voicepipe.transports.telephony import Carrier as CarrierName

DEFAULT_URL: Final = "https://api.twilio.com"
_STATUSES: Final[Mapping[str, CallStatus]] = {
    "queued": "queued",
    "initiated": "queued",
    "ringing": "ringing",
    "in-progress": "in-progress",
    "answered": "in-progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
}


@dataclass(frozen=True)
class Twilio:
    """An account at Twilio.

    Parameters:
        account_sid: `AC...`; `TWILIO_ACCOUNT_SID` if empty.
        auth_token: Signs Twilio's webhooks, and is the REST API's key unless there is another; `TWILIO_AUTH_TOKEN` if empty.
        api_key: `SK...`, in place of the auth token for REST; `TWILIO_API_KEY` if empty.
        api_secret: Its secret; `TWILIO_API_SECRET` if empty.
        api_url: Where the REST API is, for other regions and for tests; `TWILIO_API_URL`, or the carrier's own, if empty.

    Raises:
        SettingsError: The account or the auth token is missing.
    """

    account_sid: str = ""
    auth_token: str = field(default="", repr=False)
    api_key: str = ""
    api_secret: str = field(default="", repr=False)
    api_url: str = ""

    name: CarrierName = field(default="twilio", init=False, repr=False)
    # What follows `<Connect>` in our markup is nothing, and a call without markup ends.
    stream_ends_call: bool = field(default=True, init=False, repr=False)
    can_verify: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        api_url = self.api_url or os.environ.get("TWILIO_API_URL", "") or DEFAULT_URL
        object.__setattr__(self, "api_url", api_url)
        sid = from_environment("account_sid", self.account_sid, "TWILIO_ACCOUNT_SID")
        object.__setattr__(self, "account_sid", sid)
        token = from_environment("auth_token", self.auth_token, "TWILIO_AUTH_TOKEN")
        object.__setattr__(self, "auth_token", token)
        for name in ("api_key", "api_secret"):
            object.__setattr__(
                self, name, getattr(self, name) or os.environ.get(f"TWILIO_{name.upper()}", "")
            )

    def api(self, session: ClientSession) -> TwilioApi:
        """Return the REST API on a session."""
        user, password = (
            (self.api_key, self.api_secret) if self.api_key else (self.account_sid, self.auth_token)
        )
        return TwilioApi(session, self.api_url, self.account_sid, user, password)

    def verify(self, webhook: Webhook, now_secs: float) -> str:
        """Check `X-Twilio-Signature`; Twilio signs no time, so repeats are told by the signature itself."""
        del now_secs
        given = webhook.headers.get("x-twilio-signature", "")
        if not given:
            raise WebhookRefusedError("signature")
        body_hash = parse_qs(urlsplit(webhook.url).query).get("bodySHA256", [""])[0]
        if body_hash:
            if not hmac.compare_digest(hashlib.sha256(webhook.body).hexdigest(), body_hash):
                raise WebhookRefusedError("signature")
            signed_fields = ""
        else:
            signed_fields = "".join(name + value for name, value in sorted(set(webhook.form)))
        # Twilio itself is not of one mind whether a usual port is part of the address.
        matches = [
            hmac.compare_digest(
                signature(self.auth_token, url + signed_fields).encode(), given.encode("utf-8", "replace")
            )
            for url in _with_and_without_port(webhook.url)
        ]
        if not any(matches):
            raise WebhookRefusedError("signature")
        return given

    def read(self, webhook: Webhook) -> WebhookEvent | None:
        """Return what a webhook means."""
        if webhook.kind == "markup":
            return MarkupWanted(webhook.query.get("key", ""))
        # A number whose webhook is set to GET brings all of it in the address.
        fields, ref = {**webhook.query, **webhook.fields}, webhook.query.get("call", "")
        call_id = fields.get("CallSid", "")
        if not call_id:
            raise CarrierMessageError("CallSid", "is missing")
        if webhook.kind == "voice":
            if ref:
                return LegAnswered(ref, call_id)
            return IncomingCall(call_id, fields.get("From", ""), fields.get("To", ""))
        if webhook.kind == "amd":
            raw = fields.get("AnsweredBy", "unknown")
            return MachineDetected(ref, call_id, _classified(raw), raw)
        if webhook.kind == "status":
            status = _STATUSES.get(fields.get("CallStatus", ""))
            is_human = webhook.query.get("leg") == "human"
            return StatusChanged(ref, call_id, status, is_person_leg=is_human) if status else None
        return None


def signature(auth_token: str, signed: str) -> str:
    """Return Twilio's signature of an address followed by the form's sorted fields."""
    return b64encode(
        hmac.new(auth_token.encode(), signed.encode("utf-8", "replace"), hashlib.sha1).digest()
    ).decode()


def _with_and_without_port(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}")] + [url]


def _classified(raw: str) -> Classification:
    if raw.startswith("machine"):
        return "machine"
    return "human" if raw == "human" else "fax" if raw == "fax" else "unknown"
