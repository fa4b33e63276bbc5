"""What a listener hears: a plain object, fed with sound and times."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.transports.listener import Cut, Listener

RATE = 8000


def counting(first: int, ms: float) -> bytes:
    """Sound whose samples are numbered."""
    count = round(ms * RATE / 1000)
    return np.arange(first, first + count, dtype="<i2").tobytes()


def samples(pcm: bytes) -> list[int]:
    return np.frombuffer(pcm, "<i2").tolist()


def test_sound_plays_from_when_it_arrives():
    listener = Listener(RATE, 1000)
    assert samples(listener.arrived("r", counting(1, 1), 1010)) == [0] * 80
    assert samples(listener.track_until(1012)) == [*range(1, 9), *[0] * 8]
    assert listener.heard_ms("r") == 1


def test_sound_that_arrives_while_other_sound_plays_follows_it_without_a_gap():
    listener = Listener(RATE, 0)
    listener.arrived("a", counting(1, 2), 0)
    first = listener.arrived("b", counting(17, 1), 1)
    assert samples(first + listener.track_until(3)) == list(range(1, 25))
    assert (listener.heard_ms("a"), listener.heard_ms("b")) == (2, 1)


def test_after_running_dry_it_goes_on_with_what_arrives():
    listener = Listener(RATE, 0)
    track = listener.arrived("a", counting(1, 1), 0)
    track += listener.arrived("a", counting(9, 1), 3)
    track += listener.track_until(4)
    assert samples(track) == [*range(1, 9), *[0] * 16, *range(9, 17)]
    assert listener.heard_ms("a") == 2


def test_a_cut_drops_what_was_not_played_and_says_where():
    listener = Listener(RATE, 0)
    listener.arrived("a", counting(1, 100), 0)
    listener.arrived("b", counting(1, 100), 0)
    track, cuts = listener.cut(40)
    assert samples(track) == list(range(1, 321))
    assert cuts == [Cut("a", 40, 40), Cut("b", 0, 40)]
    assert samples(listener.track_until(50)) == [0] * 80
    assert listener.heard_ms("a") == 40


def test_a_cut_after_all_was_played_cuts_nothing():
    listener = Listener(RATE, 0)
    listener.arrived("a", counting(1, 10), 0)
    assert listener.cut(11)[1] == []


def test_it_says_what_is_playing_and_for_how_long_without_rendering():
    listener = Listener(RATE, 0)
    assert listener.playing(5) is None
    listener.arrived("a", counting(1, 10), 5)
    listener.arrived("b", counting(1, 20), 5)
    listener.arrived("a", counting(1, 5), 5)
    assert listener.playing(5) == ("a", 10)
    assert listener.playing(11) == ("a", 4)
    assert listener.playing(15) == ("b", 20)
    assert listener.playing(36) == ("a", 4)
    assert listener.playing(40) is None
    assert listener.heard_ms("a") == 0


def test_time_that_stands_still_renders_nothing():
    listener = Listener(RATE, 0)
    listener.arrived("a", counting(1, 10), 5)
    assert listener.track_until(5) == b""
    assert listener.track_until(4) == b""


steps = st.lists(
    st.tuples(st.floats(0, 40), st.integers(0, 400), st.booleans()),
    max_size=30,
)


@given(steps)
def test_the_track_is_as_long_as_the_time_and_holds_what_was_heard_in_order(steps):
    listener = Listener(RATE, 0)
    now_ms, sent, track = 0.0, 0, b""
    for wait_ms, count, is_cut in steps:
        now_ms += wait_ms
        if is_cut:
            part, _ = listener.cut(now_ms)
            track += part
        track += listener.arrived("r", np.arange(sent + 1, sent + 1 + count, dtype="<i2").tobytes(), now_ms)
        sent += count
    track += listener.track_until(now_ms)
    heard = [sample for sample in samples(track) if sample]
    assert len(track) // 2 == round(now_ms * RATE / 1000)
    assert heard == sorted(set(heard))
    assert listener.heard_ms("r") == len(heard) * 1000 / RATE
