"""`docs/reliability.md`: what may come of each fault, as the matrix has it; the tests hold every cell to it.

The page is written from what is allowed, not from one run: so it can be compared without running the matrix, and a cell that
comes to something else fails its own test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.reliability.matrix import Row, rows
from tests.reliability.phases import Phase
from tests.reliability.verdict import Allowed

DOCS = Path(__file__).parents[2] / "docs" / "reliability.md"
_TEXT = Path(__file__).parent / "page.md"
_HERE = "<!-- the tables -->"


def page() -> str:
    """Return the page."""
    return _TEXT.read_text(encoding="utf-8").replace(_HERE, "\n".join(_tables()).rstrip())


def _tables() -> Sequence[str]:
    lines: list[str] = []
    by_subject: dict[str, list[Row]] = {}
    for row in rows():
        by_subject.setdefault(row.subject, []).append(row)
    told: dict[tuple[str, ...], str] = {}
    for subject, its_rows in by_subject.items():
        table = _table(its_rows)
        lines += [
            f"### {subject}",
            "",
            f"{len(its_rows)} faults in {len(Phase)} phases: {_cells(its_rows)} cells.",
            "",
        ]
        same = told.setdefault(tuple(table), subject)
        lines += [f"As {same}.", ""] if same != subject else [*table, ""]
    return lines


def _table(its_rows: Sequence[Row]) -> list[str]:
    head = f"| | fault | {' | '.join(Phase)} |"
    lines = [head, "|---" * (len(Phase) + 2) + "|"]
    group = ""
    for row in its_rows:
        shown, group = row.group if row.group != group else "", row.group
        cells = " | ".join(_sign(row.allowed(phase)) for phase in Phase)
        lines.append(f"| {shown} | {row.name} | {cells} |")
    return lines


def _cells(its_rows: Sequence[Row]) -> int:
    return len(its_rows) * len(Phase)


def _sign(allowed: Allowed) -> str:
    if allowed.ends is None:
        return "●"
    return "◐" if allowed.goes_on else "○"
