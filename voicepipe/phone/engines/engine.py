"""What an engine has to give for one call: the processors between the caller's sound and the bot's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
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
        tools: With their handlers, bound to the call.
        needs_words: Whether somebody waits for the caller's words before the answer (a guardrail on them).
    """

    system_prompt: str
    first_message: str
    tools: Sequence[FunctionSchema]
    needs_words: bool = False


@dataclass(frozen=True)
class Bot:
    """One call's processors.

    Parameters:
        ears: Before what is watched for the caller's words; speech to text is here, where there is any.
        mouth: From the engine on, up to the transport's output.
        tail: After the transport's output.
        opening: What is queued when the call has begun.
        answers_on_request: Whether it waits for an `LLMRunFrame` after each turn of the caller's.
        says_on_request: Whether it says a text it is given.
        sample_rate: The pipeline's own, in hertz, for services that take sound as the transport gives it.
    """

    ears: Sequence[FrameProcessor]
    mouth: Sequence[FrameProcessor]
    tail: Sequence[FrameProcessor] = ()
    opening: Sequence[Frame] = field(default_factory=tuple)
    answers_on_request: bool = False
    says_on_request: bool = True
    sample_rate: int = 24000


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
