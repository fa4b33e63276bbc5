"""The account of one call: what it used and what that costs, also while it runs, and a cap on it.

Feed it with the `MetricsFrame`s of a pipeline (`CallObserver` does) or with a session's happenings, not with both: they tell
of the same tokens. Times are seconds on any one clock and passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from loguru import logger
from pipecat.metrics.metrics import (
    LLMUsageMetricsData,
    MetricsData,
    STTUsageMetricsData,
    TTSUsageMetricsData,
)

from voicepipe.errors import SettingsError
from voicepipe.realtime.events import Happening, ResponseFinished, SideResponse, TranscriptionUsage
from voicepipe.realtime.usage import TranscriptionTokensMetricsData
from voicepipe.telemetry.cost import (
    ZERO,
    Cost,
    added,
    billed_minutes,
    cached_savings,
    characters_cost,
    known_of,
    minutes_cost,
    token_cost,
)
from voicepipe.telemetry.pricing import DEFAULT_PRICING, Pricing
from voicepipe.telemetry.rates import PricingUnit, ProviderPricing, Rates, price
from voicepipe.telemetry.tokens import TokenKind, usage_of
from voicepipe.telemetry.usage import Ledger, Used

_COUNTED: Final = {
    "stt": PricingUnit.MINUTE,
    "tts": PricingUnit.THOUSAND_CHARS,
    "carrier": PricingUnit.MINUTE,
}
"""What is counted of each part but the engine, which has tokens or minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """Who is paid for what in a call: names of providers in the price list.

    Where a name is None, the provider is the one that lists the model.

    Parameters:
        engine: The model that speaks; `elevenlabs_convai` is paid by the minute of the call.
        model: Its model, where the metrics do not name one.
        stt: Writing down what the user says.
        tts: Speaking, where that is not the model's.
        carrier: The telephone company; None if there is none.
        direction: Whether the call came in or was placed: some carriers charge differently.
    """

    engine: str | None = None
    model: str | None = None
    stt: str | None = None
    tts: str | None = None
    carrier: str | None = None
    direction: Literal["inbound", "outbound"] = "inbound"


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a call at one moment.

    Parameters:
        used: Tokens, transcribed seconds, spoken characters.
        call_secs: How long the call lasts or lasted.
        carrier_minutes: The minutes that the carrier counts; 0 without one.
        cost: What that costs, by part.
    """

    used: Used
    call_secs: float
    carrier_minutes: Decimal
    cost: Cost

    @property
    def cost_per_minute(self) -> Decimal | None:
        """The total for a minute of the call; None if it is not known or there was no call."""
        total = self.cost.total
        return None if total is None or not self.call_secs else total * 60 / Decimal(str(self.call_secs))


class CallMeter:
    """Keeps the account of one call.

    Args:
        pricing: The price list; `merge_pricing({...})` puts prices of one's own over the default one.
        billing: Who is paid for what.
        cap: What the call may cost in US dollars; None is no cap.
        on_cap: Called once, with the account, when what is known of the cost reaches the cap.

    Raises:
        SettingsError: A cap that is no number above zero, or a provider that is not in the price list or has
            another unit.
    """

    def __init__(
        self,
        pricing: Pricing = DEFAULT_PRICING,
        *,
        billing: Billing | None = None,
        cap: Decimal | float | str | None = None,
        on_cap: Callable[[Account], None] | None = None,
    ) -> None:
        self._pricing = pricing
        self._billing = billing or Billing()
        for name in ("engine", "stt", "tts", "carrier"):
            provider = getattr(self._billing, name)
            if provider is not None and provider not in pricing:
                raise SettingsError(
                    f"billing.{name}", f"{provider!r} is not in the price list; add its prices"
                )
            unit = _COUNTED.get(name)
            if provider is not None and unit is not None and pricing[provider].unit != unit:
                raise SettingsError(
                    f"billing.{name}",
                    f"{provider!r} is priced by {pricing[provider].unit}, and this by {unit}",
                )
        self._cap = None if cap is None else price(cap, "cap")
        if self._cap == 0:
            raise SettingsError("cap", "has to be above zero: nothing could be said")
        self._on_cap = on_cap
        self._ledger = Ledger()
        self._started_secs: float | None = None
        self._ended_secs: float | None = None
        self._warned: set[tuple[str, str | None]] = set()

    @property
    def billing(self) -> Billing:
        """Who is paid for what."""
        return self._billing

    # The call.

    def started(self, now_secs: float) -> None:
        """The call was answered: from here on minutes count."""
        if self._started_secs is None:
            self._started_secs = now_secs

    def ended(self, now_secs: float) -> None:
        """The call is over: no more minutes count."""
        if self._ended_secs is None:
            self._ended_secs = now_secs

    def resumed(self) -> None:
        """The call goes on after all: minutes count again, those in between as well."""
        self._ended_secs = None

    # What it uses.

    def take_metrics(self, metrics: Iterable[MetricsData], now_secs: float) -> None:
        """Take what a `MetricsFrame` holds; what is no usage is passed over."""
        for data in metrics:
            self._take(data)
        self.check(now_secs)

    def take_happening(self, happening: Happening, now_secs: float) -> None:
        """Take what a session tells; what is no usage is passed over."""
        if isinstance(happening, ResponseFinished | SideResponse) and happening.usage is not None:
            self._ledger.response(self._billing.model, happening.usage)
        elif isinstance(happening, TranscriptionUsage):
            self._ledger.transcription(happening)
        self.check(now_secs)

    def check(self, now_secs: float) -> None:
        """Call back if the cap is reached; to be called now and then where minutes are what costs."""
        if self._cap is None or self._on_cap is None:
            return
        account = self.account(now_secs)
        if account.cost.known >= self._cap:
            call, self._on_cap = self._on_cap, None
            call(account)

    def _take(self, data: MetricsData) -> None:
        if isinstance(data, TranscriptionTokensMetricsData):
            tokens = data.value
            told = TranscriptionUsage(
                "",
                input_tokens=tokens.prompt_tokens,
                output_tokens=tokens.completion_tokens,
                model=data.model,
            )
            self._ledger.transcription(told)
        elif isinstance(data, LLMUsageMetricsData):
            self._ledger.response(data.model or self._billing.model, usage_of(data.value))
        elif isinstance(data, STTUsageMetricsData):
            told = TranscriptionUsage("", seconds=data.value.audio_seconds, model=data.model)
            self._ledger.transcription(told)
        elif isinstance(data, TTSUsageMetricsData):
            self._ledger.spoken(data.model, data.value)

    # What it costs.

    def account(self, now_secs: float) -> Account:
        """Return the account as it stands.

        Args:
            now_secs: The time, for a call that still runs.
        """
        used, call_secs = self._ledger.used(), self._call_secs(now_secs)
        carrier = self._carrier()
        minutes = ZERO if carrier is None else billed_minutes(call_secs, carrier)
        llm = self._llm(used, call_secs)
        stt = [self._stt(model, secs) for model, secs in used.transcribed_secs.items()]
        tts = [self._tts(model, count) for model, count in used.spoken_chars.items()]
        telephony = ZERO if carrier is None else minutes_cost(call_secs, carrier)
        by_kind: dict[TokenKind, Decimal | None] = {}
        for kind, amount in llm:
            if kind is not None:
                by_kind[kind] = added((by_kind.get(kind, ZERO), amount))
        cost = Cost(
            llm=added(amount for _, amount in llm),
            stt=added(stt),
            tts=added(tts),
            telephony=telephony,
            known=known_of([*(amount for _, amount in llm), *stt, *tts, telephony]),
            llm_by_kind=by_kind,
            llm_cached_savings=self._savings(used),
        )
        return Account(used, call_secs, minutes, cost)

    def _call_secs(self, now_secs: float) -> float:
        if self._started_secs is None:
            return 0.0
        end_secs = now_secs if self._ended_secs is None else self._ended_secs
        return max(0.0, end_secs - self._started_secs)

    def _llm(self, used: Used, call_secs: float) -> list[tuple[TokenKind | None, Decimal | None]]:
        """Return the amounts that the model costs, with the kind of token each is for; None is for its minutes."""
        engine = self._billing.engine
        provider = self._pricing[engine] if engine is not None else None
        if provider is not None and provider.unit is PricingUnit.MINUTE:
            return [(None, minutes_cost(call_secs, provider, self._billing.model))]
        amounts: list[tuple[TokenKind | None, Decimal | None]] = []
        if not used.tokens and self._runs_without_a_price():
            # What it takes in costs from the first moment on, and is told only with the first answer.
            amounts.append((None, None))
        for model, tokens in used.tokens.items():
            for kind, amount in token_cost(tokens, self._rates(engine, model, PricingUnit.TOKEN)).items():
                if amount is None:
                    self._warn("tokens of the model", model)
                amounts.append((kind, amount))
        return amounts

    def _runs_without_a_price(self) -> bool:
        """Whether the call has begun with a model of which it is known already that nobody lists it."""
        model = self._billing.model
        if model is None or self._started_secs is None:
            return False
        if self._rates(self._billing.engine, model, PricingUnit.TOKEN) is not None:
            return False
        self._warn("tokens of the model", model)
        return True

    def _savings(self, used: Used) -> Decimal:
        engine = self._billing.engine
        rows = [
            (tokens, self._rates(engine, model, PricingUnit.TOKEN)) for model, tokens in used.tokens.items()
        ]
        return sum((cached_savings(tokens, rates) for tokens, rates in rows), ZERO)

    def _stt(self, model: str | None, seconds: float) -> Decimal | None:
        name = self._billing.stt or self._whose(model, PricingUnit.MINUTE)
        provider = self._pricing.get(name) if name is not None else None
        cost = None if provider is None else minutes_cost(seconds, provider, model)
        if cost is None:
            self._warn("transcription by the model", model)
        return cost

    def _tts(self, model: str | None, characters: int) -> Decimal | None:
        cost = characters_cost(characters, self._rates(self._billing.tts, model, PricingUnit.THOUSAND_CHARS))
        if cost is None:
            self._warn("speech of the model", model)
        return cost

    def _carrier(self) -> ProviderPricing | None:
        carrier = self._billing.carrier
        if carrier is None:
            return None
        return self._pricing.get(f"{carrier}_{self._billing.direction}") or self._pricing[carrier]

    def _rates(self, provider: str | None, model: str | None, unit: PricingUnit) -> Rates | None:
        own = None if provider is None else self._pricing[provider].rates(model)
        if own is not None:
            return own
        name = self._whose(model, unit)
        return None if name is None else self._pricing[name].rates(model)

    def _whose(self, model: str | None, unit: PricingUnit) -> str | None:
        return None if model is None else self._pricing.whose(model, unit)

    def _warn(self, what: str, model: str | None) -> None:
        if (what, model) not in self._warned:
            self._warned.add((what, model))
            logger.warning(
                f"there is no price for {what} {model or 'without a name'}, so the cost of this call is not known; "
                "merge_pricing takes one"
            )
