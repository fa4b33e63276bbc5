"""`OpenAIRealtimeLLMService`: the constructor people call, with the parameters its document lists (seed S002)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pipecat.services.settings import LLMSettings
from pipecat.utils.types import NOT_GIVEN, NotGiven, is_given

from voicepipe.realtime.connection import Endpoint, Limits
from voicepipe.realtime.session import Detail
from voicepipe.realtime.settings import deep_merge, merged, plain
from voicepipe.services.openai.realtime.access import DEFAULT_URL, Access, ApiKey
from voicepipe.services.openai.realtime.conversation import OpenAIConversation, changes_in
from voicepipe.services.openai.realtime.events import SessionProperties
from voicepipe.services.openai.realtime.models import refuse_what_does_not_converse, settings_for

DEFAULT_MODEL = "gpt-realtime"

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

    Direct functions and schemas with a handler among the session's tools are registered with the service.

    Args:
        api_key: The key; never logged. The local server takes any that is not empty. A callable, `async` or not, is
            asked before every connection, for keys that expire; one that is not `async` runs in a thread.
        model: The model's name, with Azure the deployment's. It is part of the connection and cannot change in a session.
        base_url: Where the API is; for proxies, for Azure and for the local server.
        session_properties: The settings the session begins with. `LLMUpdateSettingsFrame` changes them while it runs.
        settings: The same in Pipecat's way, laid over the others.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        start_video_paused: Whether the user's images are held off until `set_video_input_paused(False)`.
        video_frame_detail: How closely the model looks at images.
        strict: Whether a setting that the model cannot take is an error. Otherwise it is left out, with one warning.
        azure: Whether it is Azure: the key goes into `api-key`, and a callable gives an Entra token. None asks the
            host: `*.openai.azure.com` is Azure.
        organization: The organization that is charged, where a key belongs to several; not with Azure.
        project: The project that is charged; not with Azure.
        safety_identifier: Stands for the end user in the vendor's checks of abuse, and does not tell who it is.
        proxy: None is no proxy, True that of the environment, a text the URL of one.
        limits: Time-outs and bounds of the connection.
        **kwargs: What every `RealtimeService` and every `LLMService` takes.

    Raises:
        SettingsError: An argument cannot be used, and the error names it: `api_key` is empty; `model` does not converse,
            such as `gpt-realtime-translate`; `base_url` is no WebSocket's; under `strict`, the model cannot take a
            setting.
    """

    Settings = OpenAIRealtimeLLMSettings

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        model: str = DEFAULT_MODEL,
        base_url: str = DEFAULT_URL,
        session_properties: SessionProperties | None = None,
        settings: OpenAIRealtimeLLMSettings | None = None,
        start_audio_paused: bool = False,
        start_video_paused: bool = False,
        video_frame_detail: Detail = "auto",
        strict: bool = False,
        azure: bool | None = None,
        organization: str | None = None,
        project: str | None = None,
        safety_identifier: str | None = None,
        proxy: str | bool | None = True,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        if settings is not None and is_given(settings.model) and settings.model:
            model = settings.model
        refuse_what_does_not_converse(model)
        self._model = model
        self._strict = strict
        self._told: set[str] = set()
        self._access = Access(
            api_key=api_key,
            model=model,
            base_url=base_url,
            azure=azure,
            organization=organization,
            project=project,
            safety_identifier=safety_identifier,
            proxy=proxy,
            key_secs=(limits or Limits()).connect_secs,
        )
        wished = plain(session_properties or SessionProperties())
        tools: Any = session_properties.tools if session_properties else None
        if settings is not None:
            changes = dict(self.given_changes(settings))
            changes.pop("model", None)
            wished, tools = deep_merge(wished, plain(changes)), changes.get("tools", tools)
        properties = merged(SessionProperties(), self._for_model(wished))
        super().__init__(
            properties=properties,
            tools=tools,
            settings=_store(model, properties),
            start_audio_paused=start_audio_paused,
            start_video_paused=start_video_paused,
            video_frame_detail=video_frame_detail,
            limits=limits,
            **kwargs,
        )

    @property
    def session_properties(self) -> SessionProperties:
        """The settings in force, those on their way to the server included."""
        return self.session.properties

    async def endpoint(self) -> Endpoint:
        """Return where to connect, with the model and the headers.

        Raises:
            ConnectionRefused: `api_key` is a callable and gave no key.
        """
        return await self._access.endpoint()

    def given_changes(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return what a delta says, unchecked, with the tools as they were given."""
        return changes_in(delta, SessionProperties, _OTHER_NAMES)

    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return a delta as changes of `SessionProperties`, without what the model cannot take.

        Raises:
            SettingsError: The delta cannot be read, or under `strict` the model cannot take one of the changes.
        """
        changes = dict(self.given_changes(delta))
        if changes.get("model") == self._model:
            del changes["model"]
        return self._for_model(changes, self.session_properties)

    def _for_model(
        self, settings: Mapping[str, Any], current: SessionProperties | None = None
    ) -> dict[str, Any]:
        model = None if self._access.is_azure else self._model
        return settings_for(model, settings, strict=self._strict, current=current, told=self._told)


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
