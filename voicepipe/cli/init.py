"""`voicepipe init`: a folder with a small bot, its test, scenarios and what else belongs to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, Literal, TypeAlias

from rich.console import Console
from rich.markup import escape

from voicepipe.errors import SettingsError

_TEMPLATES: Final = Path(__file__).with_name("scaffold")
_NAME: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_GREETING: Final = """
      - expect:
          - event: response
            text_contains: "this is the shop"
"""


StyleName: TypeAlias = Literal["pipeline", "phone", "agent"]
"""The ways to write a bot."""


@dataclass(frozen=True, slots=True)
class _Way:
    extras: str
    run: str
    greeting: str = ""


_WAYS: Final[dict[StyleName, _Way]] = {
    "pipeline": _Way("[browser,local]", "voicepipe run bot.py         # talk with it in the browser"),
    "phone": _Way("[phone]", "python bot.py                 # wait for calls", _GREETING.rstrip()),
    "agent": _Way("[local]", "python bot.py console --local # talk with it"),
}


def init(name: str, *, style: StyleName, into: Path) -> None:
    """Write a bot's folder and say what to do with it.

    Args:
        name: The folder's name, and the project's.
        style: How the bot is written.
        into: Where the folder goes.

    Raises:
        SettingsError: `name` is no name of a package.
        FileExistsError: Something that would be written is there; nothing was written.
    """
    folder = into / _checked(name)
    files = written(name, style)
    taken = [str(path) for path in files if (folder / path).exists()]
    if folder.exists() and not folder.is_dir():
        taken = [name]
    if taken:
        raise FileExistsError(f"{folder}: has {', '.join(taken)} already; nothing was written")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    console = Console()
    for path in files:
        console.print(f"  {escape(str(folder / path))}", highlight=False, soft_wrap=True)
    console.print(f"\nNow: cd {escape(str(folder))} && pytest", highlight=False, soft_wrap=True)


def written(name: str, style: StyleName) -> dict[Path, str]:
    """Return the files of a new bot: where each goes in its folder, and its text."""
    way = _WAYS[style]
    title = re.sub(r"[-_.]+", " ", name).strip().capitalize()
    values = {
        "name": name,
        "title": title,
        "extras": way.extras,
        "run": way.run,
        "greeting": way.greeting,
        "answer": "Your order 42 is on its way.",
    }
    sources = {
        "bot.py": f"{style}/bot.py.txt",
        ".env.example": f"{style}/env.txt",
        "tests/test_bot.py": "any/test_bot.py.txt",
        "scenarios/orders.yaml": "any/orders.yaml.txt",
        "scenarios/brain.yaml": "any/brain.yaml.txt",
        "pyproject.toml": "any/pyproject.toml.txt",
        "README.md": "any/README.md.txt",
        ".gitignore": "any/gitignore.txt",
    }
    return {
        Path(path): Template((_TEMPLATES / source).read_text(encoding="utf-8")).substitute(values)
        for path, source in sources.items()
    }


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SettingsError(
            "name",
            f"{name!r} is no package's name; begin with a letter and go on with letters, digits, `-`, `_` and `.`, "
            "e.g. 'order-desk'",
        )
    return name
