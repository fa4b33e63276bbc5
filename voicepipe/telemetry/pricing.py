"""`DEFAULT_PRICING`: public list prices in US dollars, with date and source, and a user's own prices over them.

Prices change and contracts differ: what is given in `merge_pricing` always wins over these rows. Sources: the documents
that bots were written from (rows S001-4 to S001-8 and S001-20 to S001-23 of them) and the vendors' price pages as they
were read on the day that stands with the row.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from voicepipe.errors import SettingsError
from voicepipe.telemetry.rates import PricingUnit, ProviderPricing, Rates, rates_of

_READ = date(2026, 5, 8)
_DOCUMENT = "the engine's reference, OpenAI Realtime: Models"
_VENDOR = "the vendor's price page"
_MILLION = Decimal(1_000_000)

ALIASES: Mapping[str, tuple[str, str]] = {
    "openai_realtime_2": ("openai_realtime", "gpt-realtime-2"),
    "openai_realtime_mini": ("openai_realtime", "gpt-realtime-mini"),
}
"""Older keys, and whose model's row they mean (row S001-34)."""


class Pricing(Mapping[str, ProviderPricing]):
    """A price list: providers by name.

    Args:
        providers: The lists of the providers.
    """

    def __init__(self, providers: Mapping[str, ProviderPricing]) -> None:
        self._providers = dict(providers)

    def __getitem__(self, key: str) -> ProviderPricing:
        if key in ALIASES and key not in self._providers:
            provider, model = ALIASES[key]
            warnings.warn(
                f"DEFAULT_PRICING[{key!r}] is not needed any more: prices are found by the model's name, and this one's "
                f"are in DEFAULT_PRICING[{provider!r}].models[{model!r}]",
                DeprecationWarning,
                stacklevel=2,
            )
            whole = self._providers[provider]
            return ProviderPricing(unit=whole.unit, default=whole.models[model])
        return self._providers[key]

    def __contains__(self, key: object) -> bool:
        return key in self._providers or key in ALIASES

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)

    def on(self, day: date) -> Pricing:
        """Return the list with the newest rows that hold on a day, where a newer one stands beside the default one."""
        return Pricing({name: provider.on(day) for name, provider in self._providers.items()})

    def whose(self, model: str, unit: PricingUnit) -> str | None:
        """Return the provider that names a model, of those that count in a unit; None if none does."""
        for name, provider in self._providers.items():
            if provider.unit == unit and provider.knows(model):
                return name
        return None

    def merged(self, overrides: Mapping[str, Any] | None) -> Pricing:
        """Return the list with a user's prices over it; see `merge_pricing`.

        Raises:
            SettingsError: An unknown name, or a value that is no price.
        """
        providers = dict(self._providers)
        for key, override in _with_directions(overrides or {}, self._providers).items():
            if not isinstance(override, Mapping):
                raise SettingsError(f"pricing.{key}", f"has to be a mapping of prices, not {override!r}")
            values: Mapping[str, Any] = override  # pyright: ignore[reportUnknownVariableType]
            if key in ALIASES and key not in providers:
                provider, model = ALIASES[key]
                providers[provider] = providers[provider].merged({"models": {model: values}}, provider)
            elif key in providers:
                providers[key] = providers[key].merged(values, key)
            else:
                if "unit" not in values:
                    raise SettingsError(
                        f"pricing.{key}",
                        f"an unlisted provider needs a unit: one of {', '.join(PricingUnit)}",
                    )
                providers[key] = ProviderPricing(unit=PricingUnit.TOKEN).merged(values, key)
        return Pricing(providers)


