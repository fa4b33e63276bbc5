"""What reached a bot from outside, by the recording: messages off the wires, frames from the transport, and when."""

from __future__ import annotations

from binascii import b2a_base64
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

import orjson

from voicepipe.frames import Frame, InputAudioRawFrame
from voicepipe.realtime.connection import Closed
from voicepipe.telemetry.recording.frames import NOT_REPLAYED, frame_of
from voicepipe.telemetry.recording.layout import Entry
from voicepipe.telemetry.recording.masking import MASK
from voicepipe.telemetry.recording.reader import Recording

_FROM_THE_FAR_END: Final = frozenset(
    {"PlaybackMarkFrame", "BotStartedSpeakingFrame", "BotStoppedSpeakingFrame"}
)
"""Come from the pipeline's end, whichever copy of a broadcast frame was seen first."""
_END: Final = frozenset({"EndFrame", "CancelFrame", "StopFrame", "EndWorkerFrame"})


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection was opened."""

    service: int
    link: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came over a connection, or its end."""

    service: int
    link: int
    what: bytes | Closed


@dataclass(frozen=True, slots=True)
class Given:
    """A frame came from outside, travelling in a direction."""

    frame: Frame
    direction: Literal["down", "up"]


Step: TypeAlias = Opened | Arrived | Given


class Script:
    """The steps of a recording, in order.

    Args:
        recording: The recording.
        own: The names of the processors' classes that are run again; what they sent is not given to them.
    """

    def __init__(self, recording: Recording, own: Collection[str]) -> None:
        self._recording = recording
        self._own = own

    @property
    def end_ms(self) -> float:
        """When the pipeline was ended."""
        ends = [entry["t"] for entry in self._recording.frames(*_END) if self._is_from_outside(entry)]
        return min(ends, default=self._recording.duration_ms)

    def not_replayed(self) -> Mapping[str, int]:
        """Return how many frames from outside cannot be given to the bot again, by their class."""
        frames = self._recording.frames(*NOT_REPLAYED)
        return Counter(str(entry["frame"]) for entry in frames if self._is_from_outside(entry))

    def steps(self, epoch_ms: float) -> Iterator[tuple[float, Step]]:
        """Return when each step was, in milliseconds since the recording began, and what.

        Args:
            epoch_ms: When that is on the clock of the event loop that plays it.
        """
        for entry in self._recording.entries:
            if entry["k"] == "wire":
                step = self._wire(entry)
            elif entry["k"] == "sound" and entry["who"] == "caller":
                pcm = self._recording.sound(entry["sound"])
                step = Given(InputAudioRawFrame(pcm, entry["rate"], 1), "down")
            elif entry["k"] == "frame" and self._is_from_outside(entry) and entry["frame"] not in _END:
                step = _given(entry, epoch_ms)
            else:
                continue
            if step is not None:
                yield entry["t"], step

    def _is_from_outside(self, entry: Entry) -> bool:
        sender = str(entry["from"])
        return not sender.startswith("service ") and sender not in self._own

    def _wire(self, entry: Entry) -> Step | None:
        service, link = entry["service"], entry["link"]
        match entry["way"]:
            case "opened":
                return Opened(service, link)
            case "closed":
                code, _, reason = entry["text"].partition(" ")
                return Arrived(service, link, Closed(int(code), reason))
            case "received" if "message" in entry:
                return Arrived(service, link, orjson.dumps(self._with_sound(entry["message"])))
            case "received":
                return Arrived(service, link, str(entry["text"]).encode())
            case _:
                return None

    def _with_sound(self, value: Any) -> Any:
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            if "$sound" in inner:
                return b2a_base64(self._recording.sound(inner["$sound"]), newline=False).decode()
            return {name: self._with_sound(one) for name, one in inner.items()}
        if isinstance(value, list):
            return [self._with_sound(one) for one in cast("list[Any]", value)]
        return value


def _given(entry: Entry, epoch_ms: float) -> Given | None:
    fields = entry["fields"]
    if fields.get("button") == MASK:
        # Which key it was is not known any more; that one was pressed is what matters.
        fields = {**fields, "button": "0"}
    frame = frame_of(entry["frame"], fields, epoch_ms)
    if frame is None:
        return None
    goes_up = entry["frame"] in _FROM_THE_FAR_END or (entry["to"] == "up" and not entry["both"])
    return Given(frame, "up" if goes_up else "down")
