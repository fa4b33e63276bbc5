"""Scenario files as pytest's tests, a test for each scenario."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from voicepipe.errors import VoicepipeError
from voicepipe.testing.files import load
from voicepipe.testing.playing import play
from voicepipe.testing.scenarios import Scenario
from voicepipe.testing.stage import Stage


class ScenarioFileCollector(pytest.File):
    """A scenario file.

    Args:
        stage: How calls are held.
        more: Pytest's own.
    """

    def __init__(self, *, stage: Stage, **more: Any) -> None:
        super().__init__(**more)
        self._stage = stage

    @classmethod
    def from_parent(cls, parent: pytest.Collector, *, path: Path, stage: Stage) -> Self:  # pyright: ignore[reportIncompatibleMethodOverride] - pytest has each node add its own
        """Return the collector of a file."""
        return super().from_parent(parent, path=path, stage=stage)

    def collect(self) -> Iterator[pytest.Item]:
        """Return the scenarios.

        Raises:
            pytest.Collector.CollectError: The file is wrong; the error says where.
        """
        try:
            scenarios = load(self.path)
        except VoicepipeError as error:
            raise self.CollectError(str(error)) from None
        for scenario in scenarios:
            yield ScenarioItem.from_parent(
                self, name=scenario.name.rpartition("/")[2], scenario=scenario, stage=self._stage
            )


class ScenarioItem(pytest.Item):
    """A scenario.

    Args:
        scenario: What it says.
        stage: How the call is held.
        more: Pytest's own.
    """

    def __init__(self, *, scenario: Scenario, stage: Stage, **more: Any) -> None:
        super().__init__(**more)
        self._scenario = scenario
        self._stage = stage

    def runtest(self) -> None:
        """Play it.

        Raises:
            ScenarioFailed: Something was not as expected.
        """
        result = play(self._scenario, self._stage)
        if result.record is not None:
            self.add_report_section("call", "transcript", result.record.transcript)
        if not result.passed:
            raise ScenarioFailed("\n".join(result.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - its style is of no use here
        """Return what was not as expected; where in our code that was found tells nobody anything."""
        if isinstance(excinfo.value, ScenarioFailed | VoicepipeError | FileNotFoundError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where it is."""
        return self.path, None, self._scenario.name


class ScenarioFailed(AssertionError):
    """Something in a call was not as its scenario expects; the message says what, and what was instead."""
