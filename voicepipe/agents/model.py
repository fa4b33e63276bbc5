"""What a realtime model is to a session, whoever serves it: the settings of a service that each session makes anew.

The models themselves are in `realtime` (OpenAI), `realtime_beta` (its older wire) and `elevenlabs`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from voicepipe.errors import SettingsError
from voicepipe.realtime.link import Reconnect
from voicepipe.realtime.service import RealtimeService
from voicepipe.services.elevenlabs.convai.conversation import ElevenLabsConversation
from voicepipe.services.openai.realtime.access import ApiKey

Modality: TypeAlias = Literal["text", "audio"]
_HALVES: Final = ("audio", "text")
_NO_KEY: Final = "is empty; pass one or set OPENAI_API_KEY (any text will do for the local server)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an application can ask of a model while a conversation runs.

    Parameters:
        mutable_tools: Whether the session says which functions there are; if not, they are set where the agent is.
        supports_say: Whether it can be asked to say certain words.
        manual_responses: Whether it can be asked to speak when the user has said nothing, or with instructions for one
            answer alone.
        manual_turns: Whether the application can end the user's turns.
    """

    mutable_tools: bool = True
    supports_say: bool = True
    manual_responses: bool = True
    manual_turns: bool = True


OPENAI: Final = Capabilities()
ELEVENLABS: Final = Capabilities(
    mutable_tools=False, supports_say=False, manual_responses=False, manual_turns=False
)


def capabilities_of(service: RealtimeService) -> Capabilities:
    """Return what can be asked of the API that a service talks with."""
    return ELEVENLABS if isinstance(service, ElevenLabsConversation) else OPENAI


class RealtimeModelBase(ABC):
    """A realtime model, to be passed as `llm`."""

    transcript: bool = True
    """Whether the model's words are told."""
    capabilities: Capabilities = OPENAI
    """What can be asked of its API."""

    @abstractmethod
    def service(self) -> RealtimeService:
        """Return a new service with these settings.

        Raises:
            SettingsError: There is no key, or a setting cannot be used; the error names it.
        """


def openai_key(api_key: ApiKey | None) -> ApiKey:
    """Return the key, or the environment's.

    Raises:
        SettingsError: There is none.
    """
    found = api_key or os.environ.get("OPENAI_API_KEY")
    if not found:
        raise SettingsError("api_key", _NO_KEY)
    return found


def tells_words(modalities: Sequence[Modality]) -> bool:
    """Return whether the model's words are to be told.

    Raises:
        SettingsError: These are no modalities.
    """
    if not modalities or any(modality not in _HALVES for modality in modalities):
        raise SettingsError("modalities", f"is audio, text or both, not {list(modalities)}")
    return "text" in modalities


def renewed_after(secs: float | None) -> Reconnect | None:
    """Return how a connection is kept that is renewed after so many seconds; None as the service has it."""
    return None if secs is None else Reconnect(renew_after_secs=secs)
