"""Values of a realtime session in Pipecat's words: error categories, what a tool gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pipecat.pipeline.base_pipeline import BasePipeline
from pipecat.processors.aggregators.llm_response_universal import (
    LLMAssistantAggregator,
    LLMUserAggregator,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.utils.errors import ErrorCategory

from voicepipe.errors import FailureKind
from voicepipe.frames import FunctionCallResultFrame

FATAL_CATEGORIES: Mapping[FailureKind, ErrorCategory] = {
    "authentication": ErrorCategory.AUTHENTICATION,
    "quota": ErrorCategory.QUOTA,
    "rate_limit": ErrorCategory.RATE_LIMIT,
    "model": ErrorCategory.INVALID_REQUEST,
    "request": ErrorCategory.INVALID_REQUEST,
    "settings": ErrorCategory.INVALID_REQUEST,
    "expired": ErrorCategory.SERVER,
    "server": ErrorCategory.SERVER,
    "protocol": ErrorCategory.SERVER,
    "connection": ErrorCategory.CONNECTIVITY,
}
"""What ends a session, in Pipecat's words."""

_PASSING_CATEGORIES: Mapping[FailureKind, ErrorCategory] = {
    "rate_limit": ErrorCategory.RATE_LIMIT,
    "server": ErrorCategory.SERVER,
}


def category_of(kind: FailureKind, *, fatal: bool) -> ErrorCategory:
    """Return Pipecat's category.

    Pipecat takes some categories as the end of a service, whatever else is said; a failure the session survives must
    not get one of those (promise P-15).
    """
    return FATAL_CATEGORIES[kind] if fatal else _PASSING_CATEGORIES.get(kind, ErrorCategory.APPLICATION)


def tool_output(result: Any) -> str:
    """Return a function's result as the text a model reads: words as they are, anything else as JSON.

    Half a character, as is left of a text that was cut by its UTF-16, becomes `?`.

    Raises:
        TypeError: JSON has no form for it.
    """
    if result is None:
        return "COMPLETED"
    if isinstance(result, str):
        return result.encode(errors="replace").decode()
    return orjson.dumps(result, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def wants_answer(frame: FunctionCallResultFrame) -> bool:
    """Whether the model is to speak to a function's result; its own properties decide before the frame does."""
    if frame.properties and frame.properties.run_llm is not None:
        return frame.properties.run_llm
    return frame.run_llm is not False


def has_user_aggregator(pipeline: BasePipeline | FrameProcessor) -> bool:
    """Whether somewhere in a pipeline a context aggregator decides when the user's turns begin and end."""
    return any(isinstance(p, LLMUserAggregator) or has_user_aggregator(p) for p in pipeline.processors)


def has_assistant_aggregator(pipeline: BasePipeline | FrameProcessor) -> bool:
    """Whether somewhere in a pipeline a context aggregator writes down what the bot says."""
    return any(
        isinstance(p, LLMAssistantAggregator) or has_assistant_aggregator(p) for p in pipeline.processors
    )
