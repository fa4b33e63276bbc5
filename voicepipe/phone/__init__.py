"""A telephone number in five lines: a carrier, an engine, and what it is told.

phone = Phone(carrier=Twilio(), phone_number="+15550001234")
agent = phone.agent(engine=OpenAIRealtime(voice="coral"), system_prompt="...", first_message="Hello!")
await phone.serve(agent)
"""

from voicepipe.phone import engines, providers
from voicepipe.phone.agent import Agent
from voicepipe.phone.call import Call
from voicepipe.phone.carriers import Carrier, Plivo, Telnyx, Twilio
from voicepipe.phone.engines import ElevenLabsConvAI, Engine, OpenAIRealtime, OpenAIRealtime2
from voicepipe.phone.guardrails import Guardrail, guardrail
from voicepipe.phone.hooks import CallHooks, PhoneObserver
from voicepipe.phone.limits import PhoneLimits
from voicepipe.phone.phone import Phone
from voicepipe.phone.results import CallResult, MachineDetection, ToolUse, Turn
from voicepipe.phone.switchboard import Caller
from voicepipe.phone.tools import Tool, end_call, tool, transfer_call
from voicepipe.telemetry.recording.masking import Masking

__all__ = [
    "Agent",
    "Call",
    "CallHooks",
    "CallResult",
    "Caller",
    "Carrier",
    "ElevenLabsConvAI",
    "Engine",
    "Guardrail",
    "MachineDetection",
    "Masking",
    "OpenAIRealtime",
    "OpenAIRealtime2",
    "Phone",
    "PhoneLimits",
    "PhoneObserver",
    "Plivo",
    "Telnyx",
    "Tool",
    "ToolUse",
    "Turn",
    "Twilio",
    "end_call",
    "engines",
    "guardrail",
    "providers",
    "tool",
    "transfer_call",
]
