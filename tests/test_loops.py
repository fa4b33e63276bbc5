"""Which event loop the programs run on that voicepipe brings along."""

from __future__ import annotations

import asyncio
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from voicepipe import loops


class OfUvloop(asyncio.SelectorEventLoop):
    """Stands for uvloop's."""


async def _kind() -> type[asyncio.AbstractEventLoop]:
    return type(asyncio.get_running_loop())


def test_a_program_runs_on_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch):
    uvloop = ModuleType("uvloop")
    uvloop.__spec__ = ModuleSpec("uvloop", None)
    vars(uvloop)["new_event_loop"] = OfUvloop
    monkeypatch.setitem(sys.modules, "uvloop", uvloop)
    assert loops.run(_kind()) is OfUvloop


def test_a_program_runs_on_asyncios_loop_without_uvloop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loops, "find_spec", lambda _name: None)
    assert issubclass(loops.run(_kind()), asyncio.BaseEventLoop)


def test_what_a_program_raises_is_raised():
    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loops.run(fail())
