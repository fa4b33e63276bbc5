"""A realtime model as agents name it: `realtime.RealtimeModel`, to be passed as `llm`.

It only holds what is wanted; each session makes a service of its own from it. `realtime_beta` and `elevenlabs` have models
of the same name; any realtime service of voicepipe can be passed as `llm` as it is, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from voicepipe.agents.model import (
    Modality,
    RealtimeModelBase,
    openai_key,
    renewed_after,
    tells_words,
)
from voicepipe.realtime.fillers import Filler
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.services.openai.realtime import (
    AudioConfiguration,
    AudioInput,
    AudioOutput,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    OpenAIRealtimeLLMService,
    OpenAIRealtimeLLMSettings,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.access import ApiKey, openai_address
from voicepipe.services.openai.realtime.service import DEFAULT_MODEL

ServerVad = TurnDetection
"""Turns by the loudness of speech: a turn ends after silence."""
SemanticVad = SemanticTurnDetection
"""Turns by meaning: a sentence that is not finished is waited for."""

VOICES: Final[Mapping[str, str]] = {
    "alloy": "neutral, balanced",
    "ash": "clear, precise",
    "ballad": "melodic, smooth",
    "coral": "warm, friendly",
    "echo": "warm, conversational",
    "sage": "calm, thoughtful",
    "shimmer": "soft, calm",
    "verse": "versatile, expressive",
    "marin": "natural, conversational",
    "cedar": "natural, conversational",
    "fable": "expressive, storytelling; in older documents only",
    "onyx": "deep, authoritative; in older documents only",
    "nova": "bright, energetic; in older documents only",
}
"""The voices' characters, as OpenAI and the documents that name them describe them."""


class RealtimeModel(RealtimeModelBase):
    """OpenAI's realtime model, with the settings of the model as a whole.

        llm = realtime.RealtimeModel(voice="alloy", turn_detection=realtime.ServerVad(silence_duration_ms=300))
        await session.start(agent=agent, room=room, llm=llm)

    Args:
        model: The model's name.
        voice: One of `VOICES`, another one the API knows, or one of the account's own.
        temperature: Kept for older bots: the API has none any more, and it is left out with one warning.
        modalities: `["audio", "text"]` is sound with its transcript. `["audio"]` is sound alone: the model's words are
            told to nobody. `["text"]` is text, for a `tts` beside it.
        turn_detection: `ServerVad`, `SemanticVad` or the same as a dict; None leaves turns to the application
            (`session.commit_user_turn`). By default a `SemanticVad` of medium eagerness.
        input_audio_transcription: How the user's words are transcribed, by a model beside this one; None is not at all.
        input_audio_noise_reduction: None is none.
        speed: 0.25 to 1.5; 1.0 is the voice's own.
        tool_choice: `auto`, `none` or `required`.
        max_response_output_tokens: 1 to 4096, or "inf".
        api_key: By default the environment's OPENAI_API_KEY.
        base_url: By default the environment's OPENAI_BASE_URL, else OpenAI. `http` and `ws` are taken alike, with or
            without `/realtime` at the end.
        max_session_duration: After how many seconds the connection is renewed, in a quiet moment.
        interruptions: Who may interrupt the agent, and how.
        tool_filler: What is said while a function takes long.
        **service: What `OpenAIRealtimeLLMService` takes besides.

    Raises:
        ValidationError: A setting is wrong; the error names it.
        SettingsError: `modalities` or `base_url` cannot be used.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        voice: str = "marin",
        temperature: float | None = None,
        modalities: Sequence[Modality] = ("audio", "text"),
        turn_detection: ServerVad | SemanticVad | Mapping[str, Any] | None = SemanticVad(eagerness="medium"),  # noqa: B008 - it is not changed
        input_audio_transcription: InputAudioTranscription | None = InputAudioTranscription(  # noqa: B008
            model="gpt-4o-mini-transcribe"
        ),
        input_audio_noise_reduction: InputAudioNoiseReduction | None = None,
        speed: float | None = None,
        tool_choice: Literal["auto", "none", "required"] | None = None,
        max_response_output_tokens: int | Literal["inf"] | None = None,
        api_key: ApiKey | None = None,
        base_url: str | None = None,
        max_session_duration: float | None = None,
        interruptions: Interruptions | None = None,
        tool_filler: Filler | None = None,
        **service: Any,
    ) -> None:
        self.model = model
        self.base_url = openai_address(base_url)
        self.transcript = tells_words(modalities)
        self.speaks = "audio" in modalities
        """Whether answers come as sound."""
        self._api_key = api_key
        self._temperature = temperature
        self._service: dict[str, Any] = {
            "interruptions": interruptions,
            "tool_filler": tool_filler,
            "reconnect": renewed_after(max_session_duration),
            **service,
        }
        detection: Any = dict(turn_detection) if isinstance(turn_detection, Mapping) else turn_detection
        self.properties = SessionProperties(
            output_modalities=["audio"] if self.speaks else ["text"],
            audio=AudioConfiguration(
                input=AudioInput(
                    transcription=input_audio_transcription,
                    noise_reduction=input_audio_noise_reduction,
                    turn_detection=False if detection is None else detection,
                ),
                output=AudioOutput(voice=voice, speed=speed),
            ),
            tool_choice=tool_choice,
            max_output_tokens=max_response_output_tokens,
        )
        """What the API is told, besides the agent's instructions and tools."""

    def service(self) -> OpenAIRealtimeLLMService:
        """Return a new service with these settings.

        Raises:
            SettingsError: There is no key, or a setting cannot be used; the error names it.
        """
        settings = (
            None
            if self._temperature is None
            else OpenAIRealtimeLLMSettings(model=self.model, temperature=self._temperature)
        )
        return OpenAIRealtimeLLMService(
            api_key=openai_key(self._api_key),
            model=self.model,
            base_url=self.base_url,
            session_properties=self.properties.model_copy(deep=True),
            settings=settings,
            **self._service,
        )

    def __repr__(self) -> str:
        return f"RealtimeModel(model={self.model!r}, base_url={self.base_url!r})"
