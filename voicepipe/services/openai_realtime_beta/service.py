"""`OpenAIRealtimeBetaLLMService`: the constructor people call (seed S003), and which of the two wires it speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias

from loguru import logger
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregatorParams,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import LLMSettings
from pipecat.utils.types import is_given

from voicepipe.errors import ConnectionRefused, SettingsError
from voicepipe.frames import Frame, InterimTranscriptionFrame, LLMContextFrame, TranscriptionFrame
from voicepipe.hops import sound_goes_around
from voicepipe.realtime.connection import Closed, Endpoint, Limits
from voicepipe.realtime.events import Failure, Output, SettingsApplied, SideResponse
from voicepipe.realtime.settings import deep_merge, merged, plain
from voicepipe.rests import Rest, done
from voicepipe.services.openai.realtime.access import DEFAULT_URL, Access, ApiKey, ga_url
from voicepipe.services.openai.realtime.conversation import OpenAIConversation, changes_in
from voicepipe.services.openai.realtime.dialect import GA
from voicepipe.services.openai.realtime.models import BUILT_IN_VOICES, refuse_what_does_not_converse
from voicepipe.services.openai_realtime_beta.context import OpenAIRealtimeLLMContext
from voicepipe.services.openai_realtime_beta.dialect import BETA, SharedProperties
from voicepipe.services.openai_realtime_beta.events import SessionProperties
from voicepipe.services.openai_realtime_beta.refusals import (
    refuses_beta,
    refuses_beta_when_closing,
    refuses_beta_with_status,
)
from voicepipe.services.openai_realtime_beta.settings import OpenAIRealtimeBetaLLMSettings, stored
from voicepipe.services.openai_realtime_beta.translation import (
    field_in_beta_words,
    response_in_ga_words,
    settings_in_beta_words,
    settings_in_ga_words,
)

DEFAULT_MODEL: Final = "gpt-4o-realtime-preview-2025-06-03"
DEFAULT_GA_MODEL: Final = "gpt-realtime"

Wire: TypeAlias = Literal["auto", "beta", "ga"]

_BETA_HEADER: Final = {"OpenAI-Beta": "realtime=v1"}
_TEMPERATURES: Final = (0.6, 1.2)
_OTHER_NAMES: Final = {"system_instruction": "instructions", "max_tokens": "max_response_output_tokens"}
"""Pipecat's names of settings that the API calls otherwise."""
_NEW_SERVICE: Final = "voicepipe.services.openai.realtime.OpenAIRealtimeLLMService"


