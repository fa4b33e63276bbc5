"""Which model takes what (protocol page, sections 3, 4, 6, 8 and 13), and settings without what a model cannot take.

The API refuses a whole update because of one field that the model does not have, so such a field is better left out. Of a
model that is not listed nothing is known, and everything is let through. To know a new model: a row in a table here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, cast

from loguru import logger

from voicepipe.errors import SettingsError
from voicepipe.realtime.settings import deep_merge, plain
from voicepipe.services.openai.realtime.events import InputAudioTranscription, SessionProperties

BUILT_IN_VOICES: Final = frozenset(
    {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}
)
FORMATS: Final = frozenset({"audio/pcm", "audio/pcmu", "audio/pcma"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a family of models takes.

    Parameters:
        reasoning: Whether it thinks, and takes `reasoning`.
        parallel_tool_calls: Whether it takes `parallel_tool_calls`.
        voices: The names of its built-in voices.
        formats: The `type`s of sound.
        context_tokens: How much a session can hold.
        max_output_tokens: The longest a response gets with "inf". As a number, a session takes 4096 at most.
    """

    reasoning: bool = False
    parallel_tool_calls: bool = False
    voices: frozenset[str] = BUILT_IN_VOICES
    formats: frozenset[str] = FORMATS
    context_tokens: int = 32_000
    max_output_tokens: int = 4_096


@dataclass(frozen=True, slots=True)
class TranscriptionCapabilities:
    """Which of the fields of `InputAudioTranscription` a transcription model takes, besides `model` and `language`."""

    prompt: bool = False
    keywords: bool = False
    languages: bool = False
    delay: bool = False


_THINKS = Capabilities(
    reasoning=True, parallel_tool_calls=True, context_tokens=128_000, max_output_tokens=32_000
)
_ANSWERS = Capabilities()
_DATE = r"(-\d{4}-\d{2}-\d{2})?"

_MODELS: Final = (
    (re.compile(rf"gpt-realtime-2(\.1)?(-mini)?{_DATE}"), _THINKS),
    (re.compile(rf"gpt-realtime(-1\.5|-mini)?{_DATE}"), _ANSWERS),
    (re.compile(rf"gpt-4o(-mini)?-realtime-preview{_DATE}"), _ANSWERS),
    (re.compile(rf"gpt-audio(-1\.5|-mini)?{_DATE}"), _ANSWERS),
)
_TRANSCRIPTION_MODELS: Final = (
    (re.compile(r"whisper-1"), TranscriptionCapabilities(prompt=True)),
    (re.compile(rf"gpt-4o(-mini)?-transcribe{_DATE}"), TranscriptionCapabilities(prompt=True)),
    (re.compile(rf"gpt-4o-transcribe-diarize{_DATE}"), TranscriptionCapabilities()),
    (
        re.compile(rf"gpt-(live-)?transcribe{_DATE}"),
        # That they take a prompt is not written anywhere; neither is that they refuse it.
        TranscriptionCapabilities(prompt=True, keywords=True, languages=True),
    ),
    (re.compile(rf"gpt-realtime-whisper{_DATE}"), TranscriptionCapabilities(delay=True)),
)
_TRANSLATION = re.compile(r"gpt-realtime-translate(-|$)")


def capabilities_of(model: str) -> Capabilities | None:
    """Return what a model takes; None if it is not known."""
    return next((found for pattern, found in _MODELS if pattern.fullmatch(model)), None)


def transcription_capabilities_of(model: str) -> TranscriptionCapabilities | None:
    """Return what a transcription model takes; None if it is not known."""
    return next((found for pattern, found in _TRANSCRIPTION_MODELS if pattern.fullmatch(model)), None)


def refuse_what_does_not_converse(model: str) -> None:
    """Refuse models that translate or transcribe and never answer.

    Raises:
        SettingsError: `model` is empty or is one of these.
    """
    if not model:
        raise SettingsError("model", "is empty; name one, e.g. 'gpt-realtime'")
    if _TRANSLATION.match(model):
        why = f"{model!r} is served by /v1/realtime/translations, which takes no tools and never answers"
        raise SettingsError("model", why)
    if transcription_capabilities_of(model):
        why = f"{model!r} transcribes and never answers; give it as InputAudioTranscription(model={model!r})"
        raise SettingsError("model", why)


