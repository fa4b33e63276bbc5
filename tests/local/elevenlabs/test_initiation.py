"""How a conversation begins: what may be overridden, what variables need a value, and what it is refused for."""

from __future__ import annotations

import pytest

from tests.local.elevenlabs.stage import Stage, types
from voicepipe.errors import SettingsError
from voicepipe.local.elevenlabs import Agent, ClientTool, Patience
from voicepipe.local.elevenlabs.agent import OVERRIDES
from voicepipe.local.elevenlabs.wishes import Speak

FRIENDLY = Agent("agent_1", prompt="Be friendly.", first_message="Hello!", voice="rachel")


def override(path: str, value: object) -> dict[str, object]:
    """The `conversation_config_override` of one field."""
    *parents, name = path.split(".")
    config: dict[str, object] = {name: value}
    for parent in reversed(parents):
        config = {parent: config}
    return config


class TestTheFirstMessage:
    def test_metadata_comes_first_with_the_formats_of_the_agent(self):
        stage = Stage(
            Agent("agent_1", input_format="ulaw_8000", output_format="pcm_24000"), conversation_id="conv_7"
        )
        assert types(stage.begin()) == ["conversation_initiation_metadata", "ping"]
        assert stage.of("conversation_initiation_metadata") == [
            {
                "conversation_id": "conv_7",
                "agent_output_audio_format": "pcm_24000",
                "user_input_audio_format": "ulaw_8000",
            }
        ]

    def test_the_agent_says_its_first_message(self):
        stage = Stage(FRIENDLY)
        stage.begin()
        speak = stage.pop(Speak)
        assert speak is not None
        assert speak.sentences == ["Hello!"]

    def test_without_one_it_waits_for_the_user(self):
        stage = Stage(Agent("agent_1"))
        stage.begin()
        assert stage.wishes == []

    def test_a_client_that_begins_with_something_else_gets_the_agent_as_it_is(self):
        stage = Stage(FRIENDLY)
        assert types(stage.send(type="user_activity")) == ["conversation_initiation_metadata", "ping"]
        assert stage.session.terms is not None
        assert stage.session.terms.prompt == "Be friendly."

    def test_it_can_be_sent_once(self):
        stage = Stage()
        stage.begin()
        [error] = stage.begin()
        assert error["error_event"]["error_type"] == "invalid_message"
        assert stage.closed is not None
        assert stage.closed[0] == 1008

    def test_a_client_that_says_nothing_is_closed(self):
        stage = Stage()
        assert types(stage.pass_ms(19_999)) == []
        [error] = stage.pass_ms(1)
        assert error["error_event"]["error_type"] == "transport_receive_timeout"
        assert stage.closed == (1008, "The first message did not come in time.")


class TestOverrides:
    @pytest.mark.parametrize("path", sorted(OVERRIDES))
    def test_what_the_agent_does_not_allow_is_refused_with_its_name(self, path):
        stage = Stage(Agent("agent_1", allows=OVERRIDES - {path}))
        [error] = stage.begin(conversation_config_override=override(path, "anything"))
        assert error["error_event"]["error_type"] == "override_error"
        assert error["error_event"]["code"] == 1008
        assert stage.closed is not None
        assert stage.closed[0] == 1008
        assert path in stage.closed[1]

    @pytest.mark.parametrize(
        ("path", "value", "term"),
        [
            ("agent.prompt.prompt", "Be brief.", "prompt"),
            ("agent.first_message", "Hi.", "first_message"),
            ("agent.first_message", "", "first_message"),
            ("agent.language", "de", "language"),
            ("agent.max_conversation_duration_message", "Time is up.", "max_duration_message"),
            ("tts.voice_id", "adam", "voice"),
            ("conversation.text_only", True, "text_only"),
            ("conversation.max_duration_seconds", 30, "max_duration_secs"),
        ],
    )
    def test_what_it_allows_takes_the_place_of_its_setting(self, path, value, term):
        stage = Stage(Agent("agent_1", prompt="Old.", first_message="Old.", voice="old", allows=[path]))
        stage.begin(conversation_config_override=override(path, value))
        assert getattr(stage.session.terms, term) == value

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("agent.prompt.prompt", 3),
            ("agent.first_message", ["Hi."]),
            ("agent.language", "German"),
            ("conversation.text_only", "yes"),
            ("conversation.max_duration_seconds", 0),
            ("conversation.max_duration_seconds", True),
        ],
    )
    def test_a_value_that_is_none_of_its_kind_is_refused_with_its_name(self, path, value):
        stage = Stage(Agent("agent_1", allows=OVERRIDES))
        [error] = stage.begin(conversation_config_override=override(path, value))
        assert error["error_event"]["error_type"] == "override_error"
        assert path in error["error_event"]["message"]

    def test_null_is_as_good_as_left_out(self):
        stage = Stage(FRIENDLY)
        stage.begin(conversation_config_override={"tts": {"voice_id": None}, "agent": None})
        assert stage.session.terms is not None
        assert stage.session.terms.voice == "rachel"

    def test_unknown_fields_are_passed_over(self):
        stage = Stage()
        assert types(stage.begin(conversation_config_override={"text_only": True, "tts": {"pitch": 1}})) == [
            "conversation_initiation_metadata",
            "ping",
        ]

    def test_the_language_has_its_own_first_message_and_is_told_in_the_prompt(self):
        agent = Agent(
            "agent_1",
            prompt="Be kind.",
            first_message="Hello!",
            first_messages={"de": "Hallo!"},
            allows=["agent.language"],
        )
        stage = Stage(agent)
        stage.begin(conversation_config_override={"agent": {"language": "de"}})
        assert stage.session.terms is not None
        assert stage.session.terms.first_message == "Hallo!"
        assert "'de'" in stage.session.terms.prompt

    def test_the_client_chooses_its_events_without_permission(self):
        stage = Stage(FRIENDLY)
        stage.begin(conversation_config_override={"conversation": {"client_events": ["agent_response"]}})
        assert types(stage.first_message()) == ["agent_response"]

    def test_the_body_for_a_custom_model_reaches_the_brain_where_it_is_allowed(self):
        stage = Stage(Agent("agent_1", allows_extra_body=True))
        stage.begin(custom_llm_extra_body={"temperature": 0.1})
        stage.send(type="user_message", text="hi")
        assert stage.answers().conversation.extra_body == {"elevenlabs_extra_body": {"temperature": 0.1}}

    def test_and_is_refused_where_not(self):
        stage = Stage()
        [error] = stage.begin(custom_llm_extra_body={"temperature": 0.1})
        assert error["error_event"]["error_type"] == "override_error"

    def test_an_empty_body_as_the_official_client_sends_it_is_none(self):
        stage = Stage()
        assert "error" not in types(stage.begin(custom_llm_extra_body={}))


