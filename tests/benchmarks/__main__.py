"""Run the benchmarks that are named, or all of them."""

import sys

from tests.benchmarks import calls, click, hour, recording, resampler, steps, telephony

BENCHMARKS = {
    "resampler": resampler.main,
    "click": click.main,
    "telephony": telephony.main,
    "calls": calls.main,
    "steps": steps.main,
    "hour": hour.main,
    "recording": recording.main,
}

if __name__ == "__main__":
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()
