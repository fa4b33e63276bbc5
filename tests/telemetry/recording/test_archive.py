"""A recording as a zip: what is in it, how it is read, and that nothing is lost on the way."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.tones import spoken
from tests.telemetry.recording.recorded import recorded_call
from voicepipe.cli.app import app
from voicepipe.replay import recorded_bot, replay, write_test
from voicepipe.telemetry.recording import CallRecorder, Recording, RecordingError
from voicepipe.telemetry.recording.archive import archive_of, pack
from voicepipe.transports.wav_file import Question


@pytest.fixture
def zipped(recorded_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "call"
    shutil.copytree(recorded_folder, copy)
    return pack(copy)


def test_it_takes_the_folders_place(zipped: Path):
    assert zipped.name == "call.zip"
    assert not zipped.with_suffix("").exists()
    assert zipfile.ZipFile(zipped).namelist() == ["events.jsonl", "sound.pcm", "audio.wav"]
    assert [path.name for path in zipped.parent.iterdir()] == ["call.zip"]


def test_it_reads_as_the_folder_does(zipped: Path, call: Recording):
    recording = Recording(zipped)
    assert list(recording.entries) == list(call.entries)
    assert recording.turns == call.turns
    [first, *_] = [entry for entry in call.of("sound") if entry["who"] == "bot"]
    assert recording.sound(first["sound"]) == call.sound(first["sound"])
    assert recording.tracks.read_bytes() == call.tracks.read_bytes()
    assert recording.place == zipped
    unpacked = recording.folder
    assert unpacked.is_dir()
    del recording
    assert not unpacked.exists()


def test_the_commands_read_it(zipped: Path):
    runner = CliRunner()
    shown = runner.invoke(app, ["inspect", str(zipped), "--no-open"])
    assert shown.exit_code == 0, shown.output
    assert zipped.with_suffix(".html").is_file()
    same = runner.invoke(app, ["replay", str(zipped)])
    assert same.exit_code == 0, same.output


def test_it_becomes_a_test(zipped: Path, tmp_path: Path):
    recording = Recording(zipped)
    path = write_test(recording, recorded_bot(recording), tmp_path / "test_call.py")
    assert "'call.zip'" in path.read_text()
    assert replay(recording, recorded_bot(recording)).hash


def test_what_else_is_in_the_folder_or_the_zip_is_left_alone(recorded_folder: Path, tmp_path: Path):
    copy = tmp_path / "call"
    shutil.copytree(recorded_folder, copy)
    (copy / "notes.txt").write_text("mine")
    path = pack(copy)
    assert [one.name for one in copy.iterdir()] == ["notes.txt"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside.txt", "theirs")
    recording = Recording(path)
    assert sorted(one.name for one in recording.folder.iterdir()) == [
        "audio.wav",
        "events.jsonl",
        "sound.pcm",
    ]
    assert not (recording.folder.parent / "outside.txt").exists()


def test_a_zip_that_is_there_is_not_overwritten(recorded_folder: Path, tmp_path: Path):
    copy = tmp_path / "call"
    shutil.copytree(recorded_folder, copy)
    archive_of(copy).write_text("another call")
    with pytest.raises(FileExistsError):
        pack(copy)
    assert Recording(copy).is_whole


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 broken"])
def test_what_is_no_zip_is_no_recording(tmp_path: Path, content: bytes):
    path = tmp_path / "call.zip"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"call\.zip"):
        Recording(path)


def test_a_zip_that_was_damaged_says_so(zipped: Path):
    whole = zipped.read_bytes()
    for at in range(100, len(whole) - 1000, len(whole) // 20):
        damaged = bytearray(whole)
        damaged[at : at + 100] = (byte ^ 255 for byte in whole[at : at + 100])
        zipped.write_bytes(damaged)
        with pytest.raises(RecordingError, match=r"call\.zip: is no recording: it cannot be unpacked"):
            Recording(zipped)


@pytest.mark.virtual_time
async def test_a_recorder_makes_it_when_the_call_is_over(tmp_path: Path):
    digits = "my card is four one one one one one one one one one one one one one one one"
    folder = tmp_path / "call"
    with pytest.raises(RecordingError):
        # The helper reads the folder, which is gone by then.
        async with recorded_call(folder, Question(spoken(digits)), recorder_options={"zip": True}):
            pass
    assert not folder.exists()
    recording = Recording(archive_of(folder))
    assert recording.is_whole
    text = (recording.folder / "events.jsonl").read_text()
    assert "my card is •••" in text
    assert "four one one one" not in text
    assert recording.of("silenced")
    callers = [entry for entry in recording.of("sound") if entry["who"] == "caller"]
    [silenced] = [entry for entry in recording.of("silenced") if entry["who"] == "caller"]
    within = [e for e in callers if silenced["from"] + 50 < e["t"] < silenced["to"] - 50]
    assert within
    assert all(not any(recording.sound(entry["sound"])) for entry in within)


@pytest.mark.virtual_time
async def test_a_call_that_breaks_off_stays_a_folder(tmp_path: Path):
    recorder = CallRecorder(tmp_path / "call", zip=True)
    await recorder.on_pipeline_started()
    recorder.note("so far")
    assert recorder.place == tmp_path / "call"
    archive_of(tmp_path / "call").mkdir()
    await recorder.close()
    # It cannot become a zip either, and is not lost for that.
    assert recorder.place == tmp_path / "call"
    assert [entry["text"] for entry in Recording(tmp_path / "call").of("note")] == ["so far"]
