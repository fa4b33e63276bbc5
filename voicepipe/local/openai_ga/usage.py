"""Tokens counted from real lengths (protocol page, section 10.4).

A token is 100 ms of the user's sound, 50 ms of the bot's, or about four letters of text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import orjson

from voicepipe.local.openai_ga.conversation import Item

_USER_MS_A_TOKEN = 100
_BOT_MS_A_TOKEN = 50
_LETTERS_A_TOKEN = 4
_CACHED_BLOCK = 64


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
    text = _letters(str(effective["instructions"])) + _letters(orjson.dumps(effective["tools"]).decode())
    sound = 0
    for item in taken:
        of_text, of_sound = _tokens(item)
        text, sound = text + of_text, sound + of_sound
    out = [_tokens(item) for item in given]
    out_text, out_sound = sum(part[0] for part in out), sum(part[1] for part in out)
    cached = min(cached_tokens, text + sound) // _CACHED_BLOCK * _CACHED_BLOCK
    cached_text = min(cached, text)
    return {
        "total_tokens": text + sound + out_text + out_sound,
        "input_tokens": text + sound,
        "output_tokens": out_text + out_sound,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": sound,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached - cached_text,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_sound},
    }


def transcription_usage(item: Item) -> dict[str, Any]:
    """Return the `usage` of a transcription, billed in tokens."""
    sound, text = ceil(item.sound_ms / _USER_MS_A_TOKEN), _letters(item.text)
    return {
        "type": "tokens",
        "input_tokens": sound,
        "output_tokens": text,
        "total_tokens": sound + text,
        "input_token_details": {"text_tokens": 0, "audio_tokens": sound},
    }


def _tokens(item: Item) -> tuple[int, int]:
    """Return an item's tokens of text and of sound; a user's spoken words count as sound alone."""
    bot = item.wire.get("role") == "assistant"
    sound = ceil(item.sound_ms / (_BOT_MS_A_TOKEN if bot else _USER_MS_A_TOKEN))
    text = _letters(item.text) + _letters(str(item.wire.get("arguments") or ""))
    return (0 if sound and not bot else text), sound


def _letters(text: str) -> int:
    return ceil(len(text) / _LETTERS_A_TOKEN)
