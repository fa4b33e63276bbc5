"""The bot that a recording was made with, as far as the recording tells: for a replay that is given no other one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from voicepipe.errors import SettingsError
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.service import RealtimeService
from voicepipe.replay.player import MakeBot
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.telemetry.recording.reader import Recording

_KEY: Final = "no key is needed for a replay"
_URL: Final = "ws://replay.invalid/v1/realtime"


def recorded_bot(recording: Recording, *, interruptions: Interruptions | None = None) -> MakeBot:
    """Return what makes the services of a recording, with the settings that they began with.

    Args:
        recording: The recording.
        interruptions: Who may interrupt, if it is to be another than then.

    Raises:
        SettingsError: It cannot be told from the recording how a service was made.
    """
    for service in recording.header["services"]:
        name = str(service["class"]).rpartition(":")[2]
        if name != OpenAIRealtimeLLMService.__name__:
            raise SettingsError(
                "bot", f"how a {name} was made is not in the recording; name a function that makes it"
            )
    return lambda: [
        _openai(recording, index, interruptions) for index in range(len(recording.header["services"]))
    ]


def named_bot(name: str) -> MakeBot:
    """Return the function that `module:function` names; modules are looked for in the working directory as well.

    Raises:
        SettingsError: There is no such function.
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError("bot", f"{name!r} is not `module:function`: {error}") from None
    if not callable(found):
        raise SettingsError("bot", f"{name!r} is no function")
    return found  # pyright: ignore[reportReturnType]


def _openai(recording: Recording, index: int, interruptions: Interruptions | None) -> RealtimeService:
    session: Mapping[str, Any] = recording.opening(index).get("session", {})
    properties = {name: value for name, value in session.items() if name != "type"}
    then = Interruptions(**recording.header["services"][index]["interruptions"])
    return OpenAIRealtimeLLMService(
        api_key=_KEY,
        base_url=_URL,
        model=_model(recording, index),
        session_properties=SessionProperties(**properties),
        interruptions=interruptions or then,
    )


def _model(recording: Recording, index: int) -> str:
    for entry in recording.of("wire"):
        if entry["way"] == "received" and entry["service"] == index and "message" in entry:
            model = entry["message"].get("session", {}).get("model")
            if model:
                return str(model)
    return "gpt-realtime"
