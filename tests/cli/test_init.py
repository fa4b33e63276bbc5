"""`voicepipe init`: what it writes passes its own tests as it stands, and it writes over nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voicepipe.cli.app import app
from voicepipe.cli.init import written

ROOT = Path(__file__).parents[2]
STYLES = ["pipeline", "phone", "agent"]
SECRETS = ("OPENAI_API_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
LONGEST = 60


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def init(*arguments: str):
    return CliRunner().invoke(app, ["init", *arguments])


@pytest.mark.parametrize("style", STYLES)
def test_what_is_written_passes_its_own_tests(style, tmp_path):
    run = init("order-desk", "--style", style)
    assert run.exit_code == 0, run.output
    folder = tmp_path / "order-desk"
    env = {name: value for name, value in os.environ.items() if name not in SECRETS}
    env = {**env, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "voicepipe.testing.plugin"]
    tests = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=100
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "3 passed" in tests.stdout


@pytest.mark.parametrize("style", STYLES)
def test_what_is_written_is_short_tidy_and_has_no_gaps_left(style, tmp_path):
    files = written("order-desk", style)
    for path, text in files.items():
        assert len(text.splitlines()) < LONGEST, path
        assert "$title" not in text
        assert text.endswith("\n")
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    about = tomllib.loads(files[Path("pyproject.toml")])
    assert about["project"]["name"] == "order-desk"
    for check in (["check", "--select", "E,F,W,I,UP,B,SIM,RUF"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "bot.py").write_text("mine")
    run = init("desk")
    assert run.exit_code == 2
    assert "bot.py already; nothing was written" in " ".join(run.output.split())
    assert [path.name for path in (tmp_path / "desk").iterdir()] == ["bot.py"]
    assert (tmp_path / "desk" / "bot.py").read_text() == "mine"


def test_a_file_of_the_folders_name_is_left_alone(tmp_path):
    (tmp_path / "desk").write_text("mine")
    assert init("desk").exit_code == 2
    assert (tmp_path / "desk").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["../desk", "1desk", "my desk", "desk/", "", "désk", "-", "a" * 200, "desk\n"]
)
def test_a_name_that_is_none_is_refused(name, tmp_path):
    run = init("--", name)
    assert run.exit_code == 2
    assert "is no package's name" in " ".join(run.output.split())
    assert not list(tmp_path.iterdir())
