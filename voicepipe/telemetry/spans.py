"""The spans of one call while it runs: what is open, what belongs to what, and the attributes they get.

Names are those of OpenTelemetry's semantic conventions for generative AI; what they have no name for is `voicepipe.*`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipecat.metrics.metrics import LLMUsageMetricsData, MetricsData

from voicepipe.realtime.usage import TranscriptionTokensMetricsData
from voicepipe.telemetry.calls import CallInfo, Fault, ToolRun, Turn
from voicepipe.telemetry.latency import split_of
from voicepipe.telemetry.links import LinkFate
from voicepipe.telemetry.meter import Account
from voicepipe.telemetry.newest_turns import NewestTurns
from voicepipe.telemetry.plain import as_json, plain
from voicepipe.telemetry.recording.masking import Matcher
from voicepipe.telemetry.tokens import usage_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Attributes = Mapping[str, str | bool | int | float]


class CallSpans:
    """The open spans of one call; the sink of its observer. Times are milliseconds since the call's start.

    Args:
        tracer: Makes spans.
        info: What is known of the call.
        content: Masks words that go into spans; None keeps words out of them.
        matcher: Masks errors and reasons.
    """

    def __init__(self, tracer: Tracer, info: CallInfo, content: Matcher | None, matcher: Matcher) -> None:
        self._tracer = tracer
        self._info = info
        self._content = content
        self._matcher = matcher
        self._began_ns = 0
        self._call: Span | None = None
        self._turns = NewestTurns()
        self._open: dict[int, Span] = {}
        self._ends: dict[int, float] = {}
        self._tools: dict[int, Span] = {}
        self._response: Span | None = None
        self._response_turn = 0
        self._model = info.model
        self._account: Account | None = None
        self._failed = ""

    # The call.

    def begin(self) -> None:
        """The call begins, unless something was seen of it before."""
        self._call_span()

    def _call_span(self) -> Span:
        if self._call is None:
            self._began_ns = time.time_ns()
            self._call = self._tracer.start_span(
                f"invoke_agent {self._info.engine}".rstrip(),
                start_time=self._began_ns,
                attributes=_given(
                    {
                        "gen_ai.operation.name": "invoke_agent",
                        "gen_ai.conversation.id": self._info.call_id,
                        "gen_ai.provider.name": _provider(self._info.engine),
                        "gen_ai.request.model": self._info.model,
                        "voicepipe.call.direction": self._info.direction or "",
                        "voicepipe.call.carrier": self._info.carrier,
                        **{
                            f"voicepipe.label.{k}": self._matcher.text(v)
                            for k, v in self._info.labels.items()
                        },
                    }
                ),
            )
        return self._call

    def end(self, now_ms: float, end: tuple[str, str] | None) -> None:
        """End all spans."""
        self.response_ended(now_ms)
        for turn in self._turns.rest():
            self._end_turn(turn)
        call = self._call_span()
        how, reason = end or ("failed", "")
        call.set_attribute("voicepipe.call.end", how)
        if reason:
            call.set_attribute("voicepipe.call.end_reason", self._matcher.text(reason))
        if self._account is not None:
            call.set_attributes(_account_attributes(self._account))
        if self._failed:
            _set_failed(call, self._failed)
        call.end(self._at(now_ms))

    def link(self, fate: LinkFate, at_ms: float) -> None:
        """A connection was lost or replaced."""
        call = self._call_span()
        attributes = _given(
            {"voicepipe.service": fate.service, "voicepipe.detail": self._matcher.text(fate.detail)}
        )
        call.add_event(f"voicepipe.connection.{fate.fate}", attributes, self._at(at_ms))

    def fault(self, fault: Fault) -> None:
        """Take an error."""
        message = self._matcher.text(fault.message)
        attributes = {"error.type": "_OTHER", "exception.message": message, "voicepipe.fatal": fault.is_fatal}
        self._call_span().add_event("exception", attributes, self._at(fault.at_ms))
        if fault.is_fatal:
            self._failed = self._failed or message

    def account(self, account: Account) -> None:
        """Take the account."""
        self._account = account

    # Turns.

    def turn(self, turn: Turn) -> None:
        """Take a turn as it is now; its span ends when it does not change any more."""
        over = self._turns.take(turn)
        if turn.index in self._turns:
            self._turn_span(turn)
        for one in over:
            self._end_turn(one)

    def _turn_span(self, turn: Turn) -> Span:
        span = self._open.get(turn.index)
        if span is None:
            about = {"voicepipe.turn.index": turn.index}
            span = self._open[turn.index] = self._child("turn", self._call_span(), turn.started_ms, about)
        return span

    def _reaches(self, index: int, at_ms: float) -> None:
        """What belongs to a turn went on until then, and so did the turn."""
        self._ends[index] = max(self._ends.get(index, 0.0), at_ms)

    def _end_turn(self, turn: Turn) -> None:
        span = self._open.pop(turn.index)
        times = (turn.started_ms, turn.user_stopped_ms, turn.bot_started_ms, turn.bot_stopped_ms)
        end_ms = max(self._ends.pop(turn.index, 0.0), *(at_ms for at_ms in times if at_ms is not None))
        span.set_attributes(
            {
                "voicepipe.turn.interrupted": turn.is_interrupted,
                "voicepipe.turn.said_ms": turn.said_ms,
                "voicepipe.turn.heard_ms": turn.heard_ms,
                **{f"voicepipe.turn.latency.{stage}_ms": one for stage, one in split_of(turn).items()},
            }
        )
        for name, at_ms in (("user_stopped", turn.user_stopped_ms), ("first_heard", turn.bot_started_ms)):
            if at_ms is not None:
                span.add_event(f"voicepipe.{name}", timestamp=self._at(at_ms))
        if self._content is not None:
            said = turn.bot_text if turn.heard_text is None else turn.heard_text
            span.set_attributes(
                _given(
                    {
                        "gen_ai.input.messages": _message("user", self._content.text(turn.user_text)),
                        "gen_ai.output.messages": _message("assistant", self._content.text(said)),
                    }
                )
            )
        span.end(self._at(end_ms))

    # Responses.

    def response_started(self, turn: Turn, at_ms: float) -> None:
        """The model begins to answer."""
        self.response_ended(at_ms)
        self._response_turn = turn.index
        self._response = self._child(
            f"chat {self._model}".rstrip(),
            self._turn_span(turn),
            at_ms,
            _given(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.conversation.id": self._info.call_id,
                    "gen_ai.provider.name": _provider(self._info.engine),
                    "gen_ai.request.model": self._model,
                }
            ),
            is_client=True,
        )

    def response_named(self, context_id: str) -> None:
        """The response's sound begins; its context is the response's id."""
        if self._response is not None:
            self._response.set_attributes(
                _given({"gen_ai.response.id": context_id, "gen_ai.output.type": "speech"})
            )

    def response_cut(self) -> None:
        """The user interrupts."""
        if self._response is not None:
            self._response.set_attribute("voicepipe.response.interrupted", True)

    def response_ended(self, at_ms: float) -> None:
        """The response has ended, however."""
        response, self._response = self._response, None
        if response is not None:
            self._reaches(self._response_turn, at_ms)
            response.end(self._at(at_ms))

    def measured(self, metrics: list[MetricsData]) -> None:
        """Take what a response used. It is told before the response's end."""
        for data in metrics:
            if isinstance(data, TranscriptionTokensMetricsData) or not isinstance(data, LLMUsageMetricsData):
                continue
            self._model = data.model or self._model
            if self._response is None:
                continue
            used = usage_of(data.value)
            self._response.update_name(f"chat {self._model}".rstrip())
            self._response.set_attributes(
                _given(
                    {
                        "gen_ai.request.model": self._model,
                        "gen_ai.usage.input_tokens": used.input_tokens,
                        "gen_ai.usage.output_tokens": used.output_tokens,
                        "gen_ai.usage.cache_read.input_tokens": used.cached_tokens,
                        "voicepipe.usage.input_audio_tokens": used.input_audio_tokens,
                        "voicepipe.usage.output_audio_tokens": used.output_audio_tokens,
                    }
                )
            )

    # Functions.

    def tool(self, tool: ToolRun) -> None:
        """Take a call of a function as it is now."""
        span = self._tools.get(tool.index) or self._tool_span(tool)
        if tool.status == "running":
            return
        del self._tools[tool.index]
        span.set_attribute("voicepipe.tool.status", tool.status)
        if self._content is not None and tool.status == "done":
            span.set_attribute("gen_ai.tool.call.result", _json(self._content.value(plain(tool.result))))
        end_ms = tool.started_ms if tool.ended_ms is None else tool.ended_ms
        self._reaches(tool.turn_index, end_ms)
        span.end(self._at(end_ms))

    def _tool_span(self, tool: ToolRun) -> Span:
        turn = self._open.get(tool.turn_index)
        span = self._child(
            f"execute_tool {tool.name}",
            self._call_span() if turn is None else turn,
            tool.started_ms,
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": tool.name,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": tool.tool_call_id,
            },
        )
        if self._content is not None:
            span.set_attribute(
                "gen_ai.tool.call.arguments", _json(self._content.value(plain(tool.arguments)))
            )
        self._tools[tool.index] = span
        return span

    # OpenTelemetry.

    def _child(
        self, name: str, parent: Span, at_ms: float, attributes: Attributes, *, is_client: bool = False
    ) -> Span:
        from opentelemetry.trace import SpanKind, set_span_in_context

        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT if is_client else SpanKind.INTERNAL,
            start_time=self._at(at_ms),
            attributes=dict(attributes),
        )

    def _at(self, at_ms: float) -> int:
        return self._began_ns + round(at_ms * 1e6)


def _set_failed(span: Span, message: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", "_OTHER")
    span.set_status(Status(StatusCode.ERROR, message))


def _account_attributes(account: Account) -> dict[str, int | float]:
    given = {
        "gen_ai.usage.input_tokens": sum(
            n for kind, n in account.used.tokens_by_kind().items() if "input" in kind
        ),
        "gen_ai.usage.output_tokens": sum(
            n for kind, n in account.used.tokens_by_kind().items() if "output" in kind
        ),
        "voicepipe.call.cost_dollars": float(account.cost.known),
        "voicepipe.call.secs": account.call_secs,
    }
    return dict(given)


def _provider(engine: str) -> str:
    """Return the well-known name of whose model talks."""
    return "openai" if engine.startswith("openai") else engine.split("_", maxsplit=1)[0]


def _message(role: str, text: str) -> str:
    """Return one message as the conventions write a list of them; empty if nothing was said."""
    return _json([{"role": role, "parts": [{"type": "text", "content": text}]}]) if text else ""


def _json(value: Any) -> str:
    return as_json(value).decode()


def _given(attributes: Attributes) -> dict[str, str | bool | int | float]:
    """Return the attributes that have something to say."""
    return {name: value for name, value in attributes.items() if value != ""}
