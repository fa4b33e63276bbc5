"""A service's settings in Pipecat's way: what its metrics and its `LLMUpdateSettingsFrame`s hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pipecat.services.settings import LLMSettings
from pipecat.utils.types import NOT_GIVEN, NotGiven

from voicepipe.services.openai_realtime_beta.events import SessionProperties


@dataclass
class OpenAIRealtimeBetaLLMSettings(LLMSettings):
    """Settings of an `OpenAIRealtimeBetaLLMService` in Pipecat's way: a store, or a delta for `LLMUpdateSettingsFrame`.

    Attributes:
        session_properties: What the API is told. In a delta only what was given is changed, at any depth.
    """

    session_properties: SessionProperties | NotGiven = field(default_factory=lambda: NOT_GIVEN)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """Return a delta from a plain mapping, whose names are those of `SessionProperties`; all are checked later."""
        delta = cls()
        delta.extra = dict(settings)
        return delta


def stored(model: str, properties: SessionProperties) -> OpenAIRealtimeBetaLLMSettings:
    """Return the store of a service that begins with these settings."""
    return OpenAIRealtimeBetaLLMSettings(
        model=model,
        system_instruction=properties.instructions,
        temperature=properties.temperature,
        max_tokens=None,
        top_p=None,
        top_k=None,
        frequency_penalty=None,
        presence_penalty=None,
        seed=None,
        filter_incomplete_user_turns=False,
        user_turn_completion_config=None,
        session_properties=properties,
    )