class TestVariables:
    AGENT = Agent(
        "agent_1",
        prompt="You talk with {{name}}, who is {{ age }}; is a member: {{member}}.",
        first_message="Hello {{name}}!",
        dynamic_variables={"member": False},
        tools=[ClientTool("look_up", description="Look up {{name}}.")],
    )

    def test_they_are_filled_in_everywhere(self):
        stage = Stage(self.AGENT)
        stage.begin(dynamic_variables={"name": "Ann", "age": 40})
        stage.first_message()
        stage.send(type="user_message", text="hi")
        conversation = stage.answers().conversation
        assert conversation.instructions == "You talk with Ann, who is 40; is a member: false."
        assert conversation.tools[0]["description"] == "Look up Ann."
        assert stage.of("agent_response")[0]["agent_response"] == "Hello Ann!"

    def test_one_without_a_value_is_an_error_that_names_it(self):
        stage = Stage(self.AGENT)
        [error] = stage.begin(dynamic_variables={"name": "Ann"})
        assert error["error_event"]["error_type"] == "missing_dynamic_variable"
        assert "age" in error["error_event"]["message"]
        assert stage.closed is not None
        assert stage.closed[0] == 1008

    def test_those_of_the_server_are_there_and_cannot_be_set(self):
        agent = Agent("agent_1", first_message="I am {{system__agent_id}}.")
        stage = Stage(agent)
        stage.begin()
        stage.first_message()
        assert stage.of("agent_response")[0]["agent_response"] == "I am agent_1."
        [error] = Stage(agent).begin(dynamic_variables={"system__agent_id": "other"})
        assert error["error_event"]["error_type"] == "value_error"

    def test_a_list_is_no_value(self):
        [error] = Stage().begin(dynamic_variables={"name": ["Ann"]})
        assert error["error_event"]["error_type"] == "invalid_message"


class TestAgent:
    @pytest.mark.parametrize(
        ("field", "settings"),
        [
            ("agent_id", {"agent_id": ""}),
            ("allows", {"allows": ["agent.promt"]}),
            ("client_events", {"client_events": ["sound"]}),
            ("input_format", {"input_format": "pcm_11025"}),
            ("output_format", {"output_format": "mp3_44100"}),
            ("tools", {"tools": [ClientTool("one"), ClientTool("one")]}),
            ("max_duration_secs", {"max_duration_secs": 0}),
            ("turn_timeout_secs", {"turn_timeout_secs": 0}),
            ("silence_end_call_secs", {"silence_end_call_secs": -1}),
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_its_name(self, field, settings):
        with pytest.raises(SettingsError, match=f"^{field}: "):
            Agent(**{"agent_id": "agent_1", **settings})

    def test_patience_is_longer_than_nothing(self):
        with pytest.raises(SettingsError, match="ping_every_ms"):
            Patience(ping_every_ms=0)

    def test_a_tool_waits_no_longer_than_the_api_lets_it(self):
        with pytest.raises(SettingsError, match="response_timeout_secs"):
            ClientTool("slow", response_timeout_secs=121)
