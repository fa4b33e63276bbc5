"""`voicepipe inspect` and `voicepipe replay`: looking at a recorded call, and running it again."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from voicepipe.cli.exits import Exit
from voicepipe.cli.telling import tell_file
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.replay.as_test import write_test
from voicepipe.replay.bots import named_bot, recorded_bot
from voicepipe.replay.player import replay
from voicepipe.replay.story import differences, story_of
from voicepipe.telemetry.recording import Recording
from voicepipe.telemetry.recording.page import write_page


def inspect_call(folder: Path, *, out: Path | None, show: bool) -> Exit:
    """Write the page of a call, and open it.

    Raises:
        RecordingError: There is no recording that can be read.
    """
    recording, console = Recording(folder), Console()
    path = write_page(recording, out)
    if not recording.is_whole:
        console.print("[yellow]The recording breaks off: its process did not end it.[/yellow]")
    tell_file(console, path, "open it with any browser")
    if show:
        webbrowser.open(path.resolve().as_uri())
    return Exit.OK


def replay_call(
    folder: Path, *, bot: str | None, as_test: Path | None, interruptions: Interruptions | None
) -> Exit:
    """Run a call again and say what is different, or make a test of it.

    Returns:
        `OK` if today's code does what was done then, `DIFFERENT` if not.

    Raises:
        RecordingError: There is no recording that can be read.
        SettingsError: There is no such bot, or it cannot be told from the recording.
    """
    recording, console = Recording(folder), Console()
    make_bot = named_bot(bot) if bot else recorded_bot(recording, interruptions=interruptions)
    if as_test is not None:
        write_test(recording, make_bot, as_test, bot=bot)
        tell_file(console, as_test, "run it with pytest")
        return Exit.OK
    replayed = replay(recording, make_bot)
    found = differences(story_of(recording.entries), story_of(replayed.entries))
    console.print(
        f"{replayed.duration_ms / 1000:.1f} s of call replayed, hash {replayed.hash[:16]}", highlight=False
    )
    for name, count in replayed.not_replayed.items():
        told = f"{count} {name} reached the bot in the call and cannot be replayed: differences may come of that."
        console.print(f"[yellow]{told}[/yellow]", soft_wrap=True, highlight=False)
    for one in found:
        style = {"gone": "red", "new": "green", "changed": "yellow"}[one.kind]
        console.print(f"[{style}]{escape(str(one))}[/{style}]", highlight=False, soft_wrap=True)
    if not found:
        console.print("[green]Today's code does what was done then.[/green]")
    return Exit.DIFFERENT if found else Exit.OK
