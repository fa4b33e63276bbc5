"""Scenario files: YAML with one scenario or several, `!include`, and defaults for all of a file's scenarios at its top."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import yaml
from pipecat.utils.yaml import include_loader
from pydantic import ValidationError

from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.local.documents import Document, Loader, parsed
from voicepipe.testing.scenarios import Scenario

_SUFFIXES: Final = (".yaml", ".yml")
_INT: Final = "tag:yaml.org,2002:int"

_Location: TypeAlias = tuple[int | str, ...]


class _Loader(Loader):
    """Reads only plain decimal numbers as numbers: the keys 012 are no octal number."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _INT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))


def find(paths: Iterable[Path]) -> list[Path]:
    """Return the scenario files among files and in folders, in the order of their names.

    Raises:
        FileNotFoundError: There is no such file or folder.
        VoicepipeError: There is no scenario in any of them.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES)
            found += [one for one in inside if is_scenario_file(one)]
        elif path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path}: there is no such file or folder")
    if not found:
        raise VoicepipeError(f"{', '.join(map(str, paths))}: has no scenario, a YAML file with `turns:`")
    return found


def is_scenario_file(path: Path) -> bool:
    """Whether a YAML file holds scenarios; what cannot be read counts as one, so that reading it says why."""
    try:
        content = _read(path).content
    except VoicepipeError:
        return True
    return isinstance(content, dict) and bool(
        {"scenarios", "turns", "persona"} & cast("dict[str, Any]", content).keys()
    )


def load(path: Path) -> list[Scenario]:
    """Return a file's scenarios; each is called `<the file's name>/<its own>`.

    Raises:
        SettingsError: A scenario is wrong; the error says in which line, and names it, the turn and the key.
        VoicepipeError: The file cannot be read.
    """
    document = _read(path)
    if not isinstance(document.content, dict):
        raise SettingsError(document.where(), "has to be a mapping with `name` and `scenarios`")
    top = cast("dict[str, Any]", document.content)
    file_name = top.get("name")
    if not isinstance(file_name, str) or not file_name:
        raise SettingsError(f"{document.where(('name',))}: name", "is missing, or no text")
    if "scenarios" not in top:
        return [_scenario(top, path, file_name, document.where)]
    entries, defaults = top["scenarios"], {key: value for key, value in top.items() if key != "scenarios"}
    if not isinstance(entries, list) or not entries:
        raise SettingsError(
            f"{document.where(('scenarios',))}: scenarios", "has to be a list with at least one scenario"
        )
    scenarios: list[Scenario] = []
    for index, entry in enumerate(cast("list[Any]", entries)):
        where = f"{document.where(('scenarios', index))}: scenario {index + 1}"
        if not isinstance(entry, dict) or not isinstance(cast("dict[str, Any]", entry).get("name"), str):
            raise SettingsError(where, "has to be a mapping with a `name`, which is text")
        own = cast("dict[str, Any]", entry)
        name = f"{file_name}/{own['name']}"
        if any(name == scenario.name for scenario in scenarios):
            raise SettingsError(where, f"is the second one called {own['name']!r}")
        scenarios.append(_scenario({**defaults, **own}, path, name, _places(document, index, own)))
    return scenarios


def _places(document: Document, index: int, own: Mapping[str, Any]) -> Callable[[_Location], str]:
    """Return what finds a part of one of several scenarios, which may be the default of all."""

    def where(part: _Location) -> str:
        is_default = bool(part) and part[0] not in own and part[0] in document.content
        return document.where(part if is_default else ("scenarios", index, *part))

    return where


def _scenario(
    content: Mapping[str, Any], path: Path, name: str, where: Callable[[_Location], str]
) -> Scenario:
    try:
        scenario = Scenario.model_validate({**content, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        message, location = first["msg"].removeprefix("Value error, "), first["loc"]
        raise SettingsError(f"{where(location)}: {name}: {_place(location)}".rstrip(": "), message) from None
    return _beside(scenario, path.resolve().parent)


def _beside(scenario: Scenario, folder: Path) -> Scenario:
    """Return the scenario with paths that do not depend on the current folder."""
    turns = [
        turn if turn.audio is None else turn.model_copy(update={"audio": folder / turn.audio})
        for turn in scenario.turns
    ]
    paths = {
        name: folder / path
        for name, path in (("bot", scenario.bot), ("brain", scenario.brain))
        if path is not None
    }
    return scenario.model_copy(update={"turns": turns, **paths})


def _place(location: _Location) -> str:
    """Return where an error is as people count: "turn 2: expect 1: event"."""
    words: list[str] = []
    for part in location:
        if isinstance(part, int) and words:
            words[-1] = f"{words[-1].removesuffix('s') if words[-1] == 'turns' else words[-1]} {part + 1}"
        else:
            words.append(str(part))
    return ": ".join(words)


def _read(path: Path) -> Document:
    try:
        with path.open(encoding="utf-8") as file:
            return parsed(file, str(path), include_loader(path.parent, base=_Loader))
    except OSError as error:
        included = "" if error.filename == str(path) else f", which {path} includes"
        raise VoicepipeError(f"{error.filename}{included}: cannot be read: {error.strerror}") from None
