"""What docs/records.md shows runs as it stands."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from voicepipe.pipeline import RunResult
from voicepipe.telemetry import CallMeter, Latencies, Turn
from voicepipe.telemetry.records import RecordReader

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def block(word: str) -> str:
    [found] = [text for text in BLOCKS if word in text]
    return found


async def test_recording_a_call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def run(pipeline: object, observers: list[object]) -> RunResult:
        return RunResult("ended", "all was said")

    names = {"run": run, "pipeline": None}
    code = "async def shown():\n" + "".join(f"    {line}\n" for line in block("RecordStore").splitlines())
    exec(code, names)
    await names["shown"]()
    async with RecordReader.open("calls.sqlite") as reader:
        [row] = await reader.calls()
    assert (row["end_reason"], row["end_detail"], row["model"]) == ("ended", "all was said", "gpt-realtime")


def test_prices():
    names: dict[str, object] = {}
    exec(block("merge_pricing").replace("meter =", "from voicepipe.telemetry import *\nmeter ="), names)
    meter = names["meter"]
    assert isinstance(meter, CallMeter)
    meter.started(0.0)
    assert meter.account(60.0).cost.total == Decimal("0.007")


def test_latencies():
    names = {"latencies": Latencies(), "turn": Turn(0, 0.0, latency_ms=1.0, server_ms=0.5, added_ms=0.2)}
    exec(block("latencies.add"), names)
    assert names["latencies"]["total"].count == 1


def test_a_cap():
    exec(block("on_cap"), {"CallMeter": CallMeter})
