"""Plivo's REST API and its markup (https://www.plivo.com/docs/voice/api/call)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

from aiohttp import ClientSession

from voicepipe.errors import CarrierRefusedError
from voicepipe.phone.carriers.contract import Callbacks, OutboundCall, Reply, StreamOffer, WarmTransfer
from voicepipe.phone.carriers.markup import add, response, written
from voicepipe.phone.carriers.rest import Rest, basic

_APPLICATION: Final = "voicepipe"
_REQUEST: Final = "request:"
"""Before the id of a call that was asked for, as long as there is no id of the call itself."""


class PlivoApi:
    """One account.

    Args:
        session: Who owns it closes it.
        url: Where the API is.
        auth_id: Of the account.
        auth_token: Its secret.
    """

    def __init__(self, session: ClientSession, url: str, auth_id: str, auth_token: str) -> None:
        self._rest = Rest(
            session, "Plivo", f"{url.rstrip('/')}/v1/Account/{auth_id}", basic(auth_id, auth_token)
        )

    async def open_stream(self, call_id: str, stream: StreamOffer, *, is_outbound: bool) -> Reply:
        """Return the markup that opens a stream both ways (P-21)."""
        del call_id, is_outbound
        return Reply(_stream(stream))

    async def refuse(self, call_id: str) -> Reply:
        """Return the markup of a busy line."""
        del call_id
        root = response()
        add(root, "Hangup", reason="busy")
        return Reply(written(root))

    async def place(self, call: OutboundCall, callbacks: Callbacks) -> str:
        """Call somebody; the call's own id comes with the first webhook."""
        wish: dict[str, Any] = {
            "to": call.to,
            "from": call.from_,
            "answer_url": callbacks.url("voice", call=call.ref),
            "answer_method": "POST",
            "ring_url": callbacks.url("status", call=call.ref),
            "ring_method": "POST",
            "hangup_url": callbacks.url("status", call=call.ref),
            "hangup_method": "POST",
            "ring_timeout": call.ring_secs,
        }
        if call.detection is not None:
            wish["machine_detection"] = "true"
            wish["machine_detection_url"] = callbacks.url("amd", call=call.ref)
            wish["machine_detection_method"] = "POST"
        answer = await self._rest.ask("POST", "/Call/", json=wish)
        return _REQUEST + str(answer.get("request_uuid", ""))

    async def hang_up(self, call_id: str) -> None:
        """End a call, also one that Plivo has only been asked for."""
        if call_id.startswith(_REQUEST):
            request = quote(call_id.removeprefix(_REQUEST), safe="")
            await self._rest.ask("DELETE", f"/Request/{request}/", gone=(404,))
        else:
            await self._rest.ask("DELETE", _path(call_id), gone=(404,))

    async def transfer(self, call_id: str, to: str, callbacks: Callbacks) -> None:
        """Replace the stream by a dialled number, whose markup Plivo comes for."""
        root = response()
        add(add(root, "Dial"), "Number", to)
        await self._redirect(call_id, callbacks.keep(written(root)))

    async def hold(self, transfer: WarmTransfer, callbacks: Callbacks) -> None:
        """Put the caller into a conference that begins when the person comes."""
        hold = ""
        if transfer.hold_audio_url:
            # Plivo wants an address of markup, not of sound.
            music = response()
            add(music, "Play", transfer.hold_audio_url, loop="0")
            hold = callbacks.keep(written(music))
        waiting = response()
        add(
            waiting,
            "Conference",
            _room(transfer),
            startConferenceOnEnter="false",
            endConferenceOnExit="true",
            waitSound=hold,
        )
        await self._redirect(transfer.call_id, callbacks.keep(written(waiting)))

    async def call_person(self, transfer: WarmTransfer, callbacks: Callbacks) -> str:
        """Call the person; the markup is asked for when they pick up."""
        wish: dict[str, Any] = {
            "to": transfer.to,
            "from": transfer.from_,
            "answer_url": callbacks.url("voice", call=transfer.ref, leg="human"),
            "answer_method": "POST",
            "hangup_url": callbacks.url("status", call=transfer.ref, leg="human"),
            "hangup_method": "POST",
            "ring_timeout": transfer.ring_secs,
        }
        answer = await self._rest.ask("POST", "/Call/", json=wish)
        return _REQUEST + str(answer.get("request_uuid", ""))

    async def person_answered(self, transfer: WarmTransfer, person_call_id: str) -> Reply:
        """Return the markup that says what it is about and joins the caller's conference."""
        del person_call_id
        coming = response()
        if transfer.summary:
            add(coming, "Speak", transfer.summary)
        add(coming, "Conference", _room(transfer), startConferenceOnEnter="true", endConferenceOnExit="true")
        return Reply(written(coming))

    async def take_back(self, call_id: str, stream: StreamOffer, callbacks: Callbacks) -> None:
        """Replace the conference by a stream."""
        await self._redirect(call_id, callbacks.keep(_stream(stream)))

    async def join(self, call_id: str, person_call_id: str) -> None:
        """Do nothing: the markup does it."""

    async def record(self, call_id: str, *, on: bool) -> None:
        """Record a call, or stop recording it."""
        if on:
            await self._rest.ask("POST", _path(call_id, "Record/"), json={"file_format": "wav"})
        else:
            await self._rest.ask("DELETE", _path(call_id, "Record/"), gone=(404,))

    async def set_webhook(self, number: str, callbacks: Callbacks) -> None:
        """Give the number an application of ours, made if there is none yet."""
        addresses = {
            "answer_url": callbacks.url("voice"),
            "answer_method": "POST",
            "hangup_url": callbacks.url("status"),
            "hangup_method": "POST",
        }
        listed = await self._rest.ask("GET", f"/Application/?app_name={_APPLICATION}")
        listing = cast("list[Mapping[str, Any]]", listed.get("objects") or [])
        ours = [app for app in listing if app.get("app_name") == _APPLICATION]
        if ours:
            app_id = str(ours[0]["app_id"])
            await self._rest.ask("POST", f"/Application/{app_id}/", json=addresses)
        else:
            made = await self._rest.ask("POST", "/Application/", json={"app_name": _APPLICATION, **addresses})
            app_id = str(made["app_id"])
        await self._rest.ask("POST", f"/Number/{number.lstrip('+')}/", json={"app_id": app_id})

    async def _redirect(self, call_id: str, url: str) -> None:
        wish = {"legs": "aleg", "aleg_url": url, "aleg_method": "POST"}
        await self._rest.ask("POST", _path(call_id), json=wish)


def _stream(stream: StreamOffer) -> str:
    root = response()
    add(
        root,
        "Stream",
        stream.url,
        bidirectional="true",
        keepCallAlive="true",
        contentType="audio/x-mulaw;rate=8000",
        extraHeaders=",".join(f"{name}={value}" for name, value in stream.parameters.items()),
    )
    return written(root)


def _room(transfer: WarmTransfer) -> str:
    return f"voicepipe-{transfer.ref}"


def _path(call_id: str, rest: str = "") -> str:
    if not call_id:
        raise CarrierRefusedError("Plivo: the call has no id yet")
    return f"/Call/{quote(call_id, safe='')}/{rest}"
