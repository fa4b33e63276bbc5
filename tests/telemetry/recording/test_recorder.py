"""What a recording of a whole call holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.telemetry.recording.recorded import recorded_call

pytestmark = pytest.mark.virtual_time


async def test_a_call_is_recorded(tmp_path: Path):
    async with recorded_call(tmp_path / "call") as (recording, transport, result):
        print(result, transport.cuts, transport.unanswered)
        for turn in recording.turns:
            print(turn)
        for tool in recording.tools:
            print(tool)
        print(recording.account, recording.end)
        for e in recording.entries:
            if (
                e["k"] in ("wire", "frame")
                and "delta" not in str(e.get("message", {}).get("type", ""))
                and "append" not in str(e.get("message", {}).get("type", ""))
                and e.get("frame") != "PlaybackMarkFrame"
            ):
                print(
                    e["t"],
                    e["k"],
                    e.get("way"),
                    e.get("frame"),
                    e.get("to"),
                    e.get("from"),
                    str(e.get("fields", e.get("message", e.get("text"))))[:200],
                )
    assert result
