"""The pytest plug-in: fixtures for tests of bots, and scenario files as tests.

It is there as soon as voicepipe is installed; `-p no:voicepipe.testing.plugin` switches it off. No more of voicepipe is
imported before a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from voicepipe.local import LocalServer
    from voicepipe.local.elevenlabs import LocalElevenLabsServer
    from voicepipe.testing.caller import Caller
    from voicepipe.testing.stage import Stage

_FOLDERS = "voicepipe_scenarios"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options and the setting that says where scenarios are."""
    group = parser.getgroup("voicepipe", "tests of bots")
    group.addoption(
        "--voicepipe-live", action="store_true", help="bots talk with the API itself (OPENAI_API_KEY)"
    )
    group.addoption(
        "--voicepipe-real-time", action="store_true", help="calls take as long as they do, not virtual time"
    )
    group.addoption(
        "--voicepipe-speech",
        choices=("tones", "local"),
        help="what calls are held in: coded tones, exact and instant, or real speech; default: what fits",
    )
    parser.addini(_FOLDERS, "folders whose YAML files are scenarios", type="paths", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take the YAML files of the folders that `voicepipe_scenarios` names for tests."""
    folders: list[Path] = parent.config.getini(_FOLDERS)
    if file_path.suffix not in (".yaml", ".yml") or not any(file_path.is_relative_to(one) for one in folders):
        return None
    from voicepipe.testing.collecting import ScenarioFileCollector
    from voicepipe.testing.files import is_scenario_file

    if not is_scenario_file(file_path):
        return None
    return ScenarioFileCollector.from_parent(parent, path=file_path, stage=stage_of(parent.config))


def stage_of(config: pytest.Config) -> Stage:
    """Return how calls are held, by pytest's options."""
    from voicepipe.testing.stage import Stage

    return Stage(
        live=bool(config.getoption("--voicepipe-live")),
        real_time=bool(config.getoption("--voicepipe-real-time")),
        speech=config.getoption("--voicepipe-speech"),
    )


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Caller:
    """Somebody who calls a bot: `caller.call("bot.py", "Hello!")`. Paths are relative to pytest's root folder."""
    from voicepipe.testing.caller import Caller

    return Caller(stage_of(request.config), request.config.rootpath)


@pytest.fixture
def openai_realtime_server() -> Iterator[LocalServer]:
    """OpenAI's Realtime API on loopback, in coded tones and in real time; `url` is for `base_url`, any key will do."""
    from voicepipe.local import LocalServer
    from voicepipe.local.brain.script import ScriptBrain
    from voicepipe.local.speech.engines import speech_engine
    from voicepipe.testing.servers import in_thread

    with in_thread(lambda: LocalServer(speech=speech_engine("tones"), brain=ScriptBrain())) as server:
        yield server


@pytest.fixture
def elevenlabs_server() -> Iterator[LocalElevenLabsServer]:
    """ElevenLabs' Conversational AI on loopback, in coded tones and in real time; its agent is `agent_1`."""
    from voicepipe.local.brain.script import ScriptBrain
    from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
    from voicepipe.local.speech.engines import speech_engine
    from voicepipe.testing.servers import in_thread

    agent = Agent("agent_1", first_message="Hello!")
    with in_thread(
        lambda: LocalElevenLabsServer([agent], speech=speech_engine("tones"), brain=ScriptBrain())
    ) as server:
        yield server
