"""Runs the matrix and says what came of it.

python -m tests.reliability                what came of each row
python -m tests.reliability drop stall     only the rows whose name has one of these words
python -m tests.reliability --write-docs   docs/reliability.md, without running anything
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from loguru import logger

from tests.reliability.matrix import rows, run_row
from tests.reliability.page import DOCS, page
from voicepipe.testing import VirtualTimeLoop


def main(arguments: list[str]) -> int:
    """Return how many rows failed."""
    if arguments == ["--write-docs"]:
        DOCS.write_text(page(), encoding="utf-8")
        print(f"wrote {DOCS}")
        return 0
    logger.remove()
    logging.getLogger("websockets").setLevel(logging.CRITICAL + 1)
    failed = cells = 0
    began = time.monotonic()
    for row in rows():
        if arguments and not any(word in row.id for word in arguments):
            continue
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            result = runner.run(run_row(row))
        failed += bool(result.problems)
        cells += len(result.cells)
        print(f"{'FAIL' if result.problems else 'ok  '} {row.id}")
        for phase, cell in result.cells.items():
            what = "goes on" if cell.outcome.goes_on else f"ends: {cell.outcome.reason}"
            print(f"       {phase}: {what} after {cell.outcome.secs:.1f} s")
        for problem in result.problems:
            print(f"     ! {problem}")
    print(f"{cells} cells in {time.monotonic() - began:.0f} s, {failed} rows failed")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
