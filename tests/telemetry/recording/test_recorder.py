"""What a recording of a whole call holds, and what is left of one whose process died."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import orjson
import pytest
from loguru import logger
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from tests.support.scripted_bot import conversation, sound
from tests.support.tones import heard, spoken
from tests.telemetry.recording.recorded import recorded_call
from voicepipe.frames import EndFrame, InputAudioRawFrame, LLMUpdateSettingsFrame
from voicepipe.telemetry.recording import MASK, CallRecorder, Recording, RecordingError
from voicepipe.telemetry.recording.page import page_of
from voicepipe.telemetry.recording.tracks import _take_room
from voicepipe.transports.sound import Sound
from voicepipe.transports.wav_file import Question


@pytest.mark.virtual_time
async def test_a_call_with_a_barge_in_and_a_tool(tmp_path: Path):
    async with recorded_call(tmp_path / "call") as (recording, transport, result):
        assert result.reason == "ended"
    assert recording.is_whole
    assert [turn.user_text for turn in recording.turns] == [
        "what is the weather in paris",
        "tell me a story",
        "my card number is four one one one",
    ]
    assert [turn.is_interrupted for turn in recording.turns] == [False, True, False]
    assert [tool.name for tool in recording.tools] == ["get_weather"]
    assert recording.account is not None
    assert float(recording.account["total"]) > 0
    assert recording.opening()["session"]["instructions"] == "Be kind."
    numbers = [entry["n"] for entry in recording.entries]
    assert numbers == list(range(1, len(numbers) + 1)), "nothing is missing, nothing is twice"
    for entry in recording.entries:
        assert {"n", "t", "w", "k"} <= entry.keys()
    assert len(transport.cuts) == 1


@pytest.mark.virtual_time
async def test_the_key_is_nowhere(tmp_path: Path):
    async with recorded_call(tmp_path / "call"):
        pass
    for file in (tmp_path / "call").iterdir():
        assert b"sk-planted" not in file.read_bytes()


@pytest.mark.virtual_time
async def test_both_tracks_are_what_caller_and_listener_had_to_10_ms(tmp_path: Path):
    async with recorded_call(tmp_path / "call") as (recording, _, _):
        pass
    ours, theirs = stereo(recording.tracks), stereo(tmp_path / "stereo.wav")
    assert abs(len(ours) - len(theirs)) <= 160
    for channel in (0, 1):
        for one, other in zip(loud(ours[:, channel]), loud(theirs[:, channel]), strict=True):
            assert abs(one - other) <= 10


async def test_settings_errors_and_reconnects_are_in_it(tmp_path: Path):
    def prepare(llm) -> None:
        recorder.append(CallRecorder(tmp_path / "call", [llm]))

    recorder: list[CallRecorder] = []
    async with conversation(prepare=prepare) as (bot, server, _):
        bot.worker.add_observer(recorder[0])
        await bot.worker.queue_frame(LLMUpdateSettingsFrame(settings={"instructions": "Be brief."}))
        await server.expect("session.update")
        await server.hang_up(1011, "oops")
        await server.next_connection()
        await bot.worker.queue_frame(sound(100))
        await bot.worker.queue_frame(EndFrame())
        await bot.ended
    recording = Recording(tmp_path / "call")
    ways = [(e["way"], e["text"]) for e in recording.of("wire") if e["way"] in ("opened", "closed")]
    assert [way for way, _ in ways] == ["opened", "closed", "opened"]
    assert ways[1][1] == "1011 oops"
    assert recording.frames("LLMUpdateSettingsFrame")[0]["fields"]["settings"] == {
        "instructions": "Be brief."
    }
    assert recording.of("sound")[0]["rate"] == 24000


@pytest.mark.virtual_time
async def test_a_folder_with_a_recording_is_not_written_over(tmp_path: Path):
    async with recorded_call(tmp_path / "call") as (first, _, _):
        before = (tmp_path / "call" / "events.jsonl").read_bytes()
    async with recorded_call(tmp_path / "call") as (_, _, result):
        assert result.reason == "ended", "a call is worth more than its recording"
    assert (tmp_path / "call" / "events.jsonl").read_bytes() == before
    assert first.is_whole


@pytest.mark.virtual_time
async def test_a_disk_that_is_full_at_the_end_costs_the_tracks_alone(tmp_path: Path, monkeypatch):
    told: list[str] = []
    number = logger.add(lambda message: told.append(str(message)), level="ERROR", format="{message}")

    def no_room(_file: object, size: int) -> None:
        raise OSError(errno.ENOSPC, f"no room for {size} bytes")

    with monkeypatch.context() as full:
        full.setattr("voicepipe.telemetry.recording.tracks._take_room", no_room)
        async with recorded_call(tmp_path / "call") as (recording, _, result):
            assert result.reason == "ended"
    logger.remove(number)
    assert any("audio.wav" in line for line in told)
    assert sorted(file.name for file in recording.folder.iterdir()) == ["events.jsonl", "sound.pcm"]
    assert recording.is_whole
    assert recording.tracks.is_file(), "made when there is room again"


def test_the_tracks_have_their_room_before_they_are_mapped():
    """A hole in a file that is mapped kills the process when the disk has no room for what is written there."""
    file = io.BytesIO()
    _take_room(file, 3_000_000)
    assert file.getvalue() == bytes(3_000_000)


@pytest.mark.virtual_time
async def test_sound_of_half_a_sample_too_much_is_heard_all_the_same(tmp_path: Path):
    recorder = CallRecorder(tmp_path / "call")
    end = FrameProcessor()
    await recorder.on_pipeline_started()
    for _ in range(50):
        frame = InputAudioRawFrame(b"\x00\x20" * 320 + b"\x00", 16000, 1)
        await asyncio.sleep(0.02)
        pushed = FramePushed(end, end, frame, FrameDirection.DOWNSTREAM, timestamp=0)
        await recorder.on_push_frame(pushed)
    await recorder.cleanup()
    await end.cleanup()
    caller = stereo(tmp_path / "call" / "audio.wav")[:, 0]
    assert np.count_nonzero(caller == 0x2000) >= 49 * 320


DYING = """
import asyncio, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.support.tones import heard, spoken
from tests.telemetry.recording.recorded import recorded_call

