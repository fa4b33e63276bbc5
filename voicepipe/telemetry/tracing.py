"""Calls as OpenTelemetry traces: a span for each call, turn, response and function, named as the GenAI conventions have it.

Needs the extra `scale`. Words are in a span only if they are asked for, and masked as in a recording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipecat.observers.base_observer import FramePushed

from voicepipe.errors import MissingExtraError
from voicepipe.frames import (
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    MetricsFrame,
    TTSStartedFrame,
)
from voicepipe.telemetry.calls import CallInfo
from voicepipe.telemetry.links import LinkFate, LinkWatch
from voicepipe.telemetry.meter import CallMeter
from voicepipe.telemetry.observer import CallObserver
from voicepipe.telemetry.recording.masking import Masking
from voicepipe.telemetry.spans import CallSpans

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


class CallTraces:
    """The traces of a process. Make one, and an observer of it for each call.

        traces = CallTraces()
        await run(pipeline, observers=[traces.observer(CallInfo(model="gpt-realtime"))])

    Args:
        provider: Where spans go; by default what `opentelemetry.trace.set_tracer_provider` was given.
        content: Whether spans hold what was said, and what functions were called with and gave.
        masking: What is taken out of words and errors.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
    """

    def __init__(
        self,
        provider: TracerProvider | None = None,
        *,
        content: bool = False,
        masking: Masking | None = None,
    ) -> None:
        try:
            from opentelemetry.trace import get_tracer
        except ImportError:
            raise MissingExtraError("tracing", "scale") from None
        self._tracer = get_tracer("voicepipe", tracer_provider=provider)
        self._content = content
        self._matcher = (masking or Masking()).matcher()

    def observer(self, info: CallInfo | None = None, meter: CallMeter | None = None) -> CallObserver:
        """Return the observer of one call. Its span is a child of the one that is current when the pipeline starts.

        Args:
            info: What is known of the call; numbers of callers do not become part of a span.
            meter: Keeps the call's account; no other observer may feed it.
        """
        spans = CallSpans(
            self._tracer, info or CallInfo(), self._matcher if self._content else None, self._matcher
        )
        return _TracingObserver(spans, meter)


class _TracingObserver(CallObserver):
    """Adds to the turns and functions of a call its responses, whose spans begin and end with frames."""

    def __init__(self, spans: CallSpans, meter: CallMeter | None) -> None:
        super().__init__(spans, meter)
        self._spans = spans
        self._links = LinkWatch(self._link)

    async def on_pipeline_started(self) -> None:
        await super().on_pipeline_started()
        self._spans.begin()

    async def on_push_frame(self, data: FramePushed) -> None:
        self._links.saw(data.source)
        await super().on_push_frame(data)

    def observes(self, frame_type: type[Frame]) -> bool:
        return frame_type is TTSStartedFrame or super().observes(frame_type)

    def observed(self, frame: Frame, at_ms: float) -> None:
        if isinstance(frame, TTSStartedFrame):
            self._spans.response_named(frame.context_id or "")
            return
        if isinstance(frame, MetricsFrame):
            self._spans.measured(frame.data)
        super().observed(frame, at_ms)
        now_ms = self._since_start_ms()
        if isinstance(frame, LLMFullResponseStartFrame) and self._saying is not None:
            self._spans.response_started(self._saying, now_ms)
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._spans.response_ended(now_ms)
        elif isinstance(frame, InterruptionFrame):
            self._spans.response_cut()

    async def cleanup(self) -> None:
        is_first = self._began_ms is not None and not self._is_finished
        await super().cleanup()
        if is_first:
            self._spans.end(self._since_start_ms(), self.end)

    def _link(self, fate: LinkFate) -> None:
        self._spans.link(fate, self._since_start_ms())
