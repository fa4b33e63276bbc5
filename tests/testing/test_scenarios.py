"""Scenarios: what happens is held against what is expected, and what was instead is told in words."""

from __future__ import annotations

import warnings
from pathlib import Path
from textwrap import indent
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import voicepipe
from tests.support.tones import spoken
from tests.testing.bots import BRAIN, ENDS, FAILS, KEYS, LEAVES, PHONE, PIPELINE, REFUSED
from voicepipe.cli.app import app
from voicepipe.errors import AudioFormatError, SettingsError, VoicepipeError
from voicepipe.testing.files import find, is_scenario_file, load
from voicepipe.testing.playing import Result, play
from voicepipe.testing.stage import Stage


@pytest.fixture(autouse=True)
def without_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


class Desk:
    """A folder with a bot and its scenarios."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bot(PIPELINE)
        (folder / "brain.yaml").write_text(BRAIN)
        (folder / "echo.yaml").write_text("otherwise: 'You said {heard}.'\n")
        (folder / "ends.yaml").write_text(
            "rules:\n- {hear: goodbye, say: Goodbye!, call: {name: end_call, arguments: {reason: that is all}}}\n"
        )

    def bot(self, text: str) -> None:
        (self.folder / "bot.py").write_text(text)

    def file(self, scenarios: str, top: str = "bot: bot.py\nbrain: brain.yaml") -> Path:
        path = self.folder / "orders.yaml"
        path.write_text(f"name: orders\n{top}\nscenarios:\n{indent(scenarios, '  ')}")
        return path

    def play(self, turns: str, more: str = "", **stage: Any) -> Result:
        """Play one scenario."""
        text = f"- name: one\n{indent(more, '  ')}\n  turns:\n{indent(turns, '    ')}"
        [scenario] = load(self.file(text))
        return play(scenario, Stage(**stage))


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


ASKED = "- user: Where is order 42?\n"


class TestWhatIsExpected:
    @pytest.mark.parametrize(
        "expect",
        [
            "{event: response, text_contains: on its way}",
            "{event: response, text_contains: 'ON  ITS way!'}",
            "{event: response, text_contains: order forty two}",
            "{event: llm_response, text_contains: on its way, text_excludes: refund}",
            "{event: user_transcription, text_contains: where is order 42}",
            "{event: function_call}",
            "{event: function_call, name: get_order_status, args: {order_id: '42'}}",
            "{event: function_call, calls: [get_order_status]}",
            "{event: function_call_stopped, args: {cancelled: false, result: {status: on its way}}}",
            "{event: response, within_ms: 5000, latency_ms: 1000}",
            "{event: error, absent: true, within_ms: 3000}",
        ],
    )
    def test_it_is_found(self, expect, desk):
        result = desk.play(f"{ASKED}  expect: [{expect}]")
        assert result.failures == []

    @pytest.mark.parametrize(
        ("expect", "why"),
        [
            (
                "{event: response, text_contains: has arrived, within_ms: 5000}",
                "no response with 'has arrived' within 5000 ms; instead: 'Your order 42 is on its way.'",
            ),
            (
                "{event: response, text_excludes: on its way, within_ms: 5000}",
                "no response without 'on its way' within 5000 ms; instead: 'Your order 42 is on its way.'",
            ),
            (
                "{event: function_call, name: get_order_status, args: {order_id: '7'}, within_ms: 5000}",
                "no function_call get_order_status(order_id='7') within 5000 ms; "
                "instead: get_order_status(order_id='42')",
            ),
            (
                "{event: function_call, calls: [get_order_status, refund], within_ms: 5000}",
                "no function_call get_order_status() and refund() within 5000 ms",
            ),
            ("{event: response, within_ms: 10}", "no response within 10 ms; instead: nothing"),
            ("{event: response, absent: true, within_ms: 5000}", "response came after "),
            (
                "{event: bot_interrupted, within_ms: 5000}",
                "no bot_interrupted within 5000 ms; instead: function_call: get_order_status(order_id='42'); ",
            ),
        ],
    )
    def test_it_is_missed_and_what_was_instead_is_told(self, expect, why, desk):
        result = desk.play(f"{ASKED}  expect: [{expect}]")
        [failure] = result.failures
        assert failure.startswith("turn 1: expect 1: ")
        assert why in failure

    def test_the_order_counts_unless_it_is_looked_for_from_the_turns_beginning(self, desk):
        expect = "  expect:\n  - {event: response}\n  - {event: function_call, name: get_order_status, within_ms: 5000"
        [failure] = desk.play(f"{ASKED}{expect}}}").failures
        assert "expect 2: no function_call" in failure
        assert desk.play(f"{ASKED}{expect}, check_from: turn_start}}").passed

    def test_one_call_does_not_stand_for_two(self, desk):
        expect = "{event: function_call, calls: [get_order_status, get_order_status], within_ms: 5000}"
        assert not desk.play(f"{ASKED}  expect: [{expect}]").passed

    def test_a_slow_answer_is_told_from_a_quick_one(self, desk):
        desk.bot(
            PIPELINE.replace(
                "    await params.result", "    await asyncio.sleep(1.5)\n    await params.result"
            ).replace("from pipecat", "import asyncio\n\nfrom pipecat", 1)
        )
        [failure] = desk.play(f"{ASKED}  expect: [{{event: response, latency_ms: 1400}}]").failures
        assert (
            failure == "turn 1: expect 1: response: expected the bot to speak within 1400 ms; it took 1500 ms"
        )
        assert desk.play(f"{ASKED}  expect: [{{event: response, latency_ms: 1600}}]").passed
        [failure] = desk.play(ASKED, "call: {max_latency_ms: 1400}").failures
        assert (
            "max_latency_ms: expected at most 1400; the answer to 'Where is order 42?' began after 1500"
            in failure
        )

    def test_the_rest_of_a_call_is_left_out_after_a_failure_unless_it_is_wanted(self, desk):
        turns = f"{ASKED}  expect: [{{event: error, within_ms: 100}}]\n- user: Thank you.\n"
        assert len(desk.play(turns).record.turns) == 1
        assert len(desk.play(turns, "stop_on_failure: false").record.turns) == 2


class TestWhatACallerDoes:
    def test_a_greeting_is_a_turn_in_which_nobody_speaks(self, desk):
        desk.bot(PHONE)
        turns = f"- expect: [{{event: response, text_contains: this is the shop}}]\n{ASKED}  expect: [{{event: response}}]"
        result = desk.play(turns)
        assert result.failures == []
        assert not result.record.turns[0].is_interrupted

    def test_a_barge_in_cuts_the_answer_where_it_was_heard(self, desk):
        turns = (
            "- user: Where is order 7?\n  expect: [{event: bot_started_speaking}]\n"
            "- user: Thank you.\n  send_after: {event: bot_started_speaking, delay_ms: 150}\n"
            "  expect:\n  - {event: bot_interrupted, text_excludes: payment}\n"
            "  - {event: response, text_contains: You are welcome}\n"
        )
        assert desk.play(turns).failures == []

    def test_a_turn_that_waits_for_what_never_comes_says_so(self, desk):
        turns = f"{ASKED}- user: Thank you.\n  send_after: {{event: error}}\n"
        assert desk.play(turns).failures == ["turn 2: send_after: there was no error"]

    def test_a_pause_is_in_the_middle_of_what_is_said(self, desk):
        turns = (
            "- user: ['Where is order 42?', {pause_ms: 3000}, Thank you.]\n"
            "  expect: [{event: response, text_contains: welcome}]"
        )
        result = desk.play(turns)
        assert result.failures == []
        assert [turn.user_text for turn in result.record.turns] == ["Where is order 42?", "Thank you."]

    def test_a_recording_is_played(self, desk):
        sound = spoken("where is order 42")
        soundfile.write(
            desk.folder / "asked.wav", np.frombuffer(sound.pcm, np.int16), sound.sample_rate, subtype="PCM_16"
        )
        turns = "- user: Where is order 42?\n  audio: asked.wav\n  expect: [{event: response, text_contains: on its way}]"
        assert desk.play(turns, "user: {modality: audio, speech: {service: tones}}").failures == []

    def test_a_person_is_understood_by_real_ears_and_answered_in_a_real_voice(self, desk):
        recording = Path(voicepipe.__file__).parent / "local" / "recordings" / "go_forward.wav"
        turns = (
            f"- user: Go forward ten meters.\n  audio: {recording}\n"
            "  expect:\n  - {event: user_transcription, text_contains: go forward 10 meters}\n"
            "  - {event: response, text_contains: go forward}\n"
        )
        assert desk.play(turns, "brain: echo.yaml").failures == []

    def test_keys_are_pressed(self, desk):
        desk.bot(KEYS)
        assert desk.play(
            "- dtmf: 12#\n  expect: [{event: user_transcription, text_contains: keys 12}]"
        ).passed

    @pytest.mark.parametrize("bot", [PIPELINE, PHONE])
    def test_the_caller_hangs_up(self, bot, desk):
        desk.bot(bot)
        assert desk.play(f"{ASKED}- hang_up: true\n", "call: {ended_by: caller}").failures == []


class TestWholeCalls:
    def test_limits_that_are_kept(self, desk):
        limits = "call: {tools: [get_order_status], ended_by: caller, max_cost: 0.05, max_duration_ms: 20000}"
        assert desk.play(ASKED, limits).failures == []

    @pytest.mark.parametrize(
        ("limits", "why"),
        [
            ("tools: []", "call: tools: expected none; called were get_order_status"),
            ("ended_by: bot", "call: ended_by: expected the bot; it was the caller (the caller hung up)"),
            ("end_reason: done", "call: end_reason: expected 'done'; it was 'the caller hung up'"),
            ("max_cost: 0.000001", "call: max_cost: expected at most $1e-06; it was $0.00"),
            ("max_duration_ms: 100", "call: max_duration_ms: expected at most 100; it was "),
        ],
    )
    def test_limits_that_are_broken(self, limits, why, desk):
        [failure] = desk.play(ASKED, f"call: {{{limits}}}").failures
        assert failure.startswith(why)

    def test_a_bot_that_leaves(self, desk):
        desk.bot(LEAVES)
        assert desk.play(ASKED, "call: {ended_by: bot, end_reason: that is all}").passed
        [failure] = desk.play(f"{ASKED}  expect: [{{event: response}}]\n- user: Thank you.\n").failures
        assert failure == "turn 2: the call had ended before"

    @pytest.mark.parametrize("bot", [LEAVES, ENDS])
    def test_that_the_bot_hangs_up_can_be_awaited(self, bot, desk):
        desk.bot(bot)
        turns = "- user: Goodbye.\n  expect: [{event: response}, {event: call_ended, text_contains: that is all}]\n"
        assert desk.play(turns, "brain: ends.yaml\ncall: {ended_by: bot}").failures == []

    def test_what_is_awaited_when_the_bot_has_left_is_not_awaited_long(self, desk):
        desk.bot(LEAVES)
        [failure] = desk.play(f"{ASKED}  expect: [{{event: bot_interrupted}}]").failures
        assert "before the call ended" in failure

    def test_a_bot_that_raises_fails_with_what_it_raised(self, desk):
        desk.bot(FAILS)
        assert desk.play(ASKED).failures == ["the bot raised ZeroDivisionError: no pipeline today"]

    def test_a_bot_that_the_api_refuses_fails(self, desk):
        desk.bot(REFUSED)
        failures = desk.play(ASKED).failures
        assert failures[0] == "turn 1: the call had ended before"
        assert any("127.0.0.1:9" in failure for failure in failures[1:])

    def test_the_same_call_is_the_same_every_time(self, desk):
        events = [
            [(event.event, event.at_ms, event.text) for event in desk.play(ASKED).record.events]
            for _ in range(2)
        ]
        assert events[0] == events[1]


class TestFiles:
    @pytest.mark.parametrize(
        ("scenario", "why"),
        [
            ("turns: []", "one: turns: List should have at least 1 item"),
            ("turns: [{says: hello}]", "one: turn 1: says: Extra inputs are not permitted"),
            ("turns: [{user: hi, dtmf: '1'}]", "one: turn 1: is one of user, dtmf and hang_up"),
            ("turns: [{dtmf: 1a}]", "dtmf: '1a' has other keys"),
            (
                "turns: [{user: hi, expect: [{event: laughter}]}]",
                "turn 1: expect 1: event: there is no event 'laughter'",
            ),
            ("turns: [{user: hi, expect: [{event: response, name: f}]}]", "name: response has none"),
            (
                "turns: [{user: hi, expect: [{event: response, eval: is kind}]}]",
                "eval: wants a model that judges",
            ),
            ("turns: [{send_after: {delay_ms: 5}}]", "send_after: there is nothing to send"),
            ("turns: [{user: hi, send_after: {delay_ms: 0}}]", "needs an event or a delay_ms above 0"),
            ("turns: [{user: hi, expect: [{event: response, absent: true, text_contains: x}]}]", "absent: "),
            ("turns: [{}]", "turn 1: has nothing to do; give user, dtmf, hang_up or expect"),
            ("turns: [{user: ' '}]", "turn 1: user: has no words"),
            ("turns: [{user: [{pause_ms: 9}]}]", "turn 1: user: has no words"),
            (
                "turns: [{user: 42}]",
                "turn 1: user: is words, or a list of words and {pause_ms: 500}, and not 42",
            ),
            ("turns: [{user: [hi, {pause: 9}]}]", "and not {'pause': 9}"),
            ("turns: [{user: [hi, {pause_ms: -9}]}]", "and not {'pause_ms': -9}"),
            (
                "turns: [{user: hi, expect: [{event: response, text_excludes: '!'}]}]",
                "text_excludes: '!' has no words",
            ),
            (
                "turns: [{user: hi, expect: [{event: function_call, name: f, calls: [g]}]}]",
                "calls: takes the place of name and args",
            ),
            ("persona: a diner", "persona: is a simulation"),
            ("turns: [{user: hi}]\n  call: {max_price: 3}", "call: max_price: Extra inputs"),
            ("turns: [{user: hi}]\n  user: {modality: text}", "user: modality: Input should be 'audio'"),
        ],
    )
    def test_what_is_wrong_is_named(self, scenario, why, desk):
        with pytest.raises(SettingsError) as error:
            load(desk.file(f"- name: one\n  {scenario}\n"))
        assert why in str(error.value)
        assert "orders.yaml:" in str(error.value)

    def test_the_line_of_what_is_wrong_is_told(self, desk):
        path = desk.file(
            "- name: a\n  turns:\n  - user: hi\n    expect:\n    - event: response\n    - event: laughter\n"
        )
        with pytest.raises(
            SettingsError, match=r"orders\.yaml:10: orders/a: turn 1: expect 2: event: there is no"
        ):
            load(path)
        top = "call: {errors: true}\nturns:\n- user: hi\n- says: hello"
        with pytest.raises(SettingsError, match=r"orders\.yaml:5: orders/a: turn 2: says: Extra inputs"):
            load(desk.file("- name: a\n", top))
        with pytest.raises(SettingsError, match=r"orders\.yaml:7: orders/b: turns: Field required"):
            load(desk.file("- name: a\n  turns: [{user: hi}]\n- name: b\n"))

    def test_what_is_there_twice_is_told_as_the_first_would_be_lost(self, desk):
        turn = "- user: hi\n  expect: [{event: response}]\n  expect: [{event: error}]\n"
        with pytest.raises(SettingsError, match=r"orders\.yaml:9: is no YAML: 'expect' is there twice"):
            load(desk.file(f"- name: a\n  turns:\n{indent(turn, '  ')}"))

    def test_keys_that_are_merged_in_may_be_replaced(self, desk):
        turns = "- &hi {user: hi, hang_up: false, expect: [{event: response}]}\n- {<<: *hi, user: bye}\n- {<<: *hi}\n"
        [scenario] = load(desk.file(f"- name: a\n  turns:\n{indent(turns, '  ')}"))
        assert [turn.user for turn in scenario.turns] == ["hi", "bye", "hi"]
        with pytest.raises(SettingsError, match=r"orders\.yaml:8: orders/a: turn 2: user: is words"):
            load(desk.file(f"- name: a\n  turns:\n{indent(turns.replace('bye', '5'), '  ')}"))

    def test_what_is_included_is_named(self, desk):
        with pytest.raises(
            VoicepipeError, match=r"gone\.yaml, which .*orders\.yaml includes: cannot be read: No such"
        ):
            load(desk.file("- name: a\n  turns: !include gone.yaml\n"))
        (desk.folder / "bad.yaml").write_text("- user: hi\n  expect: [\n")
        with pytest.raises(SettingsError, match=r"bad\.yaml:3: is no YAML"):
            load(desk.file("- name: a\n  turns: !include bad.yaml\n"))
        with pytest.raises(SettingsError, match=r"orders\.yaml: is nested too deeply, or in itself"):
            load(desk.file("- name: a\n  turns: !include orders.yaml\n"))

    def test_a_recording_that_is_not_there_is_not_the_bots_mistake(self, desk):
        with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
            desk.play("- {user: hi, audio: gone.wav}")
        (desk.folder / "text.wav").write_text("no sound")
        with pytest.raises(AudioFormatError, match=r"text\.wav: is not a WAV file"):
            desk.play("- {user: hi, audio: text.wav}")

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("name: [", "is no YAML"),
            ("- 1", "has to be a mapping"),
            ("turns: [{user: hi}]", "name: is missing"),
            ("name: a\nscenarios: []", "has to be a list with at least one"),
            ("name: a\nscenarios: [{turns: []}]", "scenario 1: has to be a mapping with a `name`"),
            (
                "name: a\nturns: [{user: hi}]\nscenarios: [{name: b}, {name: b}]",
                "scenario 2: is the second one called 'b'",
            ),
        ],
    )
    def test_a_file_that_is_wrong_is_named(self, text, why, tmp_path):
        (tmp_path / "wrong.yaml").write_text(text)
        with pytest.raises(SettingsError) as error:
            load(tmp_path / "wrong.yaml")
        assert why in str(error.value)

    def test_what_is_at_the_top_is_the_default_and_a_scenarios_own_replaces_it(self, desk):
        path = desk.file(
            "- name: a\n- name: b\n  call: {ended_by: bot}\n",
            "bot: bot.py\ncall: {errors: true}\nturns: [{user: hi}]",
        )
        first, second = load(path)
        assert [first.name, second.name] == ["orders/a", "orders/b"]
        assert first.call.errors
        assert not second.call.errors
        assert first.bot == desk.folder / "bot.py"

    def test_parts_can_be_included_and_keys_keep_their_zeros(self, desk):
        (desk.folder / "keys.yaml").write_text("- dtmf: 012\n- dtmf: 34\n")
        [scenario] = load(desk.file("- name: a\n  turns: !include keys.yaml\n"))
        assert [turn.dtmf for turn in scenario.turns] == ["012", "34"]
        assert not is_scenario_file(desk.folder / "keys.yaml")
        assert find([desk.folder]) == [desk.folder / "orders.yaml"]

    def test_a_folder_without_scenarios_says_so(self, tmp_path):
        with pytest.raises(VoicepipeError, match="has no scenario"):
            find([tmp_path])
        with pytest.raises(FileNotFoundError, match="nothing"):
            find([tmp_path / "nothing"])

    def test_pipecat_reads_the_same_file(self, desk):
        """What both have is called the same: a file without our additions is one of Pipecat's."""
        from pipecat.evals.scenario import EvalScenarioFile

        text = (
            "- name: a\n  turns:\n  - expect: [{event: response, text_contains: hello}]\n"
            "  - user: [Where is, {pause_ms: 500}, order 42]\n"
            "    send_after: {event: bot_started_speaking, delay_ms: 100}\n"
            "    expect:\n    - {event: function_call, calls: [{name: f, args: {n: '42'}}, g]}\n"
            "    - {event: response, text_excludes: x, within_ms: 900, check_from: turn_start}\n"
            "    - {event: bot_interrupted, absent: true, within_ms: 100}\n  - dtmf: 012\n"
        )
        top = (
            "stop_on_failure: false\nuser: {modality: audio, speech: {service: kokoro, voice: af_heart}}\n"
            "judge: {modality: audio, transcription: {service: moonshine}}"
        )
        path = desk.file(text, top)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            [theirs] = EvalScenarioFile.load(path).scenarios
        [ours] = load(path)
        assert ours.name == theirs.name
        assert ours.stop_on_failure == theirs.stop_on_failure
        assert [turn.dtmf for turn in ours.turns] == [turn.dtmf for turn in theirs.turns]
        pairs = [
            (one, other)
            for mine, other_turn in zip(ours.turns, theirs.turns, strict=True)
            for one, other in zip(mine.expect, other_turn.expect, strict=True)
        ]
        assert len(pairs) == 4
        for one, other in pairs:
            assert (one.event, one.text_contains, one.text_excludes) == (
                other.event,
                other.text_contains,
                other.text_excludes,
            )
            assert (one.check_from, one.absent) == (other.check_from, other.absent)
            if other.calls:
                assert [(call.name, call.args) for call in one.wanted_calls] == [
                    (call.name, call.args) for call in other.calls
                ]


