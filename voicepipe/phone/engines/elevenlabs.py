"""ElevenLabs Conversational AI as an engine (seed S000). `ConvAI` and `ElevenLabsConvAI` are the same class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voicepipe.audio.resampler import AudioResampler
from voicepipe.phone.credentials import from_environment
from voicepipe.phone.engines.engine import Bot, Brief


@dataclass(frozen=True)
class ElevenLabsConvAI:
    """A managed agent at ElevenLabs.

    The agent's system prompt and first message are passed on as overrides if they are given, which the agent's settings at
    ElevenLabs have to allow.

    Parameters:
        api_key: `ELEVENLABS_API_KEY` if empty.
        agent_id: `ELEVENLABS_AGENT_ID` if empty.
        voice: The id of a voice, in place of the agent's own; empty sends no override.
        base_url: Where the API is; `ELEVENLABS_CONVAI_URL`, or ElevenLabs' own, if empty.
        options: Further arguments of `ElevenLabsConvAIService`.

    Raises:
        SettingsError: The key or the agent is missing.
    """

    api_key: str = field(default="", repr=False)
    agent_id: str = ""
    voice: str = ""
    base_url: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)

    kind: str = field(default="elevenlabs_convai", init=False, repr=False)
    model: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", from_environment("api_key", self.api_key, "ELEVENLABS_API_KEY"))
        agent_id = from_environment("agent_id", self.agent_id, "ELEVENLABS_AGENT_ID")
        object.__setattr__(self, "agent_id", agent_id)

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call."""
        # Loaded when it is used: who has calls over OpenAI alone does not wait for it.
        from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService

        wishes: dict[str, Any] = {"api_key": self.api_key, "agent_id": self.agent_id, **self.options}
        given = {
            "voice": self.voice,
            "base_url": self.base_url or os.environ.get("ELEVENLABS_CONVAI_URL", ""),
            "system_prompt": brief.system_prompt,
            "first_message": brief.first_message,
        }
        # What is not given stays the agent's own: an override that its settings do not allow is an error.
        wishes.update({name: value for name, value in given.items() if value})
        llm = ElevenLabsConvAIService(**wishes)
        for tool in brief.tools:
            llm.register_function(tool.name, tool.handler)
        return Bot(ears=[AudioResampler()], mouth=[llm], says_on_request=False)


ConvAI = ElevenLabsConvAI
