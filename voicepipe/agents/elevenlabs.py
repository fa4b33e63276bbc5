"""An agent of ElevenLabs' Conversational AI as agents name it: `elevenlabs.RealtimeModel`, to be passed as `llm`.

What is set at ElevenLabs stays there: the tools' schemas, turn detection, and whatever is not overridden. What the wire has
no message for is refused by name (`RealtimeModel.capabilities`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from voicepipe.agents.model import ELEVENLABS, Modality, RealtimeModelBase, tells_words
from voicepipe.errors import SettingsError
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.services.elevenlabs.convai import DEFAULT_URL, ElevenLabsConvAIService, Overrides
from voicepipe.services.elevenlabs.convai.events import Scalar

__all__ = ["RealtimeModel"]


class RealtimeModel(RealtimeModelBase):
    """An agent of ElevenLabs' behind an agent of voicepipe's.

        llm = elevenlabs.RealtimeModel(agent_id="agent_...", first_message="Hello! How can I help?")

    The instructions of the voicepipe agent, if it has any, override the prompt of the one at ElevenLabs; those of an agent
    that takes over later are told to it as an addition, or begin a new conversation with `restart_on_update`. Tools are run
    here by their names; what they are for is said at ElevenLabs.

    Args:
        agent_id: The agent; by default the environment's ELEVENLABS_AGENT_ID.
        voice: The id of another voice than the agent's.
        language: ISO code, in place of the agent's.
        first_message: What it says first, in place of its own; "" lets it wait for the user, None is its own.
        modalities: `["audio", "text"]` is sound with its transcript. `["audio"]` is sound alone: the agent's words are told
            to nobody.
        dynamic_variables: Values for the `{{name}}`s in the agent's texts.
        overrides: What else is overridden. Every override must be allowed in the agent's security settings.
        restart_on_update: Whether instructions that change begin a new conversation, which goes on where the old one stops.
        api_key: By default the environment's ELEVENLABS_API_KEY.
        base_url: By default the environment's ELEVENLABS_BASE_URL, else ElevenLabs.
        interruptions: Only `Interruptions(allowed=False)` can be had with this API.
        **service: What `ElevenLabsConvAIService` takes besides.

    Raises:
        SettingsError: `modalities` cannot be used.
    """

    capabilities = ELEVENLABS

    def __init__(
        self,
        *,
        agent_id: str = "",
        voice: str = "",
        language: str = "",
        first_message: str | None = None,
        modalities: Sequence[Modality] = ("audio", "text"),
        dynamic_variables: Mapping[str, Scalar] | None = None,
        overrides: Overrides | None = None,
        restart_on_update: bool = False,
        api_key: str = "",
        base_url: str | None = None,
        interruptions: Interruptions | None = None,
        **service: Any,
    ) -> None:
        self.transcript = tells_words(modalities)
        if "audio" not in modalities:
            raise SettingsError(
                "modalities", "without audio this API hears nothing either; the agent answers in sound"
            )
        self.agent_id = agent_id
        self.base_url = base_url or os.environ.get("ELEVENLABS_BASE_URL") or DEFAULT_URL
        self._service: dict[str, Any] = {
            "api_key": api_key,
            "voice": voice,
            "language": language,
            "first_message": first_message,
            "dynamic_variables": dynamic_variables,
            "overrides": overrides,
            "restart_on_update": restart_on_update,
            "interruptions": interruptions,
            **service,
        }

    def service(self) -> ElevenLabsConvAIService:
        """Return a new service with these settings.

        Raises:
            SettingsError: There is no key or no agent, or a setting cannot be used; the error names it.
        """
        return ElevenLabsConvAIService(agent_id=self.agent_id, base_url=self.base_url, **self._service)

    def __repr__(self) -> str:
        return f"RealtimeModel(agent_id={self.agent_id!r}, base_url={self.base_url!r})"
