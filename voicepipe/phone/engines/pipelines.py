"""Engines made of services that somebody else built: any realtime service, or speech to text, a model and text to speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.audio.vad.vad_analyzer import VADAnalyzer
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameProcessor

from voicepipe.audio.resampler import AudioResampler
from voicepipe.errors import PhoneError, SettingsError
from voicepipe.frames import Frame, LLMRunFrame, LLMSetToolsFrame, LLMUpdateSettingsFrame
from voicepipe.phone.engines.engine import Bot, Brief, Part, said_first
from voicepipe.realtime.service import RealtimeService

_LINE_RATE = 8000
_SAY_FIRST = "Begin the conversation with exactly these words: {}"


class _Maker:
    """Makes a service for each call; one that was passed made serves one call."""

    def __init__(self, field: str, part: Any) -> None:
        if not isinstance(part, FrameProcessor) and not callable(part):
            raise SettingsError(field, f"{type(part).__name__} is neither a service nor what makes one")
        self._field = field
        self._part: Any = part

    def make(self) -> FrameProcessor:
        """Return a service for one call.

        Raises:
            PhoneError: The one there was has had its call, or what was made is no service.
        """
        part = self._part
        if isinstance(part, FrameProcessor):
            self._part = None
            return part
        if part is None:
            raise PhoneError(
                f"{self._field}: this service has had its call; pass what makes one for each call"
            )
        made = part()
        if not isinstance(made, FrameProcessor):
            raise PhoneError(f"{self._field}: what was made is a {type(made).__name__}, no service")
        return made


class ServiceEngine:
    """Any realtime service of voicepipe or Pipecat.

    Args:
        service: The service, for one call; or what makes one for each call.

    Raises:
        SettingsError: It is neither.
    """

    kind = "service"
    model = ""

    def __init__(self, service: Any) -> None:
        self._maker = _Maker("engine", service)

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call."""
        service = self._maker.make()
        return (
            _of_ours(service, brief) if isinstance(service, RealtimeService) else _of_pipecat(service, brief)
        )


class PipelineEngine:
    """Three services in a row, each for one call or made for each call.

    Args:
        stt: Speech to text.
        llm: The model.
        tts: Text to speech.
        vad: A voice activity analyzer or what makes one; None is Silero's.

    Raises:
        SettingsError: One of them is none.
    """

    kind = "pipeline"
    model = ""

    def __init__(self, stt: Part, llm: Part, tts: Part, vad: Any = None) -> None:
        self._stt, self._llm, self._tts = _Maker("stt", stt), _Maker("llm", llm), _Maker("tts", tts)
        self._vad = vad

    def bot(self, brief: Brief) -> Bot:
        """Return new processors for a call."""
        user = LLMUserAggregatorParams(vad_analyzer=self._analyzer())
        pair = LLMContextAggregatorPair(_context(brief.system_prompt, brief.tools), user_params=user)
        return Bot(
            ears=[self._stt.make()],
            mouth=[pair.user(), self._llm.make(), self._tts.make()],
            tail=[pair.assistant()],
            opening=said_first(brief.first_message),
            sample_rate=_LINE_RATE,
        )

    def _analyzer(self) -> VADAnalyzer:
        if isinstance(self._vad, VADAnalyzer):
            return self._vad
        if self._vad is not None:
            return cast("Callable[[], VADAnalyzer]", self._vad)()
        from pipecat.audio.vad.silero import SileroVADAnalyzer

        return SileroVADAnalyzer()


def _of_ours(service: RealtimeService, brief: Brief) -> Bot:
    opening: list[Frame] = []
    if brief.system_prompt:
        opening.append(LLMUpdateSettingsFrame(settings={"instructions": brief.system_prompt}))
    if brief.tools:
        opening.append(LLMSetToolsFrame(tools=_schema(brief.tools)))
    opening += said_first(brief.first_message)
    return Bot(ears=[AudioResampler()], mouth=[service], opening=opening)


def _of_pipecat(service: FrameProcessor, brief: Brief) -> Bot:
    context = _context(brief.system_prompt, brief.tools)
    if brief.first_message:
        context.add_message({"role": "developer", "content": _SAY_FIRST.format(brief.first_message)})
    pair = LLMContextAggregatorPair(context)
    return Bot(
        ears=[AudioResampler(), pair.user()],
        mouth=[service],
        tail=[pair.assistant()],
        opening=[LLMRunFrame()],
        # Pipecat's realtime services pass a `TTSSpeakFrame` on.
        says_on_request=False,
    )


def _context(prompt: str, tools: Sequence[FunctionSchema]) -> LLMContext:
    messages: list[Any] = [{"role": "system", "content": prompt}] if prompt else []
    return LLMContext(messages, _schema(tools)) if tools else LLMContext(messages)


def _schema(tools: Sequence[FunctionSchema]) -> ToolsSchema:
    return ToolsSchema(standard_tools=list(tools))
