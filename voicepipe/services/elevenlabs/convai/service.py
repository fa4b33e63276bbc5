"""`ElevenLabsConvAIService`: the constructor people call (seed rows S000-45 to S000-50)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast

from pipecat.services.settings import LLMSettings
from pipecat.utils.types import NOT_GIVEN, NotGiven

from voicepipe.errors import SettingsError
from voicepipe.realtime.connection import Endpoint, Limits
from voicepipe.realtime.settings import deep_merge, merged, plain
from voicepipe.services.elevenlabs.convai.access import DEFAULT_URL, Access
from voicepipe.services.elevenlabs.convai.conversation import ElevenLabsConversation
from voicepipe.services.elevenlabs.convai.events import ConversationSettings, Overrides, Scalar

_KEY = "ELEVENLABS_API_KEY"
_AGENT = "ELEVENLABS_AGENT_ID"
_NOT_OURS = frozenset(
    {
        "temperature",
        "max_tokens",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "filter_incomplete_user_turns",
        "user_turn_completion_config",
    }
)
"""Pipecat's settings of a model, which here is the agent's own."""


@dataclass
class ElevenLabsConvAISettings(LLMSettings):
    """Settings of an `ElevenLabsConvAIService` in Pipecat's way: a store, or a delta for `LLMUpdateSettingsFrame`.

    Attributes:
        conversation: What the conversation is begun with. In a delta only what was given is changed, at any depth.
    """

    conversation: ConversationSettings | NotGiven = field(default_factory=lambda: NOT_GIVEN)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Self:
        """Return a delta from a plain mapping, whose names are those of `ConversationSettings` and their short forms."""
        delta = cls()
        delta.extra = dict(settings)
        return delta


class ElevenLabsConvAIService(ElevenLabsConversation):
    """An agent of ElevenLabs' Conversational AI as one processor: speech in, speech out, function calls.

        llm = ElevenLabsConvAIService(agent_id="agent_...")  # the key is in ELEVENLABS_API_KEY
        llm.register_function("get_weather", get_weather)
        Pipeline([transport.input(), llm, transport.output()])

    Instructions, voice, tools and sound formats are the agent's, set at ElevenLabs. Nothing of that is overridden unless
    it is given here, and each override must be allowed in the agent's security settings.

    Args:
        api_key: The key, never logged; "" takes it from `ELEVENLABS_API_KEY`. None is for an agent that needs none.
        agent_id: The agent; "" takes it from `ELEVENLABS_AGENT_ID`.
        voice: The id of another voice than the agent's; "" is the agent's own.
        system_prompt: Instructions in place of the agent's; "" are the agent's own.
        first_message: What the agent says first, in place of its own; "" lets it wait for the user, None is its own.
        language: ISO code, in place of the agent's; "" is the agent's own.
        text_only: Whether the conversation goes without sound, both ways; False is as the agent has it.
        overrides: All that can be overridden (`Overrides`), the ones above included.
        dynamic_variables: Values for the `{{name}}`s in the agent's texts.
        custom_llm_extra_body: For a model of one's own behind the agent.
        user_id: Who talks, in your own words.
        base_url: The API's host: `https://...`, or `us`, `eu`, `in`, `sg` for the hosts of data residency.
        environment: Which of the agent's environments; None is its default.
        use_signed_url: Whether the key is used to ask for a signed URL; otherwise it goes with the handshake.
        restart_on_update: Whether `LLMUpdateSettingsFrame` may begin a new conversation, which goes on where the old one
            stops, for what the API cannot change in one. Otherwise only further instructions can be given.
        resume_answers: Whether an answer that a lost connection broke off is taken up again.
        end_pipeline: Whether the pipeline ends when the agent ends the conversation.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        proxy: None is no proxy, True that of the environment, a text the URL of one.
        limits: Time-outs and bounds of the connection.
        **kwargs: What every `RealtimeService` and every `LLMService` takes.

    Raises:
        SettingsError: An argument cannot be used, and the error names it.
    """

    Settings = ElevenLabsConvAISettings

    def __init__(
        self,
        *,
        api_key: str | None = "",
        agent_id: str = "",
        voice: str = "",
        system_prompt: str = "",
        first_message: str | None = None,
        language: str = "",
        text_only: bool = False,
        overrides: Overrides | None = None,
        dynamic_variables: Mapping[str, Scalar] | None = None,
        custom_llm_extra_body: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        base_url: str = DEFAULT_URL,
        environment: str | None = None,
        use_signed_url: bool = True,
        restart_on_update: bool = False,
        resume_answers: bool = True,
        end_pipeline: bool = True,
        start_audio_paused: bool = False,
        proxy: str | bool | None = True,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        key = None if api_key is None else _given("api_key", api_key, _KEY)
        agent = _given("agent_id", agent_id, _AGENT)
        self._access = Access(
            api_key=key,
            agent_id=agent,
            base_url=base_url,
            environment=environment,
            signed=use_signed_url,
            proxy=proxy,
            within_secs=(limits or Limits()).connect_secs,
        )
        shorthand = {
            ("tts", "voice_id"): voice or None,
            ("agent", "prompt", "prompt"): system_prompt or None,
            ("agent", "first_message"): first_message,
            ("agent", "language"): language or None,
            ("conversation", "text_only"): text_only or None,
        }
        fields = {
            "overrides": _overrides(overrides, shorthand),
            "dynamic_variables": dict(dynamic_variables or {}),
            "custom_llm_extra_body": dict(custom_llm_extra_body) if custom_llm_extra_body else None,
            "user_id": user_id,
        }
        conversation = merged(ConversationSettings(), fields)
        super().__init__(
            conversation=conversation,
            settings=_store(agent, conversation),
            restart_on_update=restart_on_update,
            resume_answers=resume_answers,
            end_pipeline=end_pipeline,
            start_audio_paused=start_audio_paused,
            limits=limits,
            **kwargs,
        )

    @property
    def conversation_settings(self) -> ConversationSettings:
        """The settings in force, those that wait for a new conversation included."""
        return self.session.settings

    async def endpoint(self) -> Endpoint:
        """Return where to connect, with a signed URL that is fresh.

        Raises:
            ConnectionRefused: The API gave no signed URL.
        """
        return await self._access.endpoint()

    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return a delta as changes of `ConversationSettings`.

        Raises:
            SettingsError: The delta cannot be read, or names a setting of the agent's model.
        """
        given = delta.given_fields()
        conversation: Any = given.pop("conversation", None)
        not_ours = next((name for name in given if name in _NOT_OURS), None)
        if not_ours is not None:
            raise SettingsError(not_ours, "is a setting of the agent's model, which is set at ElevenLabs")
        if conversation is None or isinstance(conversation, ConversationSettings | Mapping):
            return deep_merge(cast("Mapping[str, Any]", plain(conversation or {})), given)
        raise SettingsError("conversation", "is a ConversationSettings or a dict in its shape")


