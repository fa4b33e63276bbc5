"""A `bot.py`: a file that defines `bot(transport)` or `bot(transport, openai)`, loaded, and loaded again when it changes."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Final, Protocol

from pipecat.transports.base_transport import BaseTransport

from voicepipe.errors import SettingsError
from voicepipe.offline import OpenAIPlace
from voicepipe.own_files import WatchedFiles, modules_beside
from voicepipe.pipeline import Pipeline

_MODULE: Final = "voicepipe_bot"
_MOST_ARGUMENTS: Final = 2


class BotFunction(Protocol):
    """What a bot's file defines, whether or not it takes `openai`."""

    def __call__(self, transport: BaseTransport, openai: OpenAIPlace, /) -> Pipeline | Awaitable[Pipeline]:
        """Make the pipeline of one conversation.

        Args:
            transport: Has the person at its other end.
            openai: Where the Realtime API is.
        """
        ...


class BotFile:
    """A file with a bot, and the modules beside it that it imports.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file")
        self.path = path.resolve()
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
        importlib.invalidate_caches()
        before = set(sys.modules)
        self._look()
        try:
            return _bot_in(self._run(), self.path)
        finally:
            self._own = modules_beside(self.path, set(sys.modules) - before)
            self._look()

    def has_changed(self) -> bool:
        """Whether the file, or a module beside it that it imports, is another one than when this was asked last."""
        return self._look()

    def _run(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(_MODULE, self.path)
        if spec is None or spec.loader is None:
            raise SettingsError("bot", f"{self.path.name} is no Python file")
        module = importlib.util.module_from_spec(spec)
        # Its dataclasses and annotations look their module up by name.
        sys.modules[_MODULE] = module
        spec.loader.exec_module(module)
        return module

    def _look(self) -> bool:
        return self._watched.look({self.path, *self._own.values()})


def _bot_in(module: ModuleType, path: Path) -> BotFunction:
    bot: Callable[..., Pipeline | Awaitable[Pipeline]] | None = getattr(module, "bot", None)
    if not callable(bot):
        why = "has no function `bot`; `def bot(transport, openai)` that returns a Pipeline is one"
        raise SettingsError("bot", f"{path.name} {why}")
    count = len(inspect.signature(bot).parameters)
    if not 1 <= count <= _MOST_ARGUMENTS:
        raise SettingsError(
            "bot", f"in {path.name} takes {count} arguments; (transport) or (transport, openai)"
        )

    def made(transport: BaseTransport, openai: OpenAIPlace, /) -> Pipeline | Awaitable[Pipeline]:
        return bot(*(transport, openai)[:count])

    return made
