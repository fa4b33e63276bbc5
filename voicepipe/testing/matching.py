"""Whether what happened is what a scenario expects, and if not, what happened instead. Without time and without I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from voicepipe.local.brain.numbers import NUMBER_PATTERN, numbers_in
from voicepipe.local.brain.rules import normalised
from voicepipe.testing.call import CallRecord
from voicepipe.testing.happened import Happened
from voicepipe.testing.scenarios import Expectation, FunctionCall, Limits

_GATHERED: Final = ("response", "llm_response", "user_transcription")
"""Events whose words may come in pieces: what is looked for is looked for in all of them together."""
_NUMBERS: Final = re.compile(rf"\b{NUMBER_PATTERN}")
_SHOWN: Final = 4


@dataclass(slots=True)
class Search:
    """Looks for a turn's expectations among what happened, one after the other.

    Parameters:
        start: Where the turn begins, as an index of the events.
        position: Where the next search begins.
        used: The events that have met an expectation.
    """

    start: int
    position: int = -1
    used: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        self.position = max(self.position, self.start)

    def begin(self, expectation: Expectation) -> int:
        """Return where the search for an expectation begins."""
        return self.start if expectation.check_from == "turn_start" else self.position

    def meets(self, expectation: Expectation, events: Sequence[Happened], until_ms: float) -> bool:
        """Whether an expectation is met by what happened in time, and if so, go on from there.

        Args:
            expectation: What is looked for. Words have been found in sound before.
            events: What happened so far.
            until_ms: What happened later does not count, in milliseconds on the events' clock.
        """
        begin = self.begin(expectation)
        candidates = [
            index
            for index in range(begin, len(events))
            if events[index].event == expectation.event
            and events[index].at_ms <= until_ms
            and index not in self.used
        ]
        found = (
            _calls(expectation.wanted_calls, candidates, events)
            if expectation.event in ("function_call", "function_call_stopped")
            else _words(expectation, candidates, events)
        )
        if not found:
            return False
        self.used.update(found)
        self.position = max(self.position, found[-1] + 1)
        return True


def _calls(
    wanted: Sequence[FunctionCall], candidates: Sequence[int], events: Sequence[Happened]
) -> list[int]:
    found: list[int] = []
    for call in wanted:
        index = next((one for one in candidates if one not in found and _is_call(call, events[one])), None)
        if index is None:
            return []
        found.append(index)
    return sorted(found)


def _is_call(wanted: FunctionCall, event: Happened) -> bool:
    if wanted.name is not None and wanted.name != event.name:
        return False
    return all(
        name in event.args and event.args[name] == value for name, value in (wanted.args or {}).items()
    )


def _words(expectation: Expectation, candidates: Sequence[int], events: Sequence[Happened]) -> list[int]:
    for count, index in enumerate(candidates, 1):
        gathered = candidates[:count] if expectation.event in _GATHERED else [index]
        text = " ".join(events[one].text for one in gathered)
        if expectation.text_contains is not None and not contains(text, expectation.text_contains):
            continue
        if expectation.text_excludes is not None and contains(text, expectation.text_excludes):
            continue
        return [index]
    return []


def contains(text: str, words: str) -> bool:
    """Whether words are in a text, however either is written: case, punctuation, gaps, and numbers in digits or words."""
    return f" {_plain(words)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    in_digits = _NUMBERS.sub(lambda found: f" {' '.join(map(str, numbers_in(found[0])))} ", normalised(text))
    return " ".join(in_digits.split())


def latency_ms(events: Sequence[Happened], index: int, began_ms: float) -> float | None:
    """Return how long after the caller's turn the bot began to speak, for an event of that speech or its end.

    Args:
        events: What happened.
        index: Which event it is about.
        began_ms: When the call began, for a bot that speaks first.
    """
    speaks = _last(events[: index + 1], lambda event: event.event == "bot_started_speaking")
    if speaks is None:
        return None
    asked = _last(
        (event for event in events[:index] if event.at_ms <= speaks.at_ms),
        lambda event: event.event == "user_stopped_speaking",
    )
    return round(speaks.at_ms - (asked.at_ms if asked is not None else began_ms), 1)


def _last(events: Iterable[Happened], holds: Callable[[Happened], bool]) -> Happened | None:
    found = [event for event in events if holds(event)]
    return found[-1] if found else None


def described(expectation: Expectation) -> str:
    """Return what is expected, in words."""
    parts = [expectation.event]
    if expectation.event in ("function_call", "function_call_stopped"):
        parts = [f"{expectation.event} {' and '.join(map(str, expectation.wanted_calls))}"]
    if expectation.text_contains is not None:
        parts.append(f"with {expectation.text_contains!r}")
    if expectation.text_excludes is not None:
        parts.append(f"without {expectation.text_excludes!r}")
    return " ".join(parts)


def instead(expectation: Expectation, events: Sequence[Happened]) -> str:
    """Return what happened in place of what was expected, in words."""
    same = [event for event in events if event.event == expectation.event]
    if same:
        return "; ".join(shown(event) for event in same[-_SHOWN:])
    others = [event for event in events if event.text or event.name][-_SHOWN:]
    if others:
        return "; ".join(f"{event.event}: {shown(event)}" for event in others)
    return ", ".join(event.event for event in events[-_SHOWN:]) or "nothing"


def shown(event: Happened) -> str:
    """Return an event in words."""
    if event.name:
        return str(FunctionCall(name=event.name, args=dict(event.args)))
    return repr(event.text) if event.text else f"{event.event} without words"


def broken(limits: Limits, record: CallRecord) -> list[str]:
    """Return which of the limits of a whole call were not kept, in words."""
    found: list[str] = []
    if limits.tools is not None and limits.tools != record.called:
        found.append(f"tools: expected {_listed(limits.tools)}; called were {_listed(record.called)}")
    if limits.ended_by is not None and limits.ended_by != record.ended_by:
        why = f" ({record.ended_why})" if record.ended_why else ""
        found.append(f"ended_by: expected the {limits.ended_by}; it was the {record.ended_by}{why}")
    if limits.end_reason is not None and not contains(record.ended_why, limits.end_reason):
        found.append(f"end_reason: expected {limits.end_reason!r}; it was {record.ended_why!r}")
    if limits.max_cost is not None:
        if record.cost is None:
            found.append(
                f"max_cost: expected at most ${limits.max_cost:g}; no price is known of what was used"
            )
        elif record.cost > limits.max_cost:
            found.append(f"max_cost: expected at most ${limits.max_cost:g}; it was ${record.cost:.5f}")
    found += _latencies(limits, record)
    if limits.max_duration_ms is not None and record.duration_ms > limits.max_duration_ms:
        found.append(
            f"max_duration_ms: expected at most {limits.max_duration_ms:g}; it was {record.duration_ms:g}"
        )
    if not limits.errors:
        found += [f"error: {fault.message}" for fault in record.faults]
        if record.ended_by == "error" and not record.faults and limits.ended_by != "error":
            found.append(f"error: {record.ended_why}")
    return found


def _latencies(limits: Limits, record: CallRecord) -> list[str]:
    limit = limits.max_latency_ms
    if limit is None:
        return []
    return [
        f"max_latency_ms: expected at most {limit:g}; the answer to {turn.user_text!r} began after {turn.latency_ms:g}"
        for turn in record.turns
        if turn.latency_ms is not None and turn.latency_ms > limit
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
