"""A carrier on loopback for tests of phones: the local carrier, with keys of the tests and the phone that has them too."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from voicepipe.local.carriers import LocalCarrier, Stream, new_telnyx_keys
from voicepipe.local.carriers.carrier import CALLER, NUMBER
from voicepipe.local.carriers.telnyx_exchange import TelnyxExchange
from voicepipe.phone import Carrier, OpenAIRealtime, Phone, PhoneLimits, Plivo, Telnyx, Twilio

CARRIERS = ["twilio", "telnyx", "plivo"]
PERSON = "+15550003333"
SECRET = "a-secret-of-the-tests"
_KEYS = new_telnyx_keys()
PUBLIC_KEY = _KEYS.public

__all__ = [
    "CALLER",
    "CARRIERS",
    "LIMITS",
    "NUMBER",
    "PERSON",
    "PUBLIC_KEY",
    "SECRET",
    "FakeCarrier",
    "SlowCarrier",
    "path_of",
]


class FakeCarrier(LocalCarrier):
    """One of the three, as far as a phone sees it; an async context manager."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _KEYS.private if name == "telnyx" else SECRET)

    def carrier(self) -> Carrier:
        """What the phone has of it."""
        if self.name == "twilio":
            return Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url=self.api_url)
        if self.name == "telnyx":
            return Telnyx(api_key=SECRET, connection_id="77", public_key=PUBLIC_KEY, api_url=self.api_url)
        return Plivo(auth_id="MA0000", auth_token=SECRET, api_url=self.api_url)

    def phone(self, **kwargs: Any) -> Phone:
        """A phone with this carrier."""
        return Phone(carrier=self.carrier(), phone_number=NUMBER, **kwargs)

    def event(self, kind: str, call_id: str, **payload: Any) -> dict[str, Any]:
        """A webhook of Telnyx's."""
        assert isinstance(self.exchange, TelnyxExchange)
        return self.exchange.event(kind, call_id, **payload)

    def stream_in(self, markup: str) -> Stream:
        """The stream in markup, or in what was asked last."""
        stream = self.exchange.stream_in(markup, self.asked)
        assert isinstance(stream, Stream)
        return stream


class SlowCarrier(FakeCarrier):
    """Holds requests to its REST API whose path ends with `held` back until `let_go`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.held = "nothing"
        self.is_held = asyncio.Event()
        self.let_go = asyncio.Event()

    async def rest_reached(self, path: str) -> None:
        if path.endswith(self.held):
            self.is_held.set()
            await self.let_go.wait()


def path_of(url: str) -> str:
    return urlsplit(url).path


LIMITS = PhoneLimits(shutdown_secs=5.0)


def silent_agent(phone):
    return phone.agent(engine=OpenAIRealtime(api_key="k", base_url="ws://127.0.0.1:9/v1/realtime"))


def hears_busy(far, markup):
    """The caller hears the busy tone."""
    if far.name == "telnyx":
        [asked] = far.asked_for("/actions/reject")
        assert asked.fields == {"cause": "USER_BUSY"}
    else:
        busy = {"twilio": '<Reject reason="busy"', "plivo": '<Hangup reason="busy"'}
        assert busy[far.name] in markup
