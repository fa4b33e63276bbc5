"""What can be called: a bot of any style, found in its file or given as it is.

A file defines one of these: a function `bot(transport)` or `bot(transport, openai)` that returns a pipeline, an
`AgentServer`, or what `phone.agent(...)` returns.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from voicepipe.agents import AgentServer
from voicepipe.bots import BotFunction, bot_function
from voicepipe.errors import SettingsError
from voicepipe.own_files import existing, modules_beside, run_file

if TYPE_CHECKING:
    from voicepipe.phone import Agent as PhoneAgent
    from voicepipe.phone import Phone

_WHAT: Final = (
    "has no bot: `def bot(transport, openai)` that returns a Pipeline, an `AgentServer`, "
    "or an agent of a Phone's (`agent = phone.agent(...)`)"
)


@dataclass(frozen=True, slots=True)
class PipelineBot:
    """A function from the transport, and where the API is, to a pipeline."""

    function: BotFunction
    style = "pipeline"


@dataclass(frozen=True, slots=True)
class AgentBot:
    """A server with an entrypoint."""

    server: AgentServer
    style = "agent"


@dataclass(frozen=True, slots=True)
class PhoneBot:
    """What talks in a telephone call, and the phone it belongs to, where that is known."""

    agent: PhoneAgent
    phone: Phone | None = None
    style = "phone"


Bot: TypeAlias = PipelineBot | AgentBot | PhoneBot
"""A bot of any style."""


def bot_of(thing: Any) -> Bot:
    """Return what was given as a bot.

    Args:
        thing: A function `bot`, an `AgentServer`, or an agent of a `Phone`'s.

    Raises:
        SettingsError: It is none of these, or a function that takes neither one nor two arguments.
    """
    if isinstance(thing, PipelineBot | AgentBot | PhoneBot):
        return thing
    if isinstance(thing, AgentServer):
        return AgentBot(thing)
    if _is_phone_agent(thing):
        return PhoneBot(thing)
    if callable(thing):
        return PipelineBot(bot_function(thing))
    why = "pass a file, a function `bot`, an `AgentServer` or an agent of a Phone's"
    raise SettingsError("bot", f"is of type {type(thing).__name__}; {why}")


def bot_in(module: ModuleType, where: str) -> Bot:
    """Return the bot that a module defines.

    Args:
        module: The module.
        where: What an error calls it.

    Raises:
        SettingsError: It has none, or several of the same kind.
    """
    names = vars(module)
    if callable(names.get("bot")):
        return bot_of(names["bot"])
    servers = _of_kind(names, AgentServer, "server", where)
    if servers is not None:
        return AgentBot(servers)
    phone = sys.modules.get("voicepipe.phone")
    if phone is not None:
        agent = _of_kind(names, phone.Agent, "agent", where)
        if agent is not None:
            return PhoneBot(agent, _of_kind(names, phone.Phone, "phone", where))
    raise SettingsError("bot", f"{where} {_WHAT}")


@contextmanager
def loaded(path: Path) -> Generator[Bot]:
    """Run a file and yield its bot; modules beside it that it imports are forgotten afterwards, so each run is the first.

    Raises:
        FileNotFoundError: There is no such file.
        SettingsError: There is no bot in it.
        Exception: What the file raised.
    """
    path = existing(path)
    folder, before = str(path.parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield bot_in(run_file(path), path.name)
    finally:
        sys.path.remove(folder)
        for name in modules_beside(path, set(sys.modules) - before):
            del sys.modules[name]


def _of_kind(names: dict[str, Any], kind: type[Any], usual: str, where: str) -> Any | None:
    if isinstance(names.get(usual), kind):
        return names[usual]
    found = [name for name, thing in names.items() if isinstance(thing, kind)]
    if len(found) > 1:
        raise SettingsError("bot", f"{where} has {' and '.join(found)}; call the one that counts `{usual}`")
    return names[found[0]] if found else None


def _is_phone_agent(thing: Any) -> bool:
    # Its packages are an extra's: where they were not loaded, nothing can be one.
    phone = sys.modules.get("voicepipe.phone")
    return phone is not None and isinstance(thing, phone.Agent)
