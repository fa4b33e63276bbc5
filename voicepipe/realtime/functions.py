"""The model's functions while they run: what they gave goes to the model, how long they took into the metrics.

Pipecat runs them; its frames of their results pass the service on their way down, and are told here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voicepipe.frames import FunctionCallCancelFrame, FunctionCallResultFrame
from voicepipe.loops import now_ms
from voicepipe.realtime.fillers import Filler, Fillers
from voicepipe.realtime.latency import CallMeter, FunctionCallMetricsData
from voicepipe.realtime.translation import tool_output, wants_answer

if TYPE_CHECKING:
    from voicepipe.realtime.service import RealtimeService


class Functions:
    """Follows the functions of a service.

    Args:
        service: Whose they are.
        filler: What is said while one takes long; None is nothing.
    """

    def __init__(self, service: RealtimeService, filler: Filler | None) -> None:
        self._service = service
        self._fillers = Fillers(service, filler)
        self._meter = CallMeter()

    def started(self, call_id: str, name: str) -> None:
        """A function runs."""
        self._meter.started(call_id, name, now_ms())
        self._fillers.call_started(call_id, name)

    async def told(self, frame: FunctionCallResultFrame) -> None:
        """Tell the model what a function gave, or gave so far."""
        service, output = self._service, _output(frame.result)
        if frame.properties and not frame.properties.is_final:
            note = f"The function {frame.function_name} is still running. So far: {output}"
            await service.perform(service.session.add_message("system", note))
            return
        await self._ended(frame.tool_call_id, completed=True)
        await self._answer(frame.tool_call_id, output, respond=wants_answer(frame))

    async def cancelled(self, frame: FunctionCallCancelFrame) -> None:
        """Tell the model that a function will give nothing."""
        await self._ended(frame.tool_call_id, completed=False)
        await self._answer(frame.tool_call_id, "CANCELLED", respond=bool(frame.run_llm))

    async def answer(self, call_id: str, result: Any) -> None:
        """Answer a call that is not run."""
        await self._answer(call_id, _output(result), respond=True)

    async def close(self) -> None:
        """Leave nothing behind."""
        await self._fillers.close()

    async def _answer(self, call_id: str, output: str, *, respond: bool) -> None:
        session = self._service.session
        await self._service.perform(session.send_tool_result(call_id, output, respond=respond))

    async def _ended(self, call_id: str, *, completed: bool) -> None:
        await self._fillers.call_ended(call_id)
        ended = self._meter.ended(call_id, now_ms())
        if ended is not None:
            measures, (name, duration_ms) = self._service.measures, ended
            await measures.report(
                FunctionCallMetricsData(
                    processor=self._service.name,
                    model=measures.model,
                    function_name=name,
                    tool_call_id=call_id,
                    duration_ms=duration_ms,
                    completed=completed,
                )
            )


def _output(result: Any) -> str:
    """Return a result as text: what JSON has no form for as Python shows it, since a call is answered whatever it gave."""
    try:
        return tool_output(result)
    except TypeError:
        return tool_output(str(result))
