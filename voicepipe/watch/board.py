"""What those who watch can see: the calls that run, and for a while those that have ended. Plain values, and who is told.

Everything on the board has a key, and the newest of a key is all that counts, so who is behind is told less, not later.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from loguru import logger
from pipecat.observers.base_observer import FramePushed

from voicepipe.telemetry.calls import CallInfo, CallSink, Fault, ToolRun, Turn
from voicepipe.telemetry.links import LinkFate, LinkWatch
from voicepipe.telemetry.meter import Account, CallMeter
from voicepipe.telemetry.observer import CallObserver
from voicepipe.telemetry.recording.masking import Masking, Matcher
from voicepipe.watch.parts import about_of, account_of, fault_of, link_of, tool_of, turn_of
from voicepipe.watch.watcher import Watcher

Message: TypeAlias = dict[str, Any]
PartKey: TypeAlias = tuple[str, int, int]
"""Which part of a call: its type, the pipeline it was in, its index there."""

_PARTS: Final = 400
"""How much of one call is on the board: of a long one, the newest."""


@dataclass(slots=True)
class _Entry:
    """One call on the board."""

    summary: Message
    parts: OrderedDict[PartKey, Message] = field(default_factory=OrderedDict[PartKey, Message])
    pipelines: int = 0
    running: int = 0
    leaving: asyncio.TimerHandle | None = None


class Board:
    """The calls of a process.

        board = Board()
        await run(pipeline, observers=[board.observer(CallInfo(call_id="call-1"))])

    Args:
        kept_secs: For how long an ended call stays.
        most_ended: No more ended ones than these stay, the newest.
        masking: What nobody sees; telephone numbers are shown by their last four digits in any case.
    """

    def __init__(
        self, *, kept_secs: float = 900.0, most_ended: int = 50, masking: Masking | None = None
    ) -> None:
        self._kept_secs = kept_secs
        self._most_ended = most_ended
        self._matcher = (masking or Masking()).matcher()
        self._calls: OrderedDict[str, _Entry] = OrderedDict()
        self._watchers: set[Watcher] = set()

    def observer(
        self,
        info: CallInfo | None = None,
        *,
        meter: CallMeter | None = None,
        account: Callable[[], Account] | None = None,
        recording: str = "",
    ) -> CallObserver:
        """Return the observer that puts a call on the board. A further one with the same id is more of the same call.

        Args:
            info: What is known of the call.
            meter: Keeps the call's account; no other observer may feed it.
            account: Returns the account where somebody else keeps it.
            recording: Where the call is recorded, so that it is found afterwards.
        """
        about = info or CallInfo()
        return _WatchedCall(
            self, about, meter=meter, account=account, recording=recording, matcher=self._matcher
        )

    # Those who watch.

    def join(self, watcher: Watcher) -> None:
        """Tell somebody what is on the board, and all that changes."""
        self._watchers.add(watcher)
        for call_id, entry in self._calls.items():
            watcher.put(("call", call_id), entry.summary)
            for key, part in entry.parts.items():
                watcher.put((call_id, *key), part)

    def leave(self, watcher: Watcher) -> None:
        """Tell somebody nothing more."""
        self._watchers.discard(watcher)

    def close(self) -> None:
        """Forget all."""
        for entry in self._calls.values():
            if entry.leaving is not None:
                entry.leaving.cancel()
        self._calls.clear()
        self._watchers.clear()

    # What observers tell.

    def began(self, info: CallInfo, recording: str) -> int:
        """A pipeline of a call begins; returns its number in the call."""
        entry = self._calls.get(info.call_id)
        if entry is None:
            summary = {**about_of(info, self._matcher), "recording": recording}
            entry = self._calls[info.call_id] = _Entry(summary)
        elif entry.leaving is not None:
            entry.leaving.cancel()
            entry.leaving = None
        entry.pipelines += 1
        entry.running += 1
        self.changed(info.call_id, state="running", end="")
        return entry.pipelines

    def changed(self, call_id: str, **fields: Any) -> None:
        """What is known of a whole call has changed."""
        entry = self._calls.get(call_id)
        if entry is not None:
            entry.summary = {**entry.summary, **fields}
            self._tell(("call", call_id), entry.summary)

    def part(self, call_id: str, pipeline: int, message: Message) -> None:
        """A part of a call has changed."""
        entry = self._calls.get(call_id)
        if entry is None:
            return
        key = (str(message["type"]), pipeline, int(message["index"]))
        whole = {**message, "call": call_id, "pipeline": pipeline}
        is_new = key not in entry.parts
        entry.parts[key] = whole
        if len(entry.parts) > _PARTS:
            entry.parts.popitem(last=False)
        self._tell((call_id, *key), whole)
        if is_new and message["type"] == "fault":
            self.changed(call_id, faults=entry.summary["faults"] + 1)

    def ended(self, call_id: str, how: str) -> None:
        """A pipeline of a call is over; the call is when none runs."""
        entry = self._calls.get(call_id)
        if entry is None:
            return
        entry.running -= 1
        if entry.running:
            return
        self.changed(call_id, state="ended", end=how)
        self._calls.move_to_end(call_id)
        loop = asyncio.get_running_loop()
        entry.leaving = loop.call_later(self._kept_secs, self._forget, call_id)
        ended = [one for one, other in self._calls.items() if other.leaving is not None]
        for one in ended[: max(0, len(ended) - self._most_ended)]:
            self._forget(one)

    def _forget(self, call_id: str) -> None:
        entry = self._calls.pop(call_id)
        if entry.leaving is not None:
            entry.leaving.cancel()
        self._tell(("call", call_id), {"type": "gone", "call": call_id})

    def _tell(self, key: tuple[Any, ...], message: Message) -> None:
        for watcher in self._watchers:
            watcher.put(key, message)


class _WatchedCall(CallObserver):
    """Puts a call on the board."""

    def __init__(
        self,
        board: Board,
        info: CallInfo,
        *,
        meter: CallMeter | None,
        account: Callable[[], Account] | None,
        recording: str,
        matcher: Matcher,
    ) -> None:
        self._board = board
        self._info = info
        self._recording = recording
        self._matcher = matcher
        self._number = 0
        self._is_on = False
        self._links = LinkWatch(self._link)
        self._link_count = 0
        super().__init__(_Pins(self._pin, self._sum_up, account, matcher), meter)

    async def on_pipeline_started(self) -> None:
        await super().on_pipeline_started()
        self._put_up()

    async def on_push_frame(self, data: FramePushed) -> None:
        self._links.saw(data.source)
        await super().on_push_frame(data)

    async def cleanup(self) -> None:
        await super().cleanup()
        if self._is_on:
            self._is_on = False
            how, reason = self.end or ("failed", "")
            reason = self._matcher.text(reason)
            self._board.ended(self._info.call_id, f"{how}: {reason}" if reason else how)

    def _put_up(self) -> None:
        if not self._is_on and not self._number:
            self._is_on = True
            self._number = self._board.began(self._info, self._recording)

    def _pin(self, message: Message) -> None:
        self._put_up()
        self._board.part(self._info.call_id, self._number, message)

    def _sum_up(self, fields: Message) -> None:
        self._put_up()
        self._board.changed(self._info.call_id, **fields)

    def _link(self, fate: LinkFate) -> None:
        self._link_count += 1
        logger.debug(f"call {self._info.call_id}: connection {fate.fate}")
        self._pin(link_of(fate, self._link_count, self._since_start_ms(), self._matcher))


class _Pins(CallSink):
    """Makes messages of a call's parts.

    Args:
        pin: Takes the message of a part.
        sum_up: Takes what changes of the whole call.
        account: Returns the account where somebody else keeps it.
        matcher: Masks words.
    """

    def __init__(
        self,
        pin: Callable[[Message], None],
        sum_up: Callable[[Message], None],
        account: Callable[[], Account] | None,
        matcher: Matcher,
    ) -> None:
        self._pin = pin
        self._sum_up = sum_up
        self._account = account
        self._matcher = matcher

    def turn(self, turn: Turn) -> None:
        """Pin a turn."""
        self._pin(turn_of(turn, self._matcher))
        if turn.latency_ms is not None:
            self._sum_up({"latency_ms": turn.latency_ms})

    def tool(self, tool: ToolRun) -> None:
        """Pin a call of a function."""
        self._pin(tool_of(tool, self._matcher))

    def fault(self, fault: Fault) -> None:
        """Pin an error."""
        self._pin(fault_of(fault, self._matcher))

    def account(self, account: Account) -> None:
        """Tell what it costs."""
        self._sum_up(account_of(account if self._account is None else self._account()))
