"""Records in a database: written as they happen, whatever becomes of the process, and read while they are written."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from loguru import logger
from sqlalchemy import update
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from tests.services.openai.realtime import wire_lines as wire
from tests.support.pipelines import running
from tests.support.scripted_server import ScriptedServer
from voicepipe.errors import MissingExtraError, SettingsError, VoicepipeError
from voicepipe.frames import LLMFullResponseEndFrame
from voicepipe.realtime.events import TranscriptionUsage, Usage
from voicepipe.realtime.usage import token_usage, transcription_metrics
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService
from voicepipe.telemetry import Billing, CallEvent, CallInfo, CallMeter, CallObserver, Fault, ToolRun, Turn
from voicepipe.telemetry.records import RecordReader, RecordStore, StoredCall, records_url, tables
from voicepipe.telemetry.records.where import Database

USAGE = Usage(132, 121, 253, 119, 13, 0, 64, 64, 0, 30, 91)
BEGAN = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def said(index: int, user: str, bot: str = "", **more) -> Turn:
    return Turn(index, 1000.0 * index, user, user_is_final=True, bot_text=bot, **more)


async def stored(path: Path, call_id: str = "call_1") -> StoredCall:
    async with RecordReader.open(path) as reader:
        return await reader.call(call_id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records" / "calls.sqlite"


class TestWriting:
    async def test_a_call_with_all_there_is_to_it(self, path):
        from pipecat.metrics.metrics import LLMUsageMetricsData

        meter = CallMeter(billing=Billing(carrier="twilio"))
        meter.started(0.0)
        words = transcription_metrics("llm", TranscriptionUsage("i", seconds=30.0, model="whisper-1"))
        usage = LLMUsageMetricsData(processor="llm", model="gpt-realtime-mini", value=token_usage(USAGE))
        meter.take_metrics([words, usage], 1.0)
        info = CallInfo(
            call_id="call_1",
            started_at=BEGAN,
            direction="inbound",
            caller="+15550001111",
            called="+15550002222",
            carrier="twilio",
            engine="openai_realtime",
            model="gpt-realtime-mini",
            labels={"shop": "fish"},
        )
        async with RecordStore(path) as store, store.call(info) as entry:
            cut = said(1, "And?", "one two", heard_text="one", is_interrupted=True, said_ms=2.0, heard_ms=1.0)
            for turn in (said(0, "Hi.", "Hello!", latency_ms=320.0, server_ms=300.0, added_ms=1.0), cut):
                entry.turn(turn)
            entry.tool(ToolRun(0, 1, "c", "weather", {"city": "Paris"}, 5.0, 6.0, {"fog": True}, "done"))
            entry.fault(Fault(0, 7.0, "no such city", is_fatal=False))
            entry.account(meter.account(61.0))
            entry.end("ended", "goodbye")
        call = await stored(path)
        row = call.call
        assert (row["status"], row["end_reason"], row["end_detail"]) == ("ended", "ended", "goodbye")
        assert (row["started_at"], row["caller"], row["labels"]) == (BEGAN, "+15550001111", {"shop": "fish"})
        assert row["cost_total"] == Decimal("0.0170") + Decimal("0.003") + Decimal("0.00205884")
        assert row["cost_llm"] == Decimal("0.00205884")
        assert (row["call_secs"], row["carrier_minutes"], row["total_tokens"]) == (61.0, 2, 253)
        assert [(turn["user_text"], turn["bot_text"], turn["heard_text"]) for turn in call.turns] == [
            ("Hi.", "Hello!", None),
            ("And?", "one two", "one"),
        ]
        assert call.turns[0]["latency_ms"] == 320.0
        assert call.turns[1]["is_interrupted"] is True
        assert call.tools[0]["arguments"] == {"city": "Paris"}
        assert call.tools[0]["result"] == {"fog": True}
        assert call.faults[0]["message"] == "no such city"
        assert {(used["kind"], used["model"]): used["amount"] for used in call.usage} == {
            ("text_input", "gpt-realtime-mini"): 55,
            ("cached_text_input", "gpt-realtime-mini"): 64,
            ("audio_input", "gpt-realtime-mini"): 13,
            ("text_output", "gpt-realtime-mini"): 30,
            ("audio_output", "gpt-realtime-mini"): 91,
            ("transcribed_secs", "whisper-1"): 30.0,
        }

    async def test_a_turn_that_changes_is_written_again_and_stays_one(self, path):
        async with RecordStore(path) as store:
            entry = store.begin(CallInfo(call_id="call_1"))
            turn = said(0, "He")
            entry.turn(turn)
            turn.user_text = "Hello"
            await store.written()
            assert [row["user_text"] for row in (await stored(path)).turns] == ["He"]
            entry.turn(turn)
            await store.written()
            call = await stored(path)
            assert [row["user_text"] for row in call.turns] == ["Hello"]
            assert (call.call["status"], call.call["ended_at"]) == ("open", None)

    async def test_how_a_call_ended_is_said_once(self, path):
        async with RecordStore(path) as store:
            async with store.call(CallInfo(call_id="call_1")) as entry:
                entry.end("user_hung_up")
                entry.end("failed")
            with pytest.raises(ZeroDivisionError):
                async with store.call(CallInfo(call_id="call_2")):
                    _ = 1 / 0
        assert (await stored(path)).call["end_reason"] == "user_hung_up"
        broken = (await stored(path, "call_2")).call
        assert (broken["end_reason"], broken["end_detail"]) == ("failed", "ZeroDivisionError")

    async def test_what_becomes_known_later(self, path):
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            entry.about(model="gpt-realtime-2", caller="+15550001111")
            with pytest.raises(VoicepipeError, match="colour"):
                entry.about(colour="red")
        assert (await stored(path)).call["model"] == "gpt-realtime-2"

    async def test_an_unknown_cost_is_none_and_not_zero(self, path):
        meter = CallMeter(billing=Billing(carrier="telnyx"))
        meter.started(0.0)
        unknown = transcription_metrics("llm", TranscriptionUsage("i", seconds=30.0, model="new"))
        meter.take_metrics([unknown], 0.0)
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            entry.account(meter.account(60.0))
        row = (await stored(path)).call
        assert (row["cost_stt"], row["cost_total"], row["cost_known"]) == (None, None, Decimal("0.0035"))

    async def test_anything_that_a_tool_gives_can_be_written(self, path):
        class Odd:
            def __str__(self) -> str:
                return "odd"

        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            for index, result in enumerate([{1: Odd()}, 2**70, "text", None, [1.5]]):
                entry.tool(ToolRun(index, 0, "c", "f", {}, 0.0, 1.0, result, "done"))
        results = [tool["result"] for tool in (await stored(path)).tools]
        assert results == [{"1": "odd"}, str(2**70), "text", None, [1.5]]

    async def test_what_people_said_is_for_the_owners_eyes_only(self, path):
        async with RecordStore(path):
            pass
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    async def test_a_store_that_is_not_open_says_so(self, path):
        with pytest.raises(VoicepipeError, match="not open"):
            RecordStore(path).begin(CallInfo())


class TestTrouble:
    @pytest.fixture
    def told(self):
        lines: list[str] = []
        number = logger.add(lambda message: lines.append(str(message)), level="WARNING", format="{message}")
        yield lines
        logger.remove(number)

    async def test_a_locked_database_gets_its_rows_when_it_is_free(self, path, told, monkeypatch):
        monkeypatch.setattr(
            "voicepipe.telemetry.records.where._PRAGMAS", ("journal_mode=WAL", "busy_timeout=1")
        )
        monkeypatch.setattr("voicepipe.telemetry.records.writer._FIRST_RETRY_SECS", 0.01)
        is_locked = asyncio.Event()
        number = logger.add(
            lambda _: is_locked.set(), level="WARNING", filter=lambda r: "locked" in r["message"]
        )
        async with RecordStore(path) as store:
            entry = store.begin(CallInfo(call_id="call_1"))
            await store.written()
            other = sqlite3.connect(path)
            other.execute("BEGIN IMMEDIATE")
            entry.turn(said(0, "secret words"))
            async with asyncio.timeout(5):
                await is_locked.wait()
            logger.remove(number)
            entry.turn(said(1, "more"))
            other.rollback()
            other.close()
            await store.written()
        assert [row["user_text"] for row in (await stored(path)).turns] == ["secret words", "more"]
        assert not any("secret" in line for line in told)

    async def test_a_row_that_the_database_never_takes_does_not_hold_up_the_others(self, path, told):
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            bad = said(1, "bad")
            bad.started_ms = None  # type: ignore[assignment]
            for turn in (said(0, "before"), bad, said(2, "after")):
                entry.turn(turn)
        assert [row["user_text"] for row in (await stored(path)).turns] == ["before", "after"]
        assert any("a row of turns is given up" in line for line in told)

    @pytest.mark.parametrize("text", ["half a \ud800 character", 2**70], ids=["text", "number"])
    async def test_a_value_that_the_driver_refuses_does_not_either(self, path, told, text):
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            entry.turn(said(0, "before"))
            entry.fault(Fault(text if isinstance(text, int) else 0, 1.0, str(text), is_fatal=False))
            await store.written()
            entry.turn(said(1, "after"))
        call = await stored(path)
        assert [row["user_text"] for row in call.turns] == ["before", "after"]
        assert call.call["status"] == "ended"
        assert any("a row of faults is given up" in line for line in told)

    async def test_stores_that_open_at_once_make_the_tables_once(self, path):
        async def begin(name: str) -> None:
            async with RecordStore(path) as store, store.call(CallInfo(call_id=name)):
                await store.written()

        await asyncio.gather(*(begin(f"call_{number}") for number in range(6)))
        async with RecordReader.open(path) as reader:
            assert len(await reader.calls()) == 6

    async def test_too_many_rows_are_dropped_and_told_once(self, path, told, monkeypatch):
        monkeypatch.setattr("voicepipe.telemetry.records.writer._MOST_ROWS", 3)
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            for index in range(6):
                entry.turn(said(index, str(index)))
            assert store.dropped == 4
            entry.turn(said(1, "changed"))
        assert [row["user_text"] for row in (await stored(path)).turns] == ["0", "changed"]
        assert len([line for line in told if "dropped" in line]) == 1

    async def test_records_of_a_newer_version_are_left_alone(self, path):
        async with RecordStore(path):
            pass
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE voicepipe_records SET version = 99")
        connection.close()
        with pytest.raises(VoicepipeError, match="version 99"):
            async with RecordStore(path):
                pass

    async def test_records_of_the_first_version_are_read_and_written_on(self, path):
        """What version 1 made: all tables but `events`."""
        async with RecordStore(path) as store:
            store.begin(CallInfo(call_id="call_1")).turn(said(0, "hello"))
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE events")
            connection.execute("UPDATE voicepipe_records SET version = 1")
        connection.close()
        before = await stored(path)
        assert ([row["user_text"] for row in before.turns], before.events) == (["hello"], [])
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_2")) as entry:
            entry.event(CallEvent(0, 20.0, "keys", "1"))
            entry.event(CallEvent(0, 20.0, "keys", "12"))
        assert [row["user_text"] for row in (await stored(path)).turns] == ["hello"]
        assert [row["text"] for row in (await stored(path, "call_2")).events] == ["12"]
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT version FROM voicepipe_records").fetchall() == [(2,)]
        connection.close()


CHILD = """
import asyncio, sys
from voicepipe.telemetry import CallInfo, Turn
from voicepipe.telemetry.records import RecordStore

