"""What a response and a transcription used, as the server counts it: nothing that a price depends on is lost."""

from __future__ import annotations

import pytest

from tests.services.openai.realtime.wire_lines import line, ready_session
from voicepipe.realtime.events import TranscriptionUsage, Usage, UserTranscript
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
)
from voicepipe.services.openai.realtime.results import end_of


def test_all_details_of_a_responses_tokens():
    usage = {
        "total_tokens": 253,
        "input_tokens": 132,
        "output_tokens": 121,
        "input_token_details": {
            "text_tokens": 100,
            "audio_tokens": 13,
            "image_tokens": 19,
            "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 50, "audio_tokens": 4, "image_tokens": 10},
        },
        "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
    }
    assert end_of({"status": "completed", "usage": usage}).usage == Usage(
        input_tokens=132,
        output_tokens=121,
        total_tokens=253,
        input_text_tokens=100,
        input_audio_tokens=13,
        input_image_tokens=19,
        cached_tokens=64,
        cached_text_tokens=50,
        cached_audio_tokens=4,
        output_text_tokens=30,
        output_audio_tokens=91,
        cached_image_tokens=10,
    )


def test_a_transcription_names_the_model_that_made_it():
    listening = AudioInput(transcription=InputAudioTranscription(model="gpt-4o-mini-transcribe"))
    session = ready_session(SessionProperties(audio=AudioConfiguration(input=listening)))
    told = session.receive(
        line(
            "conversation.item.input_audio_transcription.completed",
            item_id="item_u1",
            content_index=0,
            transcript="Hello.",
            usage={"type": "tokens", "input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
        )
    )
    assert (
        TranscriptionUsage("item_u1", input_tokens=12, output_tokens=3, model="gpt-4o-mini-transcribe")
        in told
    )


@pytest.mark.parametrize("seconds", [None, "many", {}])
def test_words_whose_cost_cannot_be_read_are_told_all_the_same(seconds):
    session = ready_session()
    usage = {"type": "duration", "seconds": seconds}
    type_ = "conversation.item.input_audio_transcription.completed"
    words, _, cost = session.receive(line(type_, item_id="item_u1", transcript="Hello.", usage=usage))
    assert words == UserTranscript("item_u1", "Hello.", final=True)
    assert cost == TranscriptionUsage("item_u1", seconds=0.0)
