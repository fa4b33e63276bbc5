"""The settings of an ElevenLabs conversation, as the wire names them (protocol page, section 2).

Every value is checked when it is made; an unknown name is an error. `None` means "as the agent has it": the field is not
sent. An agent refuses each override that its security settings do not allow, so none is sent that nobody gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Scalar: TypeAlias = str | bool | int | float
"""What a dynamic variable can be."""

_RESERVED = "system__"

_Text: TypeAlias = Annotated[str, Field(min_length=1)]
_Share: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class PromptOverride(_Settings):
    """What the agent's model is told, and which model it is.

    Attributes:
        prompt: The instructions, in place of the agent's.
        llm: The model, e.g. `gpt-4o-mini`.
        reasoning_effort: How long a model that thinks may do so.
        tool_ids: The agent's tools, in place of its own.
        tool_ids_strict: Whether an unknown one among them is an error.
        native_mcp_server_ids: The MCP servers it may use.
        knowledge_base: What it can look up, each entry as the API has it.
    """

    prompt: str | None = None
    llm: _Text | None = None
    reasoning_effort: _Text | None = None
    tool_ids: list[_Text] | None = None
    tool_ids_strict: bool | None = None
    native_mcp_server_ids: list[_Text] | None = None
    knowledge_base: list[dict[str, Any]] | None = None


class AgentOverride(_Settings):
    """Who the agent is.

    Attributes:
        prompt: Its instructions and its model.
        first_message: What it says first; "" lets it wait for the user.
        language: ISO code, of the words it hears and speaks.
        max_conversation_duration_message: What it says when the longest duration is reached.
    """

    prompt: PromptOverride | None = None
    first_message: str | None = None
    language: _Text | None = None
    max_conversation_duration_message: str | None = None


class TTSOverride(_Settings):
    """How the agent sounds.

    Attributes:
        voice_id: The voice, by its id.
        model_id: The speech model.
        stability: How even it sounds, 0 to 1.
        similarity_boost: How close to the original voice, 0 to 1.
        speed: How fast, 1 being the voice's own speed.
        clone_strength: How closely a clone is followed.
        supported_voices: Further voices, each as the API has it.
        pronunciation_dictionary_locators: Of dictionaries, each as the API has it.
    """

    voice_id: _Text | None = None
    model_id: _Text | None = None
    stability: _Share | None = None
    similarity_boost: _Share | None = None
    speed: float | None = Field(default=None, gt=0.0, allow_inf_nan=False)
    clone_strength: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    supported_voices: list[dict[str, Any]] | None = None
    pronunciation_dictionary_locators: list[dict[str, Any]] | None = None


class ASROverride(_Settings):
    """How the user is understood.

    Attributes:
        keywords: Words to expect.
    """

    keywords: list[_Text] | None = None


class SoftTimeoutConfig(_Settings):
    """What is said while an answer takes long.

    Attributes:
        message: The words.
    """

    message: str | None = None


class TurnOverride(_Settings):
    """What the agent says while it waits.

    Attributes:
        soft_timeout_config: While an answer takes long.
        noisy_environment_message: Where it is too noisy.
    """

    soft_timeout_config: SoftTimeoutConfig | None = None
    noisy_environment_message: str | None = None


class ConversationOverride(_Settings):
    """The conversation itself.

    Attributes:
        text_only: Whether it goes without sound, both ways.
        max_duration_seconds: The longest it may last.
        client_events: Which events the server sends, by their types.
    """

    text_only: bool | None = None
    max_duration_seconds: int | None = Field(default=None, gt=0)
    client_events: list[_Text] | None = None


class Overrides(_Settings):
    """What this conversation has in place of the agent's settings; each must be allowed in the agent's security settings."""

    agent: AgentOverride | None = None
    tts: TTSOverride | None = None
    asr: ASROverride | None = None
    turn: TurnOverride | None = None
    conversation: ConversationOverride | None = None


class ToolMockConfig(_Settings):
    """Which of the server's tools only pretend, for tests of an agent.

    Attributes:
        mocking_strategy: Of all tools, of those named, or of none.
        mocked_tool_names: Those named.
        fallback_strategy: What happens where there is no mock.
    """

    mocking_strategy: Literal["none", "all", "selected"] = "none"
    mocked_tool_names: list[_Text] | None = None
    fallback_strategy: Literal["raise_error", "call_real_tool"] | None = None


class ConversationSettings(_Settings):
    """What a conversation is begun with.

    Attributes:
        overrides: In place of the agent's settings.
        dynamic_variables: Values for the `{{name}}`s in the agent's texts; each that it uses needs one.
        custom_llm_extra_body: For a model of one's own behind the agent, with each request.
        user_id: Who talks, in the application's own words.
        tool_mock_config: Which tools only pretend.
    """

    overrides: Overrides = Field(default_factory=Overrides)
    dynamic_variables: dict[str, Scalar] = Field(default_factory=dict[str, Scalar])
    custom_llm_extra_body: dict[str, Any] | None = None
    user_id: _Text | None = None
    tool_mock_config: ToolMockConfig | None = None

    @field_validator("dynamic_variables")
    @classmethod
    def _refuse_reserved(cls, variables: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        for name in variables:
            if not name or name.startswith(_RESERVED):
                why = "the names of dynamic variables are not empty and do not begin with 'system__', which is the server's"
                raise PydanticCustomError("reserved", why)
        return variables

    @property
    def text_only(self) -> bool:
        """Whether the conversation goes without sound."""
        return bool(self.overrides.conversation and self.overrides.conversation.text_only)

    @property
    def first_message(self) -> str | None:
        """What the agent is to say first; None is its own."""
        return self.overrides.agent.first_message if self.overrides.agent else None
