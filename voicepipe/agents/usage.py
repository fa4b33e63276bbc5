"""What a session has used, counted by model."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipecat.metrics.metrics import (
    LLMUsageMetricsData,
    MetricsData,
    STTUsageMetricsData,
    TTSUsageMetricsData,
)


@dataclass(slots=True)
class ModelUsage:
    """What one model has used; what it does not count is 0.

    Parameters:
        provider: The processor that used it.
        model: The model's name; "" if the processor does not tell.
        audio_seconds: Of sound, where the model is billed by them.
        characters: Of text that was spoken, where the model is billed by them.
    """

    provider: str
    model: str
    input_tokens: int = 0
    input_cached_tokens: int = 0
    input_audio_tokens: int = 0
    input_cached_audio_tokens: int = 0
    output_tokens: int = 0
    output_audio_tokens: int = 0
    total_tokens: int = 0
    audio_seconds: float = 0.0
    characters: int = 0

    @property
    def input_text_tokens(self) -> int:
        """Those of the input that are not sound."""
        return self.input_tokens - self.input_audio_tokens

    @property
    def output_text_tokens(self) -> int:
        """Those of the output that are not sound."""
        return self.output_tokens - self.output_audio_tokens


@dataclass(slots=True)
class AgentSessionUsage:
    """What a session has used so far.

    Parameters:
        model_usage: An entry for each model that tells what it uses. ElevenLabs' wire tells nothing.
        session_secs: How long the session has lasted, for what is billed by the minute.
    """

    model_usage: list[ModelUsage] = field(default_factory=list[ModelUsage])
    session_secs: float = 0.0

    def add(self, metrics: MetricsData) -> bool:
        """Count a measurement; returns whether it told of anything used."""
        if isinstance(metrics, LLMUsageMetricsData):
            self._add_tokens(metrics)
        elif isinstance(metrics, STTUsageMetricsData):
            self._of(metrics).audio_seconds += metrics.value.audio_seconds
        elif isinstance(metrics, TTSUsageMetricsData):
            self._of(metrics).characters += metrics.value
        else:
            return False
        return True

    def _add_tokens(self, metrics: LLMUsageMetricsData) -> None:
        usage, tokens = self._of(metrics), metrics.value
        usage.input_tokens += tokens.prompt_tokens
        usage.output_tokens += tokens.completion_tokens
        usage.total_tokens += tokens.total_tokens
        usage.input_cached_tokens += tokens.cache_read_input_tokens or 0
        usage.input_audio_tokens += tokens.input_audio_tokens or 0
        usage.input_cached_audio_tokens += tokens.cache_read_input_audio_tokens or 0
        usage.output_audio_tokens += tokens.output_audio_tokens or 0

    def _of(self, metrics: MetricsData) -> ModelUsage:
        key = (metrics.processor, metrics.model or "")
        for usage in self.model_usage:
            if (usage.provider, usage.model) == key:
                return usage
        self.model_usage.append(ModelUsage(*key))
        return self.model_usage[-1]
