"""What a session used, as Pipecat's metrics carry it: nothing that a price depends on is lost on the way.

Pipecat's own token counts know no images and no split of the cached tokens, and its transcription metrics no tokens. These
are subclasses, so whatever reads Pipecat's metrics reads them too.
"""

from __future__ import annotations

from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData, STTUsage, STTUsageMetricsData

from voicepipe.realtime.events import TranscriptionUsage, Usage

_UNNAMED = "transcription"
"""Stands for a transcription model whose name is not known."""


class RealtimeTokenUsage(LLMTokenUsage):
    """Token counts of a response, with the whole of what the server counted.

    Parameters:
        usage: What the server counted.
    """

    usage: Usage


class TranscriptionTokensMetricsData(LLMUsageMetricsData):
    """The tokens of a transcription whose model is billed by them; never part of what the conversation's model used."""


def token_usage(usage: Usage) -> RealtimeTokenUsage:
    """Return token counts as Pipecat's metrics have them."""
    return RealtimeTokenUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        cache_read_input_tokens=usage.cached_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        cache_read_input_audio_tokens=usage.cached_audio_tokens,
        usage=usage,
    )


def transcription_metrics(
    processor: str, usage: TranscriptionUsage
) -> STTUsageMetricsData | TranscriptionTokensMetricsData:
    """Return what a transcription cost: seconds where its model is billed by them, else tokens."""
    if usage.seconds is not None:
        value = STTUsage(audio_seconds=usage.seconds)
        return STTUsageMetricsData(processor=processor, model=usage.model, value=value)
    taken, given = usage.input_tokens or 0, usage.output_tokens or 0
    tokens = LLMTokenUsage(prompt_tokens=taken, completion_tokens=given, total_tokens=taken + given)
    return TranscriptionTokensMetricsData(processor=processor, model=usage.model or _UNNAMED, value=tokens)
