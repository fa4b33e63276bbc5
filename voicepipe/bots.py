"""What a bot is for a front that brings its own transport: a function from the transport to a pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pipecat.transports.base_transport import BaseTransport

from voicepipe.pipeline import Pipeline

Bot: TypeAlias = Callable[[BaseTransport], Pipeline | Awaitable[Pipeline]]
"""Called once for each conversation, with the transport that has the person at its other end."""


async def pipeline_of(bot: Bot, transport: BaseTransport) -> Pipeline:
    """Return the bot's pipeline for one conversation.

    Raises:
        TypeError: The bot gave something else than a pipeline.
        Exception: What the bot raised.
    """
    made = bot(transport)
    pipeline = made if isinstance(made, Pipeline) else await made
    if not isinstance(pipeline, Pipeline):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"bot() has to return a Pipeline, not {type(pipeline).__name__}")
    return pipeline
