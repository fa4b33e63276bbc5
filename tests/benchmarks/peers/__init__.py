"""voicepipe beside its peers and beside bare relays: the same calls, the same server, one core each.

`python -m tests.benchmarks.peers install` makes the environments, `run` measures, `report` writes `docs/benchmarks.md`.

    callers (Twilio, marks in the sound)  <->  bot (a process on its own core)  <->  api (GA wire, marks in the sound)

Callers and API share the machine's monotonic clock, so a mark's way is the difference of two readings of it.
"""
