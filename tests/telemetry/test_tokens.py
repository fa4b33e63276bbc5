"""P-23: each token is in one kind, together they are all there are, and what they cost adds up to the cent's last digit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from pipecat.metrics.metrics import LLMTokenUsage

from voicepipe.realtime.events import Usage
from voicepipe.realtime.usage import token_usage
from voicepipe.telemetry.cost import cached_savings, token_cost
from voicepipe.telemetry.pricing import DEFAULT_PRICING
from voicepipe.telemetry.tokens import TokenKind, share_out, split, usage_of

COUNT = st.integers(0, 200_000)
MINI = DEFAULT_PRICING["openai_realtime"].rates("gpt-realtime-mini")
# The example of the protocol page, section 10.4.
EXAMPLE = Usage(132, 121, 253, 119, 13, 0, 64, 64, 0, 30, 91)


@st.composite
def whole_usages(draw: st.DrawFn) -> Usage:
    """What a sound server tells: details that add up, and a cache that is part of the input."""
    text, audio, image, text_out, audio_out = (draw(COUNT) for _ in range(5))
    cached = [draw(st.integers(0, part)) for part in (text, audio, image)]
    taken, gave = text + audio + image, text_out + audio_out
    return Usage(
        taken, gave, taken + gave, text, audio, image, sum(cached), cached[0], cached[1], text_out, audio_out,
        cached_image_tokens=cached[2],
    )  # fmt: skip


USAGES = st.builds(Usage, *[COUNT] * 12)
"""What a server may tell: anything."""


def test_the_example_of_the_protocol_page():
    assert split(EXAMPLE) == {
        TokenKind.TEXT_INPUT: 55,
        TokenKind.CACHED_TEXT_INPUT: 64,
        TokenKind.AUDIO_INPUT: 13,
        TokenKind.TEXT_OUTPUT: 30,
        TokenKind.AUDIO_OUTPUT: 91,
    }
    # 55 * 0.60 + 64 * 0.06 + 13 * 10 + 30 * 2.40 + 91 * 20 dollars a million.
    assert sum(token_cost(split(EXAMPLE), MINI).values()) == Decimal("0.00205884")
    # 64 * (0.60 - 0.06)
    assert cached_savings(split(EXAMPLE), MINI) == Decimal("0.00003456")


@given(whole_usages())
def test_what_a_server_counted_is_split_without_remainder(usage):
    tokens = split(usage)
    assert sum(tokens.values()) == usage.total_tokens
    assert tokens.get(TokenKind.CACHED_TEXT_INPUT, 0) == usage.cached_text_tokens
    assert tokens.get(TokenKind.CACHED_AUDIO_INPUT, 0) == usage.cached_audio_tokens
    assert tokens.get(TokenKind.CACHED_IMAGE_INPUT, 0) == usage.cached_image_tokens
    text = tokens.get(TokenKind.TEXT_INPUT, 0) + tokens.get(TokenKind.CACHED_TEXT_INPUT, 0)
    assert text == usage.input_text_tokens


@given(whole_usages())
def test_cached_tokens_are_paid_once(usage):
    full = split(Usage(**{
        name: 0 if name.startswith("cached") else getattr(usage, name) for name in Usage.__slots__
    }))  # fmt: skip
    tokens = split(usage)
    cost, without_cache = sum(token_cost(tokens, MINI).values()), sum(token_cost(full, MINI).values())
    assert cost + cached_savings(tokens, MINI) == without_cache
    assert cost <= without_cache


@given(USAGES)
def test_whatever_a_server_tells_no_token_is_lost_and_none_is_negative(usage):
    tokens = split(usage)
    assert all(count > 0 for count in tokens.values())
    details_in = usage.input_text_tokens + usage.input_audio_tokens + usage.input_image_tokens
    details_out = usage.output_text_tokens + usage.output_audio_tokens
    expected = max(usage.input_tokens, details_in) + max(usage.output_tokens, details_out)
    assert sum(tokens.values()) == expected


@given(st.lists(USAGES, max_size=6))
def test_the_cost_of_all_is_the_sum_of_the_costs_of_each(usages):
    one_by_one = sum((sum(token_cost(split(usage), MINI).values()) for usage in usages), Decimal(0))
    together: dict[TokenKind, int] = {}
    for usage in usages:
        for kind, count in split(usage).items():
            together[kind] = together.get(kind, 0) + count
    assert sum(token_cost(together, MINI).values()) == one_by_one


@given(whole_usages())
def test_a_cache_without_details_is_shared_out(usage):
    bare = Usage(
        usage.input_tokens, 0, usage.input_tokens, usage.input_text_tokens, usage.input_audio_tokens,
        usage.input_image_tokens, usage.cached_tokens,
    )  # fmt: skip
    tokens = split(bare)
    cached = sum(count for kind, count in tokens.items() if kind.startswith("cached"))
    assert cached == usage.cached_tokens
    assert sum(tokens.values()) == usage.input_tokens


@given(st.lists(COUNT, min_size=1, max_size=5), st.data())
def test_shares_add_up_and_none_exceeds_its_size(sizes, data):
    amount = data.draw(st.integers(0, sum(sizes)))
    shares = share_out(amount, sizes)
    assert sum(shares) == amount
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


@given(whole_usages())
def test_metrics_carry_the_whole_of_a_usage(usage):
    assert usage_of(token_usage(usage)) == usage


def test_input_that_is_told_without_the_cache_gets_it_back():
    net = LLMTokenUsage(
        prompt_tokens=10, completion_tokens=5, total_tokens=115, cache_read_input_tokens=100
    )  # fmt: skip
    gross = LLMTokenUsage(
        prompt_tokens=110, completion_tokens=5, total_tokens=115, cache_read_input_tokens=100
    )
    assert split(usage_of(net)) == split(usage_of(gross))
    assert split(usage_of(net)) == {
        TokenKind.TEXT_INPUT: 10,
        TokenKind.CACHED_TEXT_INPUT: 100,
        TokenKind.TEXT_OUTPUT: 5,
    }
