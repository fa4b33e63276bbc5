"""The far end of a browser's conversation without a browser: offers, speaks, and keeps what it hears and is told."""

from __future__ import annotations

import asyncio
import fractions
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame, AudioResampler

from tests.support.tones import spoken
from voicepipe.browser.peer import closed

RATE = 24000
_PIECE = RATE // 50
WITHIN_SECS = 20.0


class Mouth(AudioStreamTrack):
    """A microphone that gives silence unless it was told to say something."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = b""
        self._at = 0
        self._began = 0.0

    def say(self, words: str) -> None:
        self._waiting += spoken(words).pcm

    async def recv(self) -> AudioFrame:
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._at / RATE - now))
        piece, self._waiting = self._waiting[: 2 * _PIECE], self._waiting[2 * _PIECE :]
        samples = np.frombuffer(piece.ljust(2 * _PIECE, b"\0"), np.int16)
        frame = AudioFrame.from_ndarray(samples[None, :], layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += _PIECE
        return frame


class Caller:
    """A person at the page."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url.rstrip("/")
        self.http = http
        self.mouth = Mouth()
        self.peer = RTCPeerConnection()
        self.number = ""
        self.told: list[dict[str, Any]] = []
        self._changed = asyncio.Condition()
        self._pcm = bytearray()
        self._listening: asyncio.Task[None] | None = None
        self.peer.addTrack(self.mouth)
        # Opus blurs tones, G.711 leaves them as they are.
        codecs = [one for one in RTCRtpSender.getCapabilities("audio").codecs if one.mimeType == "audio/PCMU"]
        self.peer.getTransceivers()[0].setCodecPreferences(codecs)
        self.peer.on("track", self._track)
        self.peer.createDataChannel("conversation").on("message", self._message)

    async def offer(self) -> dict[str, str]:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return {"sdp": self.peer.localDescription.sdp, "type": self.peer.localDescription.type}

    async def begin(self) -> None:
        headers = {"Origin": self.url}
        body = await self.offer()
        async with self.http.post(f"{self.url}/api/conversations", json=body, headers=headers) as response:
            answer = await response.json()
            assert response.status == 200, answer
        self.number = answer["conversation"]
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))

    async def ended(self) -> dict[str, str]:
        async with self.http.get(f"{self.url}/api/conversations/{self.number}/end") as response:
            assert response.status == 200
            return await response.json()

    async def hang_up(self) -> int:
        headers = {"Origin": self.url}
        url = f"{self.url}/api/conversations/{self.number}"
        async with self.http.delete(url, headers=headers) as response:
            return response.status

    async def until_told(
        self, condition: Callable[[dict[str, Any]], bool], *, after: int = 0, within_secs: float = WITHIN_SECS
    ) -> dict[str, Any]:
        """Wait for a message, of those after the first so many; returns it."""

        def found() -> list[dict[str, Any]]:
            return [message for message in self.told[after:] if condition(message)]

        async with asyncio.timeout(within_secs), self._changed:
            await self._changed.wait_for(found)
        return found()[0]

    async def ask(self, words: str, answer: str = "") -> dict[str, Any]:
        """Ask until the answer comes, as one does on a bad line: on a busy machine pieces of sound come late or not at all.

        Returns:
            The turn as it was told first with sound.
        """
        for _ in range(3):
            self.mouth.say(words)
            told = len(self.told)
            try:
                return await self.until_told(
                    lambda message: _answers(message, answer), after=told, within_secs=8.0
                )
            except TimeoutError:
                continue
        raise TimeoutError(f"{words!r} was not answered with {answer!r}: {self.told[-3:]}")

    async def until_loud(self, ms: int) -> None:
        """Wait until so much has come that is no silence."""
        async with asyncio.timeout(WITHIN_SECS), self._changed:
            await self._changed.wait_for(lambda: self.loud_ms >= ms)

    @property
    def loud_ms(self) -> float:
        samples = np.frombuffer(bytes(self._pcm), np.int16).astype(int)
        return float((np.abs(samples) > 1000).sum()) * 1000 / RATE

    async def close(self) -> None:
        await closed(self.peer)
        self.mouth.stop()
        if self._listening is not None:
            # A track of a connection that never came about gives nothing, not even an end.
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    def _track(self, track: Any) -> None:
        self._listening = asyncio.create_task(self._listen(track), name="caller listens")

    async def _listen(self, track: Any) -> None:
        resampler = AudioResampler("s16", "mono", RATE)
        try:
            while True:
                for frame in resampler.resample(await track.recv()):
                    self._pcm += frame.to_ndarray().astype(np.int16).tobytes()
                if len(self._pcm) % RATE < 2 * _PIECE:
                    await self._notify()
        except MediaStreamError:
            await self._notify()

    async def _message(self, text: str) -> None:
        self.told.append(json.loads(text))
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _answers(message: dict[str, Any], answer: str) -> bool:
    return message["type"] == "turn" and message["latency_ms"] is not None and answer in message["bot"]


@asynccontextmanager
async def caller(url: str) -> AsyncIterator[Caller]:
    """A person whose page is open; the conversation is begun by `begin`."""
    async with aiohttp.ClientSession() as http:
        person = Caller(url, http)
        try:
            yield person
        finally:
            await person.close()
