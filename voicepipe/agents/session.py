"""`AgentSession`: one conversation of an agent with somebody in a room.

A thin layer over a pipeline, which it shows: `session.pipeline`. The room is a transport of Pipecat's; what thinks in
between is an engine (`building`), what is said one after the other is in `speech`, who does what in `activity`, and what
handlers are told in `reports`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Self

from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from voicepipe.agents.activity import Activity
from voicepipe.agents.agent import Agent
from voicepipe.agents.building import Model, Parts, engine_for
from voicepipe.agents.cast import Cast
from voicepipe.agents.ears import Ears
from voicepipe.agents.engine import Chronicle, Engine
from voicepipe.agents.events import (
    CloseEvent,
    CloseReason,
    SpeechCreatedEvent,
)
from voicepipe.agents.job import CURRENT_JOB
from voicepipe.agents.life import Life, close_event
from voicepipe.agents.listening import SessionObserver
from voicepipe.agents.presence import Presence
from voicepipe.agents.reports import Reports
from voicepipe.agents.run_result import RunResult
from voicepipe.agents.session_view import SessionView
from voicepipe.agents.speech import Speeches, SpeechHandle, ToolChoice, Wish
from voicepipe.agents.tasks import Tasks
from voicepipe.agents.tools import Tool, by_name
from voicepipe.agents.turn import Turn
from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.frames import InterruptionFrame
from voicepipe.pipeline import Pipeline
from voicepipe.pipeline import RunResult as PipelineResult


class AgentSession(SessionView):
    """One conversation. It can be started once.

        session = AgentSession(llm=realtime.RealtimeModel())
        await session.start(agent=Agent(instructions="You help."), room=transport)
        await session.wait_closed()

    It is an async context manager as well, which closes it.

    Args:
        llm: A realtime model, or a language model's service of Pipecat's; `start` takes one, too.
        stt: Speech to text, beside a language model.
        tts: Text to speech, beside a language model.
        vad: Finds speech, beside a language model.
        turns: Who decides when the user's turns begin and end, beside a language model.
        tools: What all agents of this session may call.
        userdata: Whatever tools are to find in their context.
        input_processors: Processors of yours, put between the room's input and the model.
        output_processors: Processors of yours, put between the model and the room's output.
        user_away_timeout: After how many seconds in which nobody speaks the user counts as away; None is never.
        close_on_disconnect: Whether the session ends when the last one has left the room.
    """

    def __init__(
        self,
        *,
        llm: Model | None = None,
        stt: FrameProcessor | None = None,
        tts: FrameProcessor | None = None,
        vad: VADAnalyzer | None = None,
        turns: UserTurnStrategies | None = None,
        tools: Iterable[Tool] = (),
        userdata: Any = None,
        input_processors: Sequence[FrameProcessor] = (),
        output_processors: Sequence[FrameProcessor] = (),
        user_away_timeout: float | None = 15.0,
        close_on_disconnect: bool = True,
    ) -> None:
        super().__init__()
        self.userdata = userdata
        self.room: BaseTransport | None = None
        """Where the conversation is; a server sets it before the entrypoint is called."""
        self._parts = Parts(
            llm=llm,
            stt=stt,
            tts=tts,
            vad=vad,
            turns=turns,
            input_processors=tuple(input_processors),
            output_processors=tuple(output_processors),
        )
        self._activity = Activity()
        self._chronicle = Chronicle()
        self._speeches = Speeches(self._activity, self._perform)
        self._reports = Reports(
            self, self._activity, self._chronicle, self._speeches, away_secs=user_away_timeout
        )
        self._tasks = Tasks()
        self._cast = Cast(
            self,
            by_name(tools),
            chronicle=self._chronicle,
            activity=self._activity,
            speeches=self._speeches,
            tasks=self._tasks,
        )
        self._life = Life()
        self._engine: Engine | None = None
        self._reason: CloseReason | None = None
        self._close_on_disconnect = close_on_disconnect
        self._presence: Presence | None = None
        job = CURRENT_JOB.get()
        if job is not None:
            job.add(self)

    # Life.

    async def start(
        self,
        agent: Agent,
        *,
        room: BaseTransport | None = None,
        llm: Model | None = None,
        stt: FrameProcessor | None = None,
        tts: FrameProcessor | None = None,
        vad: VADAnalyzer | None = None,
        turns: UserTurnStrategies | None = None,
    ) -> None:
        """Begin; returns when the agent can hear and speak. What is given here goes before what the session was given.

        Args:
            agent: Who speaks first.
            room: Any transport of Pipecat's; by default the session's `room`.
            llm: As for the session.
            stt: As for the session.
            tts: As for the session.
            vad: As for the session.
            turns: As for the session.

        Raises:
            SettingsError: There is no room or no model, or a setting cannot be used; the error names it.
            VoicepipeError: The model cannot be reached or will not have us (a `ConnectionRefused`), or the session was
                started before.
        """
        if self._engine is not None:
            raise VoicepipeError("a session is started once; make another one")
        room = room or self.room
        if room is None:
            raise SettingsError("room", "is missing; pass a transport, e.g. a WavFileTransport")
        given = Parts(llm=llm, stt=stt, tts=tts, vad=vad, turns=turns)
        parts = self._parts.with_those_of(given)
        engine = engine_for(parts, handler=self._cast.rounds.handler, chronicle=self._chronicle)
        await engine.become(agent, self._cast.tools_of(agent))
        self.room, self._engine = room, engine
        self._activity.voice_apart = engine.voice_apart
        self._reports.engine = engine
        if self._close_on_disconnect:
            self._presence = Presence(room, self._everybody_left)
        pipeline = Pipeline(
            [
                room.input(),
                *parts.input_processors,
                Ears(lambda: self._speeches.holds_the_floor),
                *engine.before_output,
                *parts.output_processors,
                room.output(),
                *engine.after_output,
            ]
        )
        observer = SessionObserver(self._activity, self._reports)
        await self._life.begin(pipeline, observer, self._ended)
        self._tasks.start(self._speeches.run(), "speak")
        self._reports.started()
        self._cast.begin(engine, agent)
        if self._presence is not None and self._presence.is_left:
            self._everybody_left()

    async def aclose(self, *, reason: CloseReason = "user_initiated") -> None:
        """End the conversation at once, and leave nothing behind; `reason` is what `close` will say."""
        self._reason = self._reason or reason
        await self._life.end()

    async def drain(self) -> None:
        """Wait until all that was asked for has been said."""
        await self._tasks.promise(self._speeches.drained(), "drain")

    def shutdown(self, *, drain: bool = True, reason: CloseReason = "user_initiated") -> None:
        """End the conversation soon; with `drain`, when all that was asked for has been said."""
        self._tasks.start(self._shut_down(drain=drain, reason=reason), "shut down")

    async def wait_closed(self) -> CloseEvent:
        """Wait until the conversation is over and nothing of it is left.

        Raises:
            VoicepipeError: The session has not been started.
        """
        return await self._life.wait_closed()

    async def __aenter__(self) -> Self:
        """Return the session; `start` begins it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    # What the agent is to say.

    def generate_reply(
        self,
        *,
        user_input: str | None = None,
        instructions: str | None = None,
        tool_choice: ToolChoice | None = None,
        allow_interruptions: bool = True,
    ) -> SpeechHandle:
        """Have the model say something; to be awaited or not.

        Args:
            user_input: What the user is to have said first.
            instructions: For this answer, besides the agent's own.
            tool_choice: Whether this answer may call functions; with realtime models.
            allow_interruptions: Whether the user can interrupt; if not, nothing is heard of the user meanwhile.

        Raises:
            VoicepipeError: The session does not run, or too many speeches wait.
        """
        return self._speak(
            Wish(
                user_input=user_input,
                instructions=instructions,
                tool_choice=tool_choice,
                allow_interruptions=allow_interruptions,
            )
        )

    def say(
        self, text: str, *, allow_interruptions: bool = True, add_to_chat_ctx: bool = True
    ) -> SpeechHandle:
        """Have words said as they are; to be awaited or not. A realtime model is asked to say just these.

        Args:
            text: The words.
            allow_interruptions: Whether the user can interrupt; if not, nothing is heard of the user meanwhile.
            add_to_chat_ctx: Whether they belong to the conversation; a realtime model remembers all that it says.

        Raises:
            VoicepipeError: The session does not run, or too many speeches wait.
        """
        return self._speak(
            Wish(text=text, add_to_chat_ctx=add_to_chat_ctx, allow_interruptions=allow_interruptions)
        )

    def run(self, *, user_input: str) -> RunResult:
        """Hold one turn in writing, for tests: `result = await session.run(user_input="...")`.

        It begins when all that was asked for before has been said, and is over when the answer was, with the functions it
        led to and what an agent says that takes over.

        Args:
            user_input: What the user is to have written.

        Raises:
            VoicepipeError: The session does not run.
        """
        self._check_runs()
        turn = Turn(
            self.history,
            self._cast,
            self._speeches,
            self._activity,
            lambda: self.generate_reply(user_input=user_input),
        )
        return turn.result(self._tasks.promise(turn.run(), "run"))

    def interrupt(self, *, force: bool = False) -> asyncio.Future[None]:
        """Stop what is said, and what waits to be said; the future is done when it is quiet.

        Args:
            force: Whether also a speech is stopped that does not allow interruptions.

        Raises:
            VoicepipeError: The session does not run, or such a speech is said now.
        """
        self._check_runs()
        if self.current_speech is not None:
            self.current_speech.check_may_be_interrupted(force=force)
        return self._tasks.promise(self._interrupt(), "interrupt")

    async def commit_user_turn(self) -> None:
        """End the user's turn and have it answered, where the application decides turns (`turn_detection=None`)."""
        await self._running_engine().commit_user_turn(self.worker)

    async def clear_user_turn(self) -> None:
        """Forget what the user has said since the last turn, where the application decides turns."""
        await self._running_engine().clear_user_turn()

    # Who speaks.

    def update_agent(self, agent: Agent) -> asyncio.Future[None]:
        """Hand the conversation over to another agent; the future is done when it has taken over.

        Raises:
            VoicepipeError: The session does not run.
        """
        self._check_runs()
        return self._tasks.promise(self._cast.hand_over(agent), f"hand over to {agent.id}")

    async def refresh(self, agent: Agent) -> None:
        """Take over what has changed about an agent; nothing if it does not speak. The agent calls it."""
        await self._cast.refresh(agent)

    # Parts.

    def _speak(self, wish: Wish) -> SpeechHandle:
        self._check_runs()
        handle = SpeechHandle(wish, lambda: self.interrupt(force=True))
        self._speeches.add(handle)
        source = "generate_reply" if wish.text is None else "say"
        self.emit("speech_created", SpeechCreatedEvent(source=source, speech_handle=handle))
        return handle

    async def _perform(self, wish: Wish) -> None:
        await self._running_engine().perform(wish, self.worker)

    async def _interrupt(self) -> None:
        self._speeches.interrupted(all_of_them=True)
        if self._activity.is_uttering:
            await self.worker.queue_frame(InterruptionFrame())
            await self._speeches.until(lambda: not self._activity.is_uttering)

    async def _shut_down(self, *, drain: bool, reason: CloseReason) -> None:
        if drain:
            await self._speeches.drained()
        await self.aclose(reason=reason)

    def _everybody_left(self) -> None:
        if self._life.is_running:
            self.shutdown(drain=False, reason="participant_disconnected")

    async def _ended(self, result: PipelineResult) -> CloseEvent:
        if self._presence is not None:
            self._presence.close()
        await self._tasks.aclose()
        self._speeches.forget()
        self._reports.close()
        self._cast.close()
        event = close_event(result, self._reason)
        self.emit("close", event)
        return event
