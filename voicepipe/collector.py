"""Python's garbage collector in a process that has calls to carry: its pauses few and short.

A full collection stops everything: with 50 calls of a phone for 29 ms, to look through 81,000 objects, and as long again for
those that were there before the first call. It comes with every quarter more of them, so mostly when calls come in. Those
that were there before are taken out of it for good, and it comes a tenth as often: what a call that is over leaves in
circles, some 0.4 MB, waits for longer.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG_COLLECTIONS_BETWEEN: Final = 100
"""Collections of the middle generation between full ones; Python's own number is 10."""


def spare_calls() -> None:
    """Keep pauses off calls; to be called once, when all is loaded and before the first call."""
    gc.collect()
    gc.freeze()
    youngest, middle, _ = gc.get_threshold()
    gc.set_threshold(youngest, middle, _YOUNG_COLLECTIONS_BETWEEN)
