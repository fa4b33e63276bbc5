"""The bot that a recording was made with, as far as the recording tells: for a replay that is given no other one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from voicepipe.errors import SettingsError
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.realtime.service import RealtimeService
from voicepipe.replay.player import MakeBot
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService, Overrides
from voicepipe.services.openai.realtime import OpenAIRealtimeLLMService, SessionProperties
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService
from voicepipe.services.openai_realtime_beta import SessionProperties as BetaProperties
from voicepipe.services.openai_realtime_beta.service import DEFAULT_MODEL
from voicepipe.services.openai_realtime_beta.translation import settings_in_beta_words
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
    names = [str(service["class"]).rpartition(":")[2] for service in recording.header["services"]]
    for name in names:
        if name not in _MAKERS:
            raise SettingsError(
                "bot", f"how a {name} was made is not in the recording; name a function that makes it"
            )
    return lambda: [
        _MAKERS[name](recording, index, interruptions or _then(recording, index))
        for index, name in enumerate(names)
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


def _then(recording: Recording, index: int) -> Interruptions:
    told = recording.header["services"][index].get("interruptions", {})
    known = {one.name for one in fields(Interruptions)}
    return Interruptions(**{name: value for name, value in told.items() if name in known})


def _openai(recording: Recording, index: int, interruptions: Interruptions) -> RealtimeService:
    return OpenAIRealtimeLLMService(
        api_key=_KEY,
        base_url=_URL,
        model=_model(recording, index, "gpt-realtime"),
        session_properties=SessionProperties(**_session(recording, index)),
        interruptions=interruptions,
    )


def _openai_beta(recording: Recording, index: int, interruptions: Interruptions) -> RealtimeService:
    settings = recording.opening(index).get("session", {})
    is_ga = settings.get("type") == "realtime"
    words = settings_in_beta_words(settings) if is_ga else settings
    # Where the first connection refused the beta wire, and another one followed, it is refused again.
    over_ga = is_ga and _first_link(recording, index) == 1
    return OpenAIRealtimeBetaLLMService(
        api_key=_KEY,
        base_url=_URL,
        model=_model(recording, index, DEFAULT_MODEL),
        session_properties=BetaProperties.model_validate(_without_type(words)),
        wire="ga" if over_ga else "auto",
        interruptions=interruptions,
    )


def _elevenlabs(recording: Recording, index: int, interruptions: Interruptions) -> RealtimeService:
    opening = recording.opening(index)
    return ElevenLabsConvAIService(
        api_key=_KEY,
        agent_id="replay",
        base_url="https://replay.invalid",
        overrides=Overrides.model_validate(opening.get("conversation_config_override") or {}),
        dynamic_variables=opening.get("dynamic_variables"),
        custom_llm_extra_body=opening.get("custom_llm_extra_body"),
        user_id=opening.get("user_id"),
        # A signed URL would be asked for over the network.
        use_signed_url=False,
        interruptions=interruptions,
    )


_MAKERS: Final[Mapping[str, Callable[[Recording, int, Interruptions], RealtimeService]]] = {
    OpenAIRealtimeLLMService.__name__: _openai,
    OpenAIRealtimeBetaLLMService.__name__: _openai_beta,
    ElevenLabsConvAIService.__name__: _elevenlabs,
}


def _first_link(recording: Recording, index: int) -> int:
    """Return the connection over which the settings were sent."""
    for entry in recording.of("wire"):
        if entry["way"] == "sent" and entry["service"] == index:
            return int(entry["link"])
    return 1


def _session(recording: Recording, index: int) -> dict[str, Any]:
    return _without_type(recording.opening(index).get("session", {}))


def _without_type(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "type"}


def _model(recording: Recording, index: int, otherwise: str) -> str:
    for entry in recording.of("wire"):
        if entry["way"] == "received" and entry["service"] == index and "message" in entry:
            model = entry["message"].get("session", {}).get("model")
            if model:
                return str(model)
    return otherwise
