"""`voicepipe doctor`: what a bot would send and what is wrong with it, found without calling anybody."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.testing.bots import AGENT, FAILS, PHONE, PIPELINE
from voicepipe.cli.app import app
from voicepipe.cli.doctor import surroundings

KEY = "sk-" + "a1b2c3d4" * 4
SID, TOKEN = "AC" + "0a" * 16, "0b" * 16
STYLES = {"pipeline": PIPELINE, "phone": PHONE, "agent": AGENT}
WANTS = "            instructions="


@pytest.fixture(autouse=True)
def a_machine_of_its_own(monkeypatch):
    for name in (*surroundings._OPENAI, *surroundings._ELEVENLABS, "OPENAI_BASE_URL", "OPENAI_REALTIME_URL"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(surroundings, "_PAGE_PORT", port)
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setitem(sys.modules, "pyaudio", None)


@pytest.fixture
def with_keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)


class Found:
    def __init__(self, folder: Path, text: str, *arguments: str) -> None:
        path = folder / "bot.py"
        path.write_text(text)
        run = CliRunner().invoke(app, ["doctor", str(path), "--json", *arguments])
        self.text, self.code = run.stdout, run.exit_code
        self.about: dict[str, Any] = json.loads(run.stdout)

    @property
    def session(self) -> dict[str, Any]:
        [sent] = self.about["sends"]
        [message] = sent["messages"]
        assert message["type"] == "session.update"
        return message["session"]

    def check(self, what: str) -> tuple[str, str]:
        [found] = [check for check in self.about["checks"] if check["what"] == what]
        return found["status"], found["detail"]

    @property
    def failed(self) -> list[str]:
        return [check["what"] for check in self.about["checks"] if check["status"] == "failed"]


@pytest.mark.usefixtures("with_keys")
@pytest.mark.parametrize("style", STYLES)
class TestEachStyle:
    def test_a_bot_in_order_would_send_its_settings(self, style, tmp_path, monkeypatch):
        def call_out(*_: object, **__: object):
            raise AssertionError("the doctor called somebody")

        monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", call_out)
        before = dict(os.environ)
        found = Found(tmp_path, STYLES[style])
        assert (found.failed, found.code) == ([], 0)
        assert (found.about["ok"], found.about["style"]) == (True, style)
        assert "get_order_status" in [tool["name"] for tool in found.session["tools"]]
        assert found.session["instructions"].startswith("You ")
        assert found.check("settings") == ("ok", "the API would take them")
        assert found.check("OPENAI_API_KEY") == ("ok", "is set")
        assert dict(os.environ) == before

    def test_no_secret_is_shown(self, style, tmp_path):
        leaky = STYLES[style].replace("of a shop", f"of a shop. Its keys are {KEY} and {TOKEN}")
        assert leaky != STYLES[style]
        found = Found(tmp_path, leaky)
        for secret in (KEY, TOKEN):
            assert secret not in found.text
        assert "Its keys are" in found.text

    def test_missing_keys_are_named_and_the_rest_is_looked_at(self, style, tmp_path, monkeypatch):
        for name in ("OPENAI_API_KEY", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
            monkeypatch.delenv(name)
        found = Found(tmp_path, STYLES[style])
        twilio = ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"] if style == "phone" else []
        assert (found.failed, found.code) == (["OPENAI_API_KEY", *twilio], 1)
        assert found.session["tools"]
        assert "stand-in" not in found.text

    def test_the_table_is_for_people(self, style, tmp_path):
        (tmp_path / "bot.py").write_text(STYLES[style])
        run = CliRunner().invoke(app, ["doctor", str(tmp_path / "bot.py")])
        assert run.exit_code == 0
        assert "OpenAIRealtimeLLMService would send first:" in run.output
        assert '"type": "session.update"' in run.output
        assert "Nothing failed." in run.output


@pytest.mark.usefixtures("with_keys")
class TestSettings:
    def test_what_the_model_cannot_take_is_told_and_not_sent(self, tmp_path):
        found = Found(
            tmp_path, PIPELINE.replace(WANTS, f"            reasoning={{'effort': 'low'}},\n{WANTS}")
        )
        status, detail = found.check("reasoning")
        assert (status, found.code) == ("warning", 0)
        assert "gpt-realtime does not think; the gpt-realtime-2 family does; it is left out" in detail
        assert "reasoning" not in found.session

    def test_a_strict_bot_fails_over_it(self, tmp_path):
        text = PIPELINE.replace(WANTS, f"            reasoning={{'effort': 'low'}},\n{WANTS}").replace(
            "        session_prop", "        strict=True,\n        session_prop"
        )
        found = Found(tmp_path, text)
        assert (found.failed, found.code) == (["the bot"], 1)
        assert "SettingsError: reasoning: " in found.check("the bot")[1]

    def test_a_value_that_does_not_exist_fails_with_its_name(self, tmp_path):
        found = Found(tmp_path, PIPELINE.replace(WANTS, f"            output_modalities=['smell'],\n{WANTS}"))
        assert found.failed == ["the bot"]
        assert "output_modalities" in found.check("the bot")[1]

    def test_what_the_api_would_refuse_is_told(self, tmp_path):
        heard = "AudioConfiguration(input=AudioInput(transcription=InputAudioTranscription()))"
        assert heard in PIPELINE
        found = Found(tmp_path, PIPELINE.replace(heard, "{'output': {'voice': 'zzz'}}"))
        assert (found.failed, found.code) == (["settings"], 1)
        assert "session.audio.output.voice: Invalid value: 'zzz'" in found.check("settings")[1]
        assert found.check("audio.output.voice")[0] == "warning"

    def test_a_function_that_nobody_runs_is_told(self, tmp_path):
        tool = "{'type': 'function', 'name': 'refund', 'parameters': {'type': 'object', 'properties': {}}}"
        found = Found(
            tmp_path, PIPELINE.replace("tools=[get_order_status]", f"tools=[get_order_status, {tool}]")
        )
        assert found.check("tools") == ("failed", "the model is offered refund, which nothing answers")
        assert Found(tmp_path, PIPELINE).check("tools") == ("ok", "get_order_status")

    def test_the_keys_of_a_server_with_tools_are_not_shown(self, tmp_path):
        tool = (
            "{'type': 'mcp', 'server_label': 'shop', 'server_url': 'https://shop.example', "
            "'authorization': 'open-sesame', 'headers': {'X-Door': 'open-sesame'}}"
        )
        found = Found(tmp_path, PIPELINE.replace("tools=[get_order_status]", f"tools=[{tool}]"))
        assert found.session["tools"][0]["server_label"] == "shop"
        assert "open-sesame" not in found.text

    def test_a_model_that_is_not_known_is_told(self, tmp_path):
        found = Found(
            tmp_path,
            PIPELINE.replace("        session_prop", "        model='gpt-next',\n        session_prop"),
        )
        assert found.check("model")[0] == "warning"
        assert found.code == 0

    def test_a_bot_without_a_realtime_service_is_told(self, tmp_path):
        text = "from voicepipe import Pipeline\ndef bot(t):\n    return Pipeline([t.input(), t.output()])\n"
        assert Found(tmp_path, text).check("services")[0] == "warning"


ELEVENLABS = """
import os

