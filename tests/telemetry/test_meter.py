"""The account of a call: exact sums by part, what has no price, and the cap."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    STTUsage,
    STTUsageMetricsData,
    TTFBMetricsData,
    TTSUsageMetricsData,
)

from voicepipe.errors import SettingsError
from voicepipe.realtime.events import ResponseFinished, ResponseStarted, TranscriptionUsage, Usage
from voicepipe.realtime.usage import token_usage, transcription_metrics
from voicepipe.telemetry import Billing, CallMeter, TokenKind, merge_pricing

USAGE = Usage(132, 121, 253, 119, 13, 0, 64, 64, 0, 30, 91)


def tokens(model: str | None, usage: Usage = USAGE) -> LLMUsageMetricsData:
    return LLMUsageMetricsData(processor="llm", model=model, value=token_usage(usage))


def words(model: str | None, seconds: float) -> STTUsageMetricsData:
    return STTUsageMetricsData(processor="llm", model=model, value=STTUsage(audio_seconds=seconds))


@pytest.fixture
def warnings():
    told: list[str] = []
    number = logger.add(lambda message: told.append(str(message)), level="WARNING", format="{message}")
    yield told
    logger.remove(number)


class TestSums:
    def test_a_telephone_call_by_part(self):
        meter = CallMeter(billing=Billing(carrier="twilio"))
        meter.started(100.0)
        meter.take_metrics([tokens("gpt-realtime-mini"), words("whisper-1", 30.0)], 110.0)
        meter.take_metrics([TTFBMetricsData(processor="llm", value=0.3), tokens("gpt-realtime-mini")], 120.0)
        meter.ended(161.0)
        account = meter.account(500.0)
        assert account.call_secs == 61.0
        assert account.carrier_minutes == 2
        assert account.used.total_tokens == 506
        assert account.used.responses == 2
        cost = account.cost
        assert cost.parts == {
            "llm": Decimal("0.00411768"),
            "stt": Decimal("0.003"),
            "tts": 0,
            "telephony": Decimal("0.0170"),
        }
        assert cost.total == cost.known == Decimal("0.02411768")
        assert cost.llm_by_kind[TokenKind.AUDIO_OUTPUT] == Decimal("0.00364")
        assert sum(cost.llm_by_kind.values()) == cost.llm
        assert cost.llm_cached_savings == Decimal("0.00006912")
        assert account.cost_per_minute == Decimal("0.02411768") * 60 / 61

    def test_the_account_can_be_read_while_the_call_runs(self):
        meter = CallMeter(billing=Billing(carrier="telnyx", direction="outbound"))
        assert meter.account(0.0).cost.total == 0
        assert meter.account(0.0).cost_per_minute is None
        meter.started(0.0)
        assert [meter.account(at).cost.telephony for at in (0.0, 30.0, 60.0)] == [
            0,
            Decimal("0.0035"),
            Decimal("0.007"),
        ]

    def test_a_carrier_that_counts_started_minutes(self):
        meter = CallMeter(billing=Billing(carrier="plivo", direction="outbound"))
        meter.started(0.0)
        minutes = [meter.account(at).carrier_minutes for at in (0.0, 0.1, 60.0, 60.0000001, 61.0)]
        assert minutes == [0, 1, 1, 1, 2]

    def test_elevenlabs_is_paid_by_the_minute_of_the_call(self):
        meter = CallMeter(billing=Billing(engine="elevenlabs_convai"))
        meter.started(0.0)
        assert meter.account(90.0).cost.total == Decimal("0.15")

    def test_images_have_their_own_price(self):
        meter = CallMeter()
        usage = Usage(
            1000, 0, 1000, input_image_tokens=1000, cached_tokens=400, cached_image_tokens=400
        )  # fmt: skip
        meter.take_metrics([tokens("gpt-realtime", usage)], 0.0)
        # 600 at 5 dollars a million, 400 at half a dollar.
        assert meter.account(0.0).cost.total == Decimal("0.0032")

    def test_a_transcription_that_counts_tokens_is_paid_by_its_length(self):
        told = TranscriptionUsage("item", input_tokens=600, output_tokens=20, model="gpt-4o-mini-transcribe")
        meter = CallMeter()
        meter.take_metrics([transcription_metrics("llm", told)], 0.0)
        account = meter.account(0.0)
        assert account.used.transcribed_secs == {"gpt-4o-mini-transcribe": 60.0}
        assert account.used.total_tokens == 0
        assert account.cost.stt == account.cost.total == Decimal("0.003")

    def test_a_pipeline_of_three_services(self):
        meter = CallMeter(billing=Billing(stt="deepgram", tts="elevenlabs"))
        text = LLMTokenUsage(prompt_tokens=1000, completion_tokens=100, total_tokens=1100)
        meter.take_metrics(
            [
                words("nova-3", 60.0),
                LLMUsageMetricsData(processor="llm", model="gpt-4o-mini", value=text),
                TTSUsageMetricsData(processor="tts", model="eleven_v3", value=500),
            ],
            0.0,
        )
        assert meter.account(0.0).cost.parts == {
            "llm": Decimal("0.00021"),
            "stt": Decimal("0.0048"),
            "tts": Decimal("0.05"),
            "telephony": 0,
        }

    def test_happenings_say_the_same_as_metrics(self):
        by_happening = CallMeter(billing=Billing(model="gpt-realtime-mini"))
        for happening in (
            ResponseStarted("resp_1"),
            ResponseFinished("resp_1", "completed", usage=USAGE),
            TranscriptionUsage("item", seconds=30.0, model="whisper-1"),
        ):
            by_happening.take_happening(happening, 0.0)
        by_metrics = CallMeter()
        by_metrics.take_metrics([tokens("gpt-realtime-mini"), words("whisper-1", 30.0)], 0.0)
        assert by_happening.account(0.0) == by_metrics.account(0.0)

    @given(st.lists(st.sampled_from(["gpt-realtime", "gpt-realtime-mini", "gpt-4o"]), max_size=8))
    def test_several_models_in_a_call_add_up(self, models):
        together = CallMeter()
        alone = []
        for model in models:
            one = CallMeter()
            for meter in (one, together):
                meter.take_metrics([tokens(model)], 0.0)
            alone.append(one.account(0.0).cost)
        cost = together.account(0.0).cost
        if "gpt-4o" in models:
            assert cost.total is None  # it has no price for sound
        else:
            assert cost.total == sum((one.total for one in alone), Decimal(0))


class TestWithoutAPrice:
    def test_an_unknown_model_costs_none_with_one_warning(self, warnings):
        meter = CallMeter()
        only_audio = Usage(0, 91, 91, output_audio_tokens=91)
        for _ in range(3):
            meter.take_metrics([tokens("gpt-realtime-9", only_audio)], 0.0)
            cost = meter.account(0.0).cost
            assert cost.llm is None
            assert cost.total is None
        [told] = warnings
        assert "gpt-realtime-9" in told
        assert "merge_pricing" in told

    def test_what_is_known_counts_all_the_same(self, warnings):
        meter = CallMeter(billing=Billing(carrier="twilio"))
        meter.started(0.0)
        meter.take_metrics([words("unheard-of", 60.0), tokens("gpt-realtime-mini")], 1.0)
        cost = meter.account(1.0).cost
        assert cost.stt is None
        assert cost.total is None
        assert cost.known == Decimal("0.0085") + Decimal("0.00205884")

    def test_a_kind_without_a_price_makes_the_total_unknown(self, warnings):
        meter = CallMeter()
        with_image = Usage(10, 0, 10, input_image_tokens=10)
        meter.take_metrics([tokens("gpt-4o-mini-realtime-preview", with_image)], 0.0)
        assert meter.account(0.0).cost.total is None
        assert "gpt-4o-mini-realtime-preview" in warnings[0]

    def test_a_users_price_makes_it_known(self, warnings):
        pricing = merge_pricing({"whisper": {"models": {"unheard-of": {"price": 1}}}})
        meter = CallMeter(pricing)
        meter.take_metrics([words("unheard-of", 90.0)], 0.0)
        assert meter.account(0.0).cost.total == Decimal("1.5")
        assert not warnings

    def test_a_provider_that_is_not_listed_is_refused(self):
        with pytest.raises(SettingsError, match=r"billing\.carrier.*acme"):
            CallMeter(billing=Billing(carrier="acme"))

    @pytest.mark.parametrize(
        ("part", "provider"), [("stt", "elevenlabs"), ("tts", "deepgram"), ("carrier", "llm")]
    )
    def test_a_provider_that_counts_something_else_is_refused(self, part, provider):
        with pytest.raises(SettingsError, match=rf"billing\.{part}.*'{provider}' is priced by"):
            CallMeter(billing=Billing(**{part: provider}))

    @pytest.mark.parametrize(
        "model", ["nova-3-general", "nova-2-general", "flux-general-en", "flux-general-multi"]
    )
    def test_a_model_costs_the_same_under_its_long_name(self, model, warnings):
        meter = CallMeter()
        meter.take_metrics([words(model, 60.0)], 0.0)
        assert meter.account(0.0).cost.stt
        assert not warnings


class TestCap:
    def test_it_calls_back_once(self):
        told = []
        meter = CallMeter(cap="0.005", on_cap=told.append)
        costs = []
        for _ in range(5):
            meter.take_metrics([tokens("gpt-realtime-mini")], 0.0)
            costs.append(len(told))
        # 0.00206 each: the third reaches it.
        assert costs == [0, 0, 1, 1, 1]
        assert told[0].cost.total == Decimal("0.00617652")

    def test_minutes_reach_it_too(self):
        told = []
        meter = CallMeter(billing=Billing(engine="elevenlabs_convai"), cap=0.2, on_cap=told.append)
        meter.started(0.0)
        for at in (60.0, 119.0, 120.0, 121.0):
            meter.check(at)
        assert [account.call_secs for account in told] == [120.0]

    def test_an_unknown_part_does_not_switch_it_off(self, warnings):
        told = []
        meter = CallMeter(cap=0.01, on_cap=told.append)
        meter.take_metrics([words("unheard-of", 60.0), words("whisper-1", 120.0)], 0.0)
        assert len(told) == 1

    @pytest.mark.parametrize("cap", [0, -1, "NaN"])
    def test_a_cap_that_caps_nothing_is_refused(self, cap):
        with pytest.raises(SettingsError, match="cap"):
            CallMeter(cap=cap)
