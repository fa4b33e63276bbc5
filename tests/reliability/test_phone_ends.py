"""The end of a phone with many calls: in order, and all of a sudden. What was said is in the records either way."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.phone import OpenAIRealtime, PhoneLimits
from voicepipe.telemetry.records import RecordReader, RecordStore

ROOT = Path(__file__).parents[2]
CALLS = 8
WITHIN_SECS = 90.0


@pytest.mark.virtual_time
async def test_a_phone_that_closes_lets_calls_end_ends_the_others_at_the_limit_and_closes_all_records(
    tmp_path,
):
    path, leave, ready = tmp_path / "calls.sqlite", asyncio.Event(), asyncio.Event()
    async with tone_server(max_sessions=CALLS) as server, FakeCarrier("twilio") as far:
        phone = far.phone(records=path)
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        url, clock = "", asyncio.get_running_loop().time

        async def serve() -> None:
            nonlocal url
            async with phone.serving(agent, port=0, limits=PhoneLimits(shutdown_secs=8)) as door:
                url = door.local_url
                ready.set()
                await leave.wait()

        serving = asyncio.create_task(serve())
        await ready.wait()
        calls = [await far.call(url) for _ in range(CALLS)]
        for call in calls:
            await call.__aenter__()
        await asyncio.gather(*(call.say(spoken("hello")) for call in calls))
        await asyncio.gather(*(call.until_answered() for call in calls))
        running = list(phone.calls)
        leave.set()
        closes_at = clock()
        await asyncio.sleep(0.1)
        _, markup = await far.tell(f"{url}/twilio/voice", far.ringing(far.new_id()))
        assert '<Reject reason="busy"' in markup
        for call in calls[: CALLS // 2]:
            await call.hang_up()
        assert not serving.done()
        await serving
        assert clock() - closes_at > 7
        results = await asyncio.gather(*(one.result() for one in running))
        for call in calls:
            await call.until_ended()
            await call.__aexit__()
    assert sum(result.reason == "the phone closes" for result in results) == CALLS - CALLS // 2
    async with RecordReader.open(path) as reader:
        rows = await reader.calls()
        stored = [await reader.call(row["id"]) for row in rows]
    assert len(stored) == CALLS
    for one in stored:
        assert one.call["status"] == "ended"
        assert [turn["user_text"] for turn in one.turns] == ["hello"]


CHILD = """
import asyncio, sys
from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.phone import CallHooks, OpenAIRealtime

CALLS = int(sys.argv[2])

async def one(far, url):
    async with await far.call(url) as call:
        while True:
            await call.say(spoken("hello"))
            await call.until_answered()

def told(call, turn):
    if turn.role == "user":
        print(call.id, flush=True)

async def main():
    async with tone_server(max_sessions=CALLS) as server, FakeCarrier("twilio") as far:
        phone = far.phone(records=sys.argv[1])
        agent = phone.agent(
            engine=OpenAIRealtime(api_key="k", base_url=server.url), hooks=CallHooks(on_transcript=told)
        )
        async with phone.serving(agent, port=0) as door:
            await asyncio.gather(*(one(far, door.local_url) for _ in range(CALLS)))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_phone_killed_at_a_random_moment_has_lost_no_finished_turn_of_any_call(tmp_path, seed):
    chance, path, calls = random.Random(seed), tmp_path / "calls.sqlite", 5
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), str(calls), cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    begun: dict[str, int] = {}
    try:
        async with asyncio.timeout(WITHIN_SECS):
            for _ in range(3 * calls + chance.randrange(calls)):
                call_id = (await child.stdout.readline()).decode().strip()
                assert call_id, "the phone ended by itself"
                begun[call_id] = begun.get(call_id, 0) + 1
            await asyncio.sleep(chance.random() * 0.5)
    finally:
        child.kill()
        await child.wait()
    assert len(begun) == calls
    async with RecordStore(path), RecordReader.open(path) as reader:
        for call_id, turns in begun.items():
            stored = await reader.call(call_id)
            assert (stored.call["status"], stored.call["end_reason"]) == ("abandoned", "process_died")
            # A turn is over when the next one has begun.
            finished = list(stored.turns)[: turns - 1]
            assert len(finished) == turns - 1
            for turn in finished:
                assert (turn["user_text"], turn["bot_text"]) == ("hello", "Hello! How can I help you?")
