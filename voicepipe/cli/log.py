"""The log of a command."""

from __future__ import annotations

import sys

from loguru import logger


def set_log(verbose: bool) -> None:
    """Set up the log before anything is imported that writes to it. What a person must know is said without it."""
    logger.remove()
    if verbose:
        logger.add(sys.stderr, level="DEBUG")
