"""The part of a session that follows from its state, the same for all whose session is two halves over one state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from voicepipe.realtime.events import Output
from voicepipe.realtime.history import History


class SoundFormat(Protocol):
    """How sound is coded on a wire."""

    @property
    def sample_rate(self) -> int:
        """In hertz."""
        ...


class SessionState(Protocol):
    """What a session's halves share: what can be asked of it, and what the server says."""

    @property
    def format_in(self) -> SoundFormat:
        """Of the user's sound."""
        ...

    @property
    def format_out(self) -> SoundFormat:
        """Of the bot's."""
        ...

    @property
    def history(self) -> History:
        """The conversation so far."""
        ...

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        ...

    def reset(self) -> None:
        """Forget the conversation, but not the settings."""
        ...


class ServerSide(Protocol):
    """What a server says."""

    @property
    def passed_over(self) -> Mapping[str, int]:
        """How often something was not understood, by its type."""
        ...

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one message."""
        ...


StateT = TypeVar("StateT", bound=SessionState)
ServerT = TypeVar("ServerT", bound=ServerSide)


class StatefulSession(ABC, Generic[StateT, ServerT]):
    """A session of two halves over one state.

    Args:
        state: What both halves share.
        incoming: What the server says.
    """

    def __init__(self, state: StateT, incoming: ServerT) -> None:
        self._state = state
        self._incoming = incoming
        self._carry = b""

    @property
    def input_sample_rate(self) -> int:
        """The rate of the sound that `append_audio` takes, in hertz: that of the wire."""
        return self._state.format_in.sample_rate

    @property
    def output_sample_rate(self) -> int:
        """The rate of the sound in `AudioChunk`, in hertz: that of the wire."""
        return self._state.format_out.sample_rate

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        return self._state.is_quiet

    @property
    def history(self) -> History:
        """The conversation so far, with of each answer what was heard."""
        return self._state.history

    @property
    def passed_over(self) -> Mapping[str, int]:
        """How often something from the server was not understood or came too late, by its type."""
        return self._incoming.passed_over

    def receive(self, message: str | bytes) -> list[Output]:
        """Take one message from the wire."""
        return self._incoming.receive(message)

    @abstractmethod
    def closed(self) -> list[Output]:
        """Take note that the connection is gone."""

    def reset(self) -> list[Output]:
        """Forget the conversation, but not the settings."""
        outputs = self.closed()
        self._state.reset()
        return outputs

    def _whole_samples(self, pcm: bytes) -> bytes:
        """Return sound in whole samples of s16le; an odd byte waits for its other half."""
        if self._carry:
            pcm, self._carry = self._carry + pcm, b""
        if len(pcm) % 2:
            pcm, self._carry = pcm[:-1], pcm[-1:]
        return pcm
