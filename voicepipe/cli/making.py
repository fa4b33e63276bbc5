"""The commands for who writes a bot: `init`, `doctor`, `test`. What they do is in modules of their own."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from loguru import logger

from voicepipe.cli.exits import EXPECTED, fail


class Style(Enum):
    """The ways to write a bot."""

    PIPELINE = "pipeline"
    PHONE = "phone"
    AGENT = "agent"


class Speech(Enum):
    """What a test's calls are held in."""

    TONES = "tones"
    LOCAL = "local"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(init)
    app.command()(doctor)
    app.command("test")(play)


def init(
    name: Annotated[str, typer.Argument(help="What the folder and the project are called.")],
    style: Annotated[Style, typer.Option(help="How the bot is written.")] = Style.PIPELINE,
) -> None:
    """Write a folder with a small bot, its tests, scenarios and what else belongs to it."""
    from voicepipe.cli.init import init as write

    try:
        write(name, style=style.value, into=Path())
    except EXPECTED as error:
        fail(error)


def doctor(
    bot: Annotated[Path, typer.Argument(help="The bot's file.")],
    local: Annotated[bool, typer.Option("--local", help="It is to talk with the local server.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Also try whether the hosts can be reached that it talks with.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a bot would send, what would be refused, and what is missing. Exit code 1 if something would fail."""
    logger.remove()
    from voicepipe.cli.doctor import run_doctor

    try:
        code = run_doctor(bot, local=local, online=online, json=json)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)


def play(  # noqa: PLR0917 - the options of a command are its arguments
    scenarios: Annotated[list[Path], typer.Argument(help="Scenario files, or folders with some.")],
    bot: Annotated[
        Path | None, typer.Option(help="The bot's file, in place of those that the scenarios name.")
    ] = None,
    local: Annotated[
        bool,
        typer.Option(
            "--local/--live", help="With the local server, or with the API itself (OPENAI_API_KEY)."
        ),
    ] = True,
    speech: Annotated[
        Speech | None,
        typer.Option(help="What calls are held in: coded tones, exact and instant, or real speech."),
    ] = None,
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Calls take as long as they do, in place of virtual time.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Where a report is written, as JUnit's XML.")] = None,
) -> None:
    """Play scenarios with a bot: calls that have to go well. Exit code 1 if one does not."""
    logger.remove()
    from voicepipe.cli.scenarios import run_scenarios
    from voicepipe.testing.stage import Stage

    stage = Stage(live=not local, speech=speech.value if speech else None, real_time=real_time)
    try:
        code = run_scenarios(scenarios, stage, bot=bot, junit=junit)
    except EXPECTED as error:
        fail(error)
    raise typer.Exit(code)
