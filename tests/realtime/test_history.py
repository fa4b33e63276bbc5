"""What a conversation holds: order by item, and of each answer what was heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.errors import SettingsError
from voicepipe.realtime.history import Answered, Called, History, Said


def texts(history: History, newest: int | None = None) -> list[str]:
    return [entry.text for entry in history.entries(newest) if isinstance(entry, Said)]


def test_p16_words_stand_where_their_item_was_placed_whenever_they_come():
    history = History()
    history.place("u1", "user")
    history.says("b1", "Four.")
    history.place("u2", "user", after="b1")
    history.said("u1", "user", "Two and two?")
    history.said("u2", "user", "Thanks.")
    assert texts(history) == ["Two and two?", "Four.", "Thanks."]


def test_an_item_can_be_placed_behind_another_one():
    history = History()
    history.said("a", "user", "A")
    history.said("c", "user", "C")
    history.place("b", "user", after="a")
    history.said("b", "user", "B")
    assert texts(history) == ["A", "B", "C"]


def test_items_without_words_are_left_out():
    history = History()
    history.place("u1", "user")
    assert not history
    assert history.entries() == []


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (0, ""),
        (1, ""),
        (999, "One two"),
        (1000, "One two"),
        (1999, "One two three"),
        (2000, "One two three four"),
    ],
)
def test_of_a_cut_answer_whole_words_in_the_share_that_was_heard(heard_ms, text):
    history = History()
    history.says("b", "One two three four")
    history.sounds("b", 2000)
    history.done("b")
    history.heard("b", heard_ms)
    assert history.text_of("b") == text


def test_while_words_run_ahead_of_the_sound_their_length_is_reckoned():
    history = History()
    history.says("b", "One two three four five six seven eight nine ten")
    history.sounds("b", 500)
    history.broke_off("b")
    assert history.text_of("b") == "One two"


def test_what_was_cut_stays_cut_when_a_connection_breaks_off():
    history = History()
    history.says("b", "One two three four")
    history.sounds("b", 2000)
    history.done("b")
    history.heard("b", 1000)
    history.broke_off("b")
    assert history.text_of("b") == "One two"


def test_answers_of_functions_stand_behind_their_calls_before_what_was_said_since():
    history = History()
    history.called("c1", "f", "{}")
    history.called("c2", "g", "{}")
    history.said("u", "user", "And?")
    history.answered("c2", "two")
    history.answered("c1", "one")
    kinds = [(type(entry), getattr(entry, "call_id", "")) for entry in history.entries()]
    assert kinds[:2] == [(Called, "c1"), (Called, "c2")]
    assert set(kinds[2:4]) == {(Answered, "c1"), (Answered, "c2")}
    assert kinds[4][0] is Said


@pytest.mark.parametrize("text", [["Hello."], None, 7, b"Hello."])
def test_what_is_no_text_is_refused_and_the_rest_can_still_be_told(text):
    history = History()
    history.said("u1", "user", "Hello.")
    with pytest.raises(SettingsError, match=f"text: is a text, not {type(text).__name__}"):
        history.said("u2", "user", text)
    assert history.entries() == [Said("u1", "user", "Hello.")]


def test_the_newest_entries_hold_no_answer_without_its_call():
    history = History()
    history.called("c1", "f", "{}")
    history.answered("c1", "one")
    history.said("u", "user", "Thanks.")
    assert history.entries(2) == [Said("u", "user", "Thanks.")]
    assert history.entries(0) == []


@given(st.text(max_size=80), st.floats(0, 5000), st.floats(0, 5000), st.booleans())
def test_what_was_heard_is_always_the_beginning_of_what_was_said(text, sound_ms, heard_ms, done):
    history = History()
    history.says("b", text)
    history.sounds("b", sound_ms)
    if done:
        history.done("b")
    history.heard("b", heard_ms)
    assert text.startswith(history.text_of("b"))
