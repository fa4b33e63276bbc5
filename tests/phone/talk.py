"""A caller who talks with the bot, is put on hold, and comes back; and what the carrier tells meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.phones import PERSON, FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.local import LocalServer
from voicepipe.local.carriers import LocalCall
from voicepipe.phone import Call, OpenAIRealtime, Phone, PhoneLimits

DIAL = {"twilio": "/Calls.json", "telnyx": "/calls", "plivo": "/Call/"}
"""Where the carrier is asked to call the person."""


@dataclass
class Talk:
    far: FakeCarrier
    phone: Phone
    phone_url: str
    call: LocalCall
    """The caller's side, until it is put on hold."""
    running: Call
    """The bot's side."""

    async def put_on_hold(self, **kwargs: Any) -> None:
        """Have the bot hand the caller over to a person, who is called now."""
        await self.running.transfer(PERSON, mode="warm", **kwargs)
        await self.call.until_ended()

    async def taken_back(self) -> LocalCall:
        """The stream that the carrier is to open when the caller is taken back, to be entered."""
        markup = ""
        if self.far.name == "twilio":
            [*_, asked] = [one for one in self.far.asked if "<Stream" in one.fields.get("Twiml", "")]
            markup = asked.fields["Twiml"]
        elif self.far.name == "plivo":
            [*_, asked] = [one for one in self.far.asked if "aleg_url" in one.fields]
            _, markup = await self.far.tell(asked.fields["aleg_url"], {"CallUUID": self.call_id})
        return self.far.local_call(self.call_id, self.far.stream_in(markup))

    async def person_says(self, status: str) -> None:
        """Say what became of the person's call."""
        if self.far.name == "twilio":
            fields = {"CallSid": self.far.new_id(), "CallStatus": status}
            await self.far.tell(self._dialled["StatusCallback"], fields)
        elif self.far.name == "plivo":
            await self.far.tell(self._dialled["hangup_url"], {"CallUUID": "y", "CallStatus": status})
        else:
            causes = {"busy": "user_busy", "no-answer": "timeout", "failed": "unallocated_number"}
            await self.telnyx_tells("call.hangup", self.far.new_id(), hangup_cause=causes[status])

    async def telnyx_tells(self, kind: str, person_id: str, **payload: Any) -> None:
        """Send an event of the person's call."""
        event = self.far.event(kind, person_id, client_state=self._dialled["client_state"], **payload)
        await self.far.tell(self._dialled["webhook_url"], event)

    async def caller_leaves(self) -> None:
        """Say that the caller hung up."""
        if self.far.name == "telnyx":
            gone = self.far.event("call.hangup", self.call_id, hangup_cause="normal_clearing")
            await self.far.tell(f"{self.phone_url}/telnyx/voice", gone)
        else:
            name = "CallSid" if self.far.name == "twilio" else "CallUUID"
            fields = {name: self.call_id, "CallStatus": "completed"}
            await self.far.tell(f"{self.phone_url}/{self.far.name}/status", fields)

    @property
    def call_id(self) -> str:
        """The carrier's, of the caller's call."""
        return self.running.carrier_call_id

    @property
    def hung_up(self) -> list[str]:
        """The paths of requests to end a call."""
        if self.far.name == "twilio":
            return [asked.path for asked in self.far.asked if asked.fields.get("Status") == "completed"]
        if self.far.name == "telnyx":
            return [asked.path for asked in self.far.asked_for("/actions/hangup")]
        return [asked.path for asked in self.far.asked if asked.method == "DELETE"]

    @property
    def _dialled(self) -> Mapping[str, Any]:
        """What the carrier was asked when the person was to be called."""
        [*_, dialled] = self.far.asked_for(*DIAL.values())
        return dialled.fields


@asynccontextmanager
async def talking(
    far: FakeCarrier,
    says: str = "hello",
    *,
    server: LocalServer | None = None,
    records: Any = None,
    limits: PhoneLimits | None = None,
    **agent: Any,
) -> AsyncIterator[Talk]:
    """A caller who has begun to talk with a phone's bot, and hangs up at the end; the phone closes after that."""
    async with server or tone_server() as openai, far:
        phone = far.phone(records=records)
        engine = OpenAIRealtime(api_key="k", base_url=openai.url)
        async with (
            phone.serving(phone.agent(engine=engine, **agent), port=0, limits=limits) as door,
            await far.call(door.local_url) as call,
        ):
            await call.say(spoken(says))
            [running] = phone.calls
            yield Talk(far, phone, door.local_url, call, running)
