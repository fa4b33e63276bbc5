"""What a session's handlers are told, from what its observer finds."""

from __future__ import annotations

import asyncio

from voicepipe.agents.activity import Activity
from voicepipe.agents.emitter import Emitter
from voicepipe.agents.engine import Chronicle, Engine
from voicepipe.agents.events import (
    AgentState,
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    MetricsCollectedEvent,
    SessionUsageUpdatedEvent,
    UserInputTranscribedEvent,
    UserState,
    UserStateChangedEvent,
)
from voicepipe.agents.history import ChatMessage
from voicepipe.agents.speech import Speeches
from voicepipe.agents.usage import AgentSessionUsage
from voicepipe.frames import MetricsFrame


class Reports:
    """Tells the handlers, and keeps the history and the states up to date.

    Args:
        emitter: Has the handlers.
        activity: Who does what.
        chronicle: The history.
        speeches: What was asked for; it is told of every change.
        away_secs: After how long a silence the user counts as away; None is never.
    """

    def __init__(
        self,
        emitter: Emitter,
        activity: Activity,
        chronicle: Chronicle,
        speeches: Speeches,
        *,
        away_secs: float | None,
    ) -> None:
        self.engine: Engine | None = None
        """What thinks, once there is something."""
        self.agent_state: AgentState = "initializing"
        self.user_state: UserState = "listening"
        self._usage = AgentSessionUsage()
        self._started_at: float | None = None
        self._emitter = emitter
        self._activity = activity
        self._speeches = speeches
        self._away_secs = away_secs
        self._away: asyncio.TimerHandle | None = None
        self._is_away = False
        self._was_cut = False
        chronicle.on_message = self._message_added

    @property
    def usage(self) -> AgentSessionUsage:
        """What was used so far."""
        self._count_time()
        return self._usage

    def started(self) -> None:
        """The session has started."""
        self._started_at = asyncio.get_running_loop().time()
        self._activity.is_started = True
        self.moved()

    def close(self) -> None:
        """The session is over: what was said last is part of the history."""
        self._stop_waiting()
        self._count_time()
        self._started_at = None
        if self.engine is not None:
            self.engine.settle(bot_is_silent=True, interrupted=self._was_cut)

    def answers_turns(self) -> bool:
        """Whether the user's turns are answered without anybody asking."""
        return self.engine is not None and self.engine.answers_turns

    def moved(self) -> None:
        """The activity has changed, or may have."""
        if self.engine is not None:
            is_silent = not self._activity.is_uttering
            self.engine.settle(bot_is_silent=is_silent, interrupted=self._was_cut)
            self._was_cut = self._was_cut and not is_silent
        self._tell_agent_state()
        self._tell_user_state()
        self._speeches.changed()

    def bot_was_cut(self) -> None:
        """An interruption reached the pipeline."""
        self._was_cut = self._activity.is_uttering
        if self._was_cut:
            self._speeches.interrupted(all_of_them=False)

    def words_came(self, event: UserInputTranscribedEvent) -> None:
        """The user said something."""
        self._emitter.emit("user_input_transcribed", event)

    def measured(self, frame: MetricsFrame) -> None:
        """Something was measured."""
        for metrics in frame.data:
            self._emitter.emit("metrics_collected", MetricsCollectedEvent(metrics=metrics))
            if self._usage.add(metrics):
                self._emitter.emit("session_usage_updated", SessionUsageUpdatedEvent(usage=self.usage))

    def erred(self, event: ErrorEvent) -> None:
        """Something went wrong."""
        self._emitter.emit("error", event)

    def _count_time(self) -> None:
        if self._started_at is not None:
            self._usage.session_secs = asyncio.get_running_loop().time() - self._started_at

    def _message_added(self, message: ChatMessage) -> None:
        if message.role == "assistant":
            self._activity.written()
        self._emitter.emit("conversation_item_added", ConversationItemAddedEvent(item=message))
        self._speeches.changed()

    def _tell_agent_state(self) -> None:
        old, self.agent_state = self.agent_state, self._activity.agent_state
        if self.agent_state != old:
            self._emitter.emit("agent_state_changed", AgentStateChangedEvent(old, self.agent_state))

    def _tell_user_state(self) -> None:
        is_quiet = self.agent_state == "listening" and not self._activity.user_speaks
        if not is_quiet:
            self._stop_waiting()
        elif self._away is None and self._away_secs is not None:
            self._away = asyncio.get_running_loop().call_later(self._away_secs, self._went_away)
        here: UserState = "away" if self._is_away else "listening"
        old, self.user_state = self.user_state, "speaking" if self._activity.user_speaks else here
        if self.user_state != old:
            self._emitter.emit("user_state_changed", UserStateChangedEvent(old, self.user_state))

    def _went_away(self) -> None:
        self._is_away = True
        self._tell_user_state()

    def _stop_waiting(self) -> None:
        self._is_away = False
        if self._away is not None:
            self._away.cancel()
            self._away = None
