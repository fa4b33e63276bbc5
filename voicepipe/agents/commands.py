"""The arguments of a bot's command line, and what has to be around it while it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from loguru import logger

from voicepipe.local import LocalServer
from voicepipe.local.brain.script import Script, ScriptBrain
from voicepipe.local.speech.engines import speech_engine

Command = Literal["console", "dev", "start"]
_COMMANDS: dict[Command, str] = {
    "console": "talk with the agent here: over microphone and speaker, or a WAV file",
    "dev": "like start, begun again when a file changes, and tell in detail what happens",
    "start": "hold a conversation in a room",
}
_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a bot's command line says.

    Parameters:
        command: What to do.
        wav: Questions, for `console`.
        answer: Where what was heard of the agent is written.
        stereo: Where the whole conversation is written.
        room: The name of a LiveKit room.
        local: Whether to talk with the local server in place of OpenAI.
        script: What the local server answers.
        log_level: How much is told.
    """

    command: Command
    wav: tuple[Path, ...] = ()
    answer: Path | None = None
    stereo: Path | None = None
    room: str | None = None
    local: bool = False
    script: Path | None = None
    log_level: str = "WARNING"

    @asynccontextmanager
    async def surroundings(self) -> AsyncGenerator[None]:
        """Set the log's level, and have the local server run if it is wanted.

        Raises:
            VoicepipeError: The local server's extra is missing, or the script cannot be read.
        """
        with self.log():
            if not self.local:
                yield
                return
            brain = ScriptBrain(Script.load(self.script) if self.script else Script.default())
            async with LocalServer(speech=speech_engine("local"), brain=brain) as server:
                with environment_with({"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "local"}):
                    yield

    @contextmanager
    def log(self) -> Generator[None]:
        """Set the log's level."""
        logger.remove()
        sink = logger.add(sys.stderr, level=self.log_level)
        try:
            yield
        finally:
            logger.remove(sink)


@contextmanager
def environment_with(values: Mapping[str, str]) -> Generator[None]:
    """Have these values in the environment, as long as this is entered."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def options_of(argv: Sequence[str] | None = None) -> Options:
    """Return what a command line says.

    Args:
        argv: The arguments; by default the program's own.

    Raises:
        SystemExit: They are wrong, which was printed, or were only a question.
    """
    found = vars(_parser().parse_args(argv))
    found["wav"] = tuple(cast("list[Path]", found.get("wav") or []))
    return Options(**found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="An agent that speaks.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{console,dev,start}")
    for name, about in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--local", action="store_true", help="talk with the local server, without a key")
        command.add_argument("--script", type=Path, help="what the local server answers (YAML)")
        level = "DEBUG" if name == "dev" else "WARNING"
        command.add_argument(
            "--log-level", default=level, type=str.upper, choices=_LEVELS, help=f"default: {level}"
        )
        if name == "console":
            command.add_argument("--wav", type=Path, action="append", help="a question; may be repeated")
            command.add_argument("--answer", type=Path, help="where the answers are written, as a WAV file")
            command.add_argument("--stereo", type=Path, help="where both sides are written, as a WAV file")
        else:
            command.add_argument("--room", help="the name of the LiveKit room; default: LIVEKIT_ROOM_NAME")
    return parser
