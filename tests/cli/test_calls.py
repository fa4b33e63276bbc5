"""`voicepipe calls`: what a person sees of the records, and what a program reads of them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from voicepipe.cli.app import app
from voicepipe.realtime.events import ResponseFinished, Usage
from voicepipe.telemetry import Billing, CallEvent, CallInfo, CallMeter, Fault, ToolRun, Turn
from voicepipe.telemetry.records import RecordStore

ID = "0123456789abcdef"


async def record(path: Path) -> None:
    meter = CallMeter(billing=Billing(carrier="twilio"))
    meter.started(0.0)
    info = CallInfo(
        call_id=ID,
        started_at=datetime(2026, 6, 1, 12, 0, tzinfo=UTC),
        caller="+15550001111",
        carrier="twilio",
        engine="openai_realtime",
        model="gpt-realtime-mini",
    )
    async with RecordStore(path) as store:
        async with store.call(info) as entry:
            entry.turn(Turn(0, 0.0, "=1+1", bot_text="It is two.", bot_started_ms=500.0, latency_ms=320.0))
            entry.turn(
                Turn(
                    1,
                    2000.0,
                    "And three?",
                    bot_text="That is four or so.",
                    heard_text="That is",
                    bot_started_ms=2500.0,
                    bot_stopped_ms=3000.0,
                    is_interrupted=True,
                )
            )
            entry.tool(ToolRun(0, 1, "c", "add", {"n": 3}, 2100.0, 2200.0, {"sum": 4}, "done"))
            entry.fault(Fault(0, 2300.0, "a small thing [red]", is_fatal=False))
            entry.event(CallEvent(0, 1000.0, "keys", "12"))
            entry.event(CallEvent(0, 1000.0, "keys", "12#"))
            entry.event(CallEvent(1, 2400.0, "guardrail", "no promises", "bot"))
            entry.event(CallEvent(2, 2500.0, "refusal", "Twilio: POST /Calls.json: status 400: no", "21211"))
            entry.event(CallEvent(3, 2450.0, "transfer", "warm to +15550003333", "refused"))
            entry.account(meter.account(61.0))
            entry.end("ended", "goodbye")
        store.begin(CallInfo(call_id="second", started_at=datetime(2026, 6, 2, tzinfo=UTC)))


@pytest.fixture
def records(tmp_path) -> str:
    path = tmp_path / "calls.sqlite"
    asyncio.run(record(path))
    return str(path)


def voicepipe(*arguments: str, code: int = 0) -> str:
    ran = CliRunner().invoke(app, ["calls", *arguments], env={"COLUMNS": "200"})
    assert ran.exit_code == code, ran.output
    return ran.output


class TestList:
    def test_a_line_for_each_call_the_newest_first(self, records):
        head, second, first = voicepipe("list", "--records", records).splitlines()
        assert head.split() == ["call", "started", "length", "turns", "cost", "end", "from", "model"]
        assert second.startswith("second")
        assert "open" in second
        for part in (ID[:12], "2026-06-01 12:00:00", "1:01", "2", "$0.0170", "ended", "+15550001111"):
            assert part in first

    def test_only_some(self, records):
        assert ID[:12] not in voicepipe("list", "--records", records, "--limit", "1")
        assert "second" not in voicepipe("list", "--records", records, "--status", "ended")
        assert voicepipe("list", "--records", records, "--status", "abandoned") == "No calls.\n"

    def test_the_environment_says_where(self, records, monkeypatch):
        monkeypatch.setenv("VOICEPIPE_RECORDS", records)
        assert ID[:12] in voicepipe("list")

    def test_where_nothing_was_recorded(self, tmp_path):
        told = voicepipe("list", "--records", str(tmp_path / "none.sqlite"), code=2)
        assert "no calls were recorded there" in told

    def test_what_is_no_database(self, tmp_path):
        (tmp_path / "notes.txt").write_text("no database at all")
        told = voicepipe("list", "--records", str(tmp_path / "notes.txt"), code=2)
        assert "no records of calls can be read there: file is not a database" in told


class TestShow:
    def test_what_was_said_and_heard_in_order(self, records):
        shown = voicepipe("show", ID[:6], "--records", records)
        expected = [
            "gpt-realtime-mini",
            "$0.0170 = telephony $0.0170",
            "user     =1+1",
            "bot      It is two.  (320 ms)",
            "keys     12#",
            "user     And three?",
            'tool     add({"n": 3})  = {"sum": 4}',
            "oops     a small thing [red]",
            "blocked  no promises (bot)",
            "transfer warm to +15550003333 (refused)",
            "refused  Twilio: POST /Calls.json: status 400: no (21211)",
        ]
        places = [shown.index(text) for text in expected]
        assert places == sorted(places)
        assert "heard    That is" in shown

    def test_as_json(self, records):
        call = json.loads(voicepipe("show", ID, "--records", records, "--json"))
        assert (call["id"], call["cost_total"], call["started_at"]) == (
            ID,
            "0.0170",
            "2026-06-01T12:00:00+00:00",
        )
        assert [turn["user_text"] for turn in call["turns"]] == ["=1+1", "And three?"]
        assert call["tools"][0]["result"] == {"sum": 4}
        assert call["events"][0] == {"index": 0, "at_ms": 1000.0, "kind": "keys", "text": "12#", "detail": ""}
        assert [event["kind"] for event in call["events"]] == ["keys", "guardrail", "refusal", "transfer"]

    def test_a_call_that_is_not_there(self, records):
        assert "there is no call 'zzz'" in voicepipe("show", "zzz", "--records", records, code=2)


class TestExport:
    def test_json_holds_everything(self, records, tmp_path):
        out = tmp_path / "calls.json"
        assert voicepipe("export", "--records", records, "--out", str(out)) == ""
        calls = json.loads(out.read_text())
        assert [call["id"] for call in calls] == ["second", ID]
        assert [len(call["turns"]) for call in calls] == [0, 2]

    def test_csv_has_a_row_for_each_call(self, records):
        text = voicepipe("export", "--records", records, "--format", "csv")
        _, first = csv.DictReader(io.StringIO(text))
        assert first["id"] == ID
        assert Decimal(first["cost_total"]) == Decimal("0.0170")
        assert (first["caller"], first["turn_count"], first["end_reason"]) == ("+15550001111", "2", "ended")

    def test_csv_of_turns_holds_no_formulas(self, records):
        text = voicepipe("export", "--records", records, "--format", "csv", "--what", "turns")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["call_id"], row["user_text"], row["heard_text"]) for row in rows] == [
            (ID, "'=1+1", ""),
            (ID, "And three?", "That is"),
        ]

    def test_csv_of_events_has_keys_blocked_words_transfers_and_refusals(self, records):
        text = voicepipe("export", "--records", records, "--format", "csv", "--what", "events")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["call_id"], row["kind"], row["text"], row["detail"]) for row in rows] == [
            (ID, "keys", "12#", ""),
            (ID, "guardrail", "no promises", "bot"),
            (ID, "refusal", "Twilio: POST /Calls.json: status 400: no", "21211"),
            (ID, "transfer", "warm to +15550003333", "refused"),
        ]

    def test_a_cost_that_is_not_known_is_empty_and_not_zero(self, tmp_path):
        path = tmp_path / "calls.sqlite"

        async def record() -> None:
            billing = Billing(engine="openai_realtime", model="gpt-realtime-9", carrier="telnyx")
            meter = CallMeter(billing=billing)
            meter.started(0.0)
            usage = Usage(132, 121, 253, 119, 13, 0, 64, 64, 0, 30, 91)
            meter.take_happening(ResponseFinished("resp_1", "completed", usage=usage), 1.0)
            async with RecordStore(path) as store, store.call(CallInfo(call_id=ID)) as entry:
                entry.account(meter.account(60.0))

        asyncio.run(record())
        [row] = csv.DictReader(io.StringIO(voicepipe("export", "--records", str(path), "--format", "csv")))
        assert (row["cost_total"], row["cost_llm"]) == ("", "")
        assert Decimal(row["cost_known"]) == Decimal("0.0035")
        [call] = json.loads(voicepipe("export", "--records", str(path)))
        assert (call["cost_total"], call["cost_llm"]) == (None, None)
        assert Decimal(call["cost_known"]) == Decimal("0.0035")
        assert "at least $0.0035" in voicepipe("show", ID, "--records", str(path))
        assert "at least $0.0035" in voicepipe("list", "--records", str(path))

    def test_where_it_cannot_be_written(self, records, tmp_path):
        out = str(tmp_path / "nowhere" / "calls.json")
        assert "nowhere" in voicepipe("export", "--records", records, "--out", out, code=2)
