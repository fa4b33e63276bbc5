"""The events that tell what the user was understood to say (protocol page, sections 6 and 10.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from voicepipe.local.openai_ga.conversation import Item
from voicepipe.local.openai_ga.events import Event, Events
from voicepipe.local.openai_ga.usage import transcription_usage

_NAME: Final = "conversation.item.input_audio_transcription"
_WORD: Final = re.compile(r"\s*\S+")
_SURE: Final = -0.01


def transcript_events(
    events: Events, item: Item, transcription: Mapping[str, Any], *, logprobs: bool
) -> Iterator[Event]:
    """Yield the deltas of a transcript, then that it is complete.

    Args:
        events: Of the session.
        item: What the user said, its text included.
        transcription: The setting.
        logprobs: Whether the probabilities of the words are wanted.
    """
    ids = {"item_id": item.id, "content_index": 0}
    model = str(transcription["model"])
    words: list[str] = _WORD.findall(item.text)
    # whisper-1 does not stream: its one delta is the whole text.
    for delta in [item.text] if model == "whisper-1" and words else words:
        extra = {"logprobs": [_logprob(delta)]} if logprobs else {}
        yield events.make(f"{_NAME}.delta", **ids, delta=delta, **extra)
    usage = transcription_usage(item, model)
    extra = {"logprobs": [_logprob(word) for word in words]} if logprobs else {}
    yield events.make(f"{_NAME}.completed", **ids, transcript=item.text, usage=usage, **extra)


def transcript_failed(events: Events, item: Item) -> Event:
    """Return the event that an utterance could not be transcribed."""
    error = {
        "type": "transcription_error",
        "code": "audio_unintelligible",
        "message": "The audio could not be transcribed.",
        "param": None,
    }
    return events.make(f"{_NAME}.failed", item_id=item.id, content_index=0, error=error)


def _logprob(word: str) -> dict[str, Any]:
    return {"token": word, "bytes": list(word.encode()), "logprob": _SURE}
