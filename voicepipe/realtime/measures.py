"""What a service measures of its conversation, as Pipecat's metrics: when a turn ended, when its answer was first heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipecat.metrics.metrics import MetricsData

from voicepipe.frames import MetricsFrame
from voicepipe.loops import now_ms
from voicepipe.realtime.latency import LatencyMeter, TurnLatencyMetricsData

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService


class Measures:
    """Measures for one service.

    Args:
        service: Whose metrics these are.
        model: The model they are of, if it has a name.
    """

    def __init__(self, service: RealtimeService, model: str | None) -> None:
        self.model = model
        """The model, as metrics name it."""
        self._service = service
        self._latency = LatencyMeter()
        self._received_ms = 0.0

    def received(self) -> None:
        """A message of the server's came."""
        self._received_ms = now_ms()

    async def turn_ended(self) -> None:
        """The user's turn is over: from here on the answer is waited for."""
        self._latency.turn_ended(now_ms())
        await self._service.start_ttfb_metrics()
        await self._service.start_processing_metrics()

    async def first_sound(self) -> None:
        """The first sound of a response goes out."""
        await self._service.stop_ttfb_metrics()
        measured = self._latency.sound_went_out(self._received_ms, now_ms())
        if measured is not None:
            server_ms, added_ms = measured
            await self.report(
                TurnLatencyMetricsData(
                    processor=self._service.name, model=self.model, server_ms=server_ms, added_ms=added_ms
                )
            )

    async def report(self, metrics: MetricsData) -> None:
        """Push metrics, if they are wanted."""
        if self._service.metrics_enabled:
            await self._service.push_frame(MetricsFrame(data=[metrics]))