class OpenAIRealtimeBetaLLMService(OpenAIConversation):
    """OpenAI's Realtime API as it was in its beta, as one processor: speech in, speech out, function calls.

        llm = OpenAIRealtimeBetaLLMService(
            api_key=os.environ["OPENAI_API_KEY"],
            session_properties=SessionProperties(instructions="You answer in one sentence."),
        )
        Pipeline([transport.input(), AudioResampler(), llm, transport.output()])

    OpenAI's own server has shut the beta wire down; others speak it. With `wire="auto"` a server that refuses it is
    spoken to over the GA wire, and the application notices nothing but a warning: settings, their changes, refusals and
    `on_settings_applied` stay in the beta's words. Items are as the server has them.

    Args:
        api_key: The key; never logged. The local server takes any that is not empty. A callable, `async` or not, is
            asked before every connection, for keys that expire.
        model: The model's name. It is part of the connection and cannot change in a session.
        base_url: Where the API is; for proxies and other vendors, for Azure's preview, and for the local server.
        session_properties: The settings the session begins with. `LLMUpdateSettingsFrame` changes them while it runs.
        settings: The same in Pipecat's way, laid over the others.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        send_transcription_frames: Whether what the user said is pushed, upstream and downstream.
        wire: `beta` or `ga` pins the wire; `auto` begins with the beta's and changes over when the server refuses it.
        ga_model: The model over the GA wire. None is `model`, but `gpt-realtime` in the place of a preview model, which
            that wire does not serve any more.
        strict: Whether a voice that is not known, or a temperature outside 0.6 to 1.2, is an error rather than a warning.
        azure: Whether it is Azure: a key goes into `api-key`. None asks the host: `*.openai.azure.com` is Azure.
        organization: The organization that is charged, where a key belongs to several; not with Azure.
        project: The project that is charged; not with Azure.
        proxy: None is no proxy, True that of the environment, a text the URL of one.
        limits: Time-outs and bounds of the connection.
        **kwargs: What every `RealtimeService` and every `LLMService` takes.

    Raises:
        SettingsError: An argument cannot be used, and the error names it.
    """

    Settings = OpenAIRealtimeBetaLLMSettings

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        model: str = DEFAULT_MODEL,
        base_url: str = DEFAULT_URL,
        session_properties: SessionProperties | None = None,
        settings: OpenAIRealtimeBetaLLMSettings | None = None,
        start_audio_paused: bool = False,
        send_transcription_frames: bool = True,
        wire: Wire = "auto",
        ga_model: str | None = None,
        strict: bool = False,
        azure: bool | None = None,
        organization: str | None = None,
        project: str | None = None,
        proxy: str | bool | None = True,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        if wire not in ("auto", "beta", "ga"):
            raise SettingsError("wire", f"is 'auto', 'beta' or 'ga', not {wire!r}")
        if settings is not None and is_given(settings.model) and settings.model:
            model = settings.model
        refuse_what_does_not_converse(model)
        self._wire: Wire = wire
        self._model = model
        self._strict = strict
        self._told: set[str] = set()
        self._is_changing_over = False
        self._system = ""
        self._send_transcription_frames = send_transcription_frames
        access: dict[str, Any] = {
            "api_key": api_key,
            "azure": azure,
            "organization": organization,
            "project": project,
            "proxy": proxy,
            "key_secs": (limits or Limits()).connect_secs,
        }
        self._beta_access = Access(**access, model=model, base_url=base_url, takes_preview=True)
        is_gone = "-realtime-preview" in model and not self._beta_access.is_azure
        self._ga_model = ga_model or (DEFAULT_GA_MODEL if is_gone else model)
        self._ga_access = Access(**access, model=self._ga_model, base_url=ga_url(base_url))
        properties, tools = self._first_settings(session_properties, settings, over_ga=wire == "ga")
        super().__init__(
            properties=_shared(properties),
            tools=tools,
            dialect=GA if wire == "ga" else BETA,
            settings=stored(model, properties),
            start_audio_paused=start_audio_paused,
            limits=limits,
            **kwargs,
        )

    @property
    def wire(self) -> Literal["beta", "ga"]:
        """The wire that is spoken."""
        return "beta" if self.session.dialect is BETA else "ga"

    @property
    def session_properties(self) -> SessionProperties:
        """The settings in force, those on their way to the server included."""
        return SessionProperties.model_validate(settings_in_beta_words(plain(self.session.properties)))

    # Settings.

    def _first_settings(
        self,
        session_properties: SessionProperties | None,
        settings: OpenAIRealtimeBetaLLMSettings | None,
        *,
        over_ga: bool,
    ) -> tuple[SessionProperties, Any]:
        """Return the settings a session begins with, and its tools as they were given."""
        wished = plain(session_properties or SessionProperties())
        tools: Any = session_properties.tools if session_properties else None
        if settings is not None:
            changes = dict(self.given_changes(settings))
            changes.pop("model", None)
            wished, tools = deep_merge(wished, plain(changes)), changes.get("tools", tools)
        properties = merged(SessionProperties(), wished)
        return merged(SessionProperties(), self._judged(plain(properties), over_ga=over_ga)), tools

    def given_changes(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return what a delta says, unchecked, with the tools as they were given."""
        return changes_in(delta, SessionProperties, _OTHER_NAMES)

    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return a delta as changes of the session, which are in GA words.

        Raises:
            SettingsError: The delta cannot be read, or what it says is not allowed; nothing is changed.
        """
        changes = dict(self.given_changes(delta))
        if changes.get("model") == self._model:
            del changes["model"]
        elif "model" in changes:
            raise SettingsError("model", "is chosen when connecting and cannot change in a session")
        # Checked here, so that a refusal has the beta's names.
        merged(self.session_properties, changes)
        return settings_in_ga_words(self._judged(plain(changes), over_ga=self.wire == "ga"))

    def _judged(self, settings: dict[str, Any], *, over_ga: bool) -> dict[str, Any]:
        """Return settings without what the GA wire has no place for, if it is spoken; doubts are told once each."""
        voice, temperature = settings.get("voice"), settings.get("temperature")
        if isinstance(voice, str) and voice not in BUILT_IN_VOICES:
            known = ", ".join(sorted(BUILT_IN_VOICES))
            self._doubt("voice", f"{voice!r} is none of the API's voices, which are: {known}")
        if over_ga and temperature is not None:
            self._doubt("temperature", "the GA wire has none; it is left out")
        elif temperature is not None and not _TEMPERATURES[0] <= temperature <= _TEMPERATURES[1]:
            self._doubt("temperature", f"{temperature:g} is outside of what the API takes, 0.6 to 1.2")
        return {name: value for name, value in settings.items() if not (over_ga and name == "temperature")}

    def _doubt(self, name: str, why: str) -> None:
        if self._strict:
            raise SettingsError(name, why)
        if name not in self._told:
            self._told.add(name)
            logger.warning(f"{name}: {why}")

    # The wire.

    async def endpoint(self) -> Endpoint:
        """Return where to connect, with the model and the headers of the wire that is spoken.

        Raises:
            ConnectionRefused: `api_key` is a callable and gave no key.
        """
        if self.wire == "ga":
            return await self._ga_access.endpoint()
        endpoint = await self._beta_access.endpoint()
        if self._beta_access.is_azure:
            return endpoint
        return replace(endpoint, headers={**endpoint.headers, **_BETA_HEADER})

    def perform_now(self, outputs: Iterable[Output]) -> Rest:
        """Act on what follows from a call of the session, in the beta's words."""
        told = [told for output in outputs if (told := self._told_as(output)) is not None]
        return super().perform_now(told)

    def _told_as(self, output: Output) -> Output | None:
        if isinstance(output, Failure):
            return self._failure(output)
        if isinstance(output, SettingsApplied) and self.wire == "ga":
            return SettingsApplied(settings_in_beta_words(output.settings))
        return output

    def _failure(self, failure: Failure) -> Failure | None:
        if self.wire == "beta" and refuses_beta(failure, is_ready=self.session.is_ready):
            if self._wire == "auto":
                self._change_over(f"{failure.code}: {failure.message}")
                self._link.start_over()
                return None
            return replace(failure, message=f"{failure.message} ({_way_out()})", fatal=True)
        name = field_in_beta_words(failure.field)
        message = failure.message
        if failure.field and message.startswith(f"{failure.field}: "):
            message = name + message.removeprefix(failure.field)
        return replace(failure, message=message, field=name)

    def link_refused(self, error: ConnectionRefused) -> bool:
        """A handshake was refused; returns whether the GA wire is tried in its place."""
        if self._wire != "auto" or self.wire == "ga" or not refuses_beta_with_status(error.status):
            return False
        self._change_over(str(error))
        return True

    async def link_down(self, closed: Closed) -> None:
        """The connection is gone, and another one is on its way, over the GA wire if the beta was the reason."""
        refused = self.wire == "beta" and refuses_beta_when_closing(closed, is_ready=self.session.is_ready)
        why = f"it closed the connection with code {closed.code}: {closed.reason or 'no reason given'}"
        if refused and self._wire == "auto":
            self._change_over(why)
            self._link.start_over()
        if self._is_changing_over:
            await self.perform(self.session.closed())
            return
        await super().link_down(closed)
        if refused:
            await done(super().perform_now([Failure("protocol", f"{why} ({_way_out()})", fatal=True)]))

    async def link_gone(self, error: ConnectionRefused) -> None:
        """There will be no other connection."""
        if self.wire == "beta" and refuses_beta_with_status(error.status):
            told = f"{error} ({_way_out()})"
            error = ConnectionRefused(told, error.kind, retry_after=error.retry_after, status=error.status)
        await super().link_gone(error)

    async def link_up(self) -> None:
        """A connection is there."""
        self._is_changing_over = False
        if self.wire == "ga" and self.session_properties.temperature is not None:
            await self.perform(self.session.update({"temperature": None}))
        await super().link_up()

    def _change_over(self, why: str) -> None:
        """Speak the GA wire from the next connection on, and say what is to be changed so that it does at once."""
        self.session.dialect = GA
        self._is_changing_over = True
        now: list[str] = []
        if self._ga_model != self._model:
            now.append(f"the model is {self._ga_model} in the place of {self._model}")
        if self.session_properties.temperature is not None:
            self._told.add("temperature")
            now.append("temperature is left out")
        changed = f" ({', '.join(now)})" if now else ""
        logger.warning(
            f"{self}: the server refused OpenAI's beta wire ({why}). The call goes on over the GA wire, with the settings "
            f'translated{changed}. Change to {_NEW_SERVICE}, or give wire="ga" here.'
        )

    # What an application may call.

    async def create_response(
        self,
        *,
        conversation: Literal["auto", "none"] = "auto",
        **fields: Any,
    ) -> SideResponse | None:
        """Ask for a response, as `OpenAIConversation.create_response` does; fields may have the beta's names.

        Args:
            conversation: `auto` has it spoken as part of the conversation, when nothing else is. `none` makes it
                beside the conversation and waits for its end; nobody hears it.
            **fields: `instructions`, `input`, `metadata`, `modalities`, `voice`, `tools`, `temperature` and so on.

        Returns:
            The response if `conversation` is `none`.

        Raises:
            VoicepipeError: The connection ended first.
        """
        translated = response_in_ga_words(fields)
        if self.wire == "ga":
            translated.pop("temperature", None)
        return await super().create_response(conversation=conversation, **translated)

    def create_context_aggregator(
        self,
        context: LLMContext,
        *,
        user_params: LLMUserAggregatorParams | None = None,
        assistant_params: LLMAssistantAggregatorParams | None = None,
    ) -> LLMContextAggregatorPair:
        """Return the aggregators of a context: `.user()` stands before the service, `.assistant()` behind the output.

        The session begins with the context's tools, and with the instructions of an `OpenAIRealtimeLLMContext`.

        Args:
            context: What the aggregators write to.
            user_params: Of the user's aggregator.
            assistant_params: Of the assistant's.

        Raises:
            SettingsError: The context's instructions or tools cannot be used.
        """
        if not self.session.is_ready:
            tools = {"tools": context.tools} if is_given(context.tools) else {}
            for output in self.session.update({**self._system_of(context), **tools}):
                if isinstance(output, Failure):
                    raise SettingsError(output.field, output.message.removeprefix(f"{output.field}: "))
            if tools:
                self._register_tools(context.tools)
        return LLMContextAggregatorPair(context, user_params=user_params, assistant_params=assistant_params)

    # Frames.

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Turn frames into session calls; the instructions of an `OpenAIRealtimeLLMContext` become the session's."""
        if isinstance(frame, LLMContextFrame):
            changes = self._system_of(frame.context)
            if changes:
                await self.perform(self.session.update(changes))
        await super().process_frame(frame, direction)

    def _system_of(self, context: LLMContext) -> Mapping[str, str]:
        """Return the change of settings that a context's instructions are, if they are news."""
        if not isinstance(context, OpenAIRealtimeLLMContext) or context.system in ("", self._system):
            return {}
        self._system = context.system
        return {"instructions": context.system}

    async def push_transcription(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> None:
        """Push what the user said both ways, if it is wanted (seed contradiction C20)."""
        if self._send_transcription_frames:
            await self.broadcast_frame_instance(frame)


def _way_out() -> str:
    return f'wire="auto" goes on over the GA wire, which {_NEW_SERVICE} speaks'


def _shared(properties: SessionProperties) -> SharedProperties:
    return SharedProperties.model_validate(settings_in_ga_words(plain(properties)))
