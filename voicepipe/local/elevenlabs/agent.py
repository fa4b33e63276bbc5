"""What the local server knows of an agent: what elsewhere is set in ElevenLabs' dashboard, named as the API names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from voicepipe.errors import SettingsError

AudioFormat: TypeAlias = Literal[
    "pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000", "ulaw_8000"
]
"""Sound on the wire: s16le mono at that many hertz, or G.711 mu-law."""

ClientEvent: TypeAlias = Literal[
    "audio",
    "interruption",
    "user_transcript",
    "tentative_user_transcript",
    "agent_response",
    "agent_response_correction",
    "agent_response_complete",
    "agent_chat_response_part",
    "agent_tool_request",
    "agent_tool_response",
    "agent_tool_response_full_payload",
    "vad_score",
    "conversation_initiation_metadata",
    "ping",
    "client_tool_call",
]
"""What an agent can be set to tell its clients; the last three they are always told."""

Scalar: TypeAlias = str | int | float | bool
"""What a dynamic variable can be."""

ALWAYS_SENT: Final = frozenset({"conversation_initiation_metadata", "ping", "client_tool_call", "error"})
DEFAULT_EVENTS: Final[tuple[ClientEvent, ...]] = (
    "audio",
    "interruption",
    "user_transcript",
    "agent_response",
    "agent_response_correction",
    "agent_tool_response",
)

OVERRIDES: Final = frozenset(
    {
        "agent.prompt.prompt",
        "agent.prompt.llm",
        "agent.prompt.reasoning_effort",
        "agent.prompt.tool_ids",
        "agent.prompt.tool_ids_strict",
        "agent.prompt.native_mcp_server_ids",
        "agent.prompt.knowledge_base",
        "agent.first_message",
        "agent.language",
        "agent.max_conversation_duration_message",
        "tts.voice_id",
        "tts.model_id",
        "tts.stability",
        "tts.speed",
        "tts.similarity_boost",
        "tts.clone_strength",
        "tts.supported_voices",
        "tts.pronunciation_dictionary_locators",
        "asr.keywords",
        "turn.soft_timeout_config.message",
        "turn.noisy_environment_message",
        "conversation.text_only",
        "conversation.max_duration_seconds",
    }
)
"""What an agent can let its clients override; there is no such permission for `conversation.client_events`."""

_MOST_TOOL_SECS: Final = 120.0


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that the client runs.

    Parameters:
        name: What the brain calls it by.
        description: When to use it.
        parameters: JSON schema of its arguments.
        expects_response: Whether the agent waits for its result; without, it goes on at once.
        response_timeout_secs: How long it waits, 1 to 120; None is for ever.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    expects_response: bool = True
    response_timeout_secs: float | None = 20.0

    def __post_init__(self) -> None:
        """Refuse a time-out that the API would refuse."""
        timeout_secs = self.response_timeout_secs
        if timeout_secs is not None and not 1 <= timeout_secs <= _MOST_TOOL_SECS:
            raise SettingsError("response_timeout_secs", f"{timeout_secs} is not between 1 and 120, nor None")


@dataclass(frozen=True, slots=True)
class WebhookTool:
    """A tool that the server runs: elsewhere a request to a web address, here a function.

    Parameters:
        name: What the brain calls it by.
        run: Takes the arguments and returns the result, as text. What it raises as `VoicepipeError` is an error result.
        description: When to use it.
        parameters: JSON schema of its arguments.
    """

    name: str
    run: Callable[[Mapping[str, Any]], Awaitable[str]]
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class EndCallTool:
    """The system tool by which an agent ends the call, once what it said has been heard."""

    name: Literal["end_call"] = "end_call"
    description: str = "End the call."
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


Tool: TypeAlias = ClientTool | WebhookTool | EndCallTool


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent.

        Agent("agent_1", prompt="You are friendly.", first_message="Hello {{name}}!", allows=["agent.prompt.prompt"])

    Parameters:
        agent_id: What clients ask for it by.
        prompt: Its instructions; `{{name}}` is replaced by the dynamic variable of that name.
        first_message: What it says first, likewise; empty: it waits for the user.
        language: ISO code. Told in the prompt and to nobody else: ears and voice have one language.
        first_messages: By language, where a client's override of the language changes the first message.
        voice: The voice's id. The speech engine has one voice, which takes any id.
        tools: What it can do besides speaking.
        allows: Which overrides a client may send, of `OVERRIDES`.
        allows_extra_body: Whether a client may send a `custom_llm_extra_body`.
        dynamic_variables: Values for those that a client does not give.
        input_format: Of the user's sound.
        output_format: Of its own.
        client_events: What its clients are told. Without `interruption` it cannot be interrupted.
        text_only: Without sound either way.
        enable_auth: Whether a client needs the key or a signed URL.
        turn_eagerness: How soon it takes a pause for the end of a turn.
        turn_timeout_secs: After so long a silence it speaks up by itself; None: it waits.
        silence_end_call_secs: After so long a silence of the user it ends the call; None: it does not.
        max_duration_secs: The longest a conversation may last.
        max_duration_message: What it says when that is reached.

    Raises:
        SettingsError: One of these is none of its kind.
    """

    agent_id: str
    prompt: str = ""
    first_message: str = ""
    language: str = "en"
    first_messages: Mapping[str, str] = field(default_factory=dict[str, str])
    voice: str = ""
    tools: Sequence[Tool] = ()
    allows: Collection[str] = ()
    allows_extra_body: bool = False
    dynamic_variables: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    input_format: AudioFormat = "pcm_16000"
    output_format: AudioFormat = "pcm_16000"
    client_events: Collection[str] = DEFAULT_EVENTS
    text_only: bool = False
    enable_auth: bool = False
    turn_eagerness: Literal["patient", "normal", "eager"] = "normal"
    turn_timeout_secs: float | None = None
    silence_end_call_secs: float | None = None
    max_duration_secs: float = 600.0
    max_duration_message: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, so that a misspelt name does not pass for a setting."""
        if not self.agent_id:
            raise SettingsError("agent_id", "it is empty; clients ask for an agent by its id")
        _refuse_others("allows", self.allows, OVERRIDES)
        _refuse_others("client_events", self.client_events, get_args(ClientEvent))
        _refuse_others("input_format", [self.input_format], get_args(AudioFormat))
        _refuse_others("output_format", [self.output_format], get_args(AudioFormat))
        names = [tool.name for tool in self.tools]
        if len(names) != len(set(names)):
            raise SettingsError("tools", f"two of {', '.join(names)} have the same name")
        _refuse_no_time("max_duration_secs", self.max_duration_secs)
        _refuse_no_time("turn_timeout_secs", self.turn_timeout_secs)
        _refuse_no_time("silence_end_call_secs", self.silence_end_call_secs)


def _refuse_others(name: str, given: Collection[str], known: Collection[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(name, f"there is no {unknown[0]!r}; there are {', '.join(sorted(known))}")


def _refuse_no_time(name: str, secs: float | None) -> None:
    if secs is not None and secs <= 0:
        raise SettingsError(name, f"{secs} is no time to wait; above 0 is")
