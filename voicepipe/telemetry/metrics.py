"""Calls as Prometheus metrics: how many run, how long answers take and where, functions, errors, tokens, cost, queues.

Needs the extra `scale`. Names of callers, ids of calls and words are never labels: what has many values has no place there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pipecat.observers.base_observer import FramePushed

from voicepipe.errors import MissingExtraError
from voicepipe.frames import Frame, LLMFullResponseEndFrame
from voicepipe.realtime.backlog import HasBacklog
from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.latency import BOUNDS_MS, split_of
from voicepipe.telemetry.links import LinkFate, LinkWatch
from voicepipe.telemetry.meter import Account, CallMeter
from voicepipe.telemetry.newest_turns import NewestTurns
from voicepipe.telemetry.observer import CallObserver

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_QUEUES: Final = ("service", "carrier", "recording")
_BUCKETS: Final = tuple(bound / 1000 for bound in BOUNDS_MS)


class CallMetrics:
    """The metrics of a process. Make one, and an observer of it for each call.

        metrics = CallMetrics()
        prometheus_client.start_http_server(9090, "127.0.0.1")
        await run(pipeline, observers=[metrics.observer()])

    Args:
        registry: Where they are registered; by default `prometheus_client.REGISTRY`.

    Raises:
        MissingExtraError: `prometheus-client` is not installed.
        ValueError: The registry has these metrics already.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Gauge, Histogram
        except ImportError:
            raise MissingExtraError("metrics", "scale") from None
        options: Any = {"namespace": "voicepipe", "registry": REGISTRY if registry is None else registry}
        self.active = Gauge("calls_active", "Calls that run.", **options)
        self.calls = Counter("calls", "Calls that ended, by how.", ["end"], **options)
        self.call_secs = Counter("call_seconds", "How long calls lasted.", **options)
        self.turns = Counter("turns", "Turns.", **options)
        self.barge_ins = Counter("barge_ins", "Answers that were cut by the user.", **options)
        self.latency = Histogram(
            "turn_latency_seconds",
            "From the end of the user's turn to the first sound heard, by stage.",
            ["stage"],
            buckets=_BUCKETS,
            **options,
        )
        self.tools = Counter(
            "tool_calls", "Calls of functions, by how they ended.", ["name", "status"], **options
        )
        self.tool_secs = Histogram(
            "tool_seconds", "How long functions took.", ["name"], buckets=_BUCKETS, **options
        )
        self.errors = Counter("errors", "Errors in the course of calls.", ["fatal"], **options)
        self.tokens = Counter("tokens", "Tokens used.", ["model", "kind"], **options)
        self.dollars = Counter("cost_dollars", "What is known of the cost, in US dollars.", **options)

        self.connections = Counter(
            "connections", "Connections to services that were lost, resumed or renewed.", ["fate"], **options
        )
        self.dropped = Counter("dropped", "Messages that found no room in a queue.", ["queue"], **options)
        waiting = Gauge("queue_bytes", "What waits in the queues of calls that run.", ["queue"], **options)
        for queue in _QUEUES:
            self.dropped.labels(queue)
            waiting.labels(queue).set_function(partial(self._waiting, queue))
        self.queues: set[HasBacklog] = set()
        """Those of the calls that run."""

    def observer(self, meter: CallMeter | None = None, *, queues: Sequence[HasBacklog] = ()) -> CallObserver:
        """Return the observer of one call.

        Args:
            meter: Keeps the call's account; no other observer may feed it.
            queues: What has a queue and is no processor of the pipeline, such as a `CallRecorder`; processors are found.
        """
        return _CountingObserver(self, meter, queues)

    def _waiting(self, queue: str) -> float:
        # Asked for on the thread that answers Prometheus.
        backlogs = [owner.backlog() for owner in list(self.queues)]
        return float(sum(backlog.waiting_bytes for backlog in backlogs if backlog.queue == queue))


class _CountingObserver(CallObserver):
    def __init__(self, metrics: CallMetrics, meter: CallMeter | None, queues: Sequence[HasBacklog]) -> None:
        self._counting = _Counting(metrics)
        self._metrics = metrics
        self._runs = False
        self._links = LinkWatch(self._link)
        self._queues = dict.fromkeys(queues, 0)
        super().__init__(self._counting, meter)

    async def on_push_frame(self, data: FramePushed) -> None:
        source = data.source
        if self._links.saw(source) and isinstance(source, HasBacklog):
            self._queues[source] = 0
            self._metrics.queues.add(source)
        await super().on_push_frame(data)

    def observed(self, frame: Frame, at_ms: float) -> None:
        super().observed(frame, at_ms)
        if isinstance(frame, LLMFullResponseEndFrame):
            self._count_dropped()

    def _link(self, fate: LinkFate) -> None:
        self._metrics.connections.labels(fate.fate).inc()

    def _count_dropped(self) -> None:
        for owner, before in self._queues.items():
            backlog = owner.backlog()
            self._metrics.dropped.labels(backlog.queue).inc(backlog.dropped - before)
            self._queues[owner] = backlog.dropped

    async def on_pipeline_started(self) -> None:
        await super().on_pipeline_started()
        self._runs = True
        self._metrics.queues.update(self._queues)
        self._metrics.active.inc()

    async def cleanup(self) -> None:
        await super().cleanup()
        if self._runs:
            self._runs = False
            self._metrics.active.dec()
            self._count_dropped()
            self._metrics.queues.difference_update(self._queues)
            self._counting.ended(self.end[0] if self.end else "failed")


class _Counting:
    """Counts each part of one call once, when it does not change any more."""

    def __init__(self, metrics: CallMetrics) -> None:
        self._metrics = metrics
        self._turns = NewestTurns()
        self._tokens: dict[tuple[str, str], int] = {}
        self._dollars = 0.0
        self._call_secs = 0.0

    def turn(self, turn: Turn) -> None:
        for over in self._turns.take(turn):
            self._count(over)

    def tool(self, tool: ToolRun) -> None:
        if tool.status == "running":
            return
        self._metrics.tools.labels(tool.name, tool.status).inc()
        if tool.ended_ms is not None:
            self._metrics.tool_secs.labels(tool.name).observe((tool.ended_ms - tool.started_ms) / 1000)

    def fault(self, fault: Fault) -> None:
        self._metrics.errors.labels(str(fault.is_fatal).lower()).inc()

    def account(self, account: Account) -> None:
        for model, kinds in account.used.tokens.items():
            for kind, count in kinds.items():
                key = (model or "", str(kind))
                self._metrics.tokens.labels(*key).inc(count - self._tokens.get(key, 0))
                self._tokens[key] = count
        known = float(account.cost.known)
        self._metrics.dollars.inc(max(0.0, known - self._dollars))
        self._dollars = max(known, self._dollars)
        self._call_secs = account.call_secs

    def ended(self, how: str) -> None:
        for turn in self._turns.rest():
            self._count(turn)
        self._metrics.calls.labels(how).inc()
        self._metrics.call_secs.inc(self._call_secs)

    def _count(self, turn: Turn) -> None:
        self._metrics.turns.inc()
        self._metrics.barge_ins.inc(int(turn.is_interrupted))
        split: Mapping[Any, float] = split_of(turn)
        for stage, duration_ms in split.items():
            self._metrics.latency.labels(stage).observe(max(0.0, duration_ms) / 1000)
