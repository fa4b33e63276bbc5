"""What commands print: texts from elsewhere are printed as they are."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from voicepipe.cli.app import app
from voicepipe.cli.exits import Exit
from voicepipe.cli.telling import tell_breaking_off, tell_file


def test_what_a_server_says_is_no_markup():
    console = Console(file=StringIO(), width=200)
    tell_breaking_off(console, "no such tool [/get_weather] in [tools]")
    tell_file(console, Path("calls[of today]/a.wav"), "what was heard")
    assert console.file.getvalue().splitlines() == [
        "The conversation broke off: no such tool [/get_weather] in [tools]",
        "  calls[of today]/a.wav  what was heard",
    ]


def test_a_folder_that_cannot_be_is_named_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    run = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "file" / "out")])
    assert run.exit_code == Exit.BAD_INPUT
    assert "Not a directory" in run.output
