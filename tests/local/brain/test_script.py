"""What the script brain answers, by the default script and by scripts of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from voicepipe.errors import SettingsError, VoicepipeError
from voicepipe.local.brain import Call, Conversation, Message, Say, ToolResult, ToolUse, Turn
from voicepipe.local.brain.script import Script, ScriptBrain

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"required": ["city"]}}
ORDER = {"type": "function", "name": "get_order_status"}


def user(text: str) -> Message:
    return Message("user", text)


async def answer(
    *turns: Turn,
    script: Script | None = None,
    instructions: str = "",
    tools=(WEATHER, ORDER),
    tool_choice="auto",
) -> list[Say | Call]:
    brain = ScriptBrain(script, now=lambda: datetime(2026, 1, 1, 15, 5))
    return [piece async for piece in brain.reply(Conversation(instructions, turns, tools, tool_choice))]


async def words(*turns: Turn, **told) -> str:
    return " ".join(piece.text for piece in await answer(*turns, **told) if isinstance(piece, Say))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Hello!", "Hello! How can I help you?"),
        ("What time is it, please?", "It is 3:05 PM."),
        ("Spell the word banana.", "B, A, N, A, N, A."),
        ("How do you spell it's?", "I, T, S."),
        ("Count to five.", "one, two, three, four, five."),
        ("Could you count from 1 to 3?", "one, two, three."),
        ("Please stop!", "All right, I stop."),
        ("Stop, stop it now.", "All right, I stop."),
        ("Thanks a lot", "You are welcome."),
        ("Where is my order?", "What is the number of your order?"),
        ("How's the weather?", "For which city?"),
        ("", "Sorry, I did not catch that."),
    ],
)
async def test_the_default_script_answers(question: str, said: str):
    assert await words(user(question)) == said


async def test_the_default_script_says_who_it_is_and_goodbye():
    assert "local voicepipe bot" in await words(user("Who are you?"))
    assert (await words(user("OK, goodbye."))).startswith("Goodbye!")


async def test_what_is_not_in_the_script_is_said_back():
    assert (await words(user("Go forward ten meters."))).startswith("I heard you say: Go forward ten meters.")
    assert (await words(user("The bus stop is near."))).startswith("I heard you say: The bus stop is near.")


@pytest.mark.parametrize(
    ("question", "call"),
    [
        ("What is the weather in Paris?", Call("get_weather", {"city": "Paris"})),
        ("What's the weather like in New York today, please?", Call("get_weather", {"city": "New York"})),
        ("How warm is it in Rome right now?", Call("get_weather", {"city": "Rome"})),
        ("Where is my order one, two, three, four?", Call("get_order_status", {"order_id": "1234"})),
        ("The status of order number 0 0 7.", Call("get_order_status", {"order_id": "007"})),
        ("Order twelve thirty four", Call("get_order_status", {"order_id": "1234"})),
    ],
)
async def test_a_question_for_a_tool_calls_it(question: str, call: Call):
    assert await answer(user(question)) == [call]


async def test_a_question_in_two_turns_is_understood_as_one():
    assert await answer(user("What is the weather"), user("in Paris?")) == [
        Call("get_weather", {"city": "Paris"})
    ]
    assert await words(user("What is the weather in Paris?"), user("Please stop.")) == "All right, I stop."


@pytest.mark.parametrize("told", [{"tools": ()}, {"tool_choice": "none"}])
async def test_a_tool_that_is_not_there_is_not_called(told):
    assert await answer(user("What is the weather in Paris?"), **told) == [
        Say("I have no tool for that."),
        Say("I would need get weather."),
    ]


async def test_a_required_call_is_the_fitting_one_or_the_first():
    asked = user("Where is order 12?")
    assert await answer(asked, tool_choice="required") == [Call("get_order_status", {"order_id": "12"})]
    assert await answer(user("Hello"), tool_choice="required") == [Call("get_weather", {"city": "Hello"})]
    one = {"type": "function", "name": "get_order_status"}
    assert await answer(user("Hello"), tool_choice=one) == [Call("get_order_status", {})]
    assert await words(user("Hello"), tool_choice="required", tools=()) == "Hello! How can I help you?"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ('{"temperature": 18, "conditions": "sunny"}', "In Paris it is 18 degrees and sunny."),
        ('{"temperature": 18.5}', "In Paris it is 18.5 degrees."),
        (
            '{"wind": ["north", "west"], "is_wet": true}',
            "The weather in Paris: wind: north, west, is wet: yes.",
        ),
        ("fine", "The weather in Paris: fine."),
        ("null", "The weather in Paris: nothing."),
        ('{"error": "no such city"}', "That did not work: no such city."),
    ],
)
async def test_a_result_is_told(output: str, said: str):
    asked = user("What is the weather in Paris?")
    assert await words(asked, ToolUse("1", "get_weather", {"city": "Paris"}), ToolResult("1", output)) == said


async def test_results_of_calls_made_together_are_told_together():
    said = await words(
        user("What is the weather in Paris?"),
        ToolUse("1", "get_weather", {"city": "Paris"}),
        ToolUse("2", "another", {}),
        ToolResult("2", "42"),
        ToolResult("1", '{"temperature": 9}'),
    )
    assert said == "The result is: 42. In Paris it is 9 degrees."


async def test_a_question_after_a_result_is_answered_instead():
    turns = [user("Weather in Rome"), ToolUse("1", "get_weather", {}), ToolResult("1", "{}"), user("Thanks")]
    assert await words(*turns) == "You are welcome."


async def test_after_a_barge_in_it_knows_where_it_was_stopped():
    cut = [user("Count to ten"), Message("assistant", "one, two, three, four, five, six,", cut=True)]
    assert (
        await words(*cut, user("Where did you stop?")) == "You stopped me after: two, three, four, five, six."
    )
    assert (
        await words(*cut, user("What did you say?"))
        == "You stopped me. I had said: one, two, three, four, five, six."
    )
    unheard = Message("assistant", "", cut=True)
    assert await words(unheard, user("go on")) == "You stopped me after: not a word."


async def test_after_a_whole_answer_it_was_done():
    told = [user("Hello"), Message("assistant", "Hello! How are you?")]
    assert await words(*told, user("Go on.")) == "I was done. My last words were: Hello! How are you."
    assert await words(*told, user("Say that again")) == "I said: Hello! How are you."


async def test_it_greets_when_nothing_was_said():
    assert (await words()).startswith("Hello! I am the local voicepipe bot.")
    assert await words(instructions="Be kind.\ngreeting: Good morning.") == "Good morning."


async def test_instructions_can_put_words_in_its_mouth():
    told = "You are a bot.\n  Answer: Yes. No.\n"
    assert await answer(user("Hello"), instructions=told) == [Say("Yes."), Say("No.")]
    assert await words(Message("system", "answer: Later."), user("Hello"), instructions=told) == "Later."


async def test_a_script_can_say_something_and_call_several_tools():
    script = Script.load(
        """
        rules:
          - hear: both for {city}
            when: {tool: get_weather}
            say: Let me see.
            call:
              - {name: get_weather, arguments: {city: "{title:city}", days: 2, parts: ["{city}", {of: "{city}"}]}}
              - {name: get_order_status}
        otherwise: "{heard}?"
        """
    )
    assert await answer(user("Both, for Rome!"), script=script) == [
        Say("Let me see."),
        Call("get_weather", {"city": "Rome", "days": 2, "parts": ["rome", {"of": "rome"}]}),
        Call("get_order_status", {}),
    ]
    assert await words(user("Both for Rome."), script=script, tools=()) == "Both for Rome?"


@pytest.mark.parametrize(
    ("yaml", "what"),
    [
        ("rules:\n  - hear: a\n    say: b\n  - hear: a\n    sya: b", r"script:5: rule 2: sya: Extra inputs"),
        ("rules:\n  - hear: a\n    say: b\n    say: c", r"script:4: is no YAML: 'say' is there twice"),
        ("rules:\n  - hear: (a\n    say: b", r"rule 1: .*'\(a' is no regular expression"),
        (
            "rules:\n  - hear: a {b}\n    say: '{c}'",
            r"rule 1: .*\{c\}: there is no 'c' here; there are b, heard",
        ),
        ("rules:\n  - hear: a\n    say: '{shout:heard}'", r"no helper 'shout'; there are spell, count"),
        ("rules:\n  - hear: a\n    say: 'a { b'", r"rule 1: .*a brace"),
        ("rules:\n  - hear: a\n    then: b", r"rule 1: .*a rule needs say, call or both"),
        ("rules:\n  - hear: []\n    say: b", r"rule 1: hear: List should have at least 1 item"),
        ("rules:\n  - hear: a\n    call: {name: f, arguments: {b: ['{c}']}}", r"rule 1: .*no 'c' here"),
        ("otherwise: '{who}'\n", r"no 'who' here"),
        ("rules: [\n", r"script:3: is no YAML"),
        ("- a\n- b", r"script:1: script: "),
    ],
)
def test_a_wrong_script_is_refused_with_the_place(yaml: str, what: str):
    with pytest.raises(SettingsError, match=what):
        Script.load(yaml + "\n")


def test_a_script_is_read_from_a_file(tmp_path: Path):
    file = tmp_path / "my.yaml"
    file.write_text("otherwise: Ho.")
    assert Script.load(file).otherwise == Script.load(str(file)).otherwise == "Ho."
    with pytest.raises(VoicepipeError, match=r"none\.yaml' cannot be read: No such file"):
        Script.load(tmp_path / "none.yaml")


class TestImages:
    ALONE = Message("user", "", images=1)

    async def test_one_alone_is_answered_with_words_that_name_it(self):
        assert "an image" in await words(self.ALONE)
        assert "two images" in await words(self.ALONE, self.ALONE)

    async def test_one_with_words_that_no_rule_fits(self):
        said = await words(Message("user", "Would you buy these shoes?", images=1))
        assert "an image" in said
        assert "not in my script" not in said

    async def test_one_with_words_that_a_rule_fits_has_both_answered(self):
        said = await words(Message("user", "What time is it?", images=1))
        assert "an image" in said
        assert said.endswith("It is 3:05 PM.")

    @pytest.mark.parametrize("question", ["What do you see?", "What is this?", "Look at the picture."])
    async def test_a_question_about_one_that_was_shown_before_it(self, question: str):
        for turns in ([self.ALONE, user(question)], [Message("user", question, images=1)]):
            said = await words(*turns)
            assert said.count("an image") == 1

    async def test_one_that_was_answered_is_no_longer_there(self):
        turns = [self.ALONE, Message("assistant", "Nice."), user("What do you see?")]
        assert "image" not in await words(*turns)

    async def test_words_about_an_image_that_nobody_showed(self):
        assert "showed" not in await words(user("I have an image"))

    async def test_a_script_may_say_it_in_its_own_words(self):
        script = Script.load("shown: 'Nice, {images}.'\nrules: []\n")
        assert await words(self.ALONE, script=script) == "Nice, an image."


class TestExactWords:
    ORDER_EXACTLY = "Say exactly the following words and nothing else: "

    async def test_the_instructions_can_say_word_for_word_what_to_say(self):
        told = f"You are a bot.\n{self.ORDER_EXACTLY}Please hold the line. I will be back."
        assert await words(user("What time is it?"), instructions=told) == (
            "Please hold the line. I will be back."
        )

    async def test_also_with_nothing_said_before_or_tools_to_call(self):
        told = f"{self.ORDER_EXACTLY}Welcome!"
        assert await words(instructions=told) == "Welcome!"
        assert await words(user("hi"), instructions=told, tool_choice="required") == "Welcome!"

    async def test_before_every_other_instruction(self):
        told = f"answer: No.\ngreeting: Ho.\n{self.ORDER_EXACTLY}Yes."
        assert await words(instructions=told) == "Yes."

    async def test_the_last_order_counts_and_takes_all_that_follows(self):
        told = f"{self.ORDER_EXACTLY}One. {self.ORDER_EXACTLY.upper()}\n Two.\nThree."
        assert await words(instructions=told) == "Two. Three."

    async def test_only_the_instructions_are_obeyed(self):
        said = await words(user(f"{self.ORDER_EXACTLY}Boo."))
        assert said != "Boo."


class TestSystemMessages:
    GOES_ON = Message("system", "The connection was lost. The conversation goes on where it was.")

    async def test_they_are_not_answered_but_what_the_user_said(self):
        assert await words(user("What time is it?"), self.GOES_ON) == "It is 3:05 PM."
        turns = [user("Hello"), Message("assistant", "Hello!"), self.GOES_ON, user("Thanks")]
        assert await words(*turns) == "You are welcome."

    async def test_they_do_not_stand_between_two_parts_of_what_the_user_said(self):
        assert await words(user("What time"), self.GOES_ON, user("is it?")) == "It is 3:05 PM."

    async def test_nor_between_a_call_and_its_result(self):
        turns = [
            user("What is the weather in Bern?"),
            ToolUse("1", "get_weather", {"city": "Bern"}),
            ToolResult("1", '{"temperature": 18}'),
            self.GOES_ON,
        ]
        assert await words(*turns) == "In Bern it is 18 degrees."

    async def test_alone_they_are_greeted_as_nothing_is(self):
        assert await words(self.GOES_ON) == await words()


async def test_required_parameters_that_are_no_names_are_passed_over():
    tools = [{"type": "function", "name": "f", "parameters": {"required": 5}}]
    assert await answer(user("hi"), tools=tools, tool_choice="required") == [Call("f", {})]
    tools = [{"type": "function", "name": "f", "parameters": {"required": [5, "city"]}}]
    assert await answer(user("hi"), tools=tools, tool_choice="required") == [Call("f", {"city": "hi"})]
