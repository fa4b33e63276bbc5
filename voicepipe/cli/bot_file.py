"""A `bot.py`: a file that defines `bot(transport)` or `bot(transport, openai)`, loaded, and loaded again when it changes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from voicepipe.bots import BotFunction, bot_function
from voicepipe.errors import SettingsError
from voicepipe.own_files import WatchedFiles, existing, modules_beside, run_file


class BotFile:
    """A file with a bot, and the modules beside it that it imports.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = existing(path)
        self._own: dict[str, Path] = {}
        self._watched = WatchedFiles()

    @property
    def name(self) -> str:
        """The bot's name: the file's, as one writes it."""
        return self.path.stem.replace("_", " ")

    def load(self) -> BotFunction:
        """Run the file and return its bot; the modules beside it that it imports are run again too.

        Raises:
            SettingsError: It has no function `bot`, or one that takes neither one nor two arguments.
            Exception: What the file raised.
        """
        for name in self._own:
            sys.modules.pop(name, None)
        folder = str(self.path.parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        before = set(sys.modules)
        self._look()
        try:
            return _bot_in(run_file(self.path), self.path)
        finally:
            self._own = modules_beside(self.path, set(sys.modules) - before)
            self._look()

    def has_changed(self) -> bool:
        """Whether the file, or a module beside it that it imports, is another one than when this was asked last."""
        return self._look()

    def _look(self) -> bool:
        return self._watched.look({self.path, *self._own.values()})


def _bot_in(module: ModuleType, path: Path) -> BotFunction:
    bot = getattr(module, "bot", None)
    if not callable(bot):
        why = "has no function `bot`; `def bot(transport, openai)` that returns a Pipeline is one"
        raise SettingsError("bot", f"{path.name} {why}")
    return bot_function(bot)
