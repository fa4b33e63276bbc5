"""`voicepipe run`: what it says, and how a bot's file is loaded again while somebody talks with it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys

import pytest
from typer.testing import CliRunner

from tests.support.bot_page import bot_page, command
from tests.support.webrtc import caller
from tests.watch.watching import watching
from voicepipe.cli.app import app

BOT = """
from voicepipe import AudioResampler, OpenAIRealtimeLLMService, Pipeline

NAME = {name!r}

def bot(transport, openai):
    llm = OpenAIRealtimeLLMService(api_key=openai.api_key, base_url=openai.base_url)
    return Pipeline([transport.input(), AudioResampler(), llm, transport.output()])
"""


async def test_a_changed_file_is_loaded_and_those_who_talk_begin_anew(tmp_path):
    path = tmp_path / "bot.py"
    path.write_text(BOT.format(name="first"))
    async with bot_page(path, "--dev", speech="tones") as (url, server), caller(url) as person:
        await person.begin()
        await person.ask("hello")

        path.write_text("def bot(transport:\n")
        os.utime(path, (1, 1))
        assert "SyntaxError" in await server.until("cannot be loaded; the bot stays as it was")

        path.write_text(BOT.format(name="second"))
        os.utime(path, (2, 2))
        assert (await person.ended())["by"] == "change"
        await server.until("bot.py has changed and is loaded")


async def test_it_shows_conversations_to_who_has_the_link_and_logs_them_as_json():
    link = re.compile(r"(http://127\.0\.0\.1:\d+)/calls#(\S+)")
    async with bot_page("--watch", "--log-json", speech="tones") as (url, server):
        origin, token = link.search(await server.until(link)).groups()
        async with watching(origin, token) as told, caller(url) as person:
            await person.begin()
            await person.ask("hello")
            turn = await told.until(lambda message: message["type"] == "turn" and message["user"] == "hello")
            assert await person.hang_up() == 204
            await told.until(lambda message: message.get("state") == "ended")
    lines = [json.loads(line) for line in server.printed.splitlines() if line.startswith("{")]
    assert {line["call"] for line in lines if "call" in line} == {turn["call"]}
    assert person.number not in json.dumps([lines, told.messages]), "the number ends a conversation"


async def test_it_says_which_api_it_talks_with_and_never_the_key(tmp_path):
    local = {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": "https://example.invalid/v1"}
    async with command("run", "--port", "0", **local) as running:
        printed = await running.until("Talk with it at")
        assert "OpenAI at wss://example.invalid/v1/realtime" in printed
    assert "sk-secret" not in running.printed
    async with command("run", "--port", "0", "--local", speech="tones", **local) as running:
        assert "the local server at ws://127.0.0.1:" in await running.until("Talk with it at")


async def test_it_ends_on_sigterm_while_somebody_talks():
    async with bot_page(speech="tones") as (url, server), caller(url) as person:
        await person.begin()
        await person.ask("hello")
        server.process.send_signal(signal.SIGTERM)
        assert (await person.ended())["by"] == "server"
        await server.process.wait()


class TestWrongUse:
    @pytest.fixture(autouse=True)
    def in_tones(self, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")

    def test_a_file_that_is_not_there_is_named(self, tmp_path):
        run = CliRunner().invoke(app, ["run", str(tmp_path / "nothing.py")])
        assert run.exit_code == 2
        assert "nothing.py" in " ".join(run.output.split())

    def test_a_port_that_is_taken_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            run = CliRunner().invoke(app, ["run", "--port", str(port)])
        assert run.exit_code == 3
        assert str(port) in run.output

    @pytest.mark.parametrize(
        ("option", "value", "field"),
        [("--host", "0.0.0.0", "host"), ("--origin", "bot.example", "origin"), ("--port", "99999", "port")],
    )
    def test_an_option_that_cannot_be_is_named(self, option, value, field):
        run = CliRunner().invoke(app, ["run", option, value])
        assert run.exit_code == 2
        assert f"{field}: " in run.output

    def test_a_missing_extra_says_what_to_install(self, monkeypatch):
        for name in [
            name for name in sys.modules if name.startswith(("voicepipe.browser", "voicepipe.cli.run"))
        ]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "aiortc", None)
        run = CliRunner().invoke(app, ["run"])
        assert run.exit_code == 4
        assert "pip install 'voicepipe[browser]'" in " ".join(run.output.split())
