"""Plivo's webhooks and its REST API (https://www.plivo.com/docs/voice/api/call, .../concepts/signature-validation)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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
from voicepipe.local.carriers.markup import read_markup, wants_of

_CALL = re.compile(r"/Call/([^/]+)/$")


class PlivoExchange:
    """Plivo, for one account; see `Exchange`.

    Args:
        secret: The auth token, with which webhooks are signed.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._placed: list[Asked] = []

    def new_call_id(self) -> str:
        """Return an id of a call."""
        return f"uuid-{secrets.token_hex(16)}"

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return a form, with its signature of version 3: HMAC-SHA256 of address, query, sorted fields and nonce."""
        del at_secs
        nonce = nonce or secrets.token_hex(10)
        digest = hmac.new(self._secret.encode(), f"{_base(url, fields)}.{nonce}".encode(), hashlib.sha256)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Plivo-Signature-V3": b64encode(digest.digest()).decode(),
            "X-Plivo-Signature-V3-Nonce": nonce,
        }
        return urlencode(fields).encode(), headers

    def ringing(self, call_id: str, caller: str, callee: str) -> dict[str, Any]:
        """Return the fields of an incoming call, whose numbers have no plus."""
        ids = {"CallUUID": call_id, "Event": "StartApp", "CallStatus": "ringing"}
        return {**ids, "From": caller.lstrip("+"), "To": callee.lstrip("+"), "Direction": "inbound"}

    def answered(self, call_id: str, caller: str, callee: str) -> dict[str, Any] | None:
        """Return nothing: the markup answers."""
        del call_id, caller, callee
        return None

    def ended(self, call_id: str) -> dict[str, Any] | None:
        """Return nothing: the address for it is the application's, which is not known here."""
        del call_id
        return None

    def stream_in(self, markup: str, asked: Sequence[Asked]) -> Stream | NoStream | None:
        """Return the stream that goes both ways, for as long as the call."""
        del asked
        root = read_markup(markup)
        element = root.find("Stream")
        if element is None:
            return NoStream(wants_of(root))
        for name in ("bidirectional", "keepCallAlive"):
            if element.get(name) != "true":
                raise CallNotTakenError(
                    f'the bot\'s <Stream> has no {name}="true", without which no bot talks on it'
                )
        headers = element.get("extraHeaders", "").replace(",", "&")
        return Stream((element.text or "").strip(), dict(parse_qsl(headers)))

    def answer(self, asked: Asked) -> Mapping[str, Any]:
        """Return the answer to a request. The id of a call that is placed comes with its first webhook."""
        if asked.path.endswith("/Application/"):
            return {"objects": []} if asked.method == "GET" else {"app_id": "A1"}
        if asked.path.endswith("/Call/"):
            self._placed.append(asked)
            return {"request_uuid": f"R{len(self._placed)}", "message": "call fired"}
        return {"message": "changed"}

    def command(self, asked: Asked) -> Command | None:
        """Return what a request does with a call: `DELETE` ends it, `aleg_url` replaces what it does."""
        found = _CALL.search(asked.path)
        if found is None:
            return None
        if asked.method == "DELETE":
            return HangUp(found[1])
        return HandOn(found[1]) if "aleg_url" in asked.fields else None

    def picked_up(self) -> News:
        """Return the request for the markup of the call placed last."""
        asked, call_id = last_of(self._placed), self.new_call_id()
        ids = {"CallUUID": call_id, "RequestUUID": f"R{len(self._placed)}"}
        return News(asked.fields["answer_url"], {**ids, "CallStatus": "in-progress"}, call_id)

    def status(self, call_id: str, status: CallStatus) -> News:
        """Return what is told at the end."""
        url = last_of(self._placed).fields["hangup_url"]
        return News(url, {"CallUUID": call_id, "CallStatus": status}, call_id)

    def detection(self, call_id: str, *, is_machine: bool) -> Sequence[News]:
        """Return what the detection found."""
        url = last_of(self._placed).fields["machine_detection_url"]
        return [News(url, {"CallUUID": call_id, "Machine": "true" if is_machine else "false"}, call_id)]


def _base(url: str, fields: Mapping[str, Any]) -> str:
    parts = urlsplit(url)
    query = "&".join(
        f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True))
    )
    form = "".join(f"{name}{value}" for name, value in sorted(fields.items()))
    address = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    if form:
        return f"{address}?{query}{'.' if query else ''}{form}"
    return f"{address}?{query}" if query else address
