"""A carrier on loopback: its webhooks, signed as the carrier does, its REST API, and the streams that it opens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

import aiohttp
import plivo.utils
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from voicepipe.local.carriers import LocalCall
from voicepipe.phone import Carrier, Phone, PhoneLimits, Plivo, Telnyx, Twilio

CARRIERS = ["twilio", "telnyx", "plivo"]
CALLER, NUMBER, PERSON = "+15550001111", "+15550002222", "+15550003333"
SECRET = "a-secret-of-the-tests"
_KEY = Ed25519PrivateKey.from_private_bytes(b"0123456789abcdef0123456789abcdef")
PUBLIC_KEY = base64.b64encode(_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
_numbers = count(1)


@dataclass
class Asked:
    """A request that reached the REST API."""

    method: str
    path: str
    fields: dict[str, Any]
    authorization: str


@dataclass
class Stream:
    """What the markup, or the command to answer, says of the stream."""

    url: str
    parameters: Mapping[str, str] = field(default_factory=dict)


class FakeCarrier:
    """One of the three, as far as a phone sees it; an async context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Asked] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        """What a path that ends so is answered, in place of success."""
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.api_url = ""

    async def __aenter__(self) -> FakeCarrier:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.api_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    # REST.

    def carrier(self) -> Carrier:
        if self.name == "twilio":
            return Twilio(account_sid="AC" + "0" * 32, auth_token=SECRET, api_url=self.api_url)
        if self.name == "telnyx":
            return Telnyx(api_key=SECRET, connection_id="77", public_key=PUBLIC_KEY, api_url=self.api_url)
        return Plivo(auth_id="MA0000", auth_token=SECRET, api_url=self.api_url)

    def phone(self, **kwargs: Any) -> Phone:
        return Phone(carrier=self.carrier(), phone_number=NUMBER, **kwargs)

    def asked_for(self, *ends: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith(ends)]

    async def _rest(self, request: web.Request) -> web.Response:
        body = await request.text()
        is_json = request.content_type == "application/json"
        pairs = [] if is_json else parse_qsl(body, keep_blank_values=True)
        fields: dict[str, Any] = json.loads(body) if is_json and body else dict(pairs)
        if pairs:
            fields["StatusCallbackEvents"] = [value for name, value in pairs if name == "StatusCallbackEvent"]
        asked = Asked(request.method, request.path, fields, request.headers.get("Authorization", ""))
        self.asked.append(asked)
        for end, (status, answer) in self.answers.items():
            if request.path.endswith(end):
                return web.json_response(answer, status=status)
        return web.json_response(self._answer(request), status=200)

    def _answer(self, request: web.Request) -> Any:
        if request.path.endswith("/IncomingPhoneNumbers.json"):
            return {"incoming_phone_numbers": [{"sid": "PN1"}]}
        if request.path.endswith("/Application/"):
            return {"objects": []} if request.method == "GET" else {"app_id": "A1"}
        if request.path.endswith(("/Calls.json", "/calls", "/Call/")):
            call_id = self.new_id()
            return {"sid": call_id, "request_uuid": "R1", "data": {"call_control_id": call_id}}
        return {"data": {"result": "ok", "application_name": "bot"}}

    # Webhooks.

    def new_id(self) -> str:
        number = next(_numbers)
        return {"twilio": f"CA{number:032x}", "telnyx": f"v3:call-{number}", "plivo": f"uuid-{number}"}[
            self.name
        ]

    def signed(
        self, url: str, fields: Mapping[str, Any], *, at_secs: float | None = None, nonce: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers, made with the carriers' own packages."""
        if self.name == "telnyx":
            body = json.dumps(fields).encode()
            stamp = str(int(time.time() if at_secs is None else at_secs))
            signature = base64.b64encode(_KEY.sign(stamp.encode() + b"|" + body)).decode()
            headers = {"telnyx-timestamp": stamp, "telnyx-signature-ed25519": signature}
            return body, {**headers, "Content-Type": "application/json"}
        body = urlencode(fields).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.name == "twilio":
            headers["X-Twilio-Signature"] = RequestValidator(SECRET).compute_signature(url, dict(fields))
        else:
            nonce = nonce or f"nonce-{next(_numbers)}"
            signed = plivo.utils.signature_v3.construct_post_url(url, dict(fields)).decode()
            signature = plivo.utils.signature_v3.get_signature_v3(SECRET, signed, nonce).decode()
            headers |= {"X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": nonce}
        return body, headers

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        async with self._session.post(url, data=body, headers=headers) as response:
            return response.status, await response.text()

    async def tell(self, url: str, fields: Mapping[str, Any]) -> tuple[int, str]:
        """Send a webhook."""
        return await self.send(url, *self.signed(url, fields))

    def ringing(self, call_id: str, caller: str = CALLER) -> dict[str, Any]:
        """The fields of an incoming call's webhook."""
        if self.name == "telnyx":
            return self.event(
                "call.initiated", call_id, direction="incoming", **{"from": caller, "to": NUMBER}
            )
        if self.name == "plivo":
            ids = {"CallUUID": call_id, "Event": "StartApp", "CallStatus": "ringing"}
            return {**ids, "From": caller[1:], "To": NUMBER[1:], "Direction": "inbound"}
        return {"CallSid": call_id, "From": caller, "To": NUMBER, "CallStatus": "ringing"}

    def event(self, kind: str, call_id: str, **payload: Any) -> dict[str, Any]:
        """A webhook of Telnyx's."""
        payload = {"call_control_id": call_id, **payload}
        return {"data": {"event_type": kind, "id": f"e{next(_numbers)}", "payload": payload}}

    async def ring(self, server_url: str, *, caller: str = CALLER, call_id: str = "") -> tuple[str, Stream]:
        """Bring a call; returns its id and the stream that is to be opened."""
        call_id = call_id or self.new_id()
        url = f"{server_url}/{self.name}/voice"
        status, text = await self.tell(url, self.ringing(call_id, caller))
        assert status == 200, text
        return call_id, self.stream_in(text)

    def stream_in(self, markup: str) -> Stream:
        if self.name == "telnyx":
            [*_, asked] = self.asked_for("/answer", "/streaming_start")
            assert asked.fields["stream_bidirectional_mode"] == "rtp"
            named = {one["name"]: one["value"] for one in asked.fields["custom_parameters"]}
            return Stream(asked.fields["stream_url"], named)
        root = ElementTree.fromstring(markup)
        if self.name == "twilio":
            element = root.find("Connect/Stream")
            named = {one.get("name"): one.get("value") for one in element}
            return Stream(element.get("url"), named)
        element = root.find("Stream")
        assert element.get("bidirectional") == element.get("keepCallAlive") == "true"
        return Stream(element.text, dict(parse_qsl(element.get("extraHeaders").replace(",", "&"))))

    def local_call(self, call_id: str, stream: Stream, **kwargs: Any) -> LocalCall:
        return LocalCall(stream.url, self.name, call_id=call_id, parameters=stream.parameters, **kwargs)

    async def call(self, server_url: str, **kwargs: Any) -> LocalCall:
        """Bring a call; what is returned is to be entered."""
        call_id, stream = await self.ring(server_url)
        return self.local_call(call_id, stream, **kwargs)

    # Outbound.

    async def pick_up(self) -> tuple[str, Stream]:
        """Have whom the bot called last pick up."""
        [*_, asked] = self.asked_for("/Calls.json", "/calls", "/Call/")
        if self.name == "telnyx":
            call_id = f"v3:call-{next(_numbers) - 1}"
            answered = self.event("call.answered", call_id, client_state=asked.fields["client_state"])
            status, text = await self.tell(asked.fields["webhook_url"], answered)
        elif self.name == "twilio":
            call_id = f"CA{next(_numbers) - 1:032x}"
            fields = {"CallSid": call_id, "CallStatus": "in-progress", "Direction": "outbound-api"}
            status, text = await self.tell(asked.fields["Url"], fields)
        else:
            call_id = self.new_id()
            fields = {"CallUUID": call_id, "RequestUUID": "R1", "CallStatus": "in-progress"}
            status, text = await self.tell(asked.fields["answer_url"], fields)
        assert status == 200, text
        return call_id, self.stream_in(text)

    async def say_status(self, call_id: str, status: str) -> int:
        """Say where the outbound call got."""
        [*_, asked] = self.asked_for("/Calls.json", "/calls", "/Call/")
        if self.name == "telnyx":
            causes = {"busy": "user_busy", "no-answer": "timeout", "completed": "normal_clearing"}
            fields = self.event(
                "call.hangup",
                call_id,
                client_state=asked.fields["client_state"],
                hangup_cause=causes.get(status, status),
            )
            return (await self.tell(asked.fields["webhook_url"], fields))[0]
        name = "CallSid" if self.name == "twilio" else "CallUUID"
        url = asked.fields["StatusCallback" if self.name == "twilio" else "hangup_url"]
        return (await self.tell(url, {name: call_id, "CallStatus": status}))[0]

    async def say_machine(self, call_id: str, *, is_machine: bool) -> None:
        """Say who picked up, and that a machine records now."""
        [*_, asked] = self.asked_for("/Calls.json", "/calls", "/Call/")
        if self.name == "telnyx":
            state = asked.fields["client_state"]
            result = "machine" if is_machine else "human"
            found = self.event("call.machine.detection.ended", call_id, client_state=state, result=result)
            await self.tell(asked.fields["webhook_url"], found)
            ended = self.event("call.machine.greeting.ended", call_id, client_state=state, result="ended")
            await self.tell(asked.fields["webhook_url"], ended)
        elif self.name == "twilio":
            said = "machine_end_beep" if is_machine else "human"
            fields = {"CallSid": call_id, "AnsweredBy": said}
            await self.tell(asked.fields["AsyncAmdStatusCallback"], fields)
        else:
            fields = {"CallUUID": call_id, "Machine": "true" if is_machine else "false"}
            await self.tell(asked.fields["machine_detection_url"], fields)


def path_of(url: str) -> str:
    return urlsplit(url).path


LIMITS = PhoneLimits(shutdown_secs=5.0)
