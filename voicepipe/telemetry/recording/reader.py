"""Reading a recording: its entries in order, its sound, and what they say of the call."""

from __future__ import annotations

import mmap
import shutil
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from voicepipe.telemetry.calls import Fault, ToolRun, Turn
from voicepipe.telemetry.recording.archive import unpack
from voicepipe.telemetry.recording.entries import EntryFile, RecordingError, entries_of
from voicepipe.telemetry.recording.layout import EVENTS, FORMAT, SOUND, TRACKS, VERSION, Entry

_NO_ZIP: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError)
"""Of a damaged one its library may raise what is under it, and of an encrypted one a `RuntimeError`."""
T = TypeVar("T", Turn, ToolRun, Fault)


class Recording:
    """A recording on the disk, whole or broken off. Its entries are read from the file as they are asked for.

    Args:
        folder: Where it is: a folder, or the zip that was made of one, which is unpacked for as long as this object lives.

    Raises:
        RecordingError: There is none, or it is of a later format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.place = Path(folder)
        """Where it is."""
        self.folder = self.place
        """The folder with its files; of a zip, the one where it was unpacked."""
        if self.place.is_file():
            self.folder = _unpacked(self.place)
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        if not (self.folder / EVENTS).is_file():
            raise RecordingError(f"{folder}: is no recording: there is no {EVENTS} in it")
        header = self.header
        if header.get("format") != FORMAT:
            raise RecordingError(f"{folder}: is no recording: its first entry is no header of {FORMAT}")
        if not isinstance(header.get("version", 0), int):
            raise RecordingError(f"{folder}: is no recording: its version is no number")
        if header.get("version", 0) > VERSION:
            raise RecordingError(
                f"{folder}: has version {header['version']} of the format; this one reads up to {VERSION}"
            )

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries in the order of what happened. A last line that was not finished is left out."""
        return self._file.all()

    @cached_property
    def _file(self) -> EntryFile:
        return EntryFile(self.folder / EVENTS)

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """What the recording says of itself: call, services, versions."""
        for entry in entries_of(self.folder / EVENTS):
            if entry["k"] == "header":
                return entry
        return {}

    @property
    def is_whole(self) -> bool:
        """Whether it was finished; if not, the process died or the disk was full."""
        return self.end is not None

    @cached_property
    def end(self) -> Entry | None:
        """How the call ended."""
        return next(reversed(self.of("end")), None)

    @cached_property
    def duration_ms(self) -> float:
        """How long the call was."""
        return max((entry["t"] for entry in self.entries), default=0.0)

    def of(self, kind: str) -> Sequence[Entry]:
        """Return the entries of one kind."""
        return self._file.of(kind)

    def frames(self, *names: str) -> list[Entry]:
        """Return the entries of frames of some classes."""
        return [entry for entry in self.of("frame") if entry["frame"] in names]

    @cached_property
    def turns(self) -> list[Turn]:
        """The turns, as they were at last."""
        return _newest(self.of("turn"), Turn)

    @cached_property
    def tools(self) -> list[ToolRun]:
        """The calls of functions, as they were at last."""
        return _newest(self.of("tool"), ToolRun)

    @cached_property
    def faults(self) -> list[Fault]:
        """The errors."""
        return _newest(self.of("fault"), Fault)

    @cached_property
    def account(self) -> Entry | None:
        """What the call used and cost."""
        return next(reversed(self.of("account")), None)

    def opening(self, service: int = 0) -> Mapping[str, Any]:
        """Return the first message that was sent over a service's wire: as a rule its settings and tools."""
        for entry in self.of("wire"):
            if entry["way"] == "sent" and entry["service"] == service and "message" in entry:
                return entry["message"]
        return {}

    def sound(self, span: tuple[int, int] | list[int]) -> bytes:
        """Return sound that an entry points to; what a crash kept from the disk is silence."""
        offset, size = span
        return self._sound[offset : offset + size].ljust(size, b"\0")

    @cached_property
    def _sound(self) -> mmap.mmap | bytes:
        path = self.folder / SOUND
        if not path.stat().st_size:
            return b""
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def tracks(self) -> Path:
        """The WAV file with both tracks; it is made if a crash kept it from being made."""
        from voicepipe.telemetry.recording.tracks import write_tracks

        path = self.folder / TRACKS
        if not path.is_file():
            write_tracks(self.folder)
        return path


def _unpacked(path: Path) -> Path:
    try:
        return unpack(path)
    except _NO_ZIP as error:
        raise RecordingError(f"{path}: is no recording: it cannot be unpacked ({error})") from None


def _newest(entries: Iterable[Entry], type_: type[T]) -> list[T]:
    names = [field.name for field in fields(type_)]
    newest: dict[int, Entry] = {entry["index"]: entry for entry in entries}
    return [
        type_(**{name: newest[index][name] for name in names if name in newest[index]})
        for index in sorted(newest)
    ]
