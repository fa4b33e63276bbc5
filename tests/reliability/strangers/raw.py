"""A stranger with nothing but a socket: sends bytes, and sees what comes back and when it is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

WITHIN_SECS = 100.0


class Stranger:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def at(cls, url: str) -> Stranger:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, data: bytes) -> None:
        """Send what the other side takes; one that has gone takes nothing."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> bytes:
        """Return all that comes until the connection is over."""
        got = bytearray()
        async with asyncio.timeout(WITHIN_SECS):
            with suppress(ConnectionError):
                while chunk := await self.reader.read(65536):
                    got += chunk
        return bytes(got)

    async def leave(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def asked(url: str, request: bytes) -> bytes:
    """Return the answer to bytes that end with their request."""
    stranger = await Stranger.at(url)
    await stranger.send(request)
    try:
        return await stranger.answer()
    finally:
        await stranger.leave()


def get(path: str, host: str, *lines: str) -> bytes:
    head = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def status_of(answer: bytes) -> int:
    """Return the HTTP status; 0 if there was no answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def host_of(url: str) -> str:
    return urlsplit(url).netloc
