"""Any value as JSON: what a function gives, or an application binds to the log, may hold what JSON has no word for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import orjson

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS
_DEEPEST: Final = 20
_LARGEST: Final = 2**63
"""Beyond what orjson writes and most readers take."""


def as_json(value: Any) -> bytes:
    """Return a value as JSON, whatever it holds.

    What JSON has no word for is written as Python's text of it: objects, whole numbers of more than 64 bits, halves of a
    character, what holds itself.
    """
    try:
        return orjson.dumps(value, default=str, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(_plain(value, _DEEPEST), option=_OPTIONS)


def plain(value: Any) -> Any:
    """Return a value as a reader of its JSON gets it: mappings, lists, texts, numbers, True, False and None."""
    return orjson.loads(as_json(value))


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -_LARGEST <= value < _LARGEST:
        return value
    if depth and isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_plain(str(name), 0): _plain(one, depth - 1) for name, one in items}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, depth - 1) for one in cast("Iterable[Any]", value)]
    return _plain(str(value), 0)
