"""What the page of a call shows, as one JSON value. Times are milliseconds since the recording began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from itertools import islice
from statistics import median
from typing import Any, Final

from voicepipe.telemetry.calls import Turn
from voicepipe.telemetry.latency import split_of
from voicepipe.telemetry.recording.layout import Entry
from voicepipe.telemetry.recording.reader import Recording
from voicepipe.telemetry.recording.tracks import heard_pieces

MOST_EVENTS: Final = 40_000
"""Of a longer call, pieces of texts and of sound are left out of the list of events."""
_PIECES: Final = frozenset({"LLMTextFrame", "TTSTextFrame", "InterimTranscriptionFrame", "PlaybackMarkFrame"})
_SPEECH: Final = {
    "UserStartedSpeakingFrame": True,
    "ProposedUserStartedSpeakingFrame": True,
    "UserStoppedSpeakingFrame": False,
    "ProposedUserStoppedSpeakingFrame": False,
}


def page_data(recording: Recording) -> dict[str, Any]:
    """Return all that the page shows but the sound."""
    turns = _turns(recording)
    header = recording.header
    return {
        "call": header["call"],
        "startedAt": header["started_at"],
        "durationMs": recording.duration_ms,
        "isWhole": recording.is_whole,
        "end": recording.end,
        "versions": header["versions"],
        "services": header["services"],
        "model": _model(recording),
        "settings": recording.opening(),
        "summary": _summary(recording, turns),
        "speech": _speech(recording),
        "answers": _answers(recording),
        "silenced": [_plain(entry) for entry in recording.of("silenced")],
        "turns": turns,
        "tools": [asdict(tool) for tool in recording.tools],
        "marks": _marks(recording),
        "account": recording.account,
        "events": _events(recording),
    }


def _summary(recording: Recording, turns: list[dict[str, Any]]) -> dict[str, Any]:
    latencies = [turn["split"]["total"] for turn in turns if "total" in turn["split"]]
    account: Mapping[str, Any] = recording.account or {}
    links = [entry for entry in recording.of("wire") if entry["way"] == "closed"]
    return {
        "turns": len(turns),
        "bargeIns": sum(turn["is_interrupted"] for turn in turns),
        "latencyMs": median(latencies) if latencies else None,
        "cost": account.get("total") or account.get("known"),
        "isCostWhole": account.get("total") is not None,
        "tools": len(recording.tools),
        "errors": len(recording.faults),
        "reconnects": len(links),
    }


def _turns(recording: Recording) -> list[dict[str, Any]]:
    costs = _costs(recording, recording.turns)
    return [
        {**asdict(turn), "split": dict(split_of(turn)), "cost": costs.get(turn.index)}
        for turn in recording.turns
    ]


def _costs(recording: Recording, turns: list[Turn]) -> dict[int, str]:
    """Return what was billed while each turn was the newest one."""
    costs: dict[int, Decimal] = {}
    before = Decimal(0)
    for entry in recording.of("account"):
        known = Decimal(str(entry["known"]))
        begun = [turn.index for turn in turns if turn.started_ms <= entry["t"]]
        if begun and known > before:
            costs[begun[-1]] = costs.get(begun[-1], Decimal(0)) + known - before
        before = known
    return {index: f"{amount:f}" for index, amount in costs.items()}


def _speech(recording: Recording) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    since: float | None = None
    for entry in recording.frames(*_SPEECH):
        if _SPEECH[entry["frame"]]:
            since = entry["t"] if since is None else since
        elif since is not None:
            spans.append((since, entry["t"]))
            since = None
    return spans if since is None else [*spans, (since, recording.duration_ms)]


def _answers(recording: Recording) -> list[dict[str, Any]]:
    """Return for each answer from when to when it was heard, and how much sound it had."""
    answers: dict[str, dict[str, Any]] = {}
    for entry in recording.of("sound"):
        if entry["who"] == "bot":
            name = entry.get("context", "")
            answer = answers.setdefault(name, {"id": name, "saidMs": 0.0, "heardMs": 0.0, "spans": []})
            answer["saidMs"] += entry["sound"][1] / 2 * 1000 / entry["rate"]
    for piece in heard_pieces(recording.entries):
        answer = answers[piece.context_id]
        answer["heardMs"] += piece.played_ms
        spans: list[list[float]] = answer["spans"]
        if spans and piece.start_ms - spans[-1][1] < 1.0:
            spans[-1][1] = piece.end_ms
        else:
            spans.append([piece.start_ms, piece.end_ms])
    return list(answers.values())


def _marks(recording: Recording) -> list[dict[str, Any]]:
    """Return what is marked on the time axis: barge-ins, settings, errors, lost and new connections, remarks."""
    marks: list[dict[str, Any]] = []

    def mark(entry: Entry, kind: str, text: str) -> None:
        marks.append({"at": entry["t"], "n": entry["n"], "kind": kind, "text": text})

    opened = 0
    for entry in recording.entries:
        if entry["k"] == "wire" and entry["way"] == "opened":
            opened += 1
            if opened > len(recording.header["services"]):
                mark(entry, "link", "connected again")
        elif entry["k"] == "wire" and entry["way"] == "closed":
            mark(entry, "link", f"connection lost: {entry['text']}")
        elif entry["k"] == "frame" and entry["frame"] == "LLMUpdateSettingsFrame":
            names = ", ".join(entry["fields"].get("settings") or {})
            mark(entry, "settings", f"settings: {names}")
        elif entry["k"] == "frame" and entry["frame"] == "InputDTMFFrame":
            mark(entry, "key", f"key {entry['fields']['button']}")
        elif entry["k"] == "fault":
            mark(entry, "error", entry["message"])
        elif entry["k"] == "note" and "text" in entry:
            mark(entry, "note", str(entry["text"]))
    for turn in recording.turns:
        if turn.is_interrupted and turn.bot_stopped_ms is not None:
            heard = turn.heard_text or "nothing"
            text = f"barge-in; heard: {heard}"
            marks.append({"at": turn.bot_stopped_ms, "n": None, "kind": "bargein", "text": text})
    return sorted(marks, key=lambda one: one["at"])


def _events(recording: Recording) -> list[dict[str, Any]]:
    def shown(*, pieces: bool) -> Iterator[Entry]:
        for entry in recording.entries:
            if entry["k"] != "sound" and not _is_callers_sound(entry) and (pieces or not _is_piece(entry)):
                yield entry

    has_room = sum(1 for _ in shown(pieces=True)) <= MOST_EVENTS
    events = islice(shown(pieces=has_room), MOST_EVENTS)
    return [{**_plain(entry), "piece": _is_piece(entry)} for entry in events]


def _is_callers_sound(entry: Entry) -> bool:
    return entry.get("way") == "sent" and _holds(entry, "$bytes")


def _is_piece(entry: Entry) -> bool:
    if entry["k"] == "wire":
        return "delta" in entry.get("message", {}) or _holds(entry, "$sound")
    return entry.get("frame") in _PIECES


def _holds(entry: Entry, name: str) -> bool:
    values: Iterable[Any] = entry["message"].values() if isinstance(entry.get("message"), dict) else ()
    return any(isinstance(value, dict) and name in value for value in values)


def _plain(entry: Entry) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "w"}


def _model(recording: Recording) -> str:
    used: Mapping[str, Any] = (recording.account or {}).get("used", {}).get("tokens", {})
    return ", ".join(name for name in used if name) or str(recording.header["call"].get("model") or "")
