"""How commands end when something is wrong: exit codes, the same for all commands, and the line that says why."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from voicepipe.errors import (
    AudioDeviceError,
    CallNotTakenError,
    ConnectionRefused,
    MissingExtraError,
    PortTakenError,
    VoicepipeError,
)


class Exit(IntEnum):
    """What a command ended with. 2 is also what a wrong option gives."""

    OK = 0
    NO_ANSWER = 1
    """The bot gave no answer, or the conversation broke off."""
    BAD_INPUT = 2
    """No such file, not a WAV file, an empty or silent one, a script that cannot be read."""
    PORT_TAKEN = 3
    MISSING_EXTRA = 4
    REFUSED = 5
    """The server cannot be reached or refused the key, the model or the settings; a bot does not take a call."""
    NO_AUDIO_DEVICE = 6
    """There is no microphone or no loudspeaker, or it cannot be used."""
    DIFFERENT = 7
    """A replay did not do what its recording shows."""


EXPECTED = (
    VoicepipeError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ValidationError,
)
"""The errors that a person can do something about; any other is a fault of the program's and keeps its traceback."""


def exit_for(error: Exception) -> Exit:
    """Return the code for one of the expected errors."""
    if isinstance(error, MissingExtraError):
        return Exit.MISSING_EXTRA
    if isinstance(error, PortTakenError):
        return Exit.PORT_TAKEN
    if isinstance(error, AudioDeviceError):
        return Exit.NO_AUDIO_DEVICE
    return Exit.REFUSED if isinstance(error, CallNotTakenError | ConnectionRefused) else Exit.BAD_INPUT


def fail(error: Exception) -> NoReturn:
    """Say in one line what is wrong and leave with the code for it."""
    Console(stderr=True).print(f"[red]voicepipe:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    raise typer.Exit(int(exit_for(error)))
