"""Many telephone calls on loopback: at once, one after another, and while the phone ends.

python -m tests.reliability.soak                  50 calls for ten minutes, 1,000 short ones, both ends
python -m tests.reliability.soak --calls 20 --minutes 1 --short 100

It prints a table for `docs/reliability.md` and fails if something was lost, left over or not answered. A time beyond its
stated bound is told and fails only with `--strict`, since how late things are is the machine's doing as well.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

from loguru import logger

from tests.reliability.soak.ends import ends
from tests.reliability.soak.load import load
from tests.reliability.soak.table import ends_rows, load_table


def main() -> int:
    """Return whether anything was wrong."""
    options = _options()
    logger.remove()
    logging.getLogger("websockets").setLevel(logging.ERROR)
    _allow_descriptors(12 * options.calls + 300)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        done = asyncio.run(
            load(at_once=options.calls, secs=options.minutes * 60, short=options.short, folder=Path(folder))
        )
        print(load_table(done, time.monotonic() - began), flush=True)
        ended = asyncio.run(ends(calls=options.calls, seed=options.seed, folder=Path(folder)))
        print(ends_rows(ended))
    problems = [*done.problems(), *ended.problems]
    over = done.over_bounds()
    for problem in problems:
        print(f"! {problem}")
    for bound in over:
        print(f"! over its bound: {bound}")
    return 1 if problems or (over and options.strict) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Many calls: at once, one after another, while the phone ends."
    )
    parser.add_argument("--calls", type=int, default=50, help="calls at once")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they last")
    parser.add_argument("--short", type=int, default=1000, help="short calls after that, a few at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the moment in which the phone is killed")
    parser.add_argument("--strict", action="store_true", help="fail also if a time is over its bound")
    return parser.parse_args()


def _allow_descriptors(wanted: int) -> None:
    """Both ends of every socket are in this process; where the system's usual limit is too small, it is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
