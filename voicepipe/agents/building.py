"""Which engine a session gets for what it was given as `llm`, `stt` and `tts`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import FunctionCallHandler, LLMService
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from voicepipe.agents.cascade_engine import CascadeEngine
from voicepipe.agents.engine import Chronicle, Engine
from voicepipe.agents.model import RealtimeModelBase
from voicepipe.agents.realtime_engine import RealtimeEngine
from voicepipe.agents.tools import FunctionTool
from voicepipe.errors import SettingsError
from voicepipe.realtime.service import RealtimeService

Model: TypeAlias = RealtimeModelBase | LLMService[Any]
"""A realtime model, a realtime service of voicepipe's, or a language model's service of Pipecat's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session's pipeline is made of.

    Parameters:
        llm: The model. With a realtime one, `stt`, `vad` and `turns` are not used, and `tts` only if it answers in text.
        stt: Speech to text.
        tts: Text to speech.
        vad: Finds speech.
        turns: Who decides when the user's turns begin and end; None is Pipecat's default.
        input_processors: Put between the room's input and the model.
        output_processors: Put between the model and the room's output.
    """

    llm: Model | None = None
    stt: FrameProcessor | None = None
    tts: FrameProcessor | None = None
    vad: VADAnalyzer | None = None
    turns: UserTurnStrategies | None = None
    input_processors: tuple[FrameProcessor, ...] = field(default=())
    output_processors: tuple[FrameProcessor, ...] = field(default=())

    def with_those_of(self, other: Parts) -> Parts:
        """Return these parts with those of another in their place, where it has any."""
        given = {name: getattr(other, name) for name in self.__slots__ if getattr(other, name)}
        return replace(self, **given)


def engine_for(
    parts: Parts, *, handler: Callable[[FunctionTool], FunctionCallHandler], chronicle: Chronicle
) -> Engine:
    """Return what thinks in a session.

    Args:
        parts: What there is.
        handler: Gives the handler of a tool.
        chronicle: The session's history.

    Raises:
        SettingsError: There is no model, or something else was given as one.
    """
    llm = parts.llm
    if isinstance(llm, RealtimeModelBase | RealtimeService):
        return _realtime(llm, parts, handler, chronicle)
    if isinstance(llm, LLMService):
        return CascadeEngine(
            llm,
            stt=parts.stt,
            tts=parts.tts,
            vad=parts.vad,
            turns=parts.turns,
            handler=handler,
            chronicle=chronicle,
        )
    given = "is missing" if llm is None else f"is a {type(llm).__name__}"
    why = "pass a realtime.RealtimeModel, a realtime service, or a language model's service of Pipecat's"
    raise SettingsError("llm", f"{given}; {why}")


def _realtime(
    llm: RealtimeModelBase | RealtimeService,
    parts: Parts,
    handler: Callable[[FunctionTool], FunctionCallHandler],
    chronicle: Chronicle,
) -> RealtimeEngine:
    service = llm.service() if isinstance(llm, RealtimeModelBase) else llm
    voice = None if service.session.speaks else parts.tts
    unused = [
        name
        for name, part in (("stt", parts.stt), ("tts", None if voice else parts.tts), ("vad", parts.vad))
        if part is not None
    ]
    if unused:
        logger.info(f"{service} hears and speaks by itself; not used: {', '.join(unused)}")
    transcript = llm.transcript if isinstance(llm, RealtimeModelBase) else True
    return RealtimeEngine(service, handler=handler, chronicle=chronicle, transcript=transcript, voice=voice)
