"""Writing a conversation down: what stands in the files, and when they get their names."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from voicepipe.transports.tracks import Tracks

RATE = 8000


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def content(path: Path) -> tuple[int, int, list[int]]:
    with wave.open(str(path)) as file:
        frames = file.readframes(file.getnframes())
        return file.getframerate(), file.getnchannels(), np.frombuffer(frames, "<i2").tolist()


@pytest.fixture
def paths(tmp_path) -> tuple[Path, Path]:
    return tmp_path / "answer.wav", tmp_path / "both.wav"


def test_both_parties_stand_side_by_side_whoever_is_ahead(paths):
    tracks = Tracks(RATE, *paths)
    tracks.caller(pcm(1, 2, 3))
    tracks.bot(pcm(-1))
    tracks.bot(pcm(-2, -3, -4, -5))
    tracks.caller(pcm(4))
    tracks.close()
    assert content(paths[1]) == (RATE, 2, [1, -1, 2, -2, 3, -3, 4, -4, 0, -5])


def test_the_answer_begins_with_its_first_sound(paths):
    tracks = Tracks(RATE, *paths)
    tracks.bot(bytes(200))
    tracks.bot(pcm(0, 7, 0))
    tracks.bot(pcm(0, 8))
    tracks.close()
    assert content(paths[0]) == (RATE, 1, [7, 0, 0, 8])


def test_a_bot_that_said_nothing_leaves_an_empty_answer(paths):
    tracks = Tracks(RATE, *paths)
    tracks.bot(bytes(200))
    tracks.close()
    assert content(paths[0]) == (RATE, 1, [])


def test_a_caller_who_came_late_was_silent_before(paths):
    tracks = Tracks(RATE, *paths)
    tracks.bot(pcm(-1, -2))
    tracks.silent_caller()
    tracks.caller(pcm(3))
    tracks.close()
    assert content(paths[1])[2] == [0, -1, 0, -2, 3, 0]


def test_a_file_takes_its_name_when_it_is_whole(paths):
    tracks = Tracks(RATE, *paths)
    tracks.bot(pcm(1))
    assert not any(path.exists() for path in paths)
    assert all(path.with_name(path.name + ".part").exists() for path in paths)
    tracks.close()
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)


def test_an_older_file_stays_until_the_new_one_is_whole(paths):
    paths[0].write_bytes(b"older")
    tracks = Tracks(RATE, paths[0], None)
    tracks.bot(pcm(1))
    assert paths[0].read_bytes() == b"older"
    tracks.close()
    assert content(paths[0])[2] == [1]


def test_closing_again_and_writing_after_it_do_nothing(paths):
    tracks = Tracks(RATE, *paths)
    tracks.bot(pcm(1))
    tracks.close()
    tracks.bot(pcm(2))
    tracks.caller(pcm(2))
    tracks.close()
    assert content(paths[0])[2] == [1]


def test_a_file_that_cannot_be_written_leaves_none(paths):
    with pytest.raises(OSError, match="nowhere"):
        Tracks(RATE, paths[0], paths[0].parent / "nowhere" / "both.wav")
    assert not list(paths[0].parent.iterdir())


def test_sound_is_not_kept_in_memory(paths):
    tracks = Tracks(RATE, *paths)
    for _ in range(1000):
        tracks.caller(bytes(320))
        tracks.bot(bytes(320))
    assert paths[1].with_name("both.wav.part").stat().st_size > 600_000
    tracks.close()
