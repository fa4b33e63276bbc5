from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.local.brain.numbers import count_to, digits, in_words, numbers_in


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("twelve thirty four", [12, 34]),
        ("1 2 3 4", [1, 2, 3, 4]),
        ("thirty three four", [33, 4]),
        ("one hundred and five", [105]),
        ("two hundred", [200]),
        ("hundred", [100]),
        ("twenty zero", [20, 0]),
        ("no number at all", []),
    ],
)
def test_numbers_are_read_as_people_say_them(text: str, numbers: list[int]):
    assert numbers_in(text) == numbers


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("one two three four", "1234"),
        ("twelve thirty four", "1234"),
        ("007", "007"),
        ("0 0 seven", "007"),
        ("a one oh five", "A105"),
        ("", ""),
    ],
)
def test_a_spoken_code_is_written_as_it_is_meant(text: str, code: str):
    assert digits(text) == code


@given(st.integers(0, 100))
def test_a_number_in_words_reads_as_itself(number: int):
    assert numbers_in(in_words(number).replace("-", " ")) == [number]


def test_counting_has_an_end():
    assert count_to("three") == "one, two, three"
    assert count_to("9000").endswith("ninety-nine, one hundred")
    assert count_to("zero") == "zero"
