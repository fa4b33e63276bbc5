"""Token counts split into kinds that have a price each: no token is in two of them, and together they are all there are."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pipecat.metrics.metrics import LLMTokenUsage

from voicepipe.realtime.events import Usage
from voicepipe.realtime.usage import RealtimeTokenUsage


class TokenKind(StrEnum):
    """What a token is of, and whether the model took it, had it in its cache, or gave it.

    The input kinds do not hold the cached tokens: those are counted once (promise P-23).
    """

    TEXT_INPUT = "text_input"
    AUDIO_INPUT = "audio_input"
    IMAGE_INPUT = "image_input"
    CACHED_TEXT_INPUT = "cached_text_input"
    CACHED_AUDIO_INPUT = "cached_audio_input"
    CACHED_IMAGE_INPUT = "cached_image_input"
    TEXT_OUTPUT = "text_output"
    AUDIO_OUTPUT = "audio_output"

    @property
    def uncached(self) -> TokenKind:
        """The same kind without a cache."""
        return TokenKind(self.value.removeprefix("cached_"))


Tokens = Mapping[TokenKind, int]
"""How many tokens there are of each kind; a kind that is not in it has none."""

_INPUTS: Final = (
    (TokenKind.TEXT_INPUT, TokenKind.CACHED_TEXT_INPUT),
    (TokenKind.AUDIO_INPUT, TokenKind.CACHED_AUDIO_INPUT),
    (TokenKind.IMAGE_INPUT, TokenKind.CACHED_IMAGE_INPUT),
)


def split(usage: Usage) -> Tokens:
    """Return the tokens of a response by kind.

    Servers leave details out. Tokens that no detail names are text. Cached tokens that no detail names are shared out over
    the kinds in proportion to what is left of each (seed document, Metrics); never more are cached than were taken.

    Args:
        usage: What the server counted.

    Returns:
        Kinds with more than no tokens. Their sum is that of the server's totals; where its details exceed a total,
        the details count.
    """
    text_in = _rest(
        usage.input_tokens, usage.input_text_tokens, usage.input_audio_tokens, usage.input_image_tokens
    )
    taken = (text_in, max(0, usage.input_audio_tokens), max(0, usage.input_image_tokens))
    told = (usage.cached_text_tokens, usage.cached_audio_tokens, usage.cached_image_tokens)
    cached = [min(max(0, part), whole) for part, whole in zip(told, taken, strict=True)]
    left = [whole - part for part, whole in zip(cached, taken, strict=True)]
    unnamed = min(max(0, usage.cached_tokens - sum(cached)), sum(left))
    shares = share_out(unnamed, left)
    kinds = {
        TokenKind.TEXT_OUTPUT: _rest(
            usage.output_tokens, usage.output_text_tokens, usage.output_audio_tokens
        ),
        TokenKind.AUDIO_OUTPUT: max(0, usage.output_audio_tokens),
    }
    for (plain, cache), whole, part, share in zip(_INPUTS, taken, cached, shares, strict=True):
        kinds[plain], kinds[cache] = whole - part - share, part + share
    return {kind: count for kind, count in kinds.items() if count}


def usage_of(tokens: LLMTokenUsage) -> Usage:
    """Return what a service counted, from Pipecat's metrics.

    Services that report the input net of the cache (Anthropic's) have a total that is larger than the input and the output
    together; the cache is added to their input here, so that input always means all of it.
    """
    if isinstance(tokens, RealtimeTokenUsage):
        return tokens.usage
    cached = tokens.cache_read_input_tokens or 0
    written = tokens.cache_creation_input_tokens or 0
    is_net = tokens.total_tokens >= tokens.prompt_tokens + tokens.completion_tokens + cached + written
    return Usage(
        input_tokens=tokens.prompt_tokens + (cached + written if is_net else 0),
        output_tokens=tokens.completion_tokens,
        total_tokens=tokens.total_tokens,
        input_audio_tokens=tokens.input_audio_tokens or 0,
        cached_tokens=cached,
        cached_audio_tokens=tokens.cache_read_input_audio_tokens or 0,
        output_audio_tokens=tokens.output_audio_tokens or 0,
    )


def share_out(amount: int, over: list[int]) -> list[int]:
    """Return whole shares of an amount in proportion to some sizes; they add up to the amount, and none exceeds its size.

    Args:
        amount: What is shared out; not more than the sum of the sizes.
        over: The sizes.
    """
    whole = sum(over)
    if not whole:
        return [0] * len(over)
    shares = [amount * size // whole for size in over]
    fractions = [amount * size % whole for size in over]
    for index in sorted(range(len(over)), key=lambda i: -fractions[i])[: amount - sum(shares)]:
        shares[index] += 1
    return shares


def _rest(total: int, first: int, *others: int) -> int:
    """Return the first detail, or what the total leaves for it if that is more."""
    return max(0, first, total - sum(max(0, other) for other in others))
