"""The tables of names for those who come from elsewhere: every name of ours is there, and takes what the table says."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.documentation import ROOT

PAGES = sorted((ROOT / "docs" / "moving").glob("*.md"))
NAME = re.compile(r"`(voicepipe[\w.]*)(?:\((\w+)=\))?`")


def names_in(page: Path) -> list[tuple[str, str]]:
    rows = [line for line in page.read_text().split("\n") if line.startswith("|")]
    return [found for row in rows for found in NAME.findall(row)]


def resolved(name: str) -> Any:
    """Return what a dotted name is: a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"there is no {name}")


@pytest.mark.parametrize(
    ("page", "name", "argument"),
    [(page.stem, *found) for page in PAGES for found in names_in(page)],
)
def test_a_name_of_ours_is_there(page, name, argument):
    found = resolved(name)
    if argument:
        parameters = inspect.signature(found).parameters
        assert argument in parameters, f"{name} takes {', '.join(parameters)}"


def test_each_row_says_what_is_here():
    for page in PAGES:
        rows = [line for line in page.read_text().split("\n") if line.startswith("|")][2:]
        assert len(rows) >= 15
        for row in rows:
            assert NAME.search(row.split("|")[2]), f"{page.name}: {row}"
