"""The templates of a script: text with `{name}`, `{name.field}` and `{helper:name}` in it.

There are no expressions: a template can be read aloud.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

from voicepipe.local.brain.numbers import count_to, digits

_SLOT: Final = re.compile(r"\{(?:(?P<helper>\w+):)?(?P<name>\w+)(?P<path>(?:\.\w+)*)\}")


class MissingValueError(LookupError):
    """A template names something that is not there, e.g. a field that a tool's result lacks."""


def spell(word: str) -> str:
    """Return the letters of `word` one by one: "C, A, T"."""
    return ", ".join(letter.upper() for letter in word if letter.isalnum())


HELPERS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"spell": spell, "count": count_to, "digits": digits, "title": str.title}
)
"""What may stand before the colon in `{helper:name}`."""


def check(template: str, names: Sequence[str]) -> None:
    """Refuse a template that could never be filled.

    Raises:
        ValueError: It uses a helper or a name there is not, or has a brace too many.
    """
    for slot in _SLOT.finditer(template):
        helper, name = slot["helper"], slot["name"]
        if helper is not None and helper not in HELPERS:
            raise ValueError(f"{slot[0]}: there is no helper {helper!r}; there are {', '.join(HELPERS)}")
        if name not in names:
            raise ValueError(f"{slot[0]}: there is no {name!r} here; there are {', '.join(names)}")
    if set("{}") & set(_SLOT.sub("", template)):
        raise ValueError(f"{template!r}: a brace that is no {{name}}, {{name.field}} or {{helper:name}}")


def fill(template: str, values: Mapping[str, object]) -> str:
    """Return `template` with its slots filled from `values`.

    Raises:
        MissingValueError: A name or a field is not there.
    """

    def filled(slot: re.Match[str]) -> str:
        value = _find(values, [slot["name"], *slot["path"].split(".")[1:]])
        text = in_speech(value)
        return HELPERS[slot["helper"]](text) if slot["helper"] else text

    return _SLOT.sub(filled, template)


def _find(values: Mapping[str, object], path: Sequence[str]) -> object:
    found: object = values
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            raise MissingValueError(".".join(path))
        found = cast(Mapping[str, Any], found)[step]
    return found


def in_speech(value: object) -> str:
    """Return any JSON value so that it can be read aloud: "temperature: 18, sky: clear"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, object], value)
        return ", ".join(f"{name.replace('_', ' ')}: {in_speech(field)}" for name, field in fields.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(in_speech(part) for part in cast(Sequence[object], value))
    return str(value)
