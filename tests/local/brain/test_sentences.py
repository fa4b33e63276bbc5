from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.local.brain.sentences import SentenceSplitter, sentences


def test_text_is_cut_where_sentences_end():
    text = 'It is 3.5 degrees. "Really?" Yes! See example.com, Dr. Who…  Fine'
    assert sentences(text) == ["It is 3.5 degrees.", '"Really?"', "Yes!", "See example.com, Dr. Who…", "Fine"]
    assert sentences("  ") == []


@given(st.text(alphabet="ab .!?\n\"'", max_size=60), st.integers(1, 7))
def test_sentences_are_the_same_however_the_text_comes(text: str, size: int):
    splitter = SentenceSplitter()
    found = [s for at in range(0, len(text), size) for s in splitter.feed(text[at : at + size])]
    assert " ".join([*found, splitter.rest()]).split() == text.split()
    assert splitter.rest() == ""


def test_a_sentence_is_given_as_soon_as_it_is_over():
    splitter = SentenceSplitter()
    assert splitter.feed("One") == []
    assert splitter.feed(". ") == ["One."]
    assert splitter.feed("Two") == []
    assert splitter.rest() == "Two"
