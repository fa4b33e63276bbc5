"""The frames that move through a voicepipe pipeline.

They are Pipecat's own classes, so that every Pipecat processor understands them, under their present names; the
names they had before, which documents and older bots still use, are aliases of the same classes. Ours is one:
`PlaybackMarkFrame`, with which a transport says what a listener has really heard.
"""

from __future__ import annotations

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


__all__ = [
    "BotSpeakingFrame",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "CancelFrame",
    "CancelTaskFrame",
    "CancelWorkerFrame",
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