async def main():
    async with RecordStore(sys.argv[1]) as store:
        entry = store.begin(CallInfo(call_id="call_1"))
        for index in range(1000):
            line = await asyncio.to_thread(sys.stdin.readline)
            entry.turn(Turn(index, 0.0, line.strip()))
            print("said", flush=True)

asyncio.run(main())
"""


async def turns_stored(path: Path) -> int:
    """Return how many turns are in the file by now; not even the call may be."""
    try:
        return len((await stored(path)).turns)
    except VoicepipeError:
        return 0


class TestKilled:
    async def test_a_killed_process_loses_nothing_that_was_said_and_its_call_is_marked(self, path):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdin
        assert child.stdout
        for text in (b"one", b"two", b"three"):
            child.stdin.write(text + b"\n")
            assert await child.stdout.readline() == b"said\n"
        # Nobody told the child to write: its last row may still be on its way to the file, and is not waited for by it.
        async with asyncio.timeout(10):
            while await turns_stored(path) < 3:
                assert child.returncode is None
        child.send_signal(signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL
        left = await stored(path)
        assert left.call["status"] == "open"
        assert [row["user_text"] for row in left.turns] == ["one", "two", "three"]
        async with RecordStore(path):
            pass
        call = (await stored(path)).call
        assert (call["status"], call["end_reason"]) == ("abandoned", "process_died")
        assert call["ended_at"] == call["seen_at"]

    async def test_a_call_that_another_process_holds_stays_open(self, path):
        async with RecordStore(path) as store:
            store.begin(CallInfo(call_id="call_1"))
            await store.written()
            await set_calls(path, pid=os.getppid())
            async with RecordStore(path):
                pass
            assert (await stored(path)).call["status"] == "open"

    async def test_a_call_of_another_store_of_this_process_stays_open(self, path):
        async with RecordStore(path) as first, first.call(CallInfo(call_id="call_1")):
            await first.written()
            async with RecordStore(path):
                assert (await stored(path)).call["status"] == "open"
        async with RecordStore(path) as store:
            store.begin(CallInfo(call_id="call_2"))
        async with RecordStore(path):
            assert (await stored(path, "call_2")).call["status"] == "abandoned"

    @pytest.mark.parametrize(
        ("age", "status"), [(timedelta(minutes=1), "open"), (timedelta(hours=1), "abandoned")]
    )
    async def test_a_call_of_another_machine_counts_as_left_open_when_it_gave_no_sign(
        self, path, age, status
    ):
        async with RecordStore(path) as store:
            store.begin(CallInfo(call_id="call_1"))
        await set_calls(path, host="elsewhere", seen_at=datetime.now(UTC) - age)
        async with RecordStore(path):
            pass
        assert (await stored(path)).call["status"] == status


class TestAPipelinesCall:
    async def test_what_a_running_pipeline_says_is_in_the_database_before_it_ends(self, path):
        async with RecordStore(path) as store, store.call(CallInfo(call_id="call_1")) as entry:
            observer = CallObserver(entry)
            async with ScriptedServer() as server:
                llm = OpenAIRealtimeLLMService(api_key="k", base_url=server.url, model="gpt-realtime-mini")
                async with running(llm) as bot:
                    bot.worker.add_observer(observer)
                    await server.say(
                        wire.created(), wire.updated(), wire.speech_started(), wire.speech_stopped()
                    )
                    await server.say(wire.response_created(), wire.words_delta("Hi."), wire.audio_delta(10))
                    usage = {"total_tokens": 9, "input_tokens": 5, "output_tokens": 4}
                    await server.say(wire.response_done(usage=usage))
                    await bot.down.wait_for(LLMFullResponseEndFrame)
                    async with asyncio.timeout(5):
                        while [turn["said_ms"] for turn in (await stored(path)).turns] != [10.0]:
                            await store.written()
                    [turn] = (await stored(path)).turns
                    assert (turn["bot_text"], turn["bot_started_ms"]) == ("Hi.", None)
            entry.end(*observer.end)
        call = (await stored(path)).call
        assert (call["status"], call["end_reason"], call["total_tokens"]) == ("ended", "ended", 9)
        assert call["cost_total"] == (5 * Decimal("0.60") + 4 * Decimal("2.40")) / 1_000_000


class TestReading:
    async def test_calls_newest_first_with_their_turns(self, path):
        async with RecordStore(path) as store:
            for number in range(3):
                info = CallInfo(call_id=f"call_{number}", started_at=BEGAN + timedelta(minutes=number))
                entry = store.begin(info)
                for index in range(number):
                    entry.turn(said(index, "x"))
            entry.end("ended")
        async with RecordReader.open(path) as reader:
            rows = await reader.calls()
            assert [(row["id"], row["turn_count"]) for row in rows] == [
                ("call_2", 2),
                ("call_1", 1),
                ("call_0", 0),
            ]
            assert [row["id"] for row in await reader.calls(status="open", limit=1)] == ["call_1"]
            assert (await reader.call("call_2")).call["id"] == "call_2"
            with pytest.raises(VoicepipeError, match="several"):
                await reader.call("call_")
            with pytest.raises(VoicepipeError, match="no call 'call%'"):
                await reader.call("call%")

    async def test_where_nothing_was_recorded(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no calls were recorded"):
            async with RecordReader.open(tmp_path / "none.sqlite"):
                pass
        assert not list(tmp_path.iterdir())
        sqlite3.connect(tmp_path / "other.sqlite").close()
        with pytest.raises(VoicepipeError, match="no records of calls can be read there"):
            async with RecordReader.open(tmp_path / "other.sqlite"):
                pass


class TestWhere:
    def test_a_path_a_url_and_the_environment(self, tmp_path, monkeypatch):
        path = tmp_path / "calls.sqlite"
        assert records_url(path) == records_url(str(path)) == f"sqlite+aiosqlite:///{path}"
        assert records_url("sqlite:///calls.sqlite") == "sqlite+aiosqlite:///calls.sqlite"
        monkeypatch.setenv("VOICEPIPE_RECORDS", str(path))
        assert records_url() == f"sqlite+aiosqlite:///{path}"
        monkeypatch.delenv("VOICEPIPE_RECORDS")
        assert records_url().endswith("/.voicepipe/calls.sqlite")

    def test_a_url_moves_it_to_postgresql(self, monkeypatch):
        monkeypatch.setattr("voicepipe.telemetry.records.where.find_spec", lambda name: object())
        for kind in ("postgres", "postgresql", "postgresql+asyncpg"):
            assert records_url(f"{kind}://u:p@host/db") == "postgresql+asyncpg://u:p@host/db"

    def test_the_tables_fit_postgresql(self):
        made = [
            str(CreateTable(table).compile(dialect=postgresql.dialect()))
            for table in tables.metadata.sorted_tables
        ]
        calls = next(text for text in made if "TABLE calls" in text)
        assert "cost_total NUMERIC(24, 12)" in calls
        assert "started_at TIMESTAMP WITH TIME ZONE" in calls

    @pytest.mark.parametrize(
        "url", ["mysql://u:hunter2@host/db", "://hunter2", "postgres://u:hunter2@host:port/db"]
    )
    def test_what_is_no_place_for_records_is_refused_without_its_password(self, url):
        with pytest.raises(SettingsError, match="records") as caught:
            records_url(url)
        assert "hunter2" not in str(caught.value)

    def test_without_postgresqls_driver(self, monkeypatch):
        monkeypatch.setattr("voicepipe.telemetry.records.where.find_spec", lambda name: None)
        with pytest.raises(VoicepipeError, match="asyncpg") as caught:
            records_url("postgresql://u:hunter2@host/db")
        assert "hunter2" not in str(caught.value)

    def test_without_the_extra(self):
        code = (
            "import sys\n"
            "sys.modules['aiosqlite'] = None\n"
            "from importlib import util\n"
            "found = util.find_spec\n"
            "util.find_spec = lambda name, *more: None if name == 'aiosqlite' else found(name, *more)\n"
            "from voicepipe.errors import MissingExtraError\n"
            "try:\n    import voicepipe.telemetry.records\n"
            "except MissingExtraError as error:\n    print(error.extra)\n"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "phone\n"
        assert issubclass(MissingExtraError, ImportError)


async def set_calls(path: Path, **values) -> None:
    database = Database(records_url(path))
    async with database.engine.begin() as connection:
        await connection.execute(update(tables.calls).values(**values))
    await database.close()
