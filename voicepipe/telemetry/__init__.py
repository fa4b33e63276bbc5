"""What a call used, cost and was: prices, the account of a call, its observer, latencies. Records are in `.records`."""

from voicepipe.telemetry.calls import CallEvent, CallInfo, CallSink, Fault, ToolRun, Turn
from voicepipe.telemetry.cost import Cost
from voicepipe.telemetry.latency import Histogram, Latencies
from voicepipe.telemetry.meter import Account, Billing, CallMeter
from voicepipe.telemetry.observer import CallNotes, CallObserver
from voicepipe.telemetry.pricing import DEFAULT_PRICING, Pricing, PricingUnit, merge_pricing
from voicepipe.telemetry.tokens import TokenKind
from voicepipe.telemetry.usage import Used

__all__ = [
    "DEFAULT_PRICING",
    "Account",
    "Billing",
    "CallEvent",
    "CallInfo",
    "CallMeter",
    "CallNotes",
    "CallObserver",
    "CallSink",
    "Cost",
    "Fault",
    "Histogram",
    "Latencies",
    "Pricing",
    "PricingUnit",
    "TokenKind",
    "ToolRun",
    "Turn",
    "Used",
    "merge_pricing",
]