async def main():
    async with recorded_call(Path({folder!r})):
        pass

asyncio.run(main())
"""


@pytest.mark.filterwarnings("ignore:.*")
def test_a_killed_process_leaves_what_happened_before(tmp_path: Path):
    root, folder = str(Path(__file__).parents[3]), tmp_path / "call"
    program = [sys.executable, "-c", DYING.format(root=root, folder=str(folder))]
    with subprocess.Popen(program, stderr=subprocess.DEVNULL) as process:
        until(folder / "events.jsonl", b'"TranscriptionFrame"')
        os.kill(process.pid, signal.SIGKILL)
    recording = Recording(folder)
    assert not recording.is_whole
    assert [entry["fields"]["text"] for entry in recording.frames("TranscriptionFrame")]
    tracks = stereo(recording.tracks)
    assert loud(tracks[:, 0]), "the caller is heard, though nobody finished the file"


def test_a_line_that_was_not_finished_is_left_out(tmp_path: Path):
    header = {"n": 1, "t": 0, "w": 0, "k": "header", "format": "voicepipe-recording", "version": 1}
    (tmp_path / "events.jsonl").write_bytes(orjson.dumps(header) + b'\n{"n":2,"t":1')
    assert len(Recording(tmp_path).entries) == 1


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "there is no events.jsonl"),
        ({"k": "header", "format": "other"}, "no header of voicepipe-recording"),
        ({"k": "header", "format": "voicepipe-recording", "version": 99}, "version 99"),
    ],
)
def test_what_is_no_recording_says_why(tmp_path: Path, header: dict | None, why: str):
    if header is not None:
        (tmp_path / "events.jsonl").write_bytes(orjson.dumps({"n": 1, "t": 0, **header}) + b"\n")
    with pytest.raises(RecordingError, match=why):
        Recording(tmp_path)


def until(path: Path, text: bytes) -> None:
    """Wait until another process has written something."""
    end = time.monotonic() + 30
    while not (path.is_file() and text in path.read_bytes()):
        assert time.monotonic() < end, f"{path} never held {text!r}"
        time.sleep(0.02)


def stereo(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert file.getframerate() == 16000
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def loud(samples: np.ndarray) -> list[float]:
    """Where speech begins and ends, in milliseconds; pauses shorter than 100 ms are part of it."""
    is_loud = np.abs(samples.astype(int))[: len(samples) // 16 * 16].reshape(-1, 16).max(axis=1) > 300
    places = np.flatnonzero(is_loud)
    if not len(places):
        return []
    gaps = np.flatnonzero(np.diff(places) > 100)
    return sorted(
        [float(places[0]), *(float(p) for g in gaps for p in (places[g], places[g + 1])), float(places[-1])]
    )


@pytest.mark.virtual_time
async def test_a_card_number_that_is_said_is_nowhere_in_text_or_sound(tmp_path: Path):
    number = "four one one one one one one one one one one one one one one one"
    questions = (
        Question(spoken("what is the weather in paris")),
        Question(spoken(f"my card number is {number}")),
        Question(spoken("hello")),
    )
    async with recorded_call(tmp_path / "call", *questions) as (recording, _, _):
        pass
    assert [turn.user_text for turn in recording.turns] == [
        "what is the weather in paris",
        f"my card number is {MASK}",
        "hello",
    ]
    for file in (tmp_path / "call").iterdir():
        assert b"one one" not in file.read_bytes()
    assert b"one one" not in page_of(recording).encode()
    tracks = stereo(recording.tracks)
    said, answered = (heard(Sound(tracks[:, channel].tobytes(), 16000)) for channel in (0, 1))
    assert "weather in paris" in said
    assert "hello" in said
    assert "clear sky" in answered
    assert "one" not in said.split()
    assert "one" not in answered.split()
