"""A phone whose process is killed in the midst of a call: what was said before is in the records."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from voicepipe.telemetry.records import RecordReader, RecordStore

ROOT = Path(__file__).parents[2]
CHILD = """
import asyncio, sys
from tests.support.phones import FakeCarrier
from tests.support.tones import spoken, tone_server
from voicepipe.phone import OpenAIRealtime

async def main():
    async with tone_server() as server, FakeCarrier("twilio") as far:
        phone = far.phone(records=sys.argv[1])
        agent = phone.agent(engine=OpenAIRealtime(api_key="k", base_url=server.url))
        async with phone.serving(agent, port=0) as door, await far.call(door.local_url) as call:
            await call.say(spoken("hello"))
            await call.until_answered()
            before_ms = call.played_ms
            await call.say(spoken("count to twenty"))
            await call.until_played(before_ms + 500)
            print(phone.calls[0].id, flush=True)
            await call.until_ended()

asyncio.run(main())
"""


async def test_a_phone_killed_in_mid_call_has_recorded_all_turns_finished_before(tmp_path):
    path = tmp_path / "calls.sqlite"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    async with asyncio.timeout(60):
        call_id = (await child.stdout.readline()).decode().strip()
        child.kill()
        await child.wait()
    async with RecordStore(path), RecordReader.open(path) as reader:
        stored = await reader.call(call_id)
    assert (stored.call["status"], stored.call["end_reason"]) == ("abandoned", "process_died")
    first, second = stored.turns
    assert (first["user_text"], first["bot_text"]) == ("hello", "Hello! How can I help you?")
    assert first["heard_ms"] > 0
    assert second["user_text"] == "count to twenty"
    assert stored.call["cost_known"] > 0
