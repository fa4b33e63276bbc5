"""What a price list is made of: dated rows of prices, the providers they belong to, and finding the row of a model.

All money is `Decimal`, in US dollars. The rows themselves are in `voicepipe.telemetry.pricing`; what usage costs at them
is worked out in `voicepipe.telemetry.cost`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from voicepipe.errors import SettingsError

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")
"""A dated version of a model costs what the model costs: `gpt-realtime-2025-08-28`."""


class PricingUnit(StrEnum):
    """What is counted."""

    MINUTE = "minute"
    THOUSAND_CHARS = "1k_chars"
    TOKEN = "token"


class _AsMapping(Mapping[str, Any]):
    """Reads the fields of a dataclass as a mapping too, without those that say nothing."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        if key not in self._said():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._said())

    def __len__(self) -> int:
        return len(self._said())

    def _said(self) -> list[str]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rates(_AsMapping):
    """One row of prices, in US dollars; None where the row says nothing.

    Parameters:
        price: For a minute, or for a thousand characters.
        text_input_per_token: For a token of text that the model takes; the others likewise.
        as_of: Since when the price holds, or when it was read.
        source: Who states it.
    """

    price: Decimal | None = None
    text_input_per_token: Decimal | None = None
    audio_input_per_token: Decimal | None = None
    image_input_per_token: Decimal | None = None
    cached_text_input_per_token: Decimal | None = None
    cached_audio_input_per_token: Decimal | None = None
    cached_image_input_per_token: Decimal | None = None
    text_output_per_token: Decimal | None = None
    audio_output_per_token: Decimal | None = None
    as_of: date | None = None
    source: str = ""

    def _said(self) -> list[str]:
        return [one.name for one in fields(self) if getattr(self, one.name) not in (None, "")]

    def over(self, other: Rates) -> Rates:
        """Return `other` with what this row says in the place of what it says."""
        return replace(other, **{name: getattr(self, name) for name in self._said()})


