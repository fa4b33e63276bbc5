"""What was heard, by the marks that came back."""

from __future__ import annotations

from voicepipe.transports.telephony.playout import Playout, Position


def test_a_mark_tells_how_far_its_response_was_played():
    playout = Playout()
    first = playout.sent("one", 100, 0)
    second = playout.sent("one", 200, 5)
    assert playout.returned(first, 103) == [Position("one", 100, 103)]
    assert playout.is_playing
    assert playout.returned(second, 303) == [Position("one", 300, 303)]
    assert not playout.is_playing


def test_a_mark_before_the_sound_tells_when_it_begins():
    playout = Playout()
    begins = playout.begins("one")
    playout.sent("one", 100, 0)
    assert playout.returned(begins, 40) == [Position("one", 0, 40)]


def test_a_mark_between_two_responses_ends_the_one_and_begins_the_other():
    playout = Playout()
    mark = playout.sent("one", 100, 0)
    playout.sent("two", 100, 0)
    assert playout.returned(mark, 100) == [Position("one", 100, 100), Position("two", 0, 100)]


def test_a_mark_speaks_for_those_before_it():
    playout = Playout()
    lost, came = playout.sent("one", 100, 0), playout.sent("one", 100, 0)
    assert playout.returned(came, 200) == [Position("one", 200, 200)]
    assert playout.returned(lost, 201) == []
    assert not playout.is_playing


def test_marks_that_come_back_because_of_a_cut_tell_nothing():
    playout = Playout()
    begins, mark = playout.begins("one"), playout.sent("one", 1000, 0)
    playout.returned(begins, 50)
    assert playout.cut(350) == [Position("one", 300, 350)]
    assert playout.returned(mark, 351) == []
    assert not playout.is_playing
    # The next response is counted from its own beginning.
    again = playout.sent("two", 100, 400)
    assert playout.returned(again, 500) == [Position("two", 100, 500)]


def test_it_says_how_long_marks_may_still_take_and_how_many_never_came():
    playout = Playout()
    begins = playout.begins("one")
    playout.sent("one", 1000, 0)
    playout.returned(begins, 100)
    assert playout.overdue_in_ms(600) == 500
    assert playout.overdue_in_ms(1200) == 0
    assert playout.give_up() == 1
    assert not playout.is_playing


def test_a_response_that_goes_on_after_something_else_is_counted_on():
    playout = Playout()
    playout.sent("one", 100, 0)
    keys = playout.sent("keys", 320, 0)
    mark = playout.sent("one", 50, 0)
    assert playout.returned(keys, 420) == [Position("keys", 320, 420), Position("one", 100, 420)]
    assert playout.returned(mark, 470) == [Position("one", 150, 470)]


def test_what_rounding_leaves_is_not_waited_for():
    playout = Playout()
    playout.sent("one", 100.1, 0.2)
    assert playout.overdue_in_ms(0.2 + 100.1 - 1e-9) == 0
