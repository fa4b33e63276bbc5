"""One recorded call for the tests that read it."""

from __future__ import annotations

from tests.telemetry.recording.recorded import call, recorded_folder

__all__ = ["call", "recorded_folder"]
