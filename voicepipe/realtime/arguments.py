"""Arguments that nobody takes: Pipecat's classes swallow them, and a mistyped one would change nothing in silence."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache


@cache
def _taken_by(base: type) -> frozenset[str]:
    """Return the names of all arguments that a class and its bases take."""
    parameters = (
        parameter
        for cls in base.__mro__
        if "__init__" in vars(cls)
        for parameter in inspect.signature(cls.__init__).parameters.values()
    )
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return frozenset(p.name for p in parameters if p.kind not in variable) - {"self"}


def refuse_unknown(name_of_class: str, base: type, given: Iterable[str], own: Iterable[str] = ()) -> None:
    """Check that each argument is one that somebody takes.

    Args:
        name_of_class: Whose arguments they are, for the error.
        base: The class they are passed on to.
        given: Their names.
        own: Names that the class itself takes, among which a mistyped one may be meant.

    Raises:
        TypeError: One is not; the error names it, and the one that was probably meant.
    """
    known = _taken_by(base)
    for name in given:
        if name not in known:
            near = get_close_matches(name, [*own, *known], n=1)
            meant = f"; is {near[0]!r} meant?" if near else ""
            raise TypeError(f"{name_of_class} takes no argument {name!r}{meant}")
