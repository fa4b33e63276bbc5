"""Twilio's webhook of a call that comes in: it tells the bot of it, and the bot's markup says where the stream is to go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

_SECS = 30.0
_NUMBERS = {"From": "+15550000001", "To": "+15550000002"}


@dataclass(frozen=True, slots=True)
class Line:
    """Where a call's stream is to go.

    Parameters:
        path: Of its WebSocket.
        parameters: What the stream's `start` is to hand back.
    """

    path: str
    parameters: dict[str, str] = field(default_factory=dict[str, str])


async def ring(host: str, port: int, webhook: str, call_id: str) -> Line:
    """Tell a bot of a call, and return where it takes it.

    Args:
        host: The bot's.
        port: The bot's.
        webhook: The path.
        call_id: Twilio's id of the call.

    Raises:
        ConnectionError: It does not take it.
        TimeoutError: It does not answer.
    """
    body = urlencode({"CallSid": call_id, **_NUMBERS, "CallStatus": "ringing", "Direction": "inbound"})
    async with asyncio.timeout(_SECS):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST {webhook} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head, _, markup = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    stream = ElementTree.fromstring(markup).find("Connect/Stream") if b" 200 " in head[:20] else None
    if stream is None:
        raise ConnectionError(f"the bot does not take the call: {head[:40]!r}")
    parameters = {one.get("name", ""): one.get("value", "") for one in stream.iter("Parameter")}
    return Line(urlsplit(stream.get("url", "")).path, parameters)
