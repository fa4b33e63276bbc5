"""The settings: what they take, what they refuse and how they say it."""

from __future__ import annotations

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import AdapterType, ToolsSchema
from pipecat.services.llm_service import FunctionCallParams
from pydantic import ValidationError

from voicepipe.services.openai import realtime
from voicepipe.services.openai.realtime import events
from voicepipe.services.openai.realtime.events import (
    AudioInput,
    AudioOutput,
    CustomVoice,
    InputAudioNoiseReduction,
    InputAudioTranscription,
    NamedTool,
    SemanticTurnDetection,
    SessionProperties,
    TurnDetection,
)
from voicepipe.services.openai.realtime.tools import runnable_tools
from voicepipe.services.openai.realtime.wire import session_in_wire_shape

FLAT = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
NESTED = {"type": "function", "function": {name: value for name, value in FLAT.items() if name != "type"}}
SCHEMA = FunctionSchema("get_weather", FLAT["description"], FLAT["parameters"]["properties"], ["city"])
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example"}


async def get_weather(params: FunctionCallParams, city: str):
    """The weather in a city.

    Args:
        city: Its name.
    """
    await params.result_callback(f"fog in {city}")


def refusal(make) -> tuple[str, str]:
    """The field and the words of the one thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        make()
    errors = caught.value.errors()
    return ".".join(str(part) for part in errors[0]["loc"]), errors[0]["msg"]


class TestTools:
    """C19: tools come in many shapes and are kept in one."""

    @pytest.mark.parametrize(
        "tools",
        [[FLAT], [NESTED], [SCHEMA], ToolsSchema([SCHEMA]), ToolsSchema([], {AdapterType.OPENAI: [FLAT]})],
        ids=["flat", "nested", "FunctionSchema", "ToolsSchema", "custom tools"],
    )
    def test_every_shape_is_kept_flat(self, tools):
        assert SessionProperties(tools=tools).tools == [FLAT]

    def test_a_direct_function_is_described_by_its_signature(self):
        [tool] = SessionProperties(tools=[get_weather]).tools
        assert tool["name"] == "get_weather"
        assert tool["description"] == "The weather in a city."
        assert tool["parameters"]["required"] == ["city"]

    def test_what_brings_its_own_handler_can_be_registered(self):
        async def handler(params: FunctionCallParams) -> None: ...

        with_handler = FunctionSchema("look_up", "", {}, [], handler=handler)
        tools = ToolsSchema([get_weather, with_handler, FunctionSchema("described_only", "", {}, [])])
        assert runnable_tools(SessionProperties(tools=tools).tools) == [get_weather, with_handler]
        assert runnable_tools(SessionProperties(tools=[FLAT]).tools) == []
        assert runnable_tools(None) == []

    def test_an_assigned_tool_is_checked_too(self):
        properties = SessionProperties()
        properties.tools = [SCHEMA]
        assert properties.tools == [FLAT]
        with pytest.raises(ValidationError, match="a function tool needs one"):
            properties.tools = [{"type": "function"}]

    @pytest.mark.parametrize("address", ["server_url", "connector_id", "tunnel_id"])
    def test_an_mcp_server_has_one_address(self, address):
        tool = {"type": "mcp", "server_label": "docs", address: "there", "require_approval": "never"}
        assert SessionProperties(tools=[tool]).tools == [tool]

    def wrong_function(params, city): ...

    async def first_parameter_is_not_params(city): ...

    @pytest.mark.parametrize(
        ("tool", "why"),
        [
            ({"type": "function"}, "name: a function tool needs one"),
            ({"type": "function", "name": ""}, "name: a function tool needs one"),
            ({"type": "function", "function": {}}, "name: a function tool needs one"),
            (
                FLAT | {"parameters": "city"},
                "parameters: of get_weather: is a JSON schema as a dict, not str",
            ),
            ({"name": "x"}, 'type: is "function" or "mcp", not None'),
            ({"type": "web_search"}, 'type: is "function" or "mcp", not \'web_search\''),
            ({"type": "mcp", "server_url": "u"}, "server_label: an MCP tool needs one"),
            ({"type": "mcp", "server_label": "docs"}, "needs one of server_url, connector_id and tunnel_id"),
            (MCP | {"connector_id": "c"}, "needs one of server_url, connector_id and tunnel_id"),
            (MCP | {"server_url": 7}, "needs one of server_url, connector_id and tunnel_id, as a text"),
            ("get_weather", "a tool is a FunctionSchema, a direct function or a dict, not str"),
            (wrong_function, "the direct function wrong_function must be async"),
            (first_parameter_is_not_params, "take `params` first"),
        ],
    )
    def test_a_tool_the_api_would_refuse_is_named_with_the_reason(self, tool, why):
        field, message = refusal(lambda: SessionProperties(tools=[FLAT, tool]))
        assert field == "tools.1"
        assert why in message

    def test_the_key_of_an_mcp_server_is_never_shown(self):
        tool = MCP | {"authorization": "s3cret", "headers": {"X-Key": "s3cret"}}
        properties = SessionProperties(tools=[tool])
        assert "s3cret" not in repr(properties) + str(properties)
        assert "docs" in repr(properties)
        assert session_in_wire_shape(properties)["tools"] == [tool]
        with pytest.raises(ValidationError) as caught:
            SessionProperties(tools=[tool | {"server_label": ""}])
        assert "s3cret" not in str(caught.value)


class TestWhatIsChecked:
    @pytest.mark.parametrize(
        ("make", "field"),
        [
            (lambda: TurnDetection(threshold=1.1), "threshold"),
            (lambda: TurnDetection(threshold=float("nan")), "threshold"),
            (lambda: TurnDetection(prefix_padding_ms=-1), "prefix_padding_ms"),
            (lambda: TurnDetection(silence_duration_ms=-1), "silence_duration_ms"),
            (lambda: TurnDetection(idle_timeout_ms=4999), "idle_timeout_ms"),
            (lambda: TurnDetection(idle_timeout_ms=30001), "idle_timeout_ms"),
            (lambda: TurnDetection(type="semantic_vad"), "type"),
            (lambda: TurnDetection(eagerness="low"), "eagerness"),
            (lambda: SemanticTurnDetection(eagerness="very"), "eagerness"),
            (lambda: SemanticTurnDetection(threshold=0.5), "threshold"),
            (lambda: InputAudioNoiseReduction(type="car"), "type"),
            (lambda: InputAudioNoiseReduction(type="near_field", strength=float("inf")), "strength"),
            (lambda: InputAudioTranscription(model=""), "model"),
            (lambda: InputAudioTranscription(language=""), "language"),
            (lambda: InputAudioTranscription(languages="en"), "languages"),
            (lambda: InputAudioTranscription(keywords=["fog", 7]), "keywords.1"),
            (lambda: InputAudioTranscription(delay="none"), "delay"),
            (lambda: InputAudioTranscription(temperature=0), "temperature"),
            (lambda: AudioOutput(speed=0.24), "speed"),
            (lambda: AudioOutput(speed=9.0), "speed"),
            (lambda: AudioOutput(voice=""), "voice.word"),
            (lambda: CustomVoice(id="alloy"), "id"),
            (lambda: events.PCMAudioFormat(rate=16000), "rate"),
            (lambda: AudioInput(format={"type": "pcm16"}), "format"),
            (lambda: SessionProperties(output_modalities=[]), "output_modalities"),
            (lambda: SessionProperties(output_modalities=["video"]), "output_modalities.0"),
            (lambda: SessionProperties(max_output_tokens=0), "max_output_tokens.constrained-int"),
            (lambda: SessionProperties(max_output_tokens=4097), "max_output_tokens.constrained-int"),
            (lambda: SessionProperties(include=["everything"]), "include.0"),
            (lambda: SessionProperties(prompt={"version": "2"}), "prompt.id"),
            (lambda: SessionProperties(reasoning={"effort": "most"}), "reasoning.effort"),
            (
                lambda: SessionProperties(truncation={"retention_ratio": 1.5}),
                "truncation.fields.retention_ratio",
            ),
            (lambda: SessionProperties(temperature=0.7), "temperature"),
            (lambda: SessionProperties(voice="alloy"), "voice"),
        ],
    )
    def test_the_error_names_the_field(self, make, field):
        found, _ = refusal(make)
        assert found == field or found.startswith(f"{field}."), found

    @pytest.mark.parametrize("tracing", [{"workflow": "x"}, "off"])
    def test_tracing_knows_its_names(self, tracing):
        field, _ = refusal(lambda: SessionProperties(tracing=tracing))
        assert field.startswith("tracing")

    @pytest.mark.parametrize(
        "choice",
        [
            {"type": "function"},
            {"type": "function", "name": "f", "server_label": "docs"},
            {"type": "mcp", "name": "f"},
            "sometimes",
        ],
    )
    def test_a_choice_of_tool_is_whole(self, choice):
        field, _ = refusal(lambda: SessionProperties(tool_choice=choice))
        assert field.startswith("tool_choice")

    def test_what_the_api_takes_is_taken(self):
        properties = SessionProperties(
            tool_choice={"type": "mcp", "server_label": "docs"},
            tracing={"workflow_name": "support", "metadata": {"tier": 1}},
            prompt={"id": "pmpt_1", "variables": {"name": "Ada"}},
            include=["item.input_audio_transcription.logprobs"],
            truncation={
                "type": "retention_ratio",
                "retention_ratio": 0.8,
                "token_limits": {"post_instructions": 9},
            },
            max_output_tokens="inf",
            audio={
                "input": {
                    "transcription": {
                        "model": "gpt-transcribe",
                        "languages": ["en", "fr"],
                        "keywords": ["voicepipe"],
                        "delay": "low",
                    },
                    "noise_reduction": {"type": "far_field", "strength": 2},
                },
                "output": {"voice": {"id": "voice_1"}, "speed": 1.5},
            },
        )
        assert properties.tool_choice == NamedTool(type="mcp", server_label="docs")
        wire = session_in_wire_shape(properties)
        assert wire["tracing"] == {"workflow_name": "support", "metadata": {"tier": 1}}
        assert wire["prompt"] == {"id": "pmpt_1", "variables": {"name": "Ada"}}
        assert wire["audio"]["input"]["transcription"]["keywords"] == ["voicepipe"]
        assert wire["audio"]["output"]["voice"] == {"id": "voice_1"}


class TestTurnDetection:
    @pytest.mark.parametrize(
        ("given", "on_the_wire"),
        [
            ({}, {}),
            ({"turn_detection": None}, {}),
            ({"turn_detection": False}, {"turn_detection": None}),
            (
                {"turn_detection": True},
                {
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 500,
                    }
                },
            ),
            ({"turn_detection": SemanticTurnDetection()}, {"turn_detection": {"type": "semantic_vad"}}),
        ],
    )
    def test_c18_none_is_not_sent_and_false_is_null(self, given, on_the_wire):
        properties = SessionProperties(audio={"input": AudioInput(**given)})
        wire = session_in_wire_shape(properties)
        assert wire["audio"]["input"] == on_the_wire


def test_every_settings_class_is_a_name_of_the_package():
    classes = {
        name
        for name, value in vars(events).items()
        if isinstance(value, type) and value.__module__ == events.__name__ and not name.startswith("_")
    }
    assert classes <= set(realtime.__all__)
    assert all(getattr(realtime, name) is getattr(events, name) for name in classes)
