"""One recorded call for the tests that read it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.virtual_time import VirtualTimeLoop
from tests.telemetry.recording.recorded import recorded_call
from voicepipe.telemetry.recording import Recording


async def _record(folder: Path) -> None:
    async with recorded_call(folder):
        pass


@pytest.fixture(scope="session")
def recorded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "call"
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(_record(folder))
    return folder


@pytest.fixture
def call(recorded_folder: Path) -> Recording:
    return Recording(recorded_folder)
