"""What a client may not send: each refusal with the API's code, the field concerned and the client's event id."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.ga_session import GASession, one, refusal

IMAGE = {"type": "input_image", "image_url": "https://images.test/cat.png"}


def setting(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("temperature", 0.8, "unknown_parameter"),
        ("modalities", ["audio"], "unknown_parameter"),
        ("voice", "ash", "unknown_parameter"),
        ("audio.input.sample_rate", 24000, "unknown_parameter"),
        ("audio.output.turn_detection", None, "unknown_parameter"),
        ("audio.input.transcription.modle", "whisper-1", "unknown_parameter"),
        ("output_modalities", ["audio", "text"], "invalid_value"),
        ("output_modalities", [], "invalid_value"),
        ("instructions", 5, "invalid_type"),
        ("instructions", None, "invalid_type"),
        ("audio", [], "invalid_type"),
        ("audio.input", "loud", "invalid_type"),
        ("audio.output.voice", "robot", "invalid_value"),
        ("audio.output.speed", 0.2, "invalid_value"),
        ("audio.output.speed", 1.6, "invalid_value"),
        ("audio.output.speed", "1", "invalid_type"),
        ("audio.input.format", "pcm16", "invalid_type"),
        ("max_output_tokens", 0, "invalid_value"),
        ("max_output_tokens", 4097, "invalid_value"),
        ("tool_choice", "any", "invalid_value"),
        ("tools", {}, "invalid_type"),
        ("truncation", "sometimes", "invalid_value"),
        ("parallel_tool_calls", "yes", "invalid_type"),
        ("tracing", "manual", "invalid_value"),
    ],
)
def test_a_setting_that_is_wrong_is_named(path, value, code):
    assert refusal(GASession().update(**setting(path, value))) == (code, f"session.{path}")


@pytest.mark.parametrize(
    ("path", "value", "code", "param"),
    [
        ("audio.input.format", {"type": "pcm16"}, "invalid_value", "audio.input.format.type"),
        ("audio.input.format", {"rate": 24000}, "missing_required_parameter", "audio.input.format.type"),
        (
            "audio.input.format",
            {"type": "audio/pcm", "rate": 16000},
            "invalid_value",
            "audio.input.format.rate",
        ),
        (
            "audio.input.format",
            {"type": "audio/pcmu", "rate": 8000},
            "unknown_parameter",
            "audio.input.format.rate",
        ),
        ("audio.output.voice", {"id": 3}, "invalid_type", "audio.output.voice.id"),
        ("output_modalities", ["video"], "invalid_value", "output_modalities[0]"),
        ("tools", [{"type": "function"}], "missing_required_parameter", "tools[0].name"),
        ("tools", [{"type": "function", "name": ""}], "invalid_value", "tools[0].name"),
        ("tools", [{"type": "web_search"}], "invalid_value", "tools[0].type"),
        ("tools", [{"name": "f"}], "missing_required_parameter", "tools[0].type"),
        ("tools", [{"type": "mcp"}], "missing_required_parameter", "tools[0].server_label"),
        (
            "tools",
            [{"type": "function", "function": {"name": "f"}, "name": "f"}],
            "unknown_parameter",
            "tools[0].function",
        ),
        ("tool_choice", {"type": "function"}, "missing_required_parameter", "tool_choice.name"),
        ("tool_choice", {"type": "mcp"}, "missing_required_parameter", "tool_choice.server_label"),
        ("tool_choice", {"type": "any"}, "invalid_value", "tool_choice.type"),
        (
            "truncation",
            {"type": "retention_ratio", "retention_ratio": 2.0},
            "invalid_value",
            "truncation.retention_ratio",
        ),
        ("include", ["everything"], "invalid_value", "include[0]"),
        ("reasoning", {"effort": "extreme"}, "invalid_value", "reasoning.effort"),
        ("prompt", {"version": "1"}, "missing_required_parameter", "prompt.id"),
        (
            "audio.input.noise_reduction",
            {"type": "loud"},
            "invalid_value",
            "audio.input.noise_reduction.type",
        ),
        (
            "audio.input.noise_reduction",
            {"type": "near_field", "strength": -1},
            "invalid_value",
            "audio.input.noise_reduction.strength",
        ),
        (
            "audio.input.transcription",
            {"delay": "none"},
            "invalid_value",
            "audio.input.transcription.delay",
        ),
    ],
)
def test_a_part_of_a_setting_that_is_wrong_is_named(path, value, code, param):
    session = GASession("gpt-realtime-2")
    assert refusal(session.update(**setting(path, value))) == (code, f"session.{param}")


@pytest.mark.parametrize(
    ("detection", "code", "param"),
    [
        ({"threshold": 0.5}, "missing_required_parameter", "type"),
        ({"type": "vad"}, "invalid_value", "type"),
        ({"type": "none"}, "invalid_value", "type"),
        ({"type": "server_vad", "threshold": 1.1}, "invalid_value", "threshold"),
        ({"type": "server_vad", "threshold": -0.1}, "invalid_value", "threshold"),
        ({"type": "server_vad", "prefix_padding_ms": -1}, "invalid_value", "prefix_padding_ms"),
        ({"type": "server_vad", "silence_duration_ms": 0.5}, "invalid_type", "silence_duration_ms"),
        ({"type": "server_vad", "idle_timeout_ms": 4999}, "invalid_value", "idle_timeout_ms"),
        ({"type": "server_vad", "idle_timeout_ms": 30001}, "invalid_value", "idle_timeout_ms"),
        ({"type": "server_vad", "eagerness": "low"}, "unknown_parameter", "eagerness"),
        ({"type": "server_vad", "create_response": "no"}, "invalid_type", "create_response"),
        ({"type": "semantic_vad", "eagerness": "max"}, "invalid_value", "eagerness"),
        ({"type": "semantic_vad", "threshold": 0.5}, "unknown_parameter", "threshold"),
        ({"type": "semantic_vad", "silence_duration_ms": 500}, "unknown_parameter", "silence_duration_ms"),
        ({"type": "semantic_vad", "prefix_padding_ms": 300}, "unknown_parameter", "prefix_padding_ms"),
        ({"type": "semantic_vad", "idle_timeout_ms": 5000}, "unknown_parameter", "idle_timeout_ms"),
    ],
)
def test_turn_detection_that_is_wrong_is_named(detection, code, param):
    refused = GASession().update_input(turn_detection=detection)
    assert refusal(refused) == (code, f"session.audio.input.turn_detection.{param}")


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({}, "missing_required_parameter", "session.type"),
        ({"instructions": "Be brief."}, "missing_required_parameter", "session.type"),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ([], "invalid_type", "session"),
    ],
)
def test_an_update_says_that_the_session_is_a_realtime_one(session, code, param):
    assert refusal(GASession().send("session.update", session=session)) == (code, param)


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({"role": "user", "content": []}, "missing_required_parameter", "item.type"),
        ({"type": "reasoning"}, "invalid_value", "item.type"),
        ({"type": "item_reference", "id": "item_1"}, "invalid_value", "item.type"),
        ({"type": "message", "content": []}, "missing_required_parameter", "item.role"),
        ({"type": "message", "role": "bot", "content": []}, "invalid_value", "item.role"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        ({"type": "message", "role": "user", "content": "Hi"}, "invalid_type", "item.content"),
        (
            {"type": "message", "role": "user", "content": [{"type": "text", "text": "Hi"}]},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text"}]},
            "missing_required_parameter",
            "item.content[0].text",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "%"}]},
            "invalid_value",
            "item.content[0].audio",
        ),
        (
            {"type": "message", "role": "user", "content": [IMAGE]},
            "invalid_value",
            "item.content[0].image_url",
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "audio": ""}]},
            "invalid_value",
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "system", "content": [{"type": "input_image", "image_url": ""}]},
            "invalid_value",
            "item.content[0].type",
        ),
        ({"type": "function_call", "name": "f"}, "missing_required_parameter", "item.arguments"),
        (
            {"type": "function_call_output", "call_id": "c", "output": {"a": 1}},
            "invalid_type",
            "item.output",
        ),
        (
            {"type": "message", "role": "user", "content": [], "name": "Ann"},
            "unknown_parameter",
            "item.name",
        ),
        (
            {"type": "message", "role": "user", "content": [], "id": "i" * 33},
            "string_above_max_length",
            "item.id",
        ),
        ({"type": "message", "role": "user", "content": [], "id": ""}, "invalid_value", "item.id"),
    ],
)
def test_an_item_that_is_wrong_is_not_created(item, code, param):
    session = GASession()
    assert refusal(session.send("conversation.item.create", item=item)) == (code, param)


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"temperature": 0.8}, "unknown_parameter", "response.temperature"),
        ({"conversation": "other"}, "invalid_value", "response.conversation"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "response.output_modalities"),
        ({"metadata": {"k" * 65: "v"}}, "string_above_max_length", None),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "response.metadata.k"),
        ({"metadata": {str(n): "v" for n in range(17)}}, "invalid_value", "response.metadata"),
        ({"metadata": {"k": 1}}, "invalid_type", "response.metadata.k"),
        ({"audio": {"input": {}}}, "unknown_parameter", "response.audio.input"),
        ({"max_output_tokens": 0}, "invalid_value", "response.max_output_tokens"),
        ({"input": [{"type": "item_reference"}]}, "missing_required_parameter", "response.input[0].id"),
        (
            {"input": [{"type": "item_reference", "id": "no"}]},
            "item_retrieve_invalid_item_id",
            "response.input[0].id",
        ),
        (
            {
                "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "%"}]}
                ]
            },
            "invalid_value",
            "response.input[0].content[0].audio",
        ),
        ({"turn_detection": None}, "unknown_parameter", "response.turn_detection"),
    ],
)
def test_a_response_that_is_wrong_does_not_begin(response, code, param):
    session = GASession()
    refused = refusal(session.respond(**response))
    assert refused[0] == code
    if param is not None:
        assert refused[1] == param
    assert not session.answers
    assert session.respond()[0]["type"] == "response.created"


@pytest.mark.parametrize(
    ("type_", "fields", "code", "param"),
    [
        ("input_audio_buffer.append", {}, "missing_required_parameter", "audio"),
        ("input_audio_buffer.append", {"audio": None}, "invalid_type", "audio"),
        ("input_audio_buffer.append", {"audio": "not base64"}, "invalid_value", "audio"),
        ("input_audio_buffer.append", {"audio": "AAA"}, "invalid_value", "audio"),
        ("input_audio_buffer.append", {"audio": "µ"}, "invalid_value", "audio"),
        ("input_audio_buffer.clear", {"all": True}, "unknown_parameter", "all"),
        ("conversation.item.delete", {}, "missing_required_parameter", "item_id"),
        ("conversation.item.retrieve", {"item_id": 7}, "invalid_type", "item_id"),
        (
            "conversation.item.truncate",
            {"item_id": "i", "content_index": 0},
            "missing_required_parameter",
            "audio_end_ms",
        ),
        (
            "conversation.item.truncate",
            {"item_id": "i", "content_index": 0, "audio_end_ms": -1},
            "invalid_value",
            "audio_end_ms",
        ),
        (
            "conversation.item.truncate",
            {"item_id": "i", "content_index": 0, "audio_end_ms": 1.5},
            "invalid_type",
            "audio_end_ms",
        ),
        (
            "conversation.item.truncate",
            {"item_id": "i", "content_index": 1, "audio_end_ms": 1},
            "invalid_value",
            "content_index",
        ),
        ("response.create", {"response": []}, "invalid_type", "response"),
        ("response.cancel", {"response_id": 1}, "invalid_type", "response_id"),
        ("output_audio_buffer.clear", {}, "invalid_value", "type"),
        ("response.make", {}, "invalid_value", "type"),
    ],
)
def test_an_event_that_is_wrong_is_refused(type_, fields, code, param):
    assert refusal(GASession().send(type_, **fields)) == (code, param)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("", "invalid_json", None),
        ("{", "invalid_json", None),
        ("NaN", "invalid_json", None),
        ('{"type": "response.create",}', "invalid_json", None),
        ("7", "invalid_event", "type"),
        ("[]", "invalid_event", "type"),
        ("{}", "invalid_event", "type"),
        ('{"type": null}', "invalid_event", "type"),
        (b'{"type": "response.create"}', "invalid_event", None),
    ],
)
def test_a_message_that_is_no_event_is_refused(message, code, param):
    assert refusal(GASession().receive(message)) == (code, param)


def test_an_unknown_event_is_told_which_ones_there_are():
    message = one(GASession().send("response.make"))["error"]["message"]
    assert "'response.make'" in message
    assert "response.create" in message
    assert "conversation.item.truncate" in message


class TestEventIds:
    def test_an_error_names_the_event_that_caused_it(self):
        session = GASession()
        for type_, fields in [
            ("session.update", {"session": {}}),
            ("response.cancel", {}),
            ("conversation.item.delete", {"item_id": "none"}),
            ("nothing", {}),
            (None, {}),
        ]:
            error = one(session.send(type_, event_id="mine", **fields))["error"]
            assert error["event_id"] == "mine"

    def test_without_one_there_is_none_to_name(self):
        assert one(GASession().send("response.cancel"))["error"]["event_id"] is None

    def test_an_event_id_may_be_512_characters_long(self):
        session = GASession()
        assert session.send("input_audio_buffer.clear", event_id="e" * 512)[0]["type"].endswith("cleared")
        refused = one(session.send("input_audio_buffer.clear", event_id="e" * 513))
        assert refusal(refused) == ("string_above_max_length", "event_id")
        assert refused["error"]["event_id"] == "e" * 513

    def test_one_that_is_no_text_is_refused(self):
        refused = one(GASession().send("input_audio_buffer.clear", event_id=7))
        assert refusal(refused) == ("invalid_type", "event_id")
        assert refused["error"]["event_id"] is None

    def test_success_does_not_echo_it(self):
        cleared = one(GASession().send("input_audio_buffer.clear", event_id="mine"))
        assert cleared["event_id"].startswith("event_")


def update_with_parameters(depth: int) -> str:
    parameters = '{"a":' * depth + "{}" + "}" * depth
    tool = f'{{"type": "function", "name": "f", "parameters": {parameters}}}'
    return f'{{"type": "session.update", "session": {{"type": "realtime", "tools": [{tool}]}}}}'


def test_what_is_nested_too_deep_to_be_sent_back_is_refused():
    session = GASession()
    assert one(session.receive(update_with_parameters(90)))["type"] == "session.updated"
    for depth in (110, 300, 1000):
        assert refusal(session.receive(update_with_parameters(depth))) == ("invalid_value", None)
