"""What is installed is bounded: a range for who depends on voicepipe, exact versions for who develops it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements() -> list[str]:
    project = PROJECT["project"]
    groups = [
        PROJECT["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    found = [one for group in groups for one in group if isinstance(one, str)]
    return [one for one in found if not one.startswith("voicepipe[")]


def is_bounded(requirement: str) -> bool:
    """Whether a requirement has a lower and an upper bound, or is exact."""
    versions = re.sub(r"^[\w.-]+(\[[\w,-]+\])?", "", requirement.partition(";")[0]).strip()
    has = {part.strip()[:2].rstrip("0123456789.") for part in versions.split(",")}
    return has == {"=="} or has == {">=", "<"}


def test_every_requirement_has_a_lower_and_an_upper_bound():
    assert len(requirements()) > 30
    assert [one for one in requirements() if not is_bounded(one)] == []


def test_what_is_not_bounded_is_noticed():
    loose = ["a", "a>=1", "a<2", "a[b]>1,<2", "a!=1", "a~=1.0", "a @ https://example.com/a.whl"]
    assert [one for one in loose if is_bounded(one)] == []
    assert all(map(is_bounded, ["a==1.2", "a[b,c]>=1,<2", "a-b>=0.1,<0.2; python_version < '3.12'"]))


def test_every_line_of_the_lock_is_one_exact_version():
    lines = (ROOT / ".requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]
    exact = re.compile(r"[\w.-]+(\[[\w,.-]+\])?==[\w.!+-]+( ; [^;]+)?")
    assert len(pinned) > 100
    assert [line for line in pinned if not exact.fullmatch(line)] == []
