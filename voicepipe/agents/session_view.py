"""What there is to know of a session: who speaks, what was said, what was used, and the pipeline it is made of."""

from __future__ import annotations

from pipecat.pipeline.worker import PipelineWorker

from voicepipe.agents.agent import Agent
from voicepipe.agents.cast import Cast
from voicepipe.agents.emitter import Emitter
from voicepipe.agents.engine import Chronicle, Engine
from voicepipe.agents.events import AgentState, UserState
from voicepipe.agents.history import ChatContext
from voicepipe.agents.life import Life
from voicepipe.agents.model import Capabilities
from voicepipe.agents.reports import Reports
from voicepipe.agents.speech import Speeches, SpeechHandle
from voicepipe.agents.tools import FunctionTool
from voicepipe.agents.usage import AgentSessionUsage
from voicepipe.errors import VoicepipeError
from voicepipe.pipeline import Pipeline


class SessionView(Emitter):
    """The base of a session, whose parts it shows."""

    _cast: Cast
    _speeches: Speeches
    _chronicle: Chronicle
    _reports: Reports
    _life: Life
    _engine: Engine | None = None

    @property
    def is_started(self) -> bool:
        """Whether it has been started; it may be over by now."""
        return self._engine is not None

    @property
    def is_running(self) -> bool:
        """Whether somebody can be heard in it now."""
        return self._life.is_running

    @property
    def current_agent(self) -> Agent:
        """Who speaks.

        Raises:
            VoicepipeError: The session has not been started.
        """
        return self._cast.agent

    @property
    def current_speech(self) -> SpeechHandle | None:
        """What is spoken now of what was asked for; None while the model answers the user."""
        return self._speeches.current

    @property
    def history(self) -> ChatContext:
        """What was said and done so far."""
        return self._chronicle.context

    @property
    def agent_state(self) -> AgentState:
        """What the agent is doing."""
        return self._reports.agent_state

    @property
    def user_state(self) -> UserState:
        """What the user is doing."""
        return self._reports.user_state

    @property
    def usage(self) -> AgentSessionUsage:
        """What was used so far, by model."""
        return self._reports.usage

    @property
    def capabilities(self) -> Capabilities:
        """What can be asked of the model.

        Raises:
            VoicepipeError: The session has not been started.
        """
        if self._engine is None:
            raise VoicepipeError("the session has no model before it is started")
        return self._engine.capabilities

    @property
    def tools(self) -> list[FunctionTool]:
        """What all agents may call."""
        return self._cast.tools

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline.

        Raises:
            VoicepipeError: The session has not been started.
        """
        return self._life.pipeline

    @property
    def worker(self) -> PipelineWorker:
        """What runs the pipeline; frames of your own can be queued with it.

        Raises:
            VoicepipeError: The session has not been started.
        """
        return self._life.worker

    def _running_engine(self) -> Engine:
        self._check_runs()
        assert self._engine is not None
        return self._engine

    def _check_runs(self) -> None:
        if self._engine is None or not self._life.is_running:
            raise VoicepipeError("the session does not run: it was not started, or has ended")
