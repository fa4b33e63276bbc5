"""Every fault in every phase: the call goes on, or ends with a clear reason in time, and nothing is left of it."""

from __future__ import annotations

import pytest

from tests.reliability.matrix import rows, run_row
from tests.reliability.page import DOCS, page


@pytest.mark.virtual_time
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in rows()])
async def test_a_fault_in_every_phase(row):
    result = await run_row(row)
    assert result.problems == []


def test_the_page_is_what_the_matrix_gives():
    assert DOCS.read_text(encoding="utf-8") == page(), "run: python -m tests.reliability --write-docs"
