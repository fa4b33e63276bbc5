"""The files of a bot: its own and the modules beside it that it imports; and whether one of them has changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


def modules_beside(file: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the loaded modules that lie in a file's folder or below, with their files.

    Args:
        file: The file.
        names: The names of the modules to look at.
    """
    found: dict[str, Path] = {}
    for name in names:
        source = getattr(sys.modules.get(name), "__file__", None)
        if source is not None and Path(source).is_relative_to(file.parent) and ".venv" not in source:
            found[name] = Path(source)
    return found


class WatchedFiles:
    """Files by the times of their last change."""

    def __init__(self) -> None:
        self._seen: dict[Path, int] = {}

    def look(self, paths: Iterable[Path]) -> bool:
        """Look at files; returns whether they are others than when they were looked at last, or were changed since."""
        before = self._seen
        self._seen = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
        return before != self._seen
