"""What a bot did, told so that a person can compare it: one line for an answer's words, one for its sound, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final, Literal

from voicepipe.telemetry.recording.layout import Entry

_TOLERANCE_MS: Final = 100.0
"""What a loaded machine's clock may differ by without anything having changed."""
_TEXTS: Final = ("LLMTextFrame",)
_PASSED_OVER: Final = frozenset(
    {
        "TTSTextFrame",
        "InterimTranscriptionFrame",
        "PlaybackMarkFrame",
        "StartFrame",
        "EndFrame",
        "CancelFrame",
    }
)
_PAUSE_MS: Final = 300.0
"""After such a pause sound that is sent is told of anew."""
_OWN_ID: Final = re.compile(r"(?<=\bvp_item)_\d+|(?<=\bvp_ask)_\d+")
_QUIET_FIELDS: Final = frozenset({"event_id", "context_id"})


@dataclass(slots=True)
class Line:
    """One thing that a bot did.

    Parameters:
        at_ms: When, in milliseconds since the call began.
        what: What it was.
        values_ms: Lengths and positions that go with it, by name, in milliseconds.
    """

    at_ms: float
    what: str
    values_ms: dict[str, float] = field(default_factory=dict[str, float])

    def __str__(self) -> str:
        values = "".join(f" {name}={value:.0f}" for name, value in self.values_ms.items())
        return f"{self.at_ms / 1000:9.3f} s  {self.what}{values}"

    def differs_from(self, other: Line, tolerance_ms: float) -> bool:
        """Whether times or values differ by more than a tolerance."""
        mine, its = {"at": self.at_ms, **self.values_ms}, {"at": other.at_ms, **other.values_ms}
        return any(abs(value - its.get(name, value)) > tolerance_ms for name, value in mine.items())


def story_of(entries: Iterable[Entry]) -> list[Line]:
    """Return what services did, by the entries of a recording or of a replay."""
    teller = _Teller()
    for entry in entries:
        teller.take(entry)
    return teller.lines


class _Teller:
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._sounds: dict[str, Line] = {}
        self._words: Line | None = None
        self._sending: Line | None = None

    def take(self, entry: Entry) -> None:
        if entry["k"] == "wire" and entry["way"] == "sent" and "message" in entry:
            if _is_sound(entry["message"]):
                self._sends(entry["t"])
            else:
                self.lines.append(_sent(entry))
        elif entry["k"] == "sound" and entry["who"] == "bot":
            self._sound(entry)
        elif entry["k"] == "frame" and str(entry["from"]).startswith("service "):
            self._frame(entry)

    def _sends(self, at_ms: float) -> None:
        sending = self._sending
        if sending is not None and at_ms - sending.at_ms - sending.values_ms["ms"] <= _PAUSE_MS:
            sending.values_ms["ms"] = at_ms - sending.at_ms
            return
        self._sending = Line(at_ms, "sends the caller's sound", {"ms": 0.0})
        self.lines.append(self._sending)

    def _sound(self, entry: Entry) -> None:
        context = entry.get("context", "")
        if context not in self._sounds:
            self._sounds[context] = Line(entry["t"], f"sound of {context or 'the bot'}", {"ms": 0.0})
            self.lines.append(self._sounds[context])
        self._sounds[context].values_ms["ms"] += entry["sound"][1] / 2 * 1000 / entry["rate"]

    def _frame(self, entry: Entry) -> None:
        name = entry["frame"]
        if name in _PASSED_OVER:
            return
        if name in ("LLMFullResponseStartFrame", "LLMFullResponseEndFrame"):
            self._words = None
        if name not in _TEXTS:
            self.lines.append(Line(entry["t"], _frame(entry)))
        elif self._words is not None:
            self._words.what += entry["fields"]["text"]
        else:
            self._words = Line(entry["t"], f"says: {entry['fields']['text']}")
            self.lines.append(self._words)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two stories differ.

    Parameters:
        kind: `gone`, `new`, or `changed`: the same thing with other times or lengths.
        before: The line of the first story, if it has one there.
        after: The line of the second one.
    """

    kind: Literal["gone", "new", "changed"]
    before: Line | None
    after: Line | None

    def __str__(self) -> str:
        if self.kind == "changed":
            return f"~ {self.before}\n  {'':9}   now: {self.after}"
        return f"- {self.before}" if self.kind == "gone" else f"+ {self.after}"


def differences(
    before: list[Line], after: list[Line], *, tolerance_ms: float = _TOLERANCE_MS
) -> list[Difference]:
    """Return where two stories differ, in order."""
    found = list(_differences(before, after, tolerance_ms))
    new = [one.after for one in found if one.after is not None and one.kind == "new"]
    moved: set[int] = set()
    for one in found:
        if one.kind != "gone" or one.before is None:
            continue
        for other in new:
            # Two things of one moment have no order that anybody could rely on.
            if other.what == one.before.what and id(other) not in moved:
                if not other.differs_from(one.before, tolerance_ms):
                    moved |= {id(other), id(one.before)}
                break
    return [one for one in found if id(one.before) not in moved and id(one.after) not in moved]


def _differences(before: list[Line], after: list[Line], tolerance_ms: float) -> Iterator[Difference]:
    matcher = SequenceMatcher(
        None, [line.what for line in before], [line.what for line in after], autojunk=False
    )
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for old, new in zip(before[i1:i2], after[j1:j2], strict=True):
                if old.differs_from(new, tolerance_ms):
                    yield Difference("changed", old, new)
            continue
        yield from (Difference("gone", line, None) for line in before[i1:i2])
        yield from (Difference("new", None, line) for line in after[j1:j2])


def _frame(entry: Entry) -> str:
    shown = _shown(entry["fields"])
    return f"{entry['frame']} {shown}".rstrip()


def _is_sound(message: dict[str, Any]) -> bool:
    return any(isinstance(value, dict) and "$bytes" in value for value in message.values())


def _sent(entry: Entry) -> Line:
    message: dict[str, Any] = entry["message"]
    type_ = str(message.get("type", "a message"))
    values = {name: float(value) for name, value in message.items() if name.endswith("_ms")}
    rest = {name: value for name, value in message.items() if name != "type" and name not in values}
    return Line(entry["t"], f"sent {type_} {_shown(rest)}".rstrip(), values)


def _shown(fields: dict[str, Any]) -> str:
    parts = [
        f"{name}={value!r}"
        for name, value in fields.items()
        if name not in _QUIET_FIELDS and value not in (None, "", False)
    ]
    # A service counts its own ids up, so they tell of the order of things in one moment and of nothing else.
    text = _OWN_ID.sub("", " ".join(parts))
    return text if len(text) <= 400 else f"{text[:397]}..."
