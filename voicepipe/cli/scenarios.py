"""`voicepipe test`: scenarios played with a bot, and how they went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from voicepipe.cli.exits import Exit
from voicepipe.testing.files import find, load
from voicepipe.testing.playing import Result, play
from voicepipe.testing.reports import show, show_all, write_junit
from voicepipe.testing.stage import Stage


def run_scenarios(paths: Sequence[Path], stage: Stage, *, bot: Path | None, junit: Path | None) -> Exit:
    """Play all scenarios in files and folders, one after the other, and say how each went.

    Args:
        paths: Files and folders.
        stage: How calls are held.
        bot: The bot's file, in place of those that the scenarios name.
        junit: Where a report is written as JUnit's XML.

    Raises:
        FileNotFoundError: There is no such file.
        VoicepipeError: A scenario is wrong, or cannot be played here.
    """
    scenarios = [scenario for path in find(paths) for scenario in load(path)]
    console = Console()
    results: list[Result] = []
    for scenario in scenarios:
        results.append(play(scenario, stage, bot=bot))
        show(results[-1], console)
    show_all(results, console)
    if junit is not None:
        write_junit(results, junit)
    return Exit.OK if all(result.passed for result in results) else Exit.NO_ANSWER
