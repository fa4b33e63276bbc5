"""Tokens counted from real lengths (protocol page, section 10.4).

A token is 100 ms of the user's sound, 50 ms of the model's, or about four letters of text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Final

import orjson

from voicepipe.local.openai_ga.conversation import Item

_USER_MS_A_TOKEN: Final = 100
_MODEL_MS_A_TOKEN: Final = 50
_LETTERS_A_TOKEN: Final = 4
_IMAGE_TOKENS: Final = 765
"""Of an image at high detail in one tile of 512 pixels and its overview; smaller ones cost less."""
_CACHED_BLOCK: Final = 64
_TOKENS_A_MINUTE: Final = 1_000_000


def response_usage(
    effective: Mapping[str, Any], taken: Sequence[Item], given: Sequence[Item], cached_tokens: int
) -> dict[str, Any]:
    """Return the `usage` of a response.

    Args:
        effective: The settings it was made with.
        taken: The items it was made from.
        given: The items it made.
        cached_tokens: How many tokens the conversation had when a response was last made from it.
    """
    text = _text_tokens(str(effective["instructions"]))
    text += _text_tokens(orjson.dumps(effective["tools"]).decode()) if effective["tools"] else 0
    text += sum(_item_text_tokens(item) for item in taken)
    sound = sum(_sound_tokens(item) for item in taken)
    images = _IMAGE_TOKENS * sum(item.images for item in taken)
    out_text, out_sound = sum(map(_item_text_tokens, given)), sum(map(_sound_tokens, given))
    inputs, outputs = text + sound + images, out_text + out_sound
    cached = min(cached_tokens, text + sound) // _CACHED_BLOCK * _CACHED_BLOCK
    cached_text = min(cached, text)
    return {
        "total_tokens": inputs + outputs,
        "input_tokens": inputs,
        "output_tokens": outputs,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": sound,
            "image_tokens": images,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached - cached_text,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_sound},
    }


def output_tokens(items: Sequence[Item]) -> int:
    """Return how many tokens the items of a response are."""
    return sum(_item_text_tokens(item) + _sound_tokens(item) for item in items)


def transcription_usage(item: Item, model: str) -> dict[str, Any]:
    """Return the `usage` of a transcription: `whisper-1` is billed by the second, the others by token."""
    if model == "whisper-1":
        return {"type": "duration", "seconds": round(item.sound_ms / 1000, 3)}
    sound, text = _sound_tokens(item), _text_tokens(item.text)
    return {
        "type": "tokens",
        "input_tokens": sound,
        "output_tokens": text,
        "total_tokens": sound + text,
        "input_token_details": {"text_tokens": 0, "audio_tokens": sound},
    }


def _item_text_tokens(item: Item) -> int:
    """Return an item's tokens of text; what a user spoke counts as sound alone."""
    spoken = item.sound and not item.is_answer
    fields = [item.wire.get("arguments"), item.wire.get("output"), "" if spoken else item.text]
    return sum(_text_tokens(text) for text in fields if text)


def _sound_tokens(item: Item) -> int:
    return ceil(item.sound_ms / (_MODEL_MS_A_TOKEN if item.is_answer else _USER_MS_A_TOKEN))


def _text_tokens(text: str) -> int:
    return ceil(len(text) / _LETTERS_A_TOKEN)


def rate_limits(used_tokens: int) -> list[dict[str, Any]]:
    """Return what `rate_limits.updated` carries after a response of so many tokens."""
    return [
        {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
        {
            "name": "tokens",
            "limit": _TOKENS_A_MINUTE,
            "remaining": max(0, _TOKENS_A_MINUTE - used_tokens),
            "reset_seconds": round(60 * used_tokens / _TOKENS_A_MINUTE, 3),
        },
    ]
