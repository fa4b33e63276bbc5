"""`OpenAIRealtimeLLMService`: the constructor people call, with the parameters its document lists (seed S002)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from loguru import logger
from pipecat.services.settings import LLMSettings
from pipecat.utils.types import NOT_GIVEN, NotGiven, is_given

from voicepipe.realtime.connection import Endpoint, Limits
from voicepipe.realtime.settings import deep_merge, plain
from voicepipe.services.openai.realtime.conversation import OpenAIConversation
from voicepipe.services.openai.realtime.events import SessionProperties

DEFAULT_MODEL = "gpt-realtime"
DEFAULT_URL = "wss://api.openai.com/v1/realtime"

_OTHER_NAMES = {"system_instruction": "instructions", "max_tokens": "max_output_tokens"}
"""Pipecat's names of settings that the API calls otherwise."""


@dataclass
class OpenAIRealtimeLLMSettings(LLMSettings):
    """Settings of an `OpenAIRealtimeLLMService` in Pipecat's way: a store, or a delta for `LLMUpdateSettingsFrame`.

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


class OpenAIRealtimeLLMService(OpenAIConversation):
    """OpenAI's Realtime API (GA wire) as one processor: speech in, speech out, function calls.

        llm = OpenAIRealtimeLLMService(
            api_key=os.environ["OPENAI_API_KEY"],
            session_properties=SessionProperties(instructions="You answer in one sentence."),
        )
        Pipeline([transport.input(), AudioResampler(), llm, transport.output()])

    Args:
        api_key: The key; never logged. The local server takes any that is not empty.
        model: The model's name. It is part of the connection and cannot change in a session.
        base_url: Where the API is; for proxies and for the local server.
        session_properties: The settings the session begins with. `LLMUpdateSettingsFrame` changes them while it runs.
        settings: The same in Pipecat's way, laid over the others.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        limits: Time-outs and bounds of the connection.

    Raises:
        ValueError: `api_key` is empty, or `model` is one of `gpt-realtime-translate*`, which live behind another
            endpoint and neither take tools nor answer.
    """

    Settings = OpenAIRealtimeLLMSettings

    def __init__(
        self,
        *,
        api_key: str,
        model: str = DEFAULT_MODEL,
        base_url: str = DEFAULT_URL,
        session_properties: SessionProperties | None = None,
        settings: OpenAIRealtimeLLMSettings | None = None,
        start_audio_paused: bool = False,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        if not api_key:
            raise ValueError("api_key: is empty; pass a key, or any text for the local server")
        if settings is not None and is_given(settings.model) and settings.model:
            model = settings.model
        if "translate" in model:
            raise ValueError(
                f"model: {model!r} is served by /v1/realtime/translations, which is no conversation"
            )
        self._warned_temperature = False
        given = plain(session_properties or SessionProperties())
        changes: Mapping[str, Any] = self.changes_of(settings) if settings is not None else {}
        properties = SessionProperties.model_validate(deep_merge(given, changes))
        store = _store(model, properties)
        self._api_key = api_key
        self._model = model
        self._base_url = base_url
        super().__init__(
            properties=properties,
            settings=store,
            start_audio_paused=start_audio_paused,
            limits=limits,
            **kwargs,
        )

    async def endpoint(self) -> Endpoint:
        """Return the URL with the model, and the key's header."""
        separator = "&" if "?" in self._base_url else "?"
        url = f"{self._base_url}{separator}{urlencode({'model': self._model})}"
        return Endpoint(url, {"Authorization": f"Bearer {self._api_key}"})

    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return a delta as changes of `SessionProperties`."""
        changes: dict[str, Any] = {}
        if isinstance(delta, OpenAIRealtimeLLMSettings) and is_given(delta.session_properties):
            changes = plain(delta.session_properties)
        for name, value in {**delta.given_fields(), **delta.extra}.items():
            if name in ("session_properties", "extra", "model") and name not in delta.extra:
                continue
            if name == "temperature":
                self._leave_out_temperature()
                continue
            changes = deep_merge(changes, {_OTHER_NAMES.get(name, name): plain(value)})
        return changes

    def _leave_out_temperature(self) -> None:
        if not self._warned_temperature:
            self._warned_temperature = True
            logger.warning(
                "temperature: the GA API has none and would refuse the whole update; it is left out"
            )


def _store(model: str, properties: SessionProperties) -> OpenAIRealtimeLLMSettings:
    return OpenAIRealtimeLLMSettings(
        model=model,
        system_instruction=properties.instructions,
        temperature=None,
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
