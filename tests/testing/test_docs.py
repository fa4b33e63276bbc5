"""The page about testing: what it shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.testing.bots import BRAIN, PIPELINE
from voicepipe.testing import Caller, Stage
from voicepipe.testing.files import load
from voicepipe.testing.happened import EVENTS
from voicepipe.testing.playing import play

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def desk(tmp_path) -> Path:
    (tmp_path / "bot.py").write_text(PIPELINE)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "brain.yaml").write_text(BRAIN)
    return tmp_path


def function(number: int) -> Any:
    names: dict[str, Any] = {}
    exec(compile(blocks("python")[number], "testing.md", "exec"), names)
    [test] = [thing for name, thing in names.items() if name.startswith("test_")]
    return test


def test_the_first_test_passes(desk):
    function(0)(Caller(folder=desk))


@pytest.mark.virtual_time
async def test_the_second_test_passes(desk):
    await function(1)(Caller(folder=desk))


def test_the_scenarios_pass(desk):
    [text] = blocks("yaml")
    path = desk / "scenarios" / "orders.yaml"
    path.write_text(text)
    assert [play(scenario, Stage()).failures for scenario in load(path)] == [[], []]


def test_every_event_is_told_of():
    told = [event for event in EVENTS if f"`{event}`" in PAGE or event.startswith("vad_user_")]
    assert told == list(EVENTS)
