"""Twilio's REST API and its markup, TwiML (https://www.twilio.com/docs/voice/api/call-resource)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from aiohttp import ClientSession

from voicepipe.errors import CarrierRefusedError
from voicepipe.phone.carriers.contract import Callbacks, OutboundCall, Reply, StreamOffer, WarmTransfer
from voicepipe.phone.carriers.markup import add, response, written
from voicepipe.phone.carriers.rest import Rest, basic

_CALL_ID: Final = re.compile(r"CA[0-9a-f]{32}")
_EVENTS: Final = ("initiated", "ringing", "answered", "completed")
_PERSONS_EVENTS: Final = ("answered", "completed")
_DETECTION: Final = {"fast": "Enable", "greeting_end": "DetectMessageEnd"}


class TwilioApi:
    """One account.

    Args:
        session: Who owns it closes it.
        url: Where the API is.
        account_sid: Of the account.
        user: The account or an API key.
        password: Its secret.
    """

    def __init__(self, session: ClientSession, url: str, account_sid: str, user: str, password: str) -> None:
        base = f"{url.rstrip('/')}/2010-04-01/Accounts/{account_sid}"
        self._rest = Rest(session, "Twilio", base, basic(user, password))

    async def open_stream(self, call_id: str, stream: StreamOffer, *, is_outbound: bool) -> Reply:
        """Return the markup that opens a stream both ways (P-21: `<Connect>`; `<Start>` would only listen)."""
        del call_id, is_outbound
        return Reply(_stream(stream))

    async def refuse(self, call_id: str) -> Reply:
        """Return the markup of a busy line."""
        del call_id
        root = response()
        add(root, "Reject", reason="busy")
        return Reply(written(root))

    async def place(self, call: OutboundCall, callbacks: Callbacks) -> str:
        """Call somebody; the markup is asked for when they pick up."""
        form = [
            ("To", call.to),
            ("From", call.from_),
            ("Url", callbacks.url("voice", call=call.ref)),
            ("Method", "POST"),
            ("Timeout", str(call.ring_secs)),
            ("StatusCallback", callbacks.url("status", call=call.ref)),
            ("StatusCallbackMethod", "POST"),
            # Repeated; one value with spaces is error 21626.
            *(("StatusCallbackEvent", event) for event in _EVENTS),
        ]
        if call.detection is not None:
            form += [
                ("MachineDetection", _DETECTION[call.detection]),
                ("AsyncAmd", "true"),
                ("AsyncAmdStatusCallback", callbacks.url("amd", call=call.ref)),
                ("AsyncAmdStatusCallbackMethod", "POST"),
            ]
        answer = await self._rest.ask("POST", "/Calls.json", form=form)
        return _checked(str(answer.get("sid", "")))

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        await self._rest.ask("POST", _path(call_id), form=[("Status", "completed")], gone=(404,))

    async def transfer(self, call_id: str, to: str, callbacks: Callbacks) -> None:
        """Replace the stream by a dialled number."""
        del callbacks
        root = response()
        add(add(root, "Dial"), "Number", to)
        await self._redirect(call_id, written(root))

    async def hold(self, transfer: WarmTransfer, callbacks: Callbacks) -> None:
        """Put the caller into a conference that begins when the person comes."""
        del callbacks
        waiting = response()
        add(
            add(waiting, "Dial"),
            "Conference",
            _room(transfer),
            startConferenceOnEnter="false",
            endConferenceOnExit="true",
            waitUrl=transfer.hold_audio_url,
            waitMethod="GET" if transfer.hold_audio_url else "",
            beep="false",
        )
        await self._redirect(transfer.call_id, written(waiting))

    async def call_person(self, transfer: WarmTransfer, callbacks: Callbacks) -> str:
        """Call the person, whose markup says what it is about and joins the caller's conference."""
        coming = response()
        if transfer.summary:
            add(coming, "Say", transfer.summary)
        add(
            add(coming, "Dial"),
            "Conference",
            _room(transfer),
            startConferenceOnEnter="true",
            endConferenceOnExit="true",
            beep="false",
        )
        form = [
            ("To", transfer.to),
            ("From", transfer.from_),
            ("Twiml", written(coming)),
            ("Timeout", str(transfer.ring_secs)),
            ("StatusCallback", callbacks.url("status", call=transfer.ref, leg="human")),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", event) for event in _PERSONS_EVENTS),
        ]
        answer = await self._rest.ask("POST", "/Calls.json", form=form)
        return _checked(str(answer.get("sid", "")))

    async def person_answered(self, transfer: WarmTransfer, person_call_id: str) -> Reply:
        """Do nothing: the markup does it."""
        del transfer, person_call_id
        return Reply()

    async def take_back(self, call_id: str, stream: StreamOffer, callbacks: Callbacks) -> None:
        """Replace the conference by a stream."""
        del callbacks
        await self._redirect(call_id, _stream(stream))

    async def join(self, call_id: str, person_call_id: str) -> None:
        """Do nothing: the markup does it."""

    async def record(self, call_id: str, *, on: bool) -> None:
        """Record a call, or stop recording it."""
        if on:
            form = [("RecordingChannels", "dual")]
            await self._rest.ask("POST", _path(call_id, "/Recordings.json"), form=form)
        else:
            path = _path(call_id, "/Recordings/Twilio.CURRENT.json")
            await self._rest.ask("POST", path, form=[("Status", "stopped")], gone=(404,))

    async def set_webhook(self, number: str, callbacks: Callbacks) -> None:
        """Set the addresses of a number: for calls, and for their end, of which a caller on hold tells in no other way."""
        path = f"/IncomingPhoneNumbers.json?PhoneNumber=%2B{number.lstrip('+')}"
        answer = await self._rest.ask("GET", path)
        found = cast("list[Mapping[str, Any]]", answer.get("incoming_phone_numbers") or [])
        if not found:
            raise CarrierRefusedError("Twilio: the account does not have that number", 404)
        form = [
            ("VoiceUrl", callbacks.url("voice")),
            ("VoiceMethod", "POST"),
            ("StatusCallback", callbacks.url("status")),
            ("StatusCallbackMethod", "POST"),
        ]
        await self._rest.ask("POST", f"/IncomingPhoneNumbers/{found[0]['sid']}.json", form=form)

    async def _redirect(self, call_id: str, markup: str) -> None:
        await self._rest.ask("POST", _path(call_id), form=[("Twiml", markup)])


def _stream(stream: StreamOffer) -> str:
    root = response()
    element = add(add(root, "Connect"), "Stream", url=stream.url)
    for name, value in stream.parameters.items():
        add(element, "Parameter", name=name, value=value)
    return written(root)


def _room(transfer: WarmTransfer) -> str:
    return f"voicepipe-{transfer.ref}"


def _path(call_id: str, rest: str = ".json") -> str:
    return f"/Calls/{_checked(call_id)}{rest}"


def _checked(call_id: str) -> str:
    """Return an id fit for an address."""
    if not _CALL_ID.fullmatch(call_id):
        raise CarrierRefusedError(f"Twilio: {call_id!r} is no id of a call")
    return call_id
