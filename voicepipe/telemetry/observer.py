"""From the frames of a running pipeline to the record of a call: turns, tools, faults, usage, how it ended.

The observer holds two turns and the tools that run, whatever a call's length; what is kept is its sink's business
(`voicepipe.telemetry.records` keeps it in a database, `CallNotes` in memory).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    CodedTTSAudioRawFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    PlaybackMarkFrame,
    StopFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.latency import TurnLatencyMetricsData
from voicepipe.telemetry.calls import CallSink, Fault, ToolRun, Turn
from voicepipe.telemetry.first_hop import FirstHopObserver
from voicepipe.telemetry.heard import Playout
from voicepipe.telemetry.meter import Account, CallMeter


class CallObserver(FirstHopObserver):
    """Tells a sink of a call while it happens.

        notes, meter = CallNotes(), CallMeter()
        await run(pipeline, observers=[CallObserver(notes, meter)])

    Args:
        sink: Is told.
        meter: Keeps the account. It counts minutes from the pipeline's start unless `meter.started` was called before.
    """

    def __init__(self, sink: CallSink, meter: CallMeter | None = None) -> None:
        super().__init__()
        self._sink = sink
        self.meter = meter or CallMeter()
        """The account of the call."""
        self.end: tuple[str, str] | None = None
        """How the pipeline ended, by its frames: `ended` or `cancelled`, and the reason that was given."""
        self._turn: Turn | None = None
        self._last: Turn | None = None
        self._saying: Turn | None = None
        self._user_speaks = False
        self._final_words = (-1, "")
        self._next_index = 0
        self._tools: dict[str, ToolRun] = {}
        self._tool_count = 0
        self._fault_count = 0
        self._playout = Playout()
        self._began_ms: float | None = None
        self._is_open = False
        self._is_spoken = False
        self._is_finished = False

    async def on_pipeline_started(self) -> None:
        """Take the pipeline's start for the call's, if nothing was seen of it before."""
        self._since_start_ms()

    def observes(self, frame_type: type[Frame]) -> bool:
        """Whether a frame is about the call."""
        return frame_type in self._WRITERS

    def observed(self, frame: Frame, at_ms: float) -> None:  # noqa: ARG002
        """Take note of what a frame means, at the time of the event loop, on which playback is reported too."""
        self._WRITERS[type(frame)](self, frame, self._since_start_ms())

    @property
    def began_ms(self) -> float | None:
        """When the call began, on the event loop's clock, in milliseconds: what the times in it are counted from."""
        return self._began_ms

    def _since_start_ms(self) -> float:
        if self._began_ms is None:
            self._began_ms = _now_secs() * 1000
            self.meter.started(_now_secs())
        return round(_now_secs() * 1000 - self._began_ms, 1)

    async def cleanup(self) -> None:
        """Close the account and what is open when the pipeline is over."""
        await super().cleanup()
        self.finish()

    def finish(self) -> Account:
        """Close the account and what is open, at the first call; returns the account."""
        now_secs = _now_secs()
        if not self._is_finished and self._saying is not None and not self._saying.is_interrupted:
            self._playout.update(self._saying, now_secs * 1000)
            self._tell(self._saying)
        self._is_finished = True
        self.meter.ended(now_secs)
        for tool in self._tools.values():
            tool.status, tool.ended_ms = "cancelled", self._since_start_ms()
            self._sink.tool(tool)
        self._tools.clear()
        account = self.meter.account(now_secs)
        self._sink.account(account)
        return account

    def goes_on(self) -> None:
        """Take the next pipeline for more of the same call: turns are counted on, and minutes with those in between."""
        self._is_finished = False
        self._turn = self._last = self._saying = None
        self._user_speaks = self._is_open = self._is_spoken = False
        self.end = None
        self.meter.resumed()

    # The user.

    def _begin(self, at_ms: float) -> Turn:
        self._last, self._turn = self._turn, Turn(self._next_index, at_ms)
        self._next_index += 1
        # At once, so that sinks get turns in order.
        self._tell(self._turn)
        return self._turn

    def _user_started(self, _frame: Frame, at_ms: float) -> None:
        if not self._user_speaks:
            self._begin(at_ms)
            self._user_speaks = True
        self._tell(self._turn)
        self.meter.check(_now_secs())

    def _user_stopped(self, _frame: Frame, at_ms: float) -> None:
        self._user_speaks = False
        turn = self._turn or self._begin(at_ms)
        turn.user_stopped_ms = at_ms
        self._tell(turn)

    def _user_words(self, frame: TranscriptionFrame | InterimTranscriptionFrame, at_ms: float) -> None:
        turn = self._turn or self._begin(at_ms)
        is_late = self._user_speaks and self._last is not None and self._last.user_stopped_ms is not None
        if is_late and self._last is not None and not self._last.user_is_final:
            # The words of a turn may come when the next one has begun.
            turn = self._last
        index, said = self._final_words
        # A turn may come in several pieces, each of them final.
        turn.user_text = f"{said if index == turn.index else ''} {frame.text.strip()}".strip()
        turn.user_is_final = isinstance(frame, TranscriptionFrame)
        if turn.user_is_final:
            self._final_words = (turn.index, turn.user_text)
        self._tell(turn)

    # The bot.

    def _response_started(self, _frame: Frame, at_ms: float) -> None:
        self._is_open, self._is_spoken = True, False
        turn = self._turn
        self._saying = self._begin(at_ms) if turn is None or turn.is_interrupted else turn
        if self._saying.bot_text and not self._saying.bot_text.endswith(" "):
            self._saying.bot_text += " "

    def _response_ended(self, _frame: Frame, _at_ms: float) -> None:
        self._is_open = False
        self._tell(self._saying)

    def _bot_words(self, frame: LLMTextFrame, at_ms: float) -> None:
        # Words that go with the model's own sound reach the context another way.
        self._is_spoken = not frame.append_to_context
        turn = self._saying or self._turn or self._begin(at_ms)
        turn.bot_text = (turn.bot_text + frame.text).lstrip()
        self._tell(turn)

    def _bot_sound(self, frame: TTSAudioRawFrame, at_ms: float) -> None:
        turn = self._saying or self._turn or self._begin(at_ms)
        self._playout.sent(turn, frame, _now_secs() * 1000)

    def _bot_heard(self, _frame: Frame, at_ms: float) -> None:
        turn = self._saying or self._turn or self._begin(at_ms)
        if turn.bot_started_ms is None:
            turn.bot_started_ms = at_ms
            if turn.user_stopped_ms is not None:
                turn.latency_ms = round(at_ms - turn.user_stopped_ms, 1)
        self._tell(turn)

    def _bot_silent(self, _frame: Frame, at_ms: float) -> None:
        turn = self._saying
        if turn is not None and turn.bot_started_ms is not None and not turn.is_interrupted:
            turn.bot_stopped_ms = at_ms
            self._playout.update(turn, _now_secs() * 1000)
            self._tell(turn)

    def _mark(self, frame: PlaybackMarkFrame, _at_ms: float) -> None:
        self._playout.mark(frame)

    def _interrupted(self, _frame: Frame, at_ms: float) -> None:
        turn, now_ms = self._saying, _now_secs() * 1000
        if turn is None or turn.is_interrupted:
            return
        if self._playout.is_playing(turn, now_ms) or (self._is_open and (self._is_spoken or turn.said_ms)):
            turn.is_interrupted = True
            turn.bot_stopped_ms = at_ms if turn.bot_started_ms is not None else None
            self._playout.cut(turn, now_ms)
            self._tell(turn)

    # Tools.

    def _called(self, frame: FunctionCallInProgressFrame, at_ms: float) -> None:
        if frame.tool_call_id in self._tools:
            return
        turn = self._saying or self._turn or self._begin(at_ms)
        self._tell(turn)
        tool = ToolRun(
            self._tool_count,
            turn.index,
            frame.tool_call_id,
            frame.function_name,
            frame.arguments,
            at_ms,
        )
        self._tool_count += 1
        self._tools[frame.tool_call_id] = tool
        self._sink.tool(tool)

    def _returned(self, frame: FunctionCallResultFrame, at_ms: float) -> None:
        if frame.properties and not frame.properties.is_final:
            return
        tool = self._tools.pop(frame.tool_call_id, None)
        if tool is not None:
            tool.result, tool.status, tool.ended_ms = frame.result, "done", at_ms
            self._sink.tool(tool)

    def _given_up(self, frame: FunctionCallCancelFrame, at_ms: float) -> None:
        tool = self._tools.pop(frame.tool_call_id, None)
        if tool is not None:
            tool.status, tool.ended_ms = "cancelled", at_ms
            self._sink.tool(tool)

    # The pipeline.

    def _measured(self, frame: MetricsFrame, _at_ms: float) -> None:
        now_secs = _now_secs()
        for data in frame.data:
            turn = self._saying or self._turn
            if isinstance(data, TurnLatencyMetricsData) and turn is not None:
                turn.server_ms, turn.added_ms = round(data.server_ms, 1), round(data.added_ms, 1)
                self._tell(turn)
        self.meter.take_metrics(frame.data, now_secs)
        self._sink.account(self.meter.account(now_secs))

    def _failed(self, frame: ErrorFrame, at_ms: float) -> None:
        is_fatal = frame.fatal or (frame.processor is not None and not frame.processor.is_usable)
        self._sink.fault(Fault(self._fault_count, at_ms, frame.error, is_fatal))
        self._fault_count += 1

    def _ended(self, frame: EndFrame | StopFrame | CancelFrame, _at_ms: float) -> None:
        reason = str(frame.reason or "") if isinstance(frame, EndFrame | CancelFrame) else ""
        self.end = self.end or ("cancelled" if isinstance(frame, CancelFrame) else "ended", reason)

    def _tell(self, turn: Turn | None) -> None:
        if turn is not None:
            self._sink.turn(turn)

    _WRITERS: Mapping[type[Frame], Callable[[Any, Any, float], None]] = {
        UserStartedSpeakingFrame: _user_started,
        UserStoppedSpeakingFrame: _user_stopped,
        TranscriptionFrame: _user_words,
        InterimTranscriptionFrame: _user_words,
        LLMFullResponseStartFrame: _response_started,
        LLMFullResponseEndFrame: _response_ended,
        LLMTextFrame: _bot_words,
        TTSAudioRawFrame: _bot_sound,
        CodedTTSAudioRawFrame: _bot_sound,
        PlaybackMarkFrame: _mark,
        BotStartedSpeakingFrame: _bot_heard,
        BotStoppedSpeakingFrame: _bot_silent,
        InterruptionFrame: _interrupted,
        FunctionCallInProgressFrame: _called,
        FunctionCallResultFrame: _returned,
        FunctionCallCancelFrame: _given_up,
        MetricsFrame: _measured,
        ErrorFrame: _failed,
        EndFrame: _ended,
        StopFrame: _ended,
        CancelFrame: _ended,
    }


class CallNotes:
    """A sink that keeps a call in memory: for a call's summary and for tests."""

    def __init__(self) -> None:
        self._turns: dict[int, Turn] = {}
        self._tools: dict[int, ToolRun] = {}
        self.faults: list[Fault] = []
        """The errors, in order."""
        self.last_account: Account | None = None
        """What the call used and what that costs, as it was told last."""

    @property
    def turns(self) -> list[Turn]:
        """The turns, in order."""
        return list(self._turns.values())

    @property
    def tools(self) -> list[ToolRun]:
        """The calls of functions, in order."""
        return list(self._tools.values())

    def turn(self, turn: Turn) -> None:
        """Keep a turn."""
        self._turns[turn.index] = replace(turn)

    def tool(self, tool: ToolRun) -> None:
        """Keep a call of a function."""
        self._tools[tool.index] = replace(tool)

    def fault(self, fault: Fault) -> None:
        """Keep an error."""
        self.faults.append(fault)

    def account(self, account: Account) -> None:
        """Keep the account."""
        self.last_account = account


def _now_secs() -> float:
    return asyncio.get_running_loop().time()