def _with_directions(overrides: Mapping[str, Any], providers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the overrides with a carrier's own price also for the directions that it has rows for."""
    whole = dict(overrides)
    for key, override in overrides.items():
        for direction in ("inbound", "outbound"):
            if f"{key}_{direction}" in providers:
                whole.setdefault(f"{key}_{direction}", override)
    return whole


def merge_pricing(overrides: Mapping[str, Any] | None = None) -> Pricing:
    """Return `DEFAULT_PRICING` with a user's prices over it.

        merge_pricing({"twilio": {"price": 0.007}, "openai_realtime": {"models": {"my-deployment": {...}}}})

    Args:
        overrides: By provider: prices that hold for all of it, and under `models` those of single models. Numbers, or texts
            of numbers, in US dollars. A provider that is not in the list needs a `unit`.

    Raises:
        SettingsError: An unknown name, or a value that is no price of zero or more.
    """
    return DEFAULT_PRICING.merged(overrides)


def _per_million(source: str, as_of: date, **dollars: str) -> Rates:
    """Return a row from prices for a million tokens; a name is that of `Rates` without `_per_token`."""
    row = {f"{name}_per_token": Decimal(price) / _MILLION for name, price in dollars.items()}
    return Rates(**row, as_of=as_of, source=source)


def _realtime(
    audio: tuple[str, str], text: tuple[str, str], cached: tuple[str, str], images: tuple[str, str] | None
) -> Rates:
    """Return a realtime model's row: in and out for sound and text, cached sound and text, images and cached ones."""
    row: dict[str, str] = {
        "audio_input": audio[0],
        "audio_output": audio[1],
        "text_input": text[0],
        "text_output": text[1],
        "cached_audio_input": cached[0],
        "cached_text_input": cached[1],
    }
    if images is not None:
        row |= {"image_input": images[0], "cached_image_input": images[1]}
    return _per_million(f"{_DOCUMENT}; text, cached and images: {_VENDOR}", _READ, **row)


_LARGE = (("32", "64"), ("4", "16"), ("0.40", "0.40"), ("5", "0.50"))
_LARGE_2 = (("32", "64"), ("4", "24"), ("0.40", "0.40"), ("5", "0.50"))
_MINI = (("10", "20"), ("0.60", "2.40"), ("0.30", "0.06"), ("0.80", "0.08"))
_PREVIEW = "gpt-4o-realtime-preview"


def _of_unit(
    unit: PricingUnit, price: str, models: Mapping[str, str] | None = None, *, rounds_up: bool = False
) -> ProviderPricing:
    """Return the list of a provider that charges one price a unit."""
    rows = {
        name: Rates(price=Decimal(one), as_of=_READ, source=_VENDOR) for name, one in (models or {}).items()
    }
    own = Rates(price=Decimal(price), as_of=_READ, source=_VENDOR)
    return ProviderPricing(unit=unit, default=own, models=rows, rounds_up=rounds_up)


def _minute(
    price: str, models: Mapping[str, str] | None = None, *, rounds_up: bool = False
) -> ProviderPricing:
    return _of_unit(PricingUnit.MINUTE, price, models, rounds_up=rounds_up)


def _chars(price: str, models: Mapping[str, str] | None = None) -> ProviderPricing:
    return _of_unit(PricingUnit.THOUSAND_CHARS, price, models)


def _text_models(**models: tuple[str, str]) -> Mapping[str, Rates]:
    return {
        name: _per_million(_VENDOR, _READ, text_input=taken, text_output=given)
        for name, (taken, given) in models.items()
    }


_TRANSCRIBERS = {
    "whisper-1": "0.006",
    "gpt-4o-transcribe": "0.006",
    "gpt-4o-mini-transcribe": "0.003",
    "gpt-realtime-whisper": "0.017",
}

DEFAULT_PRICING = Pricing(
    {
        "openai_realtime": ProviderPricing(
            unit=PricingUnit.TOKEN,
            default=_realtime(*_MINI),
            models={
                "gpt-realtime-mini": _realtime(*_MINI),
                "gpt-realtime": _realtime(*_LARGE),
                "gpt-realtime-1.5": _realtime(*_LARGE),
                "gpt-realtime-2": _realtime(*_LARGE_2),
                "gpt-realtime-2.1": _realtime(*_LARGE_2),
                "gpt-realtime-2.1-mini": _realtime(*_MINI),
                _PREVIEW: _per_million(
                    f"{_DOCUMENT}; text and cached: {_VENDOR} at its launch",
                    date(2024, 10, 1),
                    audio_input="100",
                    audio_output="200",
                    text_input="5",
                    text_output="20",
                    cached_audio_input="20",
                    cached_text_input="2.50",
                ),
                "gpt-4o-mini-realtime-preview": _realtime(_MINI[0], _MINI[1], _MINI[2], None),
            },
            newer={
                _PREVIEW: (
                    _per_million(
                        f"{_VENDOR} after the price cut",
                        date(2024, 12, 17),
                        audio_input="40",
                        audio_output="80",
                        text_input="5",
                        text_output="20",
                        cached_audio_input="2.50",
                        cached_text_input="2.50",
                    ),
                )
            },
        ),
        # It differs by plan, and what the agent's language model costs is billed beside it.
        "elevenlabs_convai": ProviderPricing(
            unit=PricingUnit.MINUTE,
            default=Rates(
                price=Decimal("0.10"),
                as_of=date(2025, 2, 1),
                source="the vendor's announcement for its Creator and Pro plans; not confirmed since",
            ),
        ),
        "whisper": _minute("0.006", _TRANSCRIBERS),
        "openai_transcribe": _minute("0.006", _TRANSCRIBERS),
        "deepgram": _minute(
            "0.0048",
            {
                "nova-3": "0.0048",
                "nova-3-general": "0.0048",
                "nova-3-multilingual": "0.0058",
                "flux": "0.0065",
                "flux-general-en": "0.0065",
                "flux-multilingual": "0.0078",
                "flux-general-multi": "0.0078",
                "nova-2": "0.0058",
                "nova-2-general": "0.0058",
                "nova": "0.0043",
                "whisper-*": "0.0048",
            },
        ),
        "assemblyai": _minute("0.0025"),
        "cartesia_stt": _minute("0.0025"),
        "soniox": _minute("0.002"),
        "speechmatics": _minute("0.004"),
        "elevenlabs": _chars(
            "0.05",
            {
                "eleven_flash_v2_5": "0.05",
                "eleven_turbo_v2_5": "0.05",
                "eleven_multilingual_v2": "0.10",
                "eleven_v3": "0.10",
            },
        ),
        "openai_tts": _chars("0.015", {"tts-1": "0.015", "tts-1-hd": "0.030", "gpt-4o-mini-tts": "0.012"}),
        "cartesia_tts": _chars("0.030"),
        "rime": _chars("0.030", {"mist*": "0.030", "arcana": "0.040"}),
        "lmnt": _chars("0.050"),
        "inworld": _chars("0.025", {"inworld-tts-1.5-max": "0.035", "inworld-tts-1.5-mini": "0.015"}),
        "llm": ProviderPricing(
            unit=PricingUnit.TOKEN,
            models=_text_models(
                **{
                    "gpt-4o": ("2.50", "10"),
                    "gpt-4o-mini": ("0.15", "0.60"),
                    "gpt-4.1": ("2", "8"),
                    "gpt-4.1-mini": ("0.40", "1.60"),
                    "claude-haiku-4-5": ("1", "5"),
                    "claude-sonnet-4-6": ("3", "15"),
                    "gemini-2.5-flash": ("0.30", "2.50"),
                    "llama-3.3-70b-versatile": ("0.59", "0.79"),
                }
            ),
        ),
        # Telephony in the United States, local numbers.
        "twilio": _minute("0.0085", rounds_up=True),
        "twilio_outbound": _minute("0.0140", rounds_up=True),
        "telnyx": _minute("0.007"),
        "telnyx_inbound": _minute("0.0035"),
        "telnyx_outbound": _minute("0.007"),
        "plivo": _minute("0.0055", rounds_up=True),
        "plivo_inbound": _minute("0.0055", rounds_up=True),
        "plivo_outbound": _minute("0.0115", rounds_up=True),
    }
)
"""List prices: by provider a unit, the provider's own row, and the rows of its models.

    DEFAULT_PRICING["openai_realtime"].models["gpt-realtime-2"]["audio_input_per_token"]  # Decimal("0.000032")
"""

__all__ = [
    "ALIASES",
    "DEFAULT_PRICING",
    "Pricing",
    "PricingUnit",
    "ProviderPricing",
    "Rates",
    "merge_pricing",
    "rates_of",
]
