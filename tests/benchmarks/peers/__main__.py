"""`install` makes the peers' environments, `run` measures and keeps the figures, `report` writes the page."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.benchmarks.peers import report, suite
from tests.benchmarks.peers.environments import ENVIRONMENTS, install, is_installed
from tests.benchmarks.peers.measure import BOTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    run = commands.add_parser("run")
    run.add_argument("--bots", nargs="+", choices=BOTS, default=list(BOTS))
    run.add_argument("--calls", nargs="+", type=int, default=[1, 10, 25, 50, 100])
    run.add_argument("--seconds", type=float, default=10.0)
    run.add_argument("--repeats", type=int, default=3)
    run.add_argument("--no-capacity", action="store_true", help="do not look for the most calls a core takes")
    commands.add_parser("report")
    options = parser.parse_args()
    if options.command == "install":
        for name in ENVIRONMENTS:
            install(name)
    elif options.command == "report":
        report.main()
    else:
        missing = sorted(
            {BOTS[bot].environment for bot in options.bots if not is_installed(BOTS[bot].environment)}
        )
        if missing:
            sys.exit(f"not installed: {', '.join(missing)}; run `python -m tests.benchmarks.peers install`")
        plan = suite.Plan(
            options.bots, options.calls, options.seconds, options.repeats, not options.no_capacity
        )
        asyncio.run(suite.run(plan))


if __name__ == "__main__":
    main()
