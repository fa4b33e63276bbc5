"""The code blocks of the documentation: where they are, what language they are in, and which say that they are not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = (
    "voicepipe",
    "make",
    "pip",
    "python",
    ".venv/bin/python",
    "git",
    "apt-get",
    "curl",
    "export",
    "docker",
)

_FENCE = re.compile(r"^```\s*([\w-]*)")
_NOT_RUN = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
_ASSIGNMENT = re.compile(r"^[A-Z_][A-Z0-9_]*=\S*\s")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Parameters:
        page: Its page, from the repository's root on.
        line: Of its first line in the page.
        language: `python`, `bash`, `json`, `yaml`, `text` or what the fence says.
        code: The block.
        not_run: Why it is not run, if the page says so in a comment before it.
    """

    page: str
    line: int
    language: str
    code: str
    not_run: str = ""

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in its order, those in fences and those that are indented."""
    return list(_blocks(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8").split("\n")))


def blocks_in(text: str, page: str = "page.md") -> list[Block]:
    """Return the blocks of a text."""
    return list(_blocks(page, text.split("\n")))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    at, not_run, in_list = 0, "", False
    while at < len(lines):
        line = lines[at]
        start = at
        if marked := _NOT_RUN.search(line):
            not_run = marked[1]
        elif fence := _FENCE.match(line):
            at = next((n for n in range(at + 1, len(lines)) if lines[n].startswith("```")), len(lines))
            code = "\n".join(lines[start + 1 : at])
            yield Block(page, start + 2, fence[1] or guessed(code), code, not_run)
            not_run = ""
        elif line.startswith("    ") and line.strip() and not in_list and not lines[max(at - 1, 0)].strip():
            while at + 1 < len(lines) and (lines[at + 1].startswith("    ") or not lines[at + 1].strip()):
                at += 1
            code = "\n".join(each[4:] for each in lines[start : at + 1]).rstrip()
            yield Block(page, start + 1, guessed(code), code, not_run)
            not_run = ""
        elif line.strip():
            in_list = bool(re.match(r"([-*]|\d+\.) ", line)) or (in_list and line.startswith(" "))
            not_run = ""
        at += 1


def guessed(code: str) -> str:
    """Return the language of a block that does not say it."""
    first = _ASSIGNMENT.sub("", code.lstrip().removeprefix("$ ")).split()
    if code.lstrip().startswith("$ ") or (first and first[0] in COMMANDS):
        return "bash"
    try:
        compile(code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError:
        return "text"
    return "python"
