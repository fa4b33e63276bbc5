"""What a bot is for a front that brings its own transport: a function from the transport to a pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

from pipecat.transports.base_transport import BaseTransport

from voicepipe.errors import SettingsError
from voicepipe.offline import OpenAIPlace
from voicepipe.pipeline import Pipeline

_MOST_ARGUMENTS: Final = 2

Bot: TypeAlias = Callable[[BaseTransport], Pipeline | Awaitable[Pipeline]]
"""Called once for each conversation, with the transport that has the person at its other end."""


class BotFunction(Protocol):
    """What a bot's file defines, whether or not it takes `openai`."""

    def __call__(self, transport: BaseTransport, openai: OpenAIPlace, /) -> Pipeline | Awaitable[Pipeline]:
        """Make the pipeline of one conversation.

        Args:
            transport: Has the person at its other end.
            openai: Where the Realtime API is.
        """
        ...


def bot_function(bot: Callable[..., Any]) -> BotFunction:
    """Return a function `bot(transport)` or `bot(transport, openai)` as one that is always told both.

    Raises:
        SettingsError: It takes neither one nor two arguments.
    """
    parameters = inspect.signature(bot).parameters.values()
    count = sum(one.kind not in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in parameters)
    if not 1 <= count <= _MOST_ARGUMENTS:
        raise SettingsError("bot", f"takes {count} arguments; (transport) or (transport, openai)")
    return lambda transport, openai: bot(*(transport, openai)[:count])


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