class TestCommand:
    def run(self, *arguments: str):
        return CliRunner().invoke(app, ["test", *arguments])

    def test_each_scenario_has_its_line_and_the_exit_code_tells(self, desk):
        good = f"- name: good\n  turns:\n{indent(ASKED, '  ')}"
        bad = f"- name: bad\n  turns:\n{indent(ASKED, '  ')}    expect: [{{event: error, within_ms: 50}}]\n"
        run = self.run(str(desk.file(good)))
        assert run.exit_code == 0
        assert "passed  orders/good" in run.output
        assert "1 passed" in run.output
        report = desk.folder / "out" / "report.xml"
        run = self.run(str(desk.file(good + bad)), "--junit", str(report))
        assert run.exit_code == 1
        assert "failed  orders/bad" in run.output
        assert "no error within 50 ms" in run.output
        assert "1 of 2 failed" in run.output
        [suite] = ElementTree.parse(report).getroot()
        assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
        first, second = suite
        assert (first.get("classname"), first.get("name")) == ("orders", "good")
        assert "user: Where is order 42?" in first.findtext("system-out")
        assert "no error within 50 ms" in second.find("failure").get("message")

    def test_another_bot_can_be_put_in_place(self, desk):
        (desk.folder / "other.py").write_text(LEAVES)
        path = desk.file(f"- name: a\n  call: {{ended_by: bot}}\n  turns:\n{indent(ASKED, '  ')}")
        assert self.run(str(path)).exit_code == 1
        assert self.run(str(path), "--bot", str(desk.folder / "other.py")).exit_code == 0

    @pytest.mark.parametrize(
        ("top", "arguments", "why"),
        [
            ("", (), "orders/a: bot: is missing"),
            ("bot: gone.py", (), "gone.py: there is no such file"),
            ("bot: bot.py", ("--live", "--speech", "tones"), "OPENAI_API_KEY: is not set"),
            ("bot: bot.py\nbrain: gone.yaml", (), "gone.yaml"),
        ],
    )
    def test_what_is_missing_is_named(self, top, arguments, why, desk):
        run = self.run(str(desk.file(f"- name: a\n  turns:\n{indent(ASKED, '  ')}", top)), *arguments)
        assert run.exit_code == 2, run.output
        assert why in " ".join(run.output.split())

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        run = self.run(str(tmp_path / "gone.yaml"))
        assert run.exit_code == 2
        assert "gone.yaml: there is no such file" in " ".join(run.output.split())
