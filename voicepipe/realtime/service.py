"""The one processor that turns frames into session calls, and happenings into frames.

It is a Pipecat `LLMService`, so functions are registered, run and answered as with any other. All that concerns
a wire is in the session; all that concerns a socket is in the connection.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessorSetup
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

from voicepipe.audio.playback import PlaybackClock
from voicepipe.audio.resampler import StreamResampler
from voicepipe.errors import ConnectionRefused, VoicepipeError
from voicepipe.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMServiceMetadataFrame,
    LLMSetToolsFrame,
    LLMUpdateSettingsFrame,
    PlaybackMarkFrame,
    UserStoppedSpeakingFrame,
)
from voicepipe.realtime.connection import Closed, Connection, Endpoint, Limits
from voicepipe.realtime.context import RealtimeAdapter, messages_of, tools_in_wire_shape
from voicepipe.realtime.events import AudioChunk, Failure, Happening, ItemRetrieved, Output, Send
from voicepipe.realtime.happenings import Happenings
from voicepipe.realtime.session import Session
from voicepipe.realtime.translation import category_of, has_user_aggregator, tool_output, wants_answer


class RealtimeService(LLMService[RealtimeAdapter]):
    """A realtime API as one processor.

    A provider's service gives it a session and says where to connect; that is all there is to a provider here.

    Events, besides those of every `LLMService`:
        on_conversation_item_created(service, item_id, item): an item joined the conversation.
        on_conversation_item_updated(service, item_id, item | None): an item was completed, cut or got its transcript.

    Args:
        session: The provider's session.
        settings: Pipecat's settings of the service; for its metrics, the model's name.
        start_audio_paused: Whether the user's sound is held off until `set_audio_input_paused(False)`.
        limits: Time-outs and bounds of the connection.
    """

    adapter_class = RealtimeAdapter

    def __init__(
        self,
        *,
        session: Session,
        settings: LLMSettings,
        start_audio_paused: bool = False,
        limits: Limits | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(settings=settings, **kwargs)
        self._session = session
        self._limits = limits
        self._audio_input_paused = start_audio_paused
        self._connection: Connection | None = None
        self._playback = PlaybackClock()
        self.aggregator_decides = False
        """Whether a context aggregator in the pipeline decides when the user's turns begin and end."""
        self.context: LLMContext | None = None
        """The context the conversation began with, if there is one."""
        self._happenings = Happenings(self)
        self._resampler: StreamResampler | None = None
        self._refused_channels = False
        self._retrievals: dict[str, list[asyncio.Future[Mapping[str, Any]]]] = {}
        self._register_event_handler("on_conversation_item_created")
        self._register_event_handler("on_conversation_item_updated")

    # What a provider says.

    @abstractmethod
    async def endpoint(self) -> Endpoint:
        """Return where to connect; asked before each connection, so that keys may expire."""

    @abstractmethod
    def changes_of(self, delta: LLMSettings) -> Mapping[str, Any]:
        """Return what a delta of settings means to the session, for `Session.update`."""

    # What an application may call.

    def can_generate_metrics(self) -> bool:
        """Whether it reports metrics: it does."""
        return True

    def set_audio_input_paused(self, paused: bool) -> None:
        """Hold the user's sound off, or let it through again. Held-off sound is not kept."""
        self._audio_input_paused = paused

    async def retrieve_conversation_item(self, item_id: str) -> Mapping[str, Any]:
        """Return an item of the conversation as the server has it, in the wire's shape (seed row S003-35).

        Raises:
            VoicepipeError: The server does not have it, or the connection ended first.
        """
        waiting = self._retrievals.setdefault(item_id, [])
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        if len(waiting) == 1:
            await self.perform(self._session.retrieve(item_id))
        return await future

    # Life.

    def service_metadata_frame(self) -> LLMServiceMetadataFrame:
        """Say that this is a realtime service, and that aggregators take its word on turns where it has one."""
        decides = self._session.server_decides_turns
        strategies = ExternalUserTurnStrategies() if decides else None
        return LLMServiceMetadataFrame(
            service_name=self.name, is_realtime_service=True, user_turn_strategies=strategies
        )

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Connect, while the other processors set themselves up."""
        await super().setup(setup)
        self.aggregator_decides = has_user_aggregator(self.pipeline_worker.pipeline)
        connection = Connection(await self.endpoint(), self._receive, self._lost, self._limits)
        try:
            await connection.open()
        except ConnectionRefused as error:
            category = category_of(error.kind, fatal=True)
            await self.push_error(str(error), error, category=category, force_treat_as_permanent=True)
            return
        self._connection = connection
        await self.perform(self._session.open())

    async def stop(self, frame: EndFrame) -> None:
        """Close the connection at the end of the pipeline's frames."""
        await super().stop(frame)
        await self._disconnect()

    async def cancel(self, frame: CancelFrame) -> None:
        """Close the connection at once."""
        await super().cancel(frame)
        await self._disconnect()

    async def cleanup(self) -> None:
        """Leave nothing behind, however far things got."""
        await super().cleanup()
        await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        for future in (future for waiting in self._retrievals.values() for future in waiting):
            if not future.done():
                future.set_exception(VoicepipeError("the connection ended before the item came"))
        self._retrievals.clear()

    # The wire.

    async def perform(self, outputs: Iterable[Output]) -> None:
        """Send what is for the wire, in order and before anything is awaited; then act on what happened."""
        happened: list[Happening] = []
        for output in outputs:
            if isinstance(output, Send):
                if self._connection is not None:
                    self._connection.send(output)
            else:
                happened.append(output)
        for happening in happened:
            await self._happenings.act_on(happening)

    async def _receive(self, message: bytes) -> None:
        await self.perform(self._session.receive(message))

    async def _lost(self, closed: Closed) -> None:
        await self._disconnect()
        await self.perform(self._session.closed())
        reason = closed.reason or "no reason given"
        message = f"the server closed the connection (code {closed.code}: {reason})"
        await self.perform([Failure("connection", message, fatal=True)])

    # Frames in.

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Turn frames into session calls; all frames go on, but for changes of this service's settings."""
        if isinstance(frame, InputAudioRawFrame):
            await super().process_frame(frame, direction)
            await self._hear(frame)
            await self.push_frame(frame, direction)
            return
        if isinstance(frame, LLMUpdateSettingsFrame):
            if frame.delta is None and frame.service in (None, self):
                frame.delta = type(self._settings).from_mapping(frame.settings)
            await super().process_frame(frame, direction)
            return
        if isinstance(frame, EndFrame | CancelFrame):
            await self._happenings.close_brackets()
        await super().process_frame(frame, direction)
        act = self._actions.get(type(frame))
        if act is not None:
            await act(self, frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            # After the interruption, so that it does not sweep them away further down.
            await self._happenings.close_brackets()

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Push a frame; what functions gave passes here on its way down and is told to the model."""
        if direction == FrameDirection.DOWNSTREAM:
            if isinstance(frame, FunctionCallResultFrame):
                await self._tell_result(frame)
            elif isinstance(frame, FunctionCallCancelFrame):
                respond = bool(frame.run_llm)
                await self.perform(
                    self._session.send_tool_result(frame.tool_call_id, "CANCELLED", respond=respond)
                )
        await super().push_frame(frame, direction)

    async def _hear(self, frame: InputAudioRawFrame) -> None:
        if self._audio_input_paused:
            return
        if frame.num_channels != 1:
            await self._refuse_channels(frame.num_channels)
            return
        pcm = frame.audio
        rate = self._session.input_sample_rate
        if frame.sample_rate != rate:
            if self._resampler is None or self._resampler.in_rate != frame.sample_rate:
                self._resampler = StreamResampler(frame.sample_rate, rate)
            pcm = self._resampler.process(pcm)
        await self.perform(self._session.append_audio(pcm))

    async def _refuse_channels(self, channels: int) -> None:
        if not self._refused_channels:
            self._refused_channels = True
            await self.push_error(f"num_channels: the service takes mono, the input has {channels} channels")

    async def _tell_result(self, frame: FunctionCallResultFrame) -> None:
        output = tool_output(frame.result)
        if frame.properties and not frame.properties.is_final:
            note = f"The function {frame.function_name} is still running. So far: {output}"
            await self.perform(self._session.add_message("system", note))
            return
        respond = wants_answer(frame)
        await self.perform(self._session.send_tool_result(frame.tool_call_id, output, respond=respond))

    async def _on_interruption(self, _frame: InterruptionFrame, _direction: FrameDirection) -> None:
        await self.cut_response()

    async def _on_mark(self, frame: PlaybackMarkFrame, _direction: FrameDirection) -> None:
        self._playback.mark(frame.context_id, frame.played_ms, frame.at_ms)

    async def _on_user_stopped(self, _frame: UserStoppedSpeakingFrame, _direction: FrameDirection) -> None:
        if not self._session.server_decides_turns:
            await self.perform(self._session.commit())
            await self.perform(self._session.create_response())

    async def _on_set_tools(self, frame: LLMSetToolsFrame, _direction: FrameDirection) -> None:
        self._sync_registered_tool_handlers(frame.tools)
        tools = tools_in_wire_shape(cast("Any", frame.tools))
        await self.perform(self._session.update({"tools": tools}))

    async def _on_context(self, frame: LLMContextFrame, _direction: FrameDirection) -> None:
        first, self.context = self.context is None, frame.context
        if not first:
            # What is said in the session reaches the context through its frames: the session knows it already.
            return
        params = await self.get_llm_adapter().get_llm_invocation_params(frame.context)
        if params["tools"]:
            await self.perform(self._session.update({"tools": params["tools"]}))
        for message in messages_of(frame.context):
            await self.perform(self._session.add_message(message.role, message.text))
        await self.perform(self._session.create_response())

    _actions: Mapping[type[Frame], Callable[[Any, Any, FrameDirection], Awaitable[None]]] = {
        InterruptionFrame: _on_interruption,
        PlaybackMarkFrame: _on_mark,
        UserStoppedSpeakingFrame: _on_user_stopped,
        LLMSetToolsFrame: _on_set_tools,
        LLMContextFrame: _on_context,
    }

    # What happenings need.

    @property
    def output_sample_rate(self) -> int:
        """The rate of the bot's sound, in hertz."""
        return self._session.output_sample_rate

    def spoke(self, chunk: AudioChunk) -> None:
        """Take into account that sound of the bot goes out now."""
        duration_ms = len(chunk.pcm) * 500 / self._session.output_sample_rate
        self._playback.sent(chunk.response_id, chunk.item_id, duration_ms, self._now_ms())

    async def cut_response(self) -> None:
        """Stop the response that runs, and leave in history what was heard of it by now."""
        heard = self._playback.cut(self._now_ms())
        await self.perform(self._session.interrupt(heard))

    async def interrupt_pipeline(self) -> None:
        """Tell all processors of an interruption that this service found, as it tells itself of others'."""
        await self.broadcast_interruption()
        await self._handle_interruptions(InterruptionFrame())

    async def answer_call(self, call_id: str, result: Any) -> None:
        """Answer a call that is not run."""
        await self.perform(self._session.send_tool_result(call_id, tool_output(result)))

    async def announce_item(self, event: str, item_id: str, item: Mapping[str, Any] | None) -> None:
        """Call the application's handlers of an item event."""
        await self._call_event_handler(event, item_id, item)

    def retrieved(self, answer: ItemRetrieved) -> None:
        """Give an item to those who asked for it."""
        for future in self._retrievals.pop(answer.item_id, []):
            if future.done():
                continue
            if answer.item is None:
                future.set_exception(VoicepipeError(f"item {answer.item_id}: {answer.problem}"))
            else:
                future.set_result(answer.item)

    def _now_ms(self) -> float:
        return asyncio.get_running_loop().time() * 1000

    async def _update_settings(self, delta: LLMSettings) -> dict[str, Any]:
        """Make a change of settings: as a whole, or not at all."""
        changes = self.changes_of(delta)
        await self.perform(self._session.update(changes))
        return dict.fromkeys(changes)
