"""Frames as they stand in a recording, and the frames that a replay makes of them again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pipecat.audio.dtmf.types import KeypadEntry

from voicepipe.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputDTMFFrame,
    InputImageRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMSetToolChoiceFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    PlaybackMarkFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    StopFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserBackchannelFrame,
    UserImageRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """How frames of one class are written down.

    Parameters:
        fields: Their attributes that are.
        make: Makes such a frame of what was written, for frames that reach a service from outside; None for those that
            only a service or the pipeline itself sends.
        times: Attributes that are times on the event loop's clock, in milliseconds.
    """

    fields: tuple[str, ...] = ()
    make: Callable[[Fields], Frame] | None = None
    times: tuple[str, ...] = ()


def _mark(fields: Fields) -> Frame:
    return PlaybackMarkFrame(str(fields["context_id"]), float(fields["played_ms"]), float(fields["at_ms"]))


def _key(fields: Fields) -> Frame:
    return InputDTMFFrame(KeypadEntry(fields["button"]))


def _settings(fields: Fields) -> Frame:
    return LLMUpdateSettingsFrame(settings=dict(fields["settings"]))


def _messages(fields: Fields) -> Frame:
    return LLMMessagesAppendFrame(list(fields["messages"]), run_llm=fields["run_llm"])


KINDS: Final[Mapping[type[Frame], Kind]] = {
    StartFrame: Kind(),
    EndFrame: Kind(("reason",), lambda _: EndFrame()),
    StopFrame: Kind(),
    CancelFrame: Kind(("reason",)),
    EndWorkerFrame: Kind(("reason",)),
    ErrorFrame: Kind(("error", "fatal")),
    UserStartedSpeakingFrame: Kind((), lambda _: UserStartedSpeakingFrame()),
    UserStoppedSpeakingFrame: Kind((), lambda _: UserStoppedSpeakingFrame()),
    ProposedUserStartedSpeakingFrame: Kind(),
    ProposedUserStoppedSpeakingFrame: Kind(),
    VADUserStartedSpeakingFrame: Kind((), lambda _: VADUserStartedSpeakingFrame()),
    VADUserStoppedSpeakingFrame: Kind((), lambda _: VADUserStoppedSpeakingFrame()),
    InterruptionFrame: Kind((), lambda _: InterruptionFrame()),
    UserBackchannelFrame: Kind(("text",)),
    TranscriptionFrame: Kind(("text", "language")),
    InterimTranscriptionFrame: Kind(("text",)),
    LLMFullResponseStartFrame: Kind(),
    LLMFullResponseEndFrame: Kind(),
    LLMTextFrame: Kind(("text",)),
    TTSStartedFrame: Kind(("context_id",)),
    TTSTextFrame: Kind(("text", "context_id")),
    TTSStoppedFrame: Kind(("context_id",)),
    BotStartedSpeakingFrame: Kind((), lambda _: BotStartedSpeakingFrame()),
    BotStoppedSpeakingFrame: Kind((), lambda _: BotStoppedSpeakingFrame()),
    PlaybackMarkFrame: Kind(("context_id", "played_ms", "at_ms"), _mark, ("at_ms",)),
    InputDTMFFrame: Kind(("button",), _key),
    FunctionCallInProgressFrame: Kind(("tool_call_id", "function_name", "arguments")),
    FunctionCallResultFrame: Kind(("tool_call_id", "function_name", "result")),
    FunctionCallCancelFrame: Kind(("tool_call_id", "function_name")),
    LLMRunFrame: Kind((), lambda _: LLMRunFrame()),
    LLMMessagesAppendFrame: Kind(("messages", "run_llm"), _messages),
    LLMUpdateSettingsFrame: Kind(("settings",), _settings),
    LLMSetToolChoiceFrame: Kind(
        ("tool_choice",), lambda fields: LLMSetToolChoiceFrame(tool_choice=fields["tool_choice"])
    ),
    TTSSpeakFrame: Kind(("text",), lambda fields: TTSSpeakFrame(str(fields["text"]))),
    LLMContextFrame: Kind(),
    InputImageRawFrame: Kind(("size", "format")),
    UserImageRawFrame: Kind(("size", "format")),
}
"""The frames that are written down, besides sound; all others pass unseen."""
NOT_REPLAYED: Final = frozenset({"LLMContextFrame", "InputImageRawFrame", "UserImageRawFrame"})
"""Reach a service from outside and cannot be made again: a recording says that they were there, not what they held."""

_BY_NAME: Final = {frame_type.__name__: kind for frame_type, kind in KINDS.items()}


def fields_of(frame: Frame, epoch_ms: float) -> dict[str, Any]:
    """Return what is written of a frame; its times become times since `epoch_ms`."""
    kind = KINDS[type(frame)]
    fields: dict[str, Any] = {name: getattr(frame, name) for name in kind.fields}
    for name in kind.times:
        fields[name] = round(fields[name] - epoch_ms, 2)
    if isinstance(frame, LLMContextFrame):
        fields["messages"] = len(frame.context.get_messages())
    if isinstance(frame, LLMUpdateSettingsFrame) and frame.delta is not None:
        fields["settings"] = frame.delta.given_fields()
    return fields


def frame_of(name: str, fields: Fields, epoch_ms: float) -> Frame | None:
    """Return a frame as it was written down; None if it is not one that a service is given from outside.

    Args:
        name: The frame's class.
        fields: What was written of it.
        epoch_ms: What its times are counted from now.
    """
    kind = _BY_NAME.get(name)
    if kind is None or kind.make is None:
        return None
    return kind.make({**fields, **{time: fields[time] + epoch_ms for time in kind.times}})