from voicepipe import AudioResampler, ElevenLabsConvAIService, Pipeline


def bot(transport):
    llm = ElevenLabsConvAIService(
        api_key=os.environ["ELEVENLABS_API_KEY"], agent_id=os.environ["ELEVENLABS_AGENT_ID"]
    )
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
"""
BETA = """
from voicepipe import AudioResampler, Pipeline
from voicepipe.services.openai_realtime_beta import OpenAIRealtimeBetaLLMService


def bot(transport, openai):
    llm = OpenAIRealtimeBetaLLMService(api_key=openai.api_key)
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
"""


class TestOtherServices:
    def test_elevenlabs(self, tmp_path, monkeypatch):
        found = Found(tmp_path, ELEVENLABS)
        assert found.failed == ["ELEVENLABS_API_KEY", "ELEVENLABS_AGENT_ID"]
        [sent] = found.about["sends"]
        assert sent["messages"][0]["type"] == "conversation_initiation_client_data"
        monkeypatch.setenv("ELEVENLABS_API_KEY", "e" * 32)
        monkeypatch.setenv("ELEVENLABS_AGENT_ID", "agent_01")
        assert Found(tmp_path, ELEVENLABS).code == 0

    @pytest.mark.usefixtures("with_keys")
    def test_the_betas_wire(self, tmp_path):
        found = Found(tmp_path, BETA)
        assert found.code == 0
        assert "type" not in found.session, "that is the GA wire"


class TestFiles:
    @pytest.mark.parametrize(
        ("text", "what", "why"),
        [
            (FAILS, "the bot", "ZeroDivisionError: no pipeline today"),
            ("def bot(:\n", "the file", "SyntaxError"),
            ("x = 1\n", "the file", "bot.py has no bot"),
        ],
    )
    def test_what_the_file_raises_is_a_finding(self, text, what, why, tmp_path):
        found = Found(tmp_path, text)
        assert found.code == 1
        assert why in found.check(what)[1]

    def test_no_file_is_named(self, tmp_path):
        run = CliRunner().invoke(app, ["doctor", str(tmp_path / "gone.py")])
        assert run.exit_code == 2
        assert "gone.py: there is no such file" in " ".join(run.output.split())


class TestSurroundings:
    def test_with_the_local_server_no_key_is_needed_but_ears_and_a_voice(self, tmp_path, monkeypatch):
        found = Found(tmp_path, PIPELINE, "--local")
        assert "OPENAI_API_KEY" not in [check["what"] for check in found.about["checks"]]
        assert found.check("extra local") == ("ok", "is installed")
        monkeypatch.setattr(surroundings, "_EXTRAS", {"local": ("no_such_package",)})
        found = Found(tmp_path, PIPELINE, "--local")
        assert found.check("extra local") == (
            "failed",
            "no_such_package missing: pip install 'voicepipe[local]'",
        )

    def test_keys_that_look_wrong_are_told_and_not_shown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "my-own-word")
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", "SK" + "0" * 32)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
        found = Found(tmp_path, PHONE)
        assert found.check("OPENAI_API_KEY") == ("warning", "is set, but does not look like one (sk-...)")
        assert found.check("TWILIO_ACCOUNT_SID")[0] == "warning"
        assert "my-own-word" not in found.text

    @pytest.mark.usefixtures("with_keys")
    def test_a_phone_needs_its_port(self, tmp_path, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
            found = Found(tmp_path, PHONE)
        assert found.failed == ["the phone's port"]
        monkeypatch.setenv("PORT", "eighty")
        assert "which is no port" in Found(tmp_path, PHONE).check("the phone's port")[1]

    def test_microphone_and_loudspeaker_are_looked_at_where_the_package_is(self, tmp_path, monkeypatch):
        assert "sound" not in [
            check["what"] for check in Found(tmp_path, PIPELINE, "--local").about["checks"]
        ]
        monkeypatch.delitem(sys.modules, "pyaudio")
        monkeypatch.syspath_prepend(Path(__file__).parents[1] / "support" / "fake_audio")
        monkeypatch.setenv("FAKE_MICROPHONE", "microphone.wav")
        status, detail = Found(tmp_path, PIPELINE, "--local").check("sound")
        assert (status, "no loudspeaker" in detail) == ("warning", True)
        monkeypatch.setenv("FAKE_LOUDSPEAKER", "loudspeaker.wav")
        assert Found(tmp_path, PIPELINE, "--local").check("sound")[0] == "ok"
        monkeypatch.delitem(sys.modules, "pyaudio")

    def test_hosts_are_tried_only_when_asked(self, tmp_path, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as there:
            port = there.getsockname()[1]
            monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
            assert Found(tmp_path, PIPELINE, "--online").check("reach 127.0.0.1") == (
                "ok",
                f"port {port} answers",
            )
        found = Found(tmp_path, PIPELINE, "--online")
        assert found.check("reach 127.0.0.1")[0] == "failed"
        assert "reach" not in Found(tmp_path, PIPELINE).text


@pytest.mark.filterwarnings("ignore:coroutine 'main' was never awaited")
def test_a_program_that_runs_when_it_is_loaded_is_told_what_to_do(tmp_path):
    program = "import asyncio\nasync def main():\n    pass\nasyncio.run(main())\n"
    status, why = Found(tmp_path, program).check("the file")
    assert status == "failed"
    assert 'put that under `if __name__ == "__main__":`' in why
