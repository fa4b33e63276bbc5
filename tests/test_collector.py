"""What a process of many calls does about the garbage collector."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import gc
from voicepipe.collector import spare_calls
young, middle, _ = gc.get_threshold()
spare_calls()
assert gc.get_threshold() == (young, middle, 100), gc.get_threshold()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()

class Call:
    def __init__(self):
        self.itself = self

import weakref
over = weakref.ref(Call())
assert over() is not None
gc.collect()
assert over() is None, "a call that is over is still collected"
"""


def test_what_was_there_before_is_left_alone_and_calls_that_are_over_are_collected():
    # In a process of its own: what is frozen stays so.
    subprocess.run([sys.executable, "-c", _CODE], check=True, capture_output=True)
