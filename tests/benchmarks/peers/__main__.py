"""`install` makes the peers' environments, `run` measures and keeps the figures, `report` writes the page."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys

from tests.benchmarks.peers import report, suite
from tests.benchmarks.peers.environments import ENVIRONMENTS, install, is_installed
from tests.benchmarks.peers.measure import BOTS


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install")
    run = commands.add_parser("run")
    run.add_argument("--bots", nargs="+", choices=BOTS, default=list(BOTS))
    run.add_argument("--calls", type=_numbers, default=[1, 10, 25, 50, 100], help="as 1,10,25,50,100")
    run.add_argument("--seconds", type=float, default=10.0)
    run.add_argument("--repeats", type=int, default=3)
    run.add_argument("--no-capacity", action="store_true", help="do not look for the most calls a core takes")
    run.add_argument(
        "--short", action="store_true", help="1, 10, 25 and 50 calls, 5 seconds, twice: about half an hour"
    )
    commands.add_parser("report")
    options = parser.parse_args()
    if options.command == "install":
        for name in ENVIRONMENTS:
            try:
                install(name)
            except subprocess.CalledProcessError as error:
                # The others can be measured all the same.
                print(f"{name} could not be installed: {error}", file=sys.stderr)
    elif options.command == "report":
        report.main()
    else:
        bots = [bot for bot in options.bots if is_installed(BOTS[bot].environment)]
        missing = [bot for bot in options.bots if bot not in bots]
        if not bots or not is_installed("pipecat"):
            sys.exit("nothing is installed; run `python -m tests.benchmarks.peers install`")
        calls, seconds, repeats = options.calls, options.seconds, options.repeats
        if options.short:
            calls, seconds, repeats = [1, 10, 25, 50], 5.0, 2
        plan = suite.Plan(bots, calls, seconds, repeats, not options.no_capacity, missing)
        asyncio.run(suite.run(plan))


if __name__ == "__main__":
    main()
