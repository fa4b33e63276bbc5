"""A phone's calls on the page of a `Watch`."""

from __future__ import annotations

from collections.abc import Sequence

from pipecat.observers.base_observer import BaseObserver

from voicepipe.phone.call import Call
from voicepipe.phone.talk import PipelineObservers
from voicepipe.telemetry.calls import CallInfo
from voicepipe.watch import Watch


def with_watch(observers: PipelineObservers | None, watch: Watch | None) -> PipelineObservers | None:
    """Return what makes a call's observers, with the one that shows it to those who watch."""
    if watch is None:
        return observers

    def watched(call: Call) -> Sequence[BaseObserver]:
        others = observers(call) if observers else ()
        return [*others, watch.board.observer(info_of(call), account=lambda: call.account)]

    return watched


def info_of(call: Call) -> CallInfo:
    """Return what is known of a call at its beginning."""
    return CallInfo(
        call_id=call.id,
        direction=call.direction,
        caller=call.caller,
        called=call.callee,
        carrier=call.carrier,
        engine=call.agent.engine.kind,
        model=call.agent.engine.model,
    )