def _given(name: str, value: str, variable: str) -> str:
    found = value.strip() or os.environ.get(variable, "").strip()
    if not found:
        raise SettingsError(name, f"is empty; pass it, or set {variable}")
    return found


def _overrides(overrides: Overrides | None, shorthand: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return all overrides in the wire's shape.

    Raises:
        SettingsError: One is given twice, and not the same.
    """
    whole: dict[str, Any] = plain(overrides) if overrides else {}
    for path, value in shorthand.items():
        if value is None:
            continue
        before: Any = whole
        for name in path:
            before = cast("Mapping[str, Any]", before).get(name) if isinstance(before, Mapping) else None
        if before is not None and before != value:
            raise SettingsError(f"overrides.{'.'.join(path)}", f"is given twice: {before!r} and {value!r}")
        nested: Any = value
        for name in reversed(path):
            nested = {name: nested}
        whole = deep_merge(whole, nested)
    return whole


def _store(agent_id: str, conversation: ConversationSettings) -> ElevenLabsConvAISettings:
    prompt = conversation.overrides.agent and conversation.overrides.agent.prompt
    return ElevenLabsConvAISettings(
        model=agent_id,
        system_instruction=prompt.prompt if prompt else None,
        temperature=None,
        max_tokens=None,
        top_p=None,
        top_k=None,
        frequency_penalty=None,
        presence_penalty=None,
        seed=None,
        filter_incomplete_user_turns=False,
        user_turn_completion_config=None,
        conversation=conversation,
    )
