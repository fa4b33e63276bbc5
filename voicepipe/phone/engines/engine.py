"""What an engine has to give for one call: the processors between the caller's sound and the bot's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pipecat.processors.frame_processor import FrameProcessor

from voicepipe.frames import Frame, TTSSpeakFrame

Part: TypeAlias = FrameProcessor | Callable[[], FrameProcessor]
"""A service, which serves one call and no other, or what makes one for each call."""


@dataclass(frozen=True)
class Brief:
    """What a call's engine is told.

    Parameters:
        system_prompt: What it is to do, and how.
        first_message: What it says first.
        tools: Schemas with their handlers, and direct functions, bound to the call.
        needs_words: Whether somebody waits for the caller's words before the answer (a guardrail on them).
    """

    system_prompt: str
    first_message: str
    tools: Sequence[Any]
    needs_words: bool = False


@dataclass(frozen=True)
class Bot:
    """One call's processors.

    Parameters:
        ears: Before the engine itself; what the caller said comes upstream out of `mouth` or goes down past it.
        mouth: From the engine on, up to the transport's output.
        tail: After the transport's output.
        opening: What is queued when the call has begun.
        answers_on_request: Whether it waits for an `LLMRunFrame` after each turn of the caller's.
        words_go_up: Whether the caller's words come from the engine upstream, as those of realtime services do.
    """

    ears: Sequence[FrameProcessor]
    mouth: Sequence[FrameProcessor]
    tail: Sequence[FrameProcessor] = ()
    opening: Sequence[Frame] = field(default_factory=tuple)
    answers_on_request: bool = False
    words_go_up: bool = True


@runtime_checkable
class Engine(Protocol):
    """What hears and speaks, for any number of calls."""

    @property
    def kind(self) -> str:
        """Its name, for records: `openai_realtime`, `elevenlabs_convai`, `pipeline`, ..."""
        ...

    @property
    def model(self) -> str:
        """The model's name, for records and prices; empty if it is not known."""
        ...

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call.

        Raises:
            VoicepipeError: There can be none.
        """
        ...


def said_first(text: str) -> Sequence[Frame]:
    """Return the frames with which a bot says something of its own accord."""
    return (TTSSpeakFrame(text),) if text else ()
