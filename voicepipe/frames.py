"""The frames that move through a voicepipe pipeline.

They are Pipecat's own classes, so that every Pipecat processor understands them, under their present names; the
names they had before, which documents and older bots still use, are aliases of the same classes. Ours is one:
`PlaybackMarkFrame`, with which a transport says what a listener has really heard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    CancelWorkerFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    EndWorkerFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    FunctionCallsStartedFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputImageRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    InterruptionWorkerFrame,
    LLMContextAssistantTurnFrame,
    LLMContextFrame,
    LLMContextUserTurnFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMMessagesAppendFrame,
    LLMMessagesUpdateFrame,
    LLMRunFrame,
    LLMServiceMetadataFrame,
    LLMSetToolChoiceFrame,
    LLMSetToolsFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    SpeechControlParamsFrame,
    StartFrame,
    StopFrame,
    StopWorkerFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    UserAudioRawFrame,
    UserBackchannelFrame,
    UserImageRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

# The names Pipecat used before (pipecat-surface, "Old names"; seed rows S003-24, S003-27).
StartInterruptionFrame = InterruptionFrame
OpenAILLMContextFrame = LLMContextFrame
EndTaskFrame = EndWorkerFrame
StopTaskFrame = StopWorkerFrame
CancelTaskFrame = CancelWorkerFrame
InterruptionTaskFrame = InterruptionWorkerFrame


@dataclass
class PlaybackMarkFrame(SystemFrame):
    """How far the far end has played what the bot said; sent upstream by a transport's output.

    A transport sends one when playback of a response begins, goes on after a gap, or is confirmed by the carrier's
    own mark. Between two marks the service assumes that sound plays at its own speed.

    Parameters:
        context_id: The `context_id` of the `TTSAudioRawFrame`s whose playback is reported: one response.
        played_ms: How much of that response's sound had been played, in milliseconds.
        at_ms: When that was, on the event loop's clock (`loop.time()`), in milliseconds.
    """

    context_id: str = ""
    played_ms: float = 0.0
    at_ms: float = 0.0


class _DecodedWhenRead:
    """Sound that is still coded as it came, and becomes s16le when somebody reads `audio`.

    Between a carrier and an API that speak the same coding nobody does. Whoever sets `audio` makes it plain sound.
    """

    coding: str
    coded: bytes
    decode: Callable[[bytes], bytes]
    name: str
    num_frames: int
    _pcm = b""

    @property
    def audio(self) -> bytes:
        if self.coded and not self._pcm:
            self._pcm = self.decode(self.coded)
        return self._pcm

    @audio.setter
    def audio(self, pcm: bytes) -> None:
        self._pcm = pcm
        self.coded = b""

    def __post_init__(self) -> None:
        if self.coded and not self._pcm:
            # What Pipecat does for sound counts its samples, which would decode it.
            Frame.__post_init__(self)  # pyright: ignore[reportArgumentType] - a part of a frame
            self.num_frames = len(self.coded)
        else:
            self.coded = b""
            super().__post_init__()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - the frame's

    def __str__(self) -> str:
        # Pipecat makes the text of every frame that it pushes, traced or not; that of sound counts its bytes.
        return f"{self.name}({self.coding}, frames: {self.num_frames})"


@dataclass
class CodedInputAudioRawFrame(  # pyright: ignore[reportIncompatibleVariableOverride] - `audio` is read and set as ever
    _DecodedWhenRead, InputAudioRawFrame
):
    """Sound of the user's in G.711; an `InputAudioRawFrame` for everybody who does not look for more.

    Parameters:
        coding: `PCMU` or `PCMA`.
        coded: The sound in it, one byte a sample; empty once `audio` was set.
        decode: Makes s16le of it.
    """

    coding: str = ""
    coded: bytes = b""
    decode: Callable[[bytes], bytes] = bytes


@dataclass
class CodedTTSAudioRawFrame(  # pyright: ignore[reportIncompatibleVariableOverride] - `audio` is read and set as ever
    _DecodedWhenRead, TTSAudioRawFrame
):
    """Sound of the bot's in G.711; a `TTSAudioRawFrame` for everybody who does not look for more.

    Parameters:
        coding: `PCMU` or `PCMA`.
        coded: The sound in it, one byte a sample; empty once `audio` was set.
        decode: Makes s16le of it.
    """

    coding: str = ""
    coded: bytes = b""
    decode: Callable[[bytes], bytes] = bytes


__all__ = [
    "BotSpeakingFrame",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "CancelFrame",
    "CancelTaskFrame",
    "CancelWorkerFrame",
    "CodedInputAudioRawFrame",
    "CodedTTSAudioRawFrame",
    "ControlFrame",
    "DataFrame",
    "EndFrame",
    "EndTaskFrame",
    "EndWorkerFrame",
    "ErrorFrame",
    "Frame",
    "FunctionCallCancelFrame",
    "FunctionCallInProgressFrame",
    "FunctionCallResultFrame",
    "FunctionCallResultProperties",
    "FunctionCallsStartedFrame",
    "InputAudioRawFrame",
    "InputDTMFFrame",
    "InputImageRawFrame",
    "InterimTranscriptionFrame",
    "InterruptionFrame",
    "InterruptionTaskFrame",
    "InterruptionWorkerFrame",
    "LLMContextAssistantTurnFrame",
    "LLMContextFrame",
    "LLMContextUserTurnFrame",
    "LLMFullResponseEndFrame",
    "LLMFullResponseStartFrame",
    "LLMMessagesAppendFrame",
    "LLMMessagesUpdateFrame",
    "LLMRunFrame",
    "LLMServiceMetadataFrame",
    "LLMSetToolChoiceFrame",
    "LLMSetToolsFrame",
    "LLMTextFrame",
    "LLMUpdateSettingsFrame",
    "MetricsFrame",
    "OpenAILLMContextFrame",
    "OutputAudioRawFrame",
    "OutputDTMFFrame",
    "OutputDTMFUrgentFrame",
    "PlaybackMarkFrame",
    "ProposedUserStartedSpeakingFrame",
    "ProposedUserStoppedSpeakingFrame",
    "SpeechControlParamsFrame",
    "StartFrame",
    "StartInterruptionFrame",
    "StopFrame",
    "StopTaskFrame",
    "StopWorkerFrame",
    "SystemFrame",
    "TTSAudioRawFrame",
    "TTSSpeakFrame",
    "TTSStartedFrame",
    "TTSStoppedFrame",
    "TTSTextFrame",
    "TextFrame",
    "TranscriptionFrame",
    "UserAudioRawFrame",
    "UserBackchannelFrame",
    "UserImageRawFrame",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
    "VADUserStartedSpeakingFrame",
    "VADUserStoppedSpeakingFrame",
]
