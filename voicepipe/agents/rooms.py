"""Where a bot's command line holds its conversation."""

from __future__ import annotations

import importlib.util
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from pipecat.transports.base_transport import BaseTransport

from voicepipe.agents.commands import Options
from voicepipe.errors import MissingExtraError, SettingsError
from voicepipe.transports.wav_file import WavFileTransport

if TYPE_CHECKING:
    from pipecat.transports.livekit.transport import LiveKitTransport

RoomSource: TypeAlias = Callable[[], BaseTransport | Awaitable[BaseTransport] | AsyncIterator[BaseTransport]]
"""Makes a room; an async generator gives one after the other, as callers come."""

_LIVEKIT: Final = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
_AGENT: Final = "agent"


async def rooms_for(options: Options, source: RoomSource | None) -> AsyncGenerator[BaseTransport]:
    """Give the rooms for a command: one, or as many as the source has.

    Args:
        options: The command.
        source: Makes the rooms of `start` and `dev`; None is LiveKit.

    Raises:
        MissingExtraError: There is no package for microphone and speaker, or for LiveKit.
        SettingsError: What LiveKit needs is missing; the error names it.
        AudioFormatError: A question is not a WAV file.
        FileNotFoundError: There is no such file.
    """
    if options.command == "console":
        yield _console(options)
    elif source is None:
        yield _livekit(options)
    elif isinstance(room := source(), AsyncIterator):
        async for one in room:
            yield one
    else:
        yield await room if inspect.isawaitable(room) else room


def _console(options: Options) -> BaseTransport:
    if options.wav:
        return WavFileTransport(options.wav, answer_path=options.answer, stereo_path=options.stereo)
    if options.answer or options.stereo:
        raise SettingsError("--wav", "is missing; --answer and --stereo are for questions from files")
    if importlib.util.find_spec("pyaudio") is None:
        raise MissingExtraError(
            "a conversation over microphone and speaker (or give questions with --wav)", "mic"
        )
    from pipecat.transports.local.audio import LocalAudioTransport, LocalAudioTransportParams

    return LocalAudioTransport(LocalAudioTransportParams(audio_in_enabled=True, audio_out_enabled=True))


def _livekit(options: Options) -> LiveKitTransport:
    name = options.room or os.environ.get("LIVEKIT_ROOM_NAME")
    if not name:
        why = "is missing: which room of the LiveKit server? Without a server, use `console`"
        raise SettingsError("--room", why)
    for variable in _LIVEKIT:
        if not os.environ.get(variable):
            raise SettingsError(
                variable, "is not set; it is needed to join a LiveKit room. Without one, use `console`"
            )
    if importlib.util.find_spec("livekit") is None:
        raise MissingExtraError("a LiveKit room", "livekit")
    from pipecat.runner.livekit import generate_token_with_agent
    from pipecat.transports.livekit.transport import LiveKitParams, LiveKitTransport

    url, key, secret = (os.environ[variable] for variable in _LIVEKIT)
    token = generate_token_with_agent(name, _AGENT, key, secret)
    return LiveKitTransport(url, token, name, LiveKitParams(audio_in_enabled=True, audio_out_enabled=True))
