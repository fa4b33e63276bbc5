"""The entries of a recording as a sequence that takes next to no memory: each is read from the file when it is asked for."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import orjson

from voicepipe.telemetry.recording.layout import Entry


class EntryFile:
    """Where the lines of a file are, and of what kind, in the order of what happened.

    Thirteen bytes for each: an hour of call has some 400,000. A last line that was not finished is left out.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._lines = _mapped(path)
        self._starts = array("q")
        self._sizes = array("L")
        self._kinds = bytearray()
        self._names: list[str] = []
        self._index()

    def _index(self) -> None:
        numbers, starts, sizes = array("q"), array("q"), array("L")
        kinds, codes, start = bytearray(), dict[str, int](), 0
        while (end := self._lines.find(b"\n", start)) >= 0:
            entry = orjson.loads(memoryview(self._lines)[start:end])
            numbers.append(int(entry["n"]))
            starts.append(start)
            sizes.append(end - start)
            kinds.append(codes.setdefault(str(entry["k"]), len(codes)))
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
