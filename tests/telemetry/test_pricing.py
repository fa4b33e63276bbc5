"""The price list: what the seed documents state, a user's prices over it, and models that are not in it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from voicepipe.errors import SettingsError
from voicepipe.telemetry.pricing import DEFAULT_PRICING, PricingUnit, merge_pricing
from voicepipe.telemetry.rates import AMOUNTS

MILLION = 1_000_000
REALTIME = DEFAULT_PRICING["openai_realtime"]


def per_million(rates, name: str) -> Decimal | None:
    amount = rates.get(f"{name}_per_token")
    return None if amount is None else amount * MILLION


class TestDefaults:
    @pytest.mark.parametrize(
        ("row", "model", "audio_in", "audio_out"),
        [
            ("S001-4", "gpt-realtime-mini", 10, 20),
            ("S001-5", "gpt-realtime", 32, 64),
            ("S001-6", "gpt-realtime-2", 32, 64),
            ("S001-7", "gpt-4o-realtime-preview", 100, 200),
            ("S001-8", "gpt-4o-mini-realtime-preview", 10, 20),
        ],
    )
    def test_a_million_tokens_of_sound_cost_what_the_document_says(self, row, model, audio_in, audio_out):
        rates = REALTIME.models[model]
        assert (per_million(rates, "audio_input"), per_million(rates, "audio_output")) == (
            audio_in,
            audio_out,
        )

    @pytest.mark.parametrize(
        ("row", "model", "price"),
        [
            ("S001-20", "whisper-1", "0.006"),
            ("S001-21", "gpt-4o-mini-transcribe", "0.003"),
            ("S001-22", "gpt-4o-transcribe", "0.006"),
            ("S001-23", "gpt-realtime-whisper", "0.017"),
        ],
    )
    def test_a_minute_of_transcription_costs_what_the_document_says(self, row, model, price):
        provider = DEFAULT_PRICING["whisper"]
        assert provider.unit == PricingUnit.MINUTE == "minute"
        assert provider.rates(model)["price"] == Decimal(price)

    @pytest.mark.parametrize(
        ("model", "text", "audio", "image"),
        [
            ("gpt-realtime-2.1", ("4", "0.4", "24"), ("32", "0.4", "64"), ("5", "0.5")),
            ("gpt-realtime-2", ("4", "0.4", "24"), ("32", "0.4", "64"), ("5", "0.5")),
            ("gpt-realtime-1.5", ("4", "0.4", "16"), ("32", "0.4", "64"), ("5", "0.5")),
            ("gpt-realtime", ("4", "0.4", "16"), ("32", "0.4", "64"), ("5", "0.5")),
            ("gpt-realtime-2.1-mini", ("0.6", "0.06", "2.4"), ("10", "0.3", "20"), ("0.8", "0.08")),
            ("gpt-realtime-mini", ("0.6", "0.06", "2.4"), ("10", "0.3", "20"), ("0.8", "0.08")),
        ],
    )
    def test_every_kind_of_token_has_its_price(self, model, text, audio, image):
        rates = REALTIME.rates(model)

        def of(kind: str) -> list[Decimal | None]:
            names = (f"{kind}_input", f"cached_{kind}_input", f"{kind}_output")
            return [per_million(rates, name) for name in names]

        assert of("text") == [Decimal(price) for price in text]
        assert of("audio") == [Decimal(price) for price in audio]
        assert [per_million(rates, f"{c}image_input") for c in ("", "cached_")] == [Decimal(p) for p in image]

    def test_s001_33_rows_of_models_can_be_read_both_ways(self):
        row = DEFAULT_PRICING["openai_realtime"].models["gpt-realtime-2"]
        assert DEFAULT_PRICING["openai_realtime"]["models"]["gpt-realtime-2"] is row
        assert row["audio_input_per_token"] == row.audio_input_per_token == Decimal("0.000032")
        assert REALTIME["unit"] == "token"
        assert REALTIME["audio_input_per_token"] == Decimal("0.00001")

    def test_every_row_has_a_date_and_a_source_and_every_price_is_exact(self):
        for provider in DEFAULT_PRICING.values():
            for rates in [*provider.models.values(), *([provider.default] if provider.default else [])]:
                assert rates.as_of
                assert rates.source
                assert all(isinstance(rates[name], Decimal) for name in AMOUNTS if name in rates)

    def test_c4_the_seeds_price_is_the_default_and_a_newer_one_stands_beside_it(self):
        model = "gpt-4o-realtime-preview"
        later = DEFAULT_PRICING.on(date(2026, 1, 1))["openai_realtime"].rates(model)
        before = DEFAULT_PRICING.on(date(2024, 11, 1))["openai_realtime"].rates(model)
        assert per_million(later, "audio_input") == 40
        assert per_million(before, "audio_input") == per_million(REALTIME.rates(model), "audio_input") == 100
        assert per_million(later, "cached_audio_input") == Decimal("2.5")

    def test_s001_34_the_older_key_still_works_and_says_what_to_use(self):
        with pytest.warns(DeprecationWarning, match="gpt-realtime-2"):
            old = DEFAULT_PRICING["openai_realtime_2"]
        pricing = merge_pricing({"openai_realtime": old})
        rates = pricing["openai_realtime"].rates("gpt-realtime-mini")
        assert per_million(rates, "audio_input") == 32
        assert "openai_realtime_2" in DEFAULT_PRICING
        assert "openai_realtime_2" not in list(DEFAULT_PRICING)

    def test_carriers_have_a_price_for_each_direction(self):
        prices = {name: DEFAULT_PRICING[name]["price"] for name in DEFAULT_PRICING if "_per" not in name and
                  name.startswith(("twilio", "telnyx", "plivo"))}  # fmt: skip
        assert {name: str(price) for name, price in prices.items()} == {
            "twilio": "0.0085",
            "twilio_outbound": "0.0140",
            "telnyx": "0.007",
            "telnyx_inbound": "0.0035",
            "telnyx_outbound": "0.007",
            "plivo": "0.0055",
            "plivo_inbound": "0.0055",
            "plivo_outbound": "0.0115",
        }


class TestFindingAModel:
    @pytest.mark.parametrize(
        ("model", "row"),
        [
            ("gpt-realtime-mini-2025-12-15", "gpt-realtime-mini"),
            ("gpt-realtime-2025-08-28", "gpt-realtime"),
            ("gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview"),
        ],
    )
    def test_a_dated_version_costs_what_its_model_costs(self, model, row):
        assert REALTIME.rates(model) is REALTIME.models[row]

    @pytest.mark.parametrize("model", ["gpt-realtime-3", "gpt-realtime-mini-pro", "my-deployment", ""])
    def test_a_model_that_is_not_listed_has_no_price(self, model):
        assert REALTIME.rates(model) is None

    def test_without_a_model_the_providers_own_row_counts(self):
        assert per_million(REALTIME.rates(None), "audio_input") == 10

    def test_the_longest_beginning_counts(self):
        deepgram = DEFAULT_PRICING["deepgram"]
        assert deepgram.rates("whisper-large") is deepgram.models["whisper-*"]

    def test_a_models_provider_is_found(self):
        assert DEFAULT_PRICING.whose("gpt-realtime-2", PricingUnit.TOKEN) == "openai_realtime"
        assert DEFAULT_PRICING.whose("gpt-4.1-mini", PricingUnit.TOKEN) == "llm"
        assert DEFAULT_PRICING.whose("whisper-1", PricingUnit.MINUTE) == "whisper"
        assert DEFAULT_PRICING.whose("whisper-1", PricingUnit.TOKEN) is None


class TestOverrides:
    def test_s001_35_only_what_is_named_changes(self):
        pricing = merge_pricing(
            {"openai_realtime": {"models": {"gpt-realtime": {"audio_input_per_token": 2e-5}}}}
        )
        rates = pricing["openai_realtime"].rates("gpt-realtime")
        assert per_million(rates, "audio_input") == 20
        assert per_million(rates, "audio_output") == 64
        assert pricing["openai_realtime"].rates("gpt-realtime-2") == REALTIME.rates("gpt-realtime-2")
        assert per_million(REALTIME.rates("gpt-realtime"), "audio_input") == 32

    def test_a_providers_price_holds_for_all_its_models_but_those_named(self):
        pricing = merge_pricing(
            {"whisper": {"price": 0.004, "models": {"gpt-realtime-whisper": {"price": "0.01"}}}}
        )
        whisper = pricing["whisper"]
        assert [str(whisper.rates(name).price) for name in ("whisper-1", "brand-new", None)] == ["0.004"] * 3
        assert str(whisper.rates("gpt-realtime-whisper").price) == "0.01"

    def test_a_carriers_price_holds_in_both_directions(self):
        pricing = merge_pricing({"plivo": {"price": "0.003"}, "telnyx_outbound": {"price": "0.002"}})
        assert [str(pricing[name]["price"]) for name in ("plivo", "plivo_inbound", "plivo_outbound")] == [
            "0.003"
        ] * 3
        assert pricing["plivo_outbound"].rounds_up
        assert str(pricing["telnyx_outbound"]["price"]) == "0.002"
        assert str(pricing["telnyx_inbound"]["price"]) == "0.0035"

    def test_a_float_means_what_it_shows(self):
        assert merge_pricing({"twilio": {"price": 0.1}})["twilio"]["price"] == Decimal("0.1")

    def test_a_users_price_holds_on_every_day(self):
        model = "gpt-4o-realtime-preview"
        override = {"openai_realtime": {"models": {model: {"audio_input_per_token": "0.00001"}}}}
        pricing = merge_pricing(override).on(date(2026, 1, 1))
        assert per_million(pricing["openai_realtime"].rates(model), "audio_input") == 10

    def test_a_deployment_of_ones_own_can_be_listed(self):
        pricing = merge_pricing(
            {"openai_realtime": {"models": {"my-deployment": REALTIME.models["gpt-realtime-2"]}}}
        )
        assert per_million(pricing["openai_realtime"].rates("my-deployment"), "text_output") == 24

    def test_a_new_provider_can_be_listed(self):
        pricing = merge_pricing({"acme": {"unit": "minute", "price": 1, "rounds_up": True}})
        assert pricing["acme"].rates("anything").price == 1
        assert pricing["acme"].rounds_up
        assert len(pricing) == len(DEFAULT_PRICING) + 1

    def test_an_older_key_changes_the_model_it_means(self):
        pricing = merge_pricing({"openai_realtime_2": {"audio_input_per_token": "0.00005"}})
        assert per_million(pricing["openai_realtime"].rates("gpt-realtime-2"), "audio_input") == 50
        assert per_million(pricing["openai_realtime"].rates("gpt-realtime"), "audio_input") == 32

    @pytest.mark.parametrize(
        ("overrides", "field"),
        [
            ({"twilio": {"price": -1}}, "pricing.twilio.price"),
            ({"twilio": {"price": "cheap"}}, "pricing.twilio.price"),
            ({"twilio": {"price": float("nan")}}, "pricing.twilio.price"),
            ({"twilio": {"price": True}}, "pricing.twilio.price"),
            ({"twilio": {"prize": 1}}, "pricing.twilio.prize"),
            ({"twilio": 0.1}, "pricing.twilio"),
            ({"acme": {"price": 1}}, "pricing.acme"),
            ({"acme": {"unit": "mile", "price": 1}}, "pricing.acme.unit"),
            ({"whisper": {"models": {"x": 1}}}, "pricing.whisper.models.x"),
            ({"whisper": {"models": 1}}, "pricing.whisper.models"),
        ],
    )
    def test_what_is_no_price_is_refused_by_name(self, overrides, field):
        with pytest.raises(SettingsError) as caught:
            merge_pricing(overrides)
        assert caught.value.field == field
