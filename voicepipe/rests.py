"""What is left to be awaited of something that begins at once.

Sound mostly passes without anybody having to wait: then no coroutine is made and no task is woken for it, which is half of
what a message costs otherwise. A function that returns a `Rest` has done by its return all that can be done without
waiting; where something has to be awaited, that and all that comes after it is in the rest that it returns. Whoever gets
one awaits it before anything else that has to come later. It is a function and no coroutine yet, so that whoever is
cancelled meanwhile can leave it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

Remainder: TypeAlias = Callable[[], Awaitable[Any]]
"""Is called once, and what it returns is awaited."""
Rest: TypeAlias = Remainder | None
"""None if nothing is left."""
_T = TypeVar("_T")


async def done(rest: Rest) -> None:
    """Wait until nothing is left."""
    if rest is not None:
        await rest()


def after(rest: Rest, act: Callable[[], Rest]) -> Rest:
    """Do something when nothing is left: at once if that is so."""
    return act() if rest is None else partial(_after, rest, act)


async def _after(rest: Remainder, act: Callable[[], Rest]) -> None:
    await rest()
    await done(act())


def each(things: Sequence[_T], act: Callable[[_T], Rest]) -> Rest:
    """Do something with each of some things, in their order."""
    for index, thing in enumerate(things):
        rest = act(thing)
        if rest is not None:
            return partial(_then_each, rest, things[index + 1 :], act)
    return None


async def _then_each(rest: Remainder, things: Sequence[_T], act: Callable[[_T], Rest]) -> None:
    await rest()
    for thing in things:
        await done(act(thing))


def joined(rests: Iterable[Rest]) -> Rest:
    """Return what is left of several, one after the other."""
    left = [rest for rest in rests if rest is not None]
    if not left:
        return None
    return left[0] if len(left) == 1 else partial(_in_turn, left)


async def _in_turn(rests: Iterable[Remainder]) -> None:
    for rest in rests:
        await rest()
