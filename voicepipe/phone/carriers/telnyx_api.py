"""Telnyx's Call Control API (https://developers.telnyx.com/api/call-control)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import quote

import orjson
from aiohttp import ClientSession

from voicepipe.errors import CarrierRefusedError, SettingsError
from voicepipe.phone.carriers.contract import Callbacks, OutboundCall, Reply, StreamOffer, WarmTransfer
from voicepipe.phone.carriers.rest import Rest

_DONE: Final = Reply("", "application/json")
_ENDED: Final = "90018"
"""The code of a command to a call that is over."""
_DETECTION: Final = {"fast": "detect", "greeting_end": "greeting_end"}


class TelnyxApi:
    """One account.

    Args:
        session: Who owns it closes it.
        url: Where the API is.
        api_key: Its key.
        connection_id: Of the Voice API application.
    """

    def __init__(self, session: ClientSession, url: str, api_key: str, connection_id: str) -> None:
        self._rest = Rest(session, "Telnyx", f"{url.rstrip('/')}/v2", {"Authorization": f"Bearer {api_key}"})
        self._connection_id = connection_id

    async def open_stream(self, call_id: str, stream: StreamOffer, *, is_outbound: bool) -> Reply:
        """Answer with a stream both ways, or open one on a leg of ours that was answered (P-21)."""
        wish = {
            "stream_url": stream.url,
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            # Without it Telnyx plays nothing that is sent.
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_target_legs": "self",
            "custom_parameters": [
                {"name": name, "value": value} for name, value in stream.parameters.items()
            ],
        }
        await self._act(call_id, "streaming_start" if is_outbound else "answer", wish)
        return _DONE

    async def refuse(self, call_id: str) -> Reply:
        """Reject a call as busy."""
        await self._act(call_id, "reject", {"cause": "USER_BUSY"})
        return _DONE

    async def place(self, call: OutboundCall, callbacks: Callbacks) -> str:
        """Call somebody."""
        wish: dict[str, Any] = {
            "connection_id": self._connection(),
            "to": call.to,
            "from": call.from_,
            "timeout_secs": call.ring_secs,
            "client_state": state(call.ref),
            "webhook_url": callbacks.url("voice"),
        }
        if call.detection is not None:
            wish["answering_machine_detection"] = _DETECTION[call.detection]
        return await self._dial(wish)

    async def hang_up(self, call_id: str) -> None:
        """End a call."""
        await self._act(call_id, "hangup", {}, gone_is_right=True)

    async def transfer(self, call_id: str, to: str, callbacks: Callbacks) -> None:
        """Hand a call on."""
        del callbacks
        await self._act(call_id, "transfer", {"to": to})

    async def hold(self, transfer: WarmTransfer, callbacks: Callbacks) -> None:
        """Play something to the caller in place of the bot."""
        del callbacks
        if transfer.hold_audio_url:
            music = {"audio_url": transfer.hold_audio_url, "loop": "infinity"}
            await self._act(transfer.call_id, "playback_start", music)
        try:
            await self._act(transfer.call_id, "streaming_stop", {})
        except CarrierRefusedError:
            if transfer.hold_audio_url:
                # The bot goes on, and is not to be heard together with music.
                await self._act(transfer.call_id, "playback_stop", {}, gone_is_right=True)
            raise

    async def call_person(self, transfer: WarmTransfer, callbacks: Callbacks) -> str:
        """Call the person; when they have heard the summary, both are joined."""
        return await self._dial(
            {
                "connection_id": self._connection(),
                "to": transfer.to,
                "from": transfer.from_,
                "timeout_secs": transfer.ring_secs,
                "client_state": state(transfer.ref, "human"),
                "webhook_url": callbacks.url("voice"),
            }
        )

    async def person_answered(self, transfer: WarmTransfer, person_call_id: str) -> Reply:
        """Tell the person what it is about, or join both at once if there is nothing to tell."""
        if transfer.summary:
            wish = {"payload": transfer.summary, "voice": "female", "language": "en-US"}
            await self._act(person_call_id, "speak", wish)
        else:
            await self.join(transfer.call_id, person_call_id)
        return _DONE

    async def take_back(self, call_id: str, stream: StreamOffer, callbacks: Callbacks) -> None:
        """Stop what is played, and open a stream."""
        del callbacks
        await self._act(call_id, "playback_stop", {}, gone_is_right=True)
        await self.open_stream(call_id, stream, is_outbound=True)

    async def join(self, call_id: str, person_call_id: str) -> None:
        """Bridge caller and person."""
        await self._act(call_id, "playback_stop", {}, gone_is_right=True)
        await self._act(person_call_id, "bridge", {"call_control_id": call_id})

    async def record(self, call_id: str, *, on: bool) -> None:
        """Record a call, or stop recording it."""
        if on:
            await self._act(call_id, "record_start", {"format": "wav", "channels": "dual"})
        else:
            await self._act(call_id, "record_stop", {}, gone_is_right=True)

    async def set_webhook(self, number: str, callbacks: Callbacks) -> None:
        """Set the webhook of the application, which the number is to belong to."""
        del number
        path = f"/call_control_applications/{quote(self._connection(), safe='')}"
        application = await self._rest.ask("GET", path)
        data: Mapping[str, Any] = cast("Mapping[str, Any]", application.get("data") or {})
        wish = {
            "application_name": data.get("application_name", "voicepipe"),
            "webhook_event_url": callbacks.url("voice"),
        }
        await self._rest.ask("PATCH", path, json=wish)

    async def _dial(self, wish: Mapping[str, Any]) -> str:
        answer = await self._rest.ask("POST", "/calls", json=wish)
        data: Mapping[str, Any] = cast("Mapping[str, Any]", answer.get("data") or {})
        return str(data.get("call_control_id", ""))

    async def _act(
        self, call_id: str, action: str, wish: Mapping[str, Any], *, gone_is_right: bool = False
    ) -> None:
        try:
            # The id has colons.
            await self._rest.ask("POST", f"/calls/{quote(call_id, safe='')}/actions/{action}", json=wish)
        except CarrierRefusedError as error:
            if not gone_is_right or (error.code != _ENDED and error.status not in (404, 422)):
                raise

    def _connection(self) -> str:
        if not self._connection_id:
            raise SettingsError("connection_id", "is missing: pass it, or set TELNYX_CONNECTION_ID")
        return self._connection_id


def state(ref: str, leg: str = "bot") -> str:
    """Return what Telnyx brings along with all webhooks of a call."""
    return b64encode(orjson.dumps({"call": ref, "leg": leg})).decode()


def read_state(written: str) -> tuple[str, str]:
    """Return our id of the call and whose leg it is; both empty if it is not ours."""
    try:
        value = orjson.loads(b64decode(written, validate=True))
    except ValueError:
        # No base64, or no JSON in it: somebody else's.
        return "", ""
    if not isinstance(value, dict):
        return "", ""
    fields = cast("Mapping[str, Any]", value)
    return str(fields.get("call", "")), str(fields.get("leg", ""))
