"""The processor between a pipeline and a realtime session: frames become session calls, happenings become frames.

It is a Pipecat `LLMService`, so function calls, metrics and contexts work as everywhere in Pipecat. What a provider adds
is a session and where to connect. The path of a frame: `process_frame` -> `Inputs` -> a method of the session -> `perform`;
the path of a message: `link_message` -> `Session.receive` -> `perform` -> `Happenings`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.types import assert_given

from voicepipe.errors import ConnectionRefused, SettingsError, VoicepipeError
from voicepipe.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMServiceMetadataFrame,
    LLMUpdateSettingsFrame,
    PlaybackMarkFrame,
    StopFrame,
    TranscriptionFrame,
)
from voicepipe.hops import SOUND, SoundHops, sound_goes_around
from voicepipe.plain_words import one_line
from voicepipe.realtime.arguments import refuse_unknown
from voicepipe.realtime.backlog import Backlog
from voicepipe.realtime.connection import Closed, Endpoint, Limits
from voicepipe.realtime.context import RealtimeAdapter, tools_in_wire_shape
from voicepipe.realtime.events import Happening, Output, Send, SessionReady, SideResponse
from voicepipe.realtime.fillers import Filler
from voicepipe.realtime.functions import Functions
from voicepipe.realtime.happenings import Happenings
from voicepipe.realtime.inputs import Inputs
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.link import Link, Reconnect
from voicepipe.realtime.measures import Measures
from voicepipe.realtime.questions import Questions
from voicepipe.realtime.session import Detail, Session
from voicepipe.realtime.translation import category_of, has_user_aggregator
from voicepipe.realtime.turns import Turns
from voicepipe.rests import Rest, after, done, each


class RealtimeService(SoundHops, LLMService[RealtimeAdapter]):
    """A realtime API as one processor.

    A provider's service gives it a session and says where to connect; that is all there is to a provider here.

    Events, besides those of every `LLMService`:
        on_connected(service): a session is ready for the first time.
        on_resumed(service): the conversation goes on over another connection.
        on_disconnected(service, reason): a connection ended without anybody here having ended it.
        on_conversation_item_created(service, item_id, item): an item joined the conversation.
        on_conversation_item_updated(service, item_id, item | None): an item was completed, cut or got its transcript.
        on_settings_applied(service, settings): the server confirmed settings; all that is in force, in the wire's shape.
        on_rate_limits(service, limits): how much is left of the account's limits.
        on_idle_timeout(service, item_id): the user was silent for so long that the model speaks again.
        on_mcp(service, stage, item_id, item | None): something about a tool that the server itself runs.
        on_mcp_approval(service, request): the server asks whether it may call such a tool.
        on_server_event(service, name, payload): something that only this provider tells, in the wire's shape.

    Args:
        session: The provider's session.
        settings: Pipecat's settings of the service; for its metrics, the model's name.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        start_video_paused: Whether the user's images are, until `set_video_input_paused(False)`.
        video_frame_detail: How closely the model looks at images.
        user_onset_ms: With turns decided by the pipeline: how much sound belongs to a turn before it was found. None
            takes it from the voice activity detector there.
        interruptions: Who may interrupt the bot, and how.
        tool_filler: What is said while a function takes long.
        reconnect: How a lost connection is replaced, and when a good one is renewed.
        limits: Time-outs and bounds of a connection.

    Raises:
        SettingsError: The interruptions need the user's words, and the session does not transcribe them.
        TypeError: There is no such argument.
    """

    adapter_class = RealtimeAdapter

    def __init__(
        self,
        *,
        session: Session,
        settings: LLMSettings,
        start_audio_paused: bool = False,
        start_video_paused: bool = False,
        video_frame_detail: Detail = "auto",
        user_onset_ms: int | None = None,
        interruptions: Interruptions | None = None,
        tool_filler: Filler | None = None,
        reconnect: Reconnect | None = None,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self).__name__, LLMService, kwargs, inspect.signature(type(self)).parameters)
        super().__init__(settings=settings, **kwargs)
        policy = interruptions or Interruptions()
        if policy.need_words and not session.transcribes:
            raise SettingsError("interruptions", "counting words needs the transcription of the input")
        self.session = session
        """What is said on the wire."""
        self.context: LLMContext | None = None
        """The context of the conversation, if there is one."""
        self.interruptions = policy
        """Who may interrupt."""
        self.turns = Turns(self, policy)
        """Who speaks."""
        self._inputs = Inputs(
            self,
            start_audio_paused=start_audio_paused,
            start_video_paused=start_video_paused,
            video_frame_detail=video_frame_detail,
            onset_ms=user_onset_ms,
        )
        self._happenings = Happenings(self)
        self.measures = Measures(self, assert_given(self._settings.model))
        """What it measures of the conversation."""
        self.functions = Functions(self, tool_filler)
        """The model's functions that run."""
        self.questions = Questions(self)
        """What the application waits for."""
        self._link = Link(self, limits, reconnect)
        self._has_run = self._is_taken = False
        self._resetting = asyncio.Lock()
        for event in (
            "on_connected",
            "on_resumed",
            "on_disconnected",
            "on_conversation_item_created",
            "on_conversation_item_updated",
            "on_settings_applied",
            "on_rate_limits",
            "on_idle_timeout",
            "on_mcp",
            "on_mcp_approval",
            "on_server_event",
        ):
            self._register_event_handler(event)

    # What a provider says.

    @abstractmethod
    async def endpoint(self) -> Endpoint:
        """Return where to connect; asked before each connection, so that keys may expire."""

    @abstractmethod
    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return what a delta of settings means to the session, for `Session.update`."""

    def append_coded(self, coding: str, sound: bytes) -> Sequence[Output] | None:
        """Take sound of the user that is still coded, and return what follows; None if it has to be decoded.

        For providers whose wire can speak a telephone's coding.

        Args:
            coding: `PCMU` or `PCMA`, at 8,000 Hz.
            sound: One byte a sample.
        """
        del coding, sound
        return None

    # What an application may call.

    def can_generate_metrics(self) -> bool:
        """Whether it reports metrics: it does."""
        return True

    def set_audio_input_paused(self, paused: bool) -> None:
        """Hold the user's sound off, or let it through again. Held-off sound is not kept."""
        self._inputs.audio_paused = paused

    def set_video_input_paused(self, paused: bool) -> None:
        """Hold the user's images off, or let them through again; one a second at most goes to the model."""
        self._inputs.video_paused = paused

    def set_video_frame_detail(self, detail: Detail) -> None:
        """Say how closely the model looks at images: `auto`, `low` or `high`."""
        self._inputs.detail = detail

    async def retrieve_conversation_item(self, item_id: str) -> Mapping[str, Any]:
        """Return an item of the conversation as the server has it, in the wire's shape (seed row S003-35).

        Raises:
            VoicepipeError: The server does not have it, the connection ended first, or there will be no other one.
        """
        return await self.questions.item(item_id)

    async def reset_conversation(self) -> None:
        """Begin a new conversation with the same settings, over a new connection.

        The context, if there is one, is told again; nothing else of what was said is known to the model after this.

        Raises:
            VoicepipeError: It is in no pipeline that runs.
        """
        # One after the other: of two connections that are opened at the same time nobody would close the first.
        async with self._resetting:
            if not self._is_taken:
                raise VoicepipeError(f"{self} is in no pipeline that runs")
            await self.perform(self.session.reset())
            await self._link.close()
            await self._happenings.close_brackets()
            if self.context is not None:
                for message in self._inputs.begin_context(self.context):
                    await self._inputs.tell(message)
            await self._open()

    # Life.

    def service_metadata_frame(self) -> LLMServiceMetadataFrame:
        """Say that this is a realtime service, and that aggregators take its word on turns where it has one."""
        decides = self.session.server_decides_turns
        strategies = ExternalUserTurnStrategies() if decides else None
        return LLMServiceMetadataFrame(
            service_name=self.name, is_realtime_service=True, user_turn_strategies=strategies
        )

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Connect, while the other processors set themselves up.

        In each pipeline that it is put into it has a new conversation.

        Raises:
            VoicepipeError: It is in another pipeline, which has not ended, or was in one that was cancelled: after that
                no processor of Pipecat's takes frames.
        """
        if self._is_taken or self._cancelling:
            why = "which has not ended" if self._is_taken else "which was cancelled"
            raise VoicepipeError(f"{self} is in another pipeline, {why}; make one for each call")
        self._is_taken = True
        await super().setup(setup)
        if self._has_run:
            await self._begin_anew()
        self._has_run = True
        self.turns.aggregator_decides = has_user_aggregator(self.pipeline_worker.pipeline)
        await self._open()

    async def stop(self, frame: EndFrame) -> None:
        """Close the connection at the end of the pipeline's frames."""
        await super().stop(frame)
        await self._leave()

    async def cancel(self, frame: CancelFrame) -> None:
        """Close the connection at once."""
        await super().cancel(frame)
        await self._leave()

    async def cleanup(self) -> None:
        """Leave nothing behind, however far things got."""
        self._is_taken = False
        await super().cleanup()
        await self._leave()

    async def end_connection(self) -> None:
        """End the connection for good: what follows would be more of the same."""
        await self._link.close()
        self.questions.over()

    async def _begin_anew(self) -> None:
        """Forget the conversation of another pipeline, and end its connection, which a StopFrame leaves open."""
        await self._leave()
        self.session.reset()
        self.context = None
        self.turns = Turns(self, self.interruptions)
        self.measures = Measures(self, self.measures.model)
        self._happenings = Happenings(self)
        self._inputs.begin_anew()

    async def _open(self) -> None:
        try:
            await self._link.open()
        except ConnectionRefused as error:
            await self.link_gone(error)

    async def _leave(self) -> None:
        await self._link.close()
        await self._inputs.close()
        await self.functions.close()
        await self.turns.close()
        self.questions.over()

    # The link.

    async def link_up(self) -> None:
        """A connection is there."""
        await self.perform(self.session.open())

    def link_message(self, message: bytes) -> Rest:
        """Take a message of the server's."""
        self.measures.received()
        return self.perform_now(self.session.receive(message))

    async def link_down(self, closed: Closed) -> None:
        """The connection is gone, and another one is on its way."""
        await self.perform(self.session.closed())
        self.questions.lost()
        if closed.code != 1000 or closed.reason != "renewed":
            reason = f"code {closed.code}: {closed.reason or 'no reason given'}"
            await self.announce("on_disconnected", reason)

    def link_refused(self, error: ConnectionRefused) -> bool:  # noqa: ARG002 - for those that have another way
        """A try was refused; there is no other way to connect."""
        return False

    async def link_gone(self, error: ConnectionRefused) -> None:
        """There will be no other connection."""
        await self._happenings.close_brackets()
        category = category_of(error.kind, fatal=True)
        self.questions.over()
        await self.push_error(one_line(str(error)), error, category=category, force_treat_as_permanent=True)

    async def link_due(self) -> None:
        """The session comes to its end: renew it as soon as nothing is under way."""
        self._renew_if_quiet()

    def _renew_if_quiet(self) -> None:
        if self._link.is_due and self.session.is_quiet and not self.turns.is_playing:
            self._link.renew()

    async def perform(self, outputs: Iterable[Output]) -> None:
        """Send what is for the wire, in order and before anything is awaited; then act on what happened."""
        await done(self.perform_now(outputs))

    def perform_now(self, outputs: Iterable[Output]) -> Rest:
        """Do what `perform` does, without waiting as far as that goes."""
        happened: list[Happening] = []
        for output in outputs:
            if isinstance(output, Send):
                self._link.send(output)
            else:
                happened.append(output)
        rest = each(happened, self._happenings.act_on) if happened else None
        if not self._link.is_due:
            return rest
        return after(rest, self._renew_if_quiet)

    # Frames.

    @sound_goes_around
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Turn frames into session calls; all frames go on but those that are meant for this service alone."""
        if isinstance(frame, InputAudioRawFrame | PlaybackMarkFrame):
            await super().process_frame(frame, direction)
            await done(self.process_sound(frame, direction))
            return
        if isinstance(frame, LLMUpdateSettingsFrame):
            if frame.delta is None and frame.service in (None, self):
                frame.delta = type(self._settings).from_mapping(frame.settings)
            await super().process_frame(frame, direction)
            return
        if isinstance(frame, EndFrame | CancelFrame | StopFrame):
            await self._happenings.end()
            self._is_taken = False
        await super().process_frame(frame, direction)
        if await self._inputs.act_on(frame, direction):
            await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            # After the interruption, so that it does not sweep them away further down.
            await self._happenings.close_brackets()

    def process_sound(self, frame: Frame, direction: FrameDirection) -> Rest:
        """Take the user's sound, and marks of how far the bot's has been played; pass all on."""
        rest = None
        if isinstance(frame, InputAudioRawFrame):
            rest = self._inputs.hear(frame)
        elif isinstance(frame, PlaybackMarkFrame):
            self.turns.mark(frame)
        if rest is None:
            return self.hop.push(frame, direction)
        return after(rest, lambda: self.hop.push(frame, direction))

    @sound_goes_around
    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame; what functions gave passes here on its way down and is told to the model."""
        if type(frame) not in SOUND and direction == FrameDirection.DOWNSTREAM:
            if isinstance(frame, FunctionCallResultFrame):
                await self._tell_result(frame)
            elif isinstance(frame, FunctionCallCancelFrame):
                await self.functions.cancelled(frame)
        await super().push_frame(frame, direction)

    async def _tell_result(self, frame: FunctionCallResultFrame) -> None:
        await self.functions.told(frame)

    @property
    def wire_link(self) -> Link:
        """What connects it: whoever records taps it, whoever replays gives it other connections."""
        return self._link

    def backlog(self) -> Backlog:
        """Return what waits for the connection, and how much sound found no room."""
        return Backlog("service", self._link.waiting_bytes, self._link.dropped)

    # What inputs, turns and happenings need.

    @property
    def response_id(self) -> str | None:
        """The response that is heard or was heard last."""
        return self._happenings.response_id

    async def interrupt_pipeline(self) -> None:
        """Tell all processors of an interruption that this service found, as it tells itself of others'."""
        await self.broadcast_interruption()
        await self._handle_interruptions(InterruptionFrame())
        await self._happenings.close_brackets()

    async def go_on(self, response_id: str, held: list[Happening]) -> None:
        """Take a response up again that was stopped."""
        await self._happenings.go_on(response_id, held)

    async def push_transcription(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> None:
        """Push what the user said: upstream, where the aggregators are."""
        await self.push_frame(frame, FrameDirection.UPSTREAM)

    async def set_tools(self, tools: Any) -> None:
        """Offer the model other functions from here on."""
        given = tools if isinstance(tools, ToolsSchema) else [t for t in tools if not isinstance(t, Mapping)]
        self._sync_registered_tool_handlers(given)
        await self.perform(self.session.update({"tools": tools_in_wire_shape(tools)}))

    def settings_refused(self) -> None:
        """A change of settings was refused; those in force are as they were before it."""

    async def announce(self, event: str, *values: Any) -> None:
        """Call the application's handlers of an event."""
        await self._call_event_handler(event, *values)

    async def session_ready(self, ready: SessionReady) -> None:
        """The session has its settings and its history."""
        ends_in_secs = None if ready.expires_at is None else ready.expires_at - time.time()
        self._link.settled(ends_in_secs)
        await self.announce("on_resumed" if ready.is_resumed else "on_connected")

    async def side_response(self, token: str, outputs: Iterable[Output]) -> SideResponse:
        """Ask for a response outside of the conversation and wait for its end.

        Raises:
            VoicepipeError: The connection ended first, or there will be no other one.
        """
        return await self.questions.side_response(token, outputs)

    async def _update_settings(self, delta: LLMSettings) -> dict[str, Any]:
        """Make a change of settings: as a whole, or not at all."""
        changes = self.changes_of(delta)
        await self.change(changes)
        return dict.fromkeys(changes)

    async def change(self, changes: Mapping[str, Any]) -> None:
        """Change settings of the session, as `Session.update` names them; what is refused is told as an error."""
        await self.perform(self.session.update(changes))