@dataclass(frozen=True, slots=True)
class _Misfit:
    path: tuple[str, ...]
    why: str
    stays: bool = False
    """Whether it is let through all the same."""

    @property
    def field(self) -> str:
        return ".".join(self.path)


def settings_for(
    model: str | None,
    settings: SessionProperties | Mapping[str, Any],
    *,
    strict: bool = False,
    current: SessionProperties | None = None,
    told: set[str] | None = None,
) -> dict[str, Any]:
    """Return settings without what the model cannot take. Each field that is left out is logged once as a warning.

    A voice that is not known is let through with a warning, since there will be new ones. Other faults, such as names
    that do not exist, are not looked for here.

    Args:
        model: The model that converses. None if names say nothing of what a model is, as with Azure's deployments.
        settings: Settings, or changes of `current` in the same shape.
        strict: Raise rather than leave anything out.
        current: The settings in force. If a change of the transcription's model leaves it with options that the new one
            cannot take, these are changed to None.
        told: The fields that a warning was given of; more are added. It belongs to one service.

    Raises:
        SettingsError: `strict`, and the model cannot take a field; the error names it.
    """
    told = set() if told is None else told
    result: dict[str, Any] = plain(settings)
    before: Mapping[str, Any] = plain(current) if current is not None else {}
    for misfit in [*_nowhere(result), *_of_model(model, result), *_of_transcription(model, result, before)]:
        if strict:
            raise SettingsError(misfit.field, misfit.why)
        if misfit.field not in told:
            told.add(misfit.field)
            logger.warning(f"{misfit.field}: {misfit.why}{'' if misfit.stays else '; it is left out'}")
        if not misfit.stays:
            _leave_out(result, misfit.path, _at(before, misfit.path) is not None)
    if result.get("temperature", 0) is None:
        del result["temperature"]
    return result


def _nowhere(settings: Mapping[str, Any]) -> Iterator[_Misfit]:
    if settings.get("temperature") is not None:
        yield _Misfit(("temperature",), "the GA API has none and would refuse the whole update")


def _of_model(model: str | None, settings: Mapping[str, Any]) -> Iterator[_Misfit]:
    capabilities = capabilities_of(model or "")
    if capabilities is None:
        return
    if settings.get("reasoning") is not None and not capabilities.reasoning:
        yield _Misfit(("reasoning",), f"{model} does not think; the gpt-realtime-2 family does")
    if settings.get("parallel_tool_calls") is not None and not capabilities.parallel_tool_calls:
        yield _Misfit(("parallel_tool_calls",), f"{model} does not take it; the gpt-realtime-2 family does")
    for side in ("input", "output"):
        path = ("audio", side, "format", "type")
        format_ = _at(settings, path)
        if format_ in FORMATS and format_ not in capabilities.formats:
            yield _Misfit(path[:-1], f"{model} does not take {format_}")
    voice = _at(settings, ("audio", "output", "voice"))
    if isinstance(voice, str) and voice not in capabilities.voices:
        known = ", ".join(sorted(capabilities.voices))
        why = f"{voice!r} is none of the voices known for {model}: {known}"
        yield _Misfit(("audio", "output", "voice"), why, stays=True)


def _of_transcription(
    model: str | None, settings: Mapping[str, Any], before: Mapping[str, Any]
) -> Iterator[_Misfit]:
    path = ("audio", "input", "transcription")
    change, old = _at(settings, path), _at(before, path)
    if model is None or not isinstance(change, Mapping):
        return
    before_it: Mapping[str, Any] = cast("Mapping[str, Any]", old) if isinstance(old, Mapping) else {}
    after = deep_merge(before_it, cast("Mapping[str, Any]", change))
    name = str(after.get("model", InputAudioTranscription().model))
    capabilities = transcription_capabilities_of(name)
    if capabilities is None:
        return
    for option in fields(capabilities):
        if after.get(option.name) is not None and not getattr(capabilities, option.name):
            yield _Misfit((*path, option.name), f"{name} does not take it")


def _at(settings: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = settings
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(name)
    return value


def _leave_out(settings: dict[str, Any], path: tuple[str, ...], in_force: bool) -> None:
    *parents, name = path
    owner = settings
    for parent in parents:
        owner = owner[parent]
    owner.pop(name, None)
    if in_force:
        owner[name] = None
