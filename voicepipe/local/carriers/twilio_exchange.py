"""Twilio's webhooks and its REST API (https://www.twilio.com/docs/voice/twiml, /docs/voice/api/call-resource)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

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

_CALL = re.compile(r"/Calls/(CA[0-9a-f]{32})\.json$")


class TwilioExchange:
    """Twilio, for one account; see `Exchange`.

    Args:
        secret: The auth token, with which webhooks are signed.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._placed: list[Asked] = []
        self._placed_id = ""

    def new_call_id(self) -> str:
        """Return an id of a call."""
        return f"CA{secrets.token_hex(16)}"

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return a form, with its signature: HMAC-SHA1 of the address and the sorted fields."""
        del at_secs, nonce
        text = url + "".join(name + str(value) for name, value in sorted(fields.items()))
        signature = b64encode(hmac.new(self._secret.encode(), text.encode(), hashlib.sha1).digest()).decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        return urlencode(fields).encode(), headers

    def ringing(self, call_id: str, caller: str, callee: str) -> dict[str, Any]:
        """Return the fields of an incoming call."""
        names = {"From": caller, "To": callee, "Caller": caller, "Called": callee}
        return {"CallSid": call_id, **names, "CallStatus": "ringing", "Direction": "inbound"}

    def answered(self, call_id: str, caller: str, callee: str) -> dict[str, Any] | None:
        """Return nothing: the markup answers."""
        del call_id, caller, callee
        return None

    def ended(self, call_id: str) -> dict[str, Any] | None:
        """Return nothing: the address for it is the number's, which is not known here."""
        del call_id
        return None

    def stream_in(self, markup: str, asked: Sequence[Asked]) -> Stream | NoStream:
        """Return the stream of `<Connect>`; that of `<Start>` only listens, so no bot talks on it."""
        del asked
        root = read_markup(markup)
        element = root.find("Connect/Stream")
        if element is None:
            return NoStream(wants_of(root))
        url = element.get("url", "")
        if not url:
            raise CallNotTakenError("the bot's <Stream> has no url")
        return Stream(url, {one.get("name", ""): one.get("value", "") for one in element.iter("Parameter")})

    def answer(self, asked: Asked) -> Mapping[str, Any]:
        """Return the answer to a request."""
        if asked.path.endswith("/IncomingPhoneNumbers.json"):
            return {"incoming_phone_numbers": [{"sid": "PN1"}]}
        if asked.path.endswith("/Calls.json"):
            self._placed.append(asked)
            self._placed_id = self.new_call_id()
            return {"sid": self._placed_id, "status": "queued"}
        found = _CALL.search(asked.path)
        return {"sid": found[1]} if found else {}

    def command(self, asked: Asked) -> Command | None:
        """Return what a request does with a call: `Status` ends it, `Twiml` and `Url` replace what it does."""
        found = _CALL.search(asked.path)
        if found is None or asked.method != "POST":
            return None
        if asked.fields.get("Status") in ("completed", "canceled"):
            return HangUp(found[1])
        if "Twiml" in asked.fields:
            number = read_markup(asked.fields["Twiml"]).find("Dial/Number")
            return HandOn(found[1], (number.text or "") if number is not None else "")
        return HandOn(found[1]) if "Url" in asked.fields else None

    def picked_up(self) -> News:
        """Return the request for the markup of the call placed last."""
        asked = last_of(self._placed)
        fields = {"CallSid": self._placed_id, "CallStatus": "in-progress", "Direction": "outbound-api"}
        return News(asked.fields["Url"], fields, self._placed_id)

    def status(self, call_id: str, status: CallStatus) -> News:
        """Return a status callback."""
        url = last_of(self._placed).fields["StatusCallback"]
        return News(url, {"CallSid": call_id, "CallStatus": status}, call_id)

    def detection(self, call_id: str, *, is_machine: bool) -> Sequence[News]:
        """Return what the detection found."""
        url = last_of(self._placed).fields["AsyncAmdStatusCallback"]
        found = "machine_end_beep" if is_machine else "human"
        return [News(url, {"CallSid": call_id, "AnsweredBy": found}, call_id)]
