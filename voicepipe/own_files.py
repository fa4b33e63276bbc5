"""The files of a bot: its own, run as a module; the modules beside it that it imports; whether one of them has changed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Final

from voicepipe.errors import SettingsError

_MODULE: Final = "voicepipe_bot"


def existing(path: Path) -> Path:
    """Return a file's path from the root.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    return path.resolve()


def run_file(path: Path) -> ModuleType:
    """Run a bot's file and return it as a module; what lies beside it is found if its folder is in `sys.path`.

    Raises:
        SettingsError: It is no Python file.
        Exception: What the file raised.
    """
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise SettingsError("bot", f"{path.name} is no Python file")
    importlib.invalidate_caches()
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses and annotations look their module up by name.
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    return module


def modules_beside(file: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return the loaded modules that lie in a file's folder or below, with their files.

    Args:
        file: The file.
        names: The names of the modules to look at.
    """
    found: dict[str, Path] = {}
    for name in names:
        source = getattr(sys.modules.get(name), "__file__", None)
        if source is not None and Path(source).is_relative_to(file.parent) and "site-packages" not in source:
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
