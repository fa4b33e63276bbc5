"""One conversation of a person with a bot over WebRTC: a peer connection, a pipeline, and what the page is told of both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, Literal, TypeAlias

from loguru import logger
from pipecat.observers.base_observer import BaseObserver
from pydantic import BaseModel, ConfigDict, Field

from voicepipe.bots import Bot, pipeline_of
from voicepipe.browser.feed import Feed
from voicepipe.errors import MissingExtraError, VoicepipeError
from voicepipe.pipeline import Pipeline, RunResult, run
from voicepipe.telemetry.observer import CallObserver

try:
    from pipecat.transports.base_transport import TransportParams
    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
    from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

    from voicepipe.browser.peer import closed
except ImportError:
    raise MissingExtraError("talking in the browser", "browser") from None

_CONNECT_SECS: Final = 20
_RATE: Final = 24000
"""What the realtime APIs take and give, in hertz, so that nothing is resampled twice."""

EndedBy: TypeAlias = Literal["page", "bot", "failure", "server", "change"]
"""`page`: the person left. `bot`: it ended by itself. `failure`: it can't go on. `server`: it stops. `change`: new code."""


class Offer(BaseModel):
    """A browser's offer of a connection.

    Attributes:
        sdp: The session description (RFC 8866), with its candidates.
        type: Only an offer can be answered.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    sdp: str = Field(min_length=1)
    type: Literal["offer"]


class OfferRefused(VoicepipeError):
    """An offer cannot be answered."""


class BotFailed(VoicepipeError):
    """A bot gave no pipeline; the error it raised is the cause."""


class BrowserConversation:
    """A conversation, from the offer to its end.

    Args:
        bot: Makes the pipeline.
    """

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._connection = SmallWebRTCConnection(connection_timeout_secs=_CONNECT_SECS)
        self._pipeline: Pipeline | None = None
        self._ended_by: EndedBy | None = None
        self._detail = ""
        self._running: asyncio.Task[RunResult] | None = None
        self._over = asyncio.Event()

    async def answer(self, offer: Offer) -> Mapping[str, str]:
        """Answer the offer and make the pipeline; `run` is to follow.

        Returns:
            `sdp` and `type` of the answer.

        Raises:
            OfferRefused: The offer makes no sense, or offers no sound.
            BotFailed: The bot did not make a pipeline.
        """
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._close)
            sdp = await self._negotiated(offer)
            transport = SmallWebRTCTransport(self._connection, _params())
            transport.add_event_handler("on_client_disconnected", self._left)
            self._pipeline = await self._made(transport)
            undo.pop_all()
        return sdp

    async def _negotiated(self, offer: Offer) -> Mapping[str, str]:
        # aiortc takes what is wrong with an offer for a fault of its caller's, so errors of many classes come.
        attempt = self._connection.initialize(offer.sdp, offer.type)
        [error] = await asyncio.gather(attempt, return_exceptions=True)
        answer = self._connection.get_answer()
        if error is not None or answer is None:
            raise OfferRefused(f"sdp: cannot be answered ({type(error).__name__}: {error})")
        if not any(transceiver.kind == "audio" for transceiver in self._connection.pc.getTransceivers()):
            raise OfferRefused("sdp: offers no sound")
        return {"sdp": answer["sdp"], "type": answer["type"]}

    async def _made(self, transport: SmallWebRTCTransport) -> Pipeline:
        [made] = await asyncio.gather(pipeline_of(self._bot, transport), return_exceptions=True)
        if isinstance(made, BaseException):
            raise BotFailed(f"the bot could not be made: {type(made).__name__}: {made}") from made
        return made

    async def run(self, watching: Sequence[BaseObserver] = ()) -> None:
        """Hold the conversation until it is over.

        Args:
            watching: See every frame.
        """
        assert self._pipeline is not None
        feed = Feed(self._connection.send_app_message)
        pipeline, observers = self._pipeline, [CallObserver(feed), *watching]
        self._running = asyncio.create_task(
            run(pipeline, observers=observers, handle_signals=False), name="browser pipeline"
        )
        try:
            if self._ended_by is not None:
                self._running.cancel()
            await asyncio.wait([self._running])
        finally:
            self._running.cancel()
            [result] = await asyncio.gather(self._running, return_exceptions=True)
            # Before the connection is closed, since that looks as if the person had left.
            self._note(result)
            feed.close()
            await self._close()
            self._over.set()

    def end(self, by: EndedBy) -> None:
        """End the conversation; the first reason that is given counts."""
        self._ended_by = self._ended_by or by
        if self._running is not None:
            self._running.cancel()

    async def ended(self) -> tuple[EndedBy, str]:
        """Wait for its end; returns who ended it, and what there is to say about that."""
        await self._over.wait()
        return self._ended_by or "bot", self._detail

    async def _close(self) -> None:
        await self._connection.disconnect()
        await closed(self._connection.pc)

    async def _left(self, *_: object) -> None:
        self.end("page")

    def _note(self, result: RunResult | BaseException) -> None:
        if isinstance(result, asyncio.CancelledError):
            self._ended_by = self._ended_by or "server"
        elif isinstance(result, BaseException):
            self._ended_by, self._detail = "failure", f"{type(result).__name__}: {result}"
            logger.opt(exception=result).error("a conversation in the browser failed")
        else:
            failed = result.reason == "failed"
            self._ended_by = self._ended_by or ("failure" if failed else "bot")
            self._detail = result.detail


def _params() -> TransportParams:
    return TransportParams(
        audio_in_enabled=True,
        audio_in_sample_rate=_RATE,
        audio_out_enabled=True,
        audio_out_sample_rate=_RATE,
        audio_out_10ms_chunks=2,
        # The line is open as long as the page is, so silence at the end would only keep it waiting.
        audio_out_end_silence_secs=0,
    )