AMOUNTS: tuple[str, ...] = tuple(one.name for one in fields(Rates) if one.name not in ("as_of", "source"))
"""The names of the prices of a row."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ProviderPricing(_AsMapping):
    """What one provider charges, readable as an object (`.models`) and as a mapping (`["models"]`).

    Parameters:
        unit: What is counted.
        default: The row for a provider without models, or for a call of which the model is not known.
        models: The row of each model. A name that ends in `*` stands for all that begin like it.
        newer: Rows that hold from a later date on, by model; `""` is the provider's own row.
        rounds_up: Whether each call's minutes are rounded up to whole ones.
        covers_all: Whether the default also holds for models that are not named: only where a user said so.
    """

    unit: PricingUnit
    default: Rates = field(default_factory=Rates)
    models: Mapping[str, Rates] = field(default_factory=dict[str, Rates])
    newer: Mapping[str, tuple[Rates, ...]] = field(default_factory=dict[str, tuple[Rates, ...]])
    rounds_up: bool = False
    covers_all: bool = False

    def _said(self) -> list[str]:
        return ["unit", *self.default, *(["models"] if self.models else []), "rounds_up"]

    def __getitem__(self, key: str) -> Any:
        return self.default[key] if key in self.default else _AsMapping.__getitem__(self, key)

    def rates(self, model: str | None) -> Rates | None:
        """Return the row of a model, or None if it is not known what it costs.

        Args:
            model: Its name; a dated version is found by the name before the date. None stands for the provider's own row.
        """
        if model is None or (not self.models and not self.newer.keys() - {""}):
            return self.default if self.default else None
        name = self._name(model)
        if name is not None:
            return self.models[name]
        return self.default if self.covers_all else None

    def _name(self, model: str) -> str | None:
        for candidate in (model, _SNAPSHOT.sub("", model)):
            if candidate in self.models:
                return candidate
        prefixes = [name for name in self.models if name.endswith("*") and model.startswith(name[:-1])]
        return max(prefixes, key=len, default=None)

    def knows(self, model: str) -> bool:
        """Whether the model is named in the list."""
        return self._name(model) is not None

    def on(self, day: date) -> ProviderPricing:
        """Return the list with the newest row of each model that holds on a day."""

        def newest(name: str, row: Rates) -> Rates:
            rows = [new for new in self.newer.get(name, ()) if new.as_of is not None and new.as_of <= day]
            return max(rows, key=lambda new: new.as_of or date.min).over(row) if rows else row

        models = {name: newest(name, row) for name, row in self.models.items()}
        return replace(self, default=newest("", self.default), models=models)

    def merged(self, override: Mapping[str, Any], where: str) -> ProviderPricing:
        """Return the list with a user's prices over it.

        Prices of the provider's own hold for all its models, also for those it does not name, except for the models that
        the override names itself.

        Args:
            override: Prices of the provider's own, and under `models` those of models; numbers, or texts of numbers.
            where: The provider's name, for errors.

        Raises:
            SettingsError: A name that is no price, or a value that is no price of zero or more.
        """
        if isinstance(override, ProviderPricing) and override.models:
            return override
        own = {key: value for key, value in override.items() if key not in ("unit", "models", "rounds_up")}
        row = rates_of(own, where)
        named = {
            str(name): rates_of(value, f"{where}.models.{name}")
            for name, value in _mapping(override.get("models", {}), f"{where}.models").items()
        }
        models = {name: row.over(rates) for name, rates in self.models.items()}
        for name, rates in named.items():
            known = self._name(name)
            models[name] = rates.over(models[known] if known else row.over(self.default) if row else Rates())
        says_prices = any(name in row for name in AMOUNTS)
        changed = set(named) | (set(self.models) | {""} if says_prices else set[str]())
        return ProviderPricing(
            unit=_unit(override.get("unit", self.unit), where),
            default=row.over(self.default),
            models=models,
            # A user's price holds on every day.
            newer={name: rows for name, rows in self.newer.items() if name not in changed},
            rounds_up=bool(override.get("rounds_up", self.rounds_up)),
            covers_all=self.covers_all or says_prices,
        )


def rates_of(values: Any, where: str) -> Rates:
    """Return a row from a mapping of prices.

    Args:
        values: Prices by the names of `Rates`; numbers, or texts of numbers.
        where: What the row is of, for errors.

    Raises:
        SettingsError: A name that is no price, or a value that is no price of zero or more.
    """
    if isinstance(values, Rates):
        return values
    row: dict[str, Any] = {}
    for name, value in _mapping(values, where).items():
        if name in ("as_of", "source"):
            row[name] = value
        elif name in AMOUNTS:
            row[name] = price(value, f"pricing.{where}.{name}")
        else:
            raise SettingsError(f"pricing.{where}.{name}", f"no such price; there are {', '.join(AMOUNTS)}")
    return Rates(**row)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"pricing.{where}", f"has to be a mapping of prices, not {value!r}")
    return value  # pyright: ignore[reportUnknownVariableType]


def price(value: Any, field_name: str) -> Decimal:
    """Return an amount of money from a number, or from the text of one.

    Args:
        value: In US dollars.
        field_name: What it is the price of, for errors.

    Raises:
        SettingsError: It is no number of zero or more.
    """
    if isinstance(value, Decimal | int | float | str) and not isinstance(value, bool):
        try:
            # By way of the text: 0.0085 is meant, not the binary fraction next to it.
            amount = Decimal(str(value))
        except ArithmeticError:
            amount = Decimal("NaN")
        if amount.is_finite() and amount >= 0:
            return amount
    raise SettingsError(field_name, f"has to be a number of zero or more in US dollars, not {value!r}")


def _unit(value: Any, where: str) -> PricingUnit:
    try:
        return PricingUnit(value)
    except ValueError:
        units = ", ".join(PricingUnit)
        raise SettingsError(f"pricing.{where}.unit", f"has to be one of {units}, not {value!r}") from None
