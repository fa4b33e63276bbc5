"""Recorded calls run again: the same each time, with a difference that can be read where behaviour changed."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from pathlib import Path
from runpy import run_path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from tests.services.openai.realtime.wire_lines import created, updated
from tests.support.scripted_bot import conversation, sound
from tests.telemetry.recording.recorded import recorded_call
from voicepipe.cli.app import app
from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.frames import EndFrame, LLMRunFrame
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.link import Reconnect
from voicepipe.replay import (
    assert_same_story,
    differences,
    named_bot,
    recorded_bot,
    replay,
    story_of,
    told,
    write_test,
)
from voicepipe.replay.virtual_time import VirtualTimeLoop
from voicepipe.telemetry.recording import CallRecorder, Recording


def test_a_barge_in_call_is_the_same_twice(call: Recording):
    first, second = replay(call, recorded_bot(call)), replay(call, recorded_bot(call))
    assert first.hash == second.hash
    assert first.entries == second.entries
    assert first.result.reason == "ended"


def test_it_does_what_was_done_in_the_call(call: Recording):
    replayed = replay(call, recorded_bot(call))
    assert [str(one) for one in differences(story_of(call.entries), story_of(replayed.entries))] == []
    assert any("conversation.item.truncate" in line.what for line in story_of(replayed.entries))


def test_another_interruption_rule_is_a_difference_that_can_be_read(call: Recording):
    changed = replay(call, recorded_bot(call, interruptions=Interruptions(min_words=3)))
    found = differences(story_of(call.entries), story_of(changed.entries))
    text = "\n".join(str(one) for one in found)
    assert "conversation.item.truncate" in text
    assert {one.kind for one in found} <= {"gone", "new", "changed"}
    assert found
    assert changed.hash != replay(call, recorded_bot(call)).hash


def test_the_users_sound_that_is_no_longer_sent_is_a_difference(call: Recording):
    muted = replay(call, recorded_bot(call, interruptions=Interruptions(allowed=False)))
    found = differences(story_of(call.entries), story_of(muted.entries))
    assert any("sends the caller's sound" in str(one) for one in found)


def test_it_is_much_faster_than_the_call(call: Recording):
    replay(call, recorded_bot(call))
    began = time.perf_counter()
    replay(call, recorded_bot(call))
    assert time.perf_counter() - began < call.duration_ms / 1000 / 2, "a loaded machine, or it waits"


async def test_a_lost_connection_is_lost_again_at_the_same_moment(tmp_path: Path):
    recorders: list[CallRecorder] = []
    options = {"reconnect": Reconnect(first_ms=0)}

    def prepare(llm) -> None:
        recorders.append(CallRecorder(tmp_path / "call", [llm]))

    async with conversation(prepare=prepare, **options) as (bot, server, _):
        bot.worker.add_observer(recorders[0])
        await bot.worker.queue_frame(sound(100))
        await server.expect("input_audio_buffer.append")
        await server.vanish()
        await server.next_connection()
        await server.say(created())
        await server.expect("session.update")
        await server.say(updated())
        await bot.worker.queue_frame(LLMRunFrame())
        await server.expect("response.create")
        await bot.worker.queue_frame(EndFrame())
        await bot.ended
    recording = Recording(tmp_path / "call")

    replayed = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    again = await asyncio.to_thread(replay, recording, recorded_bot(recording))
    assert replayed.hash == again.hash
    updates = [line for line in story_of(replayed.entries) if line.what.startswith("sent session.update")]
    assert len(updates) == sum(e["way"] == "opened" for e in recording.of("wire")) == 2
    assert [str(one) for one in differences(story_of(recording.entries), story_of(replayed.entries))] == []


def test_a_recording_becomes_a_test_that_passes_and_can_fail(call: Recording, tmp_path: Path):
    path = write_test(call, recorded_bot(call), tmp_path / "test_barge_in.py")
    run_path(str(path))["test_barge_in"]()
    with pytest.raises(FileExistsError):
        write_test(call, recorded_bot(call), path)
    path.write_text(
        path.read_text().replace("TranscriptionFrame text='tell", "TranscriptionFrame text='sell")
    )
    with pytest.raises(AssertionError, match="sell me a story"):
        run_path(str(path))["test_barge_in"]()


def test_a_story_that_differs_says_where(call: Recording):
    replayed = replay(call, recorded_bot(call))
    story = told(replayed)
    assert_same_story(replayed, story)
    with pytest.raises(AssertionError, match=r"\+.*LLMFullResponseStartFrame"):
        assert_same_story(replayed, story.replace("LLMFullResponseStartFrame", "NoSuchFrame", 1))


def test_a_recording_whose_sound_is_gone_ends_the_replay(call: Recording, tmp_path: Path):
    shutil.copytree(call.folder, tmp_path / "call")
    (tmp_path / "call" / "sound.pcm").unlink()
    without = Recording(tmp_path / "call")
    with pytest.raises(FileNotFoundError, match=r"sound\.pcm"):
        replay(without, recorded_bot(without))


@pytest.mark.parametrize("told", [None, {"allowed": False, "of_a_later_version": 1}])
def test_what_an_older_or_newer_recording_says_of_interruptions_is_taken(
    call: Recording, tmp_path: Path, told: dict[str, Any] | None
):
    shutil.copytree(call.folder, tmp_path / "call")
    header, *rest = (call.folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    entry = orjson.loads(header)
    del entry["services"][0]["interruptions"]
    if told is not None:
        entry["services"][0]["interruptions"] = told
    (tmp_path / "call" / "events.jsonl").write_bytes(b"".join([orjson.dumps(entry), b"\n", *rest]))
    recording = Recording(tmp_path / "call")
    [service] = recorded_bot(recording)()
    assert service.interruptions == Interruptions(allowed=told is None)


def test_a_bot_with_another_number_of_services_is_refused(call: Recording):
    with pytest.raises(VoicepipeError, match="0 realtime services, the recording 1"):
        replay(call, list)


@pytest.mark.parametrize("name", ["nothing", "no_such_module:make", "json:no_such_function", "json:__name__"])
def test_a_bot_that_is_not_there_says_so(name: str):
    with pytest.raises(SettingsError, match="bot"):
        named_bot(name)


def test_the_commands(call: Recording, tmp_path: Path):
    runner = CliRunner()
    page = tmp_path / "page.html"
    shown = runner.invoke(app, ["inspect", str(call.folder), "--no-open", "--out", str(page)])
    assert shown.exit_code == 0, shown.output
    assert page.is_file()
    same = runner.invoke(app, ["replay", str(call.folder)])
    assert same.exit_code == 0, same.output
    assert "does what was done then" in same.output
    other = runner.invoke(app, ["replay", str(call.folder), "--min-words", "3"])
    assert other.exit_code == 7
    assert "truncate" in other.output
    wrong = runner.invoke(app, ["replay", str(tmp_path / "nothing")])
    assert wrong.exit_code == 2


def test_time_stands_still_while_a_thread_works():
    async def work() -> float:
        loop = asyncio.get_running_loop()
        timer = asyncio.create_task(asyncio.sleep(3600))
        began = loop.time()
        await asyncio.to_thread(sum, range(300_000))
        passed = loop.time() - began
        await timer
        return passed

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(work()) == 0


def test_a_thread_that_nobody_waits_for_is_waited_for_at_the_end():
    began, done = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        sum(range(1_000_000))
        done.set()

    async def leave_it() -> None:
        working = asyncio.get_running_loop().run_in_executor(None, work)
        began.wait()
        working.cancel()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(leave_it())
        # As runners do since Python 3.12, where so many seconds of virtual time were over before the thread is done.
        runner.run(runner.get_loop().shutdown_default_executor(300))  # type: ignore[call-arg]
    assert done.is_set()


@pytest.mark.virtual_time
async def test_a_call_in_which_a_tool_is_cut_is_replayed(tmp_path: Path):
    async with recorded_call(tmp_path / "call") as (recording, _, _):
        pass
    bot = recorded_bot(recording)
    for tool in recording.tools:
        tool.ended_ms, tool.status = None, "cancelled"
    replayed = await asyncio.to_thread(replay, recording, bot)
    assert replayed.result.reason == "ended"
    assert not any("FunctionCallResultFrame" in line.what for line in story_of(replayed.entries))
