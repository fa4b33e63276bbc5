"""The entries of a recording as a sequence that takes next to no memory: each is read from the file when it is asked for."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

import orjson

from voicepipe.errors import VoicepipeError
from voicepipe.telemetry.recording.layout import Entry

_NO_NUMBER: Final = 2**63
"""Beyond what an entry's place is kept in."""


class RecordingError(VoicepipeError, ValueError):
    """Something that is no recording, or one that this version cannot read."""


def entries_of(path: Path) -> Iterator[Entry]:
    """Return the entries of a file as they stand in it: in order, but for texts that were held back for a while.

    Raises:
        RecordingError: A line that was finished is no entry.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            yield _entry(line, f"{path}, line {number}")


def _entry(line: bytes | memoryview, where: str) -> Entry:
    try:
        entry: Any = orjson.loads(line)
        number, at_ms, kind = entry["n"], entry["t"], entry["k"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise RecordingError(f"{where}: is no entry with n, t and k") from None
    if not (
        isinstance(number, int)
        and abs(number) < _NO_NUMBER
        and isinstance(at_ms, int | float)
        and isinstance(kind, str)
    ):
        raise RecordingError(
            f"{where}: n and t are numbers and k a text, not {number!r}, {at_ms!r}, {kind!r}"
        )
    return entry


class EntryFile:
    """Where the lines of a file are, and of what kind, in the order of what happened.

    Thirteen bytes for each: an hour of call has some 400,000. A last line that was not finished is left out.

    Args:
        path: The file.

    Raises:
        RecordingError: A line that was finished is no entry.
    """

    def __init__(self, path: Path) -> None:
        self._lines = _mapped(path)
        self._starts = array("q")
        self._sizes = array("L")
        self._kinds = bytearray()
        self._names: list[str] = []
        self._index(path)

    def _index(self, path: Path) -> None:
        numbers, starts, sizes = array("q"), array("q"), array("L")
        kinds, codes, start = bytearray(), dict[str, int](), 0
        while (end := self._lines.find(b"\n", start)) >= 0:
            entry = _entry(memoryview(self._lines)[start:end], f"{path}, line {len(numbers) + 1}")
            numbers.append(entry["n"])
            starts.append(start)
            sizes.append(end - start)
            kinds.append(codes.setdefault(entry["k"], len(codes)))
            start = end + 1
        # Few lines stand out of order: those of texts that were held back.
        for at in sorted(range(len(numbers)), key=numbers.__getitem__):
            self._starts.append(starts[at])
            self._sizes.append(sizes[at])
            self._kinds.append(kinds[at])
        self._names = list(codes)

    def __len__(self) -> int:
        return len(self._starts)

    def read(self, at: int) -> Entry:
        """Return an entry by its place in the order."""
        start = self._starts[at]
        return orjson.loads(memoryview(self._lines)[start : start + self._sizes[at]])

    def all(self) -> Entries:
        """Return all entries."""
        return Entries(self, range(len(self)))

    def of(self, kind: str) -> Entries:
        """Return the entries of one kind."""
        if kind not in self._names:
            return Entries(self, ())
        code = self._names.index(kind)
        return Entries(self, array("L", (at for at, one in enumerate(self._kinds) if one == code)))


class Entries(Sequence[Entry]):
    """Entries in the order of what happened; each is read anew whenever it is asked for.

    Args:
        file: Where they are.
        places: Which of its entries these are.
    """

    def __init__(self, file: EntryFile, places: Sequence[int]) -> None:
        self._file = file
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._file.read, self._places)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Entries(self._file, self._places[index])
        return self._file.read(self._places[index])


def _mapped(path: Path) -> mmap.mmap | bytes:
    if not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
