"""From usage to dollars: pure functions, exact in `Decimal`. What has no price costs None, which is never taken for zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from typing import Final

from voicepipe.telemetry.rates import ProviderPricing, Rates
from voicepipe.telemetry.tokens import TokenKind, Tokens

ZERO: Final = Decimal(0)
_MINUTE: Final = Decimal(60)
_THOUSAND: Final = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost, by part, in US dollars. A part that was used and has no price is None, and so is the total then.

    Parameters:
        llm: The model that speaks: its tokens, or its minutes.
        stt: Writing down what the user said.
        tts: Speaking, where that is not the model's.
        telephony: The carrier.
        known: The sum of all that has a price: the call cost at least this.
        llm_by_kind: `llm` by kind of token; empty where minutes are billed.
        llm_cached_savings: How much less `llm` is than it would be without the cache; not part of the total.
    """

    llm: Decimal | None = ZERO
    stt: Decimal | None = ZERO
    tts: Decimal | None = ZERO
    telephony: Decimal | None = ZERO
    known: Decimal = ZERO
    llm_by_kind: Mapping[TokenKind, Decimal | None] = field(default_factory=dict[TokenKind, "Decimal | None"])
    llm_cached_savings: Decimal = ZERO

    @property
    def total(self) -> Decimal | None:
        """The sum of all parts; None if one of them has no price."""
        return added(self.parts.values())

    @property
    def parts(self) -> Mapping[str, Decimal | None]:
        """The parts by name."""
        return {"llm": self.llm, "stt": self.stt, "tts": self.tts, "telephony": self.telephony}


def added(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum, or None if one of the amounts is not known."""
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def known_of(amounts: Iterable[Decimal | None]) -> Decimal:
    """Return the sum of the amounts that are known."""
    return sum((amount for amount in amounts if amount is not None), ZERO)


def token_cost(tokens: Tokens, rates: Rates | None) -> Mapping[TokenKind, Decimal | None]:
    """Return what tokens cost, by kind.

    Args:
        tokens: How many there are of each kind.
        rates: The model's row; None if it is not known what it costs.

    Returns:
        For each kind in `tokens`. None where there is no price; cached tokens without a price of their own cost as much as
        others.
    """
    return {kind: None if (rate := _rate(kind, rates)) is None else rate * n for kind, n in tokens.items()}


def cached_savings(tokens: Tokens, rates: Rates | None) -> Decimal:
    """Return how much the cache saved, never less than nothing."""
    saved = ZERO
    for kind, count in tokens.items():
        full, rate = _rate(kind.uncached, rates), _rate(kind, rates)
        if full is not None and rate is not None:
            saved += (full - rate) * count
    return max(ZERO, saved)


def minutes_cost(
    seconds: float | Decimal, provider: ProviderPricing, model: str | None = None
) -> Decimal | None:
    """Return what a time costs; None if it has no price.

    Args:
        seconds: How long.
        provider: What its provider charges; some count whole minutes only.
        model: Which of its models.
    """
    rates = provider.rates(model)
    if rates is None or rates.price is None:
        return None
    return billed_minutes(seconds, provider) * rates.price


def billed_minutes(seconds: float | Decimal, provider: ProviderPricing) -> Decimal:
    """Return the minutes that a provider counts for a time; what is below a millisecond is a clock's rounding."""
    minutes = round(Decimal(str(seconds)), 3) / _MINUTE
    return minutes.to_integral_value(ROUND_CEILING) if provider.rounds_up else minutes


def characters_cost(characters: int, rates: Rates | None) -> Decimal | None:
    """Return what speaking a text costs; None if it has no price."""
    return None if rates is None or rates.price is None else rates.price * characters / _THOUSAND


def _rate(kind: TokenKind, rates: Rates | None) -> Decimal | None:
    if rates is None:
        return None
    own: Decimal | None = rates.get(f"{kind}_per_token")
    return own if own is not None else rates.get(f"{kind.uncached}_per_token")
