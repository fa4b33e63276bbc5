"""Whether the commands of a document could be given: the program, its commands, its options."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import click
import typer.main

from tests.support.documentation import ROOT
from voicepipe.agents.commands import options_of
from voicepipe.cli.app import app

_TARGETS = re.compile(r"^([a-z-]+):", re.MULTILINE)
_EXTRAS = re.compile(r"^([\w-]+)\[([\w,-]+)\]$")
_PLACES = {"bot.py", "your_bot.py", "agent.py", "my_bot.py"}
"""Files that are the reader's own."""


def commands_in(code: str) -> list[str]:
    """Return the commands of a block; where some have a prompt, the rest is what they print."""
    lines = code.replace("\\\n", " ").split("\n")
    prompted = [line.strip().removeprefix("$ ") for line in lines if line.strip().startswith("$ ")]
    found = prompted or [line.strip() for line in lines]
    return [line for line in found if line and not line.startswith("#")]


def check(command: str) -> None:
    """Fail unless the command could be given.

    Raises:
        AssertionError: It could not; says why.
    """
    words = shlex.split(_without_choices(command), comments=True)
    while words and re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
        words = words[1:]
    if not words or words[0] in ("export", "git", "apt-get", "curl", "docker", "pre-commit", "cd"):
        return
    program, *arguments = words
    if program == "voicepipe":
        _check_voicepipe(arguments)
    elif program == "make":
        targets = set(_TARGETS.findall((ROOT / "Makefile").read_text()))
        assert set(arguments) <= targets, f"make has no {set(arguments) - targets}"
    elif program in ("pip", "uv"):
        _check_install(arguments)
    elif Path(program).name in ("python", "python3"):
        _check_python(arguments)
    else:
        raise AssertionError(f"nobody knows the command {program!r}")


def _without_choices(command: str) -> str:
    """Return a synopsis as a command: `[--engine a|b]` is `--engine a`."""
    return re.sub(r"\[((?:--?\w|[A-Z])[^\]]*)\]", r"\1", re.sub(r"(?<=\w)\|[\w|-]+", "", command))


def _check_voicepipe(arguments: list[str]) -> None:
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command, info_name="voicepipe")
    while hasattr(command, "commands"):
        if not arguments or arguments[0].startswith("-"):
            return
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"voicepipe has no command {name!r}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    try:
        command.make_parser(context).parse_args(list(arguments))
    except Exception as error:
        raise AssertionError(f"{context.command_path} {shlex.join(arguments)}: {error}") from error


def _check_install(arguments: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for argument in arguments:
        if (wanted := _EXTRAS.match(argument)) and wanted[1] == "voicepipe":
            missing = set(wanted[2].split(",")) - set(project["optional-dependencies"])
            assert not missing, f"voicepipe has no extras {missing}"


def _check_python(arguments: list[str]) -> None:
    if arguments[:1] == ["-m"]:
        assert importlib.util.find_spec(arguments[1]) is not None, f"there is no module {arguments[1]}"
        if arguments[1] == "pytest":
            _check_paths(arguments[2:])
        return
    if not arguments or arguments[0] in ("-c", "-"):
        return
    path, *rest = arguments
    assert path in _PLACES or (ROOT / path).exists(), f"there is no file {path}"
    if rest[:1] and rest[0] in ("console", "start", "dev"):
        try:
            options_of(rest)
        except SystemExit as error:
            raise AssertionError(f"{path} does not take {shlex.join(rest)}") from error


def _check_paths(arguments: list[str]) -> None:
    for argument in arguments:
        if argument.endswith(".py"):
            assert (ROOT / argument).exists(), f"there is no file {argument}"
