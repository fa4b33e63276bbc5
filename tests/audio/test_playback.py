"""The account of what was heard, with times passed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.audio.playback import Heard, PlaybackClock


def test_sound_plays_from_when_it_was_sent_and_never_ahead_of_it():
    clock = PlaybackClock()
    clock.sent("r1", "a", 300, now_ms=1000)
    assert clock.heard(1100) == [Heard("r1", "a", 100, 300)]
    assert clock.heard(9000) == [Heard("r1", "a", 300, 300)]
    assert clock.heard(9000)[0].is_complete


def test_what_comes_after_the_player_has_run_dry_plays_when_it_comes():
    clock = PlaybackClock()
    clock.sent("r1", "a", 100, now_ms=0)
    clock.sent("r1", "a", 100, now_ms=500)
    assert clock.heard(530) == [Heard("r1", "a", 130, 200)]


def test_items_and_responses_are_played_one_after_the_other():
    clock = PlaybackClock()
    clock.sent("r1", "a", 100, now_ms=0)
    clock.sent("r1", "b", 100, now_ms=0)
    clock.sent("r2", "c", 100, now_ms=0)
    assert clock.heard(150) == [
        Heard("r1", "a", 100, 100),
        Heard("r1", "b", 50, 100),
        Heard("r2", "c", 0, 100),
    ]


def test_a_mark_puts_the_position_right_and_it_goes_on_from_there():
    clock = PlaybackClock()
    clock.sent("r1", "a", 1000, now_ms=0)
    clock.mark("r1", played_ms=50, at_ms=200)
    assert clock.heard(300) == [Heard("r1", "a", 150, 1000)]
    clock.mark("r1", played_ms=600, at_ms=400)
    assert clock.heard(450) == [Heard("r1", "a", 650, 1000)]


def test_a_mark_says_that_all_before_its_response_was_played():
    clock = PlaybackClock()
    clock.sent("r1", "a", 1000, now_ms=0)
    clock.sent("r2", "b", 1000, now_ms=0)
    clock.mark("r2", played_ms=100, at_ms=10)
    assert clock.heard(10) == [Heard("r1", "a", 1000, 1000), Heard("r2", "b", 100, 1000)]


def test_a_mark_names_no_more_than_was_sent():
    clock = PlaybackClock()
    clock.sent("r1", "a", 100, now_ms=0)
    clock.mark("r1", played_ms=500, at_ms=10)
    assert clock.heard(10) == [Heard("r1", "a", 100, 100)]


def test_marks_that_are_old_or_of_a_response_that_was_cut_are_passed_over():
    clock = PlaybackClock()
    clock.sent("r1", "a", 1000, now_ms=0)
    clock.mark("r1", played_ms=300, at_ms=400)
    clock.mark("r1", played_ms=100, at_ms=100)
    assert clock.cut(400) == [Heard("r1", "a", 300, 1000)]
    clock.mark("r1", played_ms=900, at_ms=500)
    assert clock.heard(500) == []


def test_a_mark_older_than_one_of_a_later_response_is_passed_over():
    clock = PlaybackClock()
    clock.sent("r1", "a", 1000, now_ms=0)
    clock.sent("r2", "b", 1000, now_ms=0)
    clock.mark("r2", played_ms=100, at_ms=200)
    clock.mark("r1", played_ms=50, at_ms=100)
    assert clock.heard(200) == [Heard("r1", "a", 1000, 1000), Heard("r2", "b", 100, 1000)]


def test_a_late_mark_does_not_play_through_the_time_in_which_there_was_nothing_to_play():
    clock = PlaybackClock()
    clock.sent("r1", "a", 100, now_ms=0)
    clock.sent("r1", "a", 100, now_ms=500)
    clock.mark("r1", played_ms=80, at_ms=100)
    assert clock.heard(510) == [Heard("r1", "a", 110, 200)]


def test_durations_that_are_no_whole_milliseconds_add_up_to_a_complete_item():
    clock = PlaybackClock()
    for index in range(3):
        clock.sent(f"r{index}", f"i{index}", 0.1 + 0.2 * index, now_ms=0)
    assert all(part.is_complete for part in clock.heard(1000))
    assert not clock.is_playing(1000)


def test_after_a_cut_the_next_sound_plays_at_once():
    clock = PlaybackClock()
    clock.sent("r1", "a", 10_000, now_ms=0)
    clock.cut(100)
    assert not clock.is_playing(100)
    clock.sent("r2", "b", 200, now_ms=150)
    assert clock.heard(200) == [Heard("r2", "b", 50, 200)]
    assert clock.remaining_ms(200) == 150


def test_responses_that_were_played_leave_the_account():
    clock = PlaybackClock()
    for index in range(1000):
        clock.sent(f"r{index}", f"i{index}", 10, now_ms=index * 20)
    assert len(clock.heard(20_000)) == 1


steps = st.lists(
    st.tuples(st.sampled_from(["r1", "r2", "r3"]), st.integers(0, 500), st.integers(0, 700)),
    min_size=1,
    max_size=30,
)


@given(steps)
def test_whatever_is_sent_the_position_grows_with_time_and_never_passes_what_was_sent(sequence):
    clock = PlaybackClock()
    now_ms, order = 0, {"r1": 0, "r2": 1, "r3": 2}
    sequence = sorted(sequence, key=lambda step: order[step[0]])
    before: dict[str, float] = {}
    for context_id, duration_ms, pause_ms in sequence:
        clock.sent(context_id, context_id + "-item", duration_ms, now_ms)
        now_ms += pause_ms
        for part in clock.heard(now_ms):
            assert 0 <= part.played_ms <= part.sent_ms
            assert part.played_ms >= before.get(part.item_id, 0)
            before[part.item_id] = part.played_ms


@given(st.lists(st.integers(1, 100), min_size=1, max_size=50), st.integers(0, 10_000))
def test_of_sound_sent_at_once_as_much_is_heard_as_time_has_passed(durations, now_ms):
    clock = PlaybackClock()
    for duration_ms in durations:
        clock.sent("r1", "a", duration_ms, now_ms=0)
    [part] = clock.heard(now_ms)
    assert part.played_ms == min(now_ms, sum(durations))


marks = st.lists(
    st.tuples(
        st.sampled_from(["sent", "mark"]),
        st.sampled_from(["r1", "r2"]),
        st.floats(0, 500),
        st.floats(0, 300),
        st.floats(0, 1000),
    ),
    max_size=30,
)


@given(marks)
def test_whatever_the_far_end_says_no_more_is_heard_than_was_sent(happenings):
    clock, now_ms = PlaybackClock(), 0.0
    sent = {"r1": 0.0, "r2": 0.0}
    for kind, context_id, amount_ms, pause_ms, late_ms in happenings:
        if kind == "sent":
            clock.sent(context_id, context_id, amount_ms, now_ms)
            sent[context_id] += amount_ms
        else:
            clock.mark(context_id, amount_ms, now_ms - late_ms)
        now_ms += pause_ms
        for part in clock.heard(now_ms):
            assert 0 <= part.played_ms <= part.sent_ms <= sent[part.context_id] + 1e-6
        before, after = clock.remaining_ms(now_ms), clock.remaining_ms(now_ms + 10)
        assert 0 <= after <= before <= after + 10 + 1e-6


@given(st.lists(st.integers(1, 100), min_size=1, max_size=50), st.integers(0, 3000), st.integers(0, 1000))
def test_a_mark_that_says_what_is_so_changes_nothing(pauses, at_ms, late_ms):
    plain, marked = PlaybackClock(), PlaybackClock()
    now_ms, true_ms = 0, None
    for pause_ms in pauses:
        for clock in (plain, marked):
            clock.sent("r1", "a", 40, now_ms)
        if now_ms + pause_ms > at_ms and true_ms is None:
            true_ms = plain.heard(max(now_ms, at_ms))[0].played_ms
            at_ms = max(now_ms, at_ms)
        now_ms += pause_ms
    if true_ms is not None:
        marked.mark("r1", true_ms, at_ms)
    assert marked.heard(now_ms + late_ms)[0].played_ms == plain.heard(now_ms + late_ms)[0].played_ms
