"""OpenAI's realtime model over the wire of its beta, as agents name it: `realtime_beta.RealtimeModel`.

For gateways and vendors that speak the older wire. A server that refuses it is spoken to over today's wire, so a bot of that
time runs at OpenAI itself as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from voicepipe.agents.model import (
    Modality,
    RealtimeModelBase,
    openai_key,
    renewed_after,
    tells_words,
)
from voicepipe.agents.realtime import VOICES, SemanticVad, ServerVad
from voicepipe.realtime.fillers import Filler
from voicepipe.realtime.interruptions import Interruptions
from voicepipe.services.openai.realtime.access import ApiKey, openai_address
from voicepipe.services.openai_realtime_beta import (
    InputAudioNoiseReduction,
    InputAudioTranscription,
    OpenAIRealtimeBetaLLMService,
    SessionProperties,
)
from voicepipe.services.openai_realtime_beta.service import DEFAULT_MODEL, Wire

__all__ = ["VOICES", "RealtimeModel", "SemanticVad", "ServerVad"]


class RealtimeModel(RealtimeModelBase):
    """OpenAI's realtime model of the beta, with the settings of the model as a whole.

        llm = realtime_beta.RealtimeModel(voice="alloy", temperature=0.7, base_url="wss://gateway.example/v1")

    Args:
        model: The model's name.
        voice: One of `VOICES`, or another one the server knows.
        temperature: The API takes 0.6 to 1.2; over today's wire it is left out, with one warning.
        modalities: `["audio", "text"]` is sound with its transcript. `["audio"]` is sound alone: the model's words are
            told to nobody, though the wire always has them. `["text"]` is text, for a `tts` beside it.
        turn_detection: `ServerVad`, `SemanticVad` or the same as a dict; None leaves turns to the application. By default a
            `ServerVad`, since not every server of this wire knows the other.
        input_audio_transcription: How the user's words are transcribed, by a model beside this one; None is not at all.
        input_audio_noise_reduction: None is none.
        speed: 0.25 to 1.5; late in the beta.
        tool_choice: `auto`, `none` or `required`.
        max_response_output_tokens: 1 to 4096, or "inf".
        wire: `beta` or `ga` pins the wire; `auto` changes over when the server refuses the beta's.
        api_key: By default the environment's OPENAI_API_KEY.
        base_url: By default the environment's OPENAI_BASE_URL, else OpenAI. `http` and `ws` are taken alike, with or
            without `/realtime` at the end.
        max_session_duration: After how many seconds the connection is renewed, in a quiet moment.
        interruptions: Who may interrupt the agent, and how.
        tool_filler: What is said while a function takes long.
        **service: What `OpenAIRealtimeBetaLLMService` takes besides.

    Raises:
        ValidationError: A setting is wrong; the error names it.
        SettingsError: `modalities` or `base_url` cannot be used.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
        voice: str = "alloy",
        temperature: float | None = None,
        modalities: Sequence[Modality] = ("audio", "text"),
        turn_detection: ServerVad | SemanticVad | Mapping[str, Any] | None = ServerVad(),  # noqa: B008 - it is not changed
        input_audio_transcription: InputAudioTranscription | None = InputAudioTranscription(  # noqa: B008
            model="gpt-4o-mini-transcribe"
        ),
        input_audio_noise_reduction: InputAudioNoiseReduction | None = None,
        speed: float | None = None,
        tool_choice: Literal["auto", "none", "required"] | None = None,
        max_response_output_tokens: int | Literal["inf"] | None = None,
        wire: Wire = "auto",
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
        self._service: dict[str, Any] = {
            "wire": wire,
            "interruptions": interruptions,
            "tool_filler": tool_filler,
            "reconnect": renewed_after(max_session_duration),
            **service,
        }
        detection: Any = dict(turn_detection) if isinstance(turn_detection, Mapping) else turn_detection
        self.properties = SessionProperties(
            modalities=["text", "audio"] if self.speaks else ["text"],
            voice=voice,
            input_audio_transcription=input_audio_transcription,
            input_audio_noise_reduction=input_audio_noise_reduction,
            turn_detection=False if detection is None else detection,
            tool_choice=tool_choice,
            temperature=temperature,
            max_response_output_tokens=max_response_output_tokens,
            speed=speed,
        )
        """What the API is told, besides the agent's instructions and tools."""

    def service(self) -> OpenAIRealtimeBetaLLMService:
        """Return a new service with these settings.

        Raises:
            SettingsError: There is no key, or a setting cannot be used; the error names it.
        """
        return OpenAIRealtimeBetaLLMService(
            api_key=openai_key(self._api_key),
            model=self.model,
            base_url=self.base_url,
            session_properties=self.properties.model_copy(deep=True),
            **self._service,
        )

    def __repr__(self) -> str:
        return f"RealtimeModel(model={self.model!r}, base_url={self.base_url!r})"
