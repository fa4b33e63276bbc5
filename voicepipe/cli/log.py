"""The log of a command."""

from __future__ import annotations

import sys

from loguru import logger


def set_log(verbose: bool, *, as_json: bool = False) -> None:
    """Set up the log before anything is imported that writes to it. What a person must know is said without it."""
    logger.remove()
    if as_json:
        from voicepipe.telemetry.logs import log_json

        log_json(level="DEBUG" if verbose else "INFO")
    elif verbose:
        logger.add(sys.stderr, level="DEBUG")
