"""`voicepipe call` and `voicepipe demo-phone`: calls to bots that run, and what is said of all that can go wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from tests.support.tones import spoken, tone_server
from voicepipe.cli import demo_phone
from voicepipe.cli.app import app
from voicepipe.cli.phone_commands import PhoneEngine
from voicepipe.local.carriers import new_telnyx_keys
from voicepipe.local.carriers.hearing import write_wav
from voicepipe.phone import OpenAIRealtime, Phone, Plivo, Telnyx, Twilio

CARRIERS = ["twilio", "telnyx", "plivo"]
KEYS = new_telnyx_keys()
WITHIN_SECS = 120
QUICK = ["--tones", "--greeting-secs", "1", "--answer-secs", "3", "--quiet-secs", "0.4"]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "a-token",
        "PLIVO_AUTH_ID": "MA0",
        "PLIVO_AUTH_TOKEN": "a-token",
        "TELNYX_API_KEY": "k",
        "TELNYX_PUBLIC_KEY": KEYS.public,
        "TELNYX_PRIVATE_KEY": KEYS.private,
        "COLUMNS": "400",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def api_port(monkeypatch, unused_tcp_port_factory) -> int:
    port = unused_tcp_port_factory()
    monkeypatch.setenv("TELNYX_API_URL", f"http://127.0.0.1:{port}")
    return port


@asynccontextmanager
async def answering(name: str = "twilio", greeting: str = "Hello!") -> AsyncIterator[str]:
    """A bot as its owner would start it: everything about the carrier is in the environment."""
    carrier = {"twilio": Twilio, "telnyx": Telnyx, "plivo": Plivo}[name]()
    async with tone_server() as server:
        phone = Phone(carrier=carrier)
        engine = OpenAIRealtime(api_key="k", base_url=server.url)
        async with phone.serving(phone.agent(engine=engine, first_message=greeting), port=0) as door:
            yield door.local_url


async def voicepipe(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


class TestCall:
    @pytest.mark.parametrize("carrier", CARRIERS)
    async def test_a_bot_that_runs_is_called_with_nothing_but_its_environment(
        self, carrier, api_port, tmp_path
    ):
        question, heard, both = (tmp_path / name for name in ("question.wav", "heard.wav", "both.wav"))
        write_wav(question, spoken("hello"))
        port = ["--api-port", str(api_port)] if carrier == "telnyx" else []
        files = ["--wav", str(question), "--out", str(heard), "--record", str(both)]
        async with answering(carrier) as url:
            run = await voicepipe("call", "--carrier", carrier, *files, *QUICK, *port, url)
        assert run.exit_code == 0, run.output
        greeting, asked, answer, end = run.output.splitlines()[:4]
        assert greeting.endswith("bot    Hello!")
        assert asked.endswith(f"caller {question}")
        assert answer.endswith("bot    Hello! How can I help you?")
        assert end.startswith("the caller hung up after ")
        assert 200 < float(end.partition("first answer after ")[2].removesuffix(" ms")) < 3000
        samples, rate = soundfile.read(heard, dtype="int16")
        assert rate == 8000
        # The silence before the greeting, and that before the answer, are in it.
        assert abs(len(samples) / 8000 - float(end.split()[5])) < 0.1
        assert soundfile.info(both).channels == 2

    async def test_lines_are_said_in_the_local_voice_and_keys_pressed_at_last(self):
        async with answering(greeting="") as url:
            run = await voicepipe("call", "--say", "hello", "--say", "goodbye", "--keys", "1#", *QUICK, url)
        assert run.exit_code == 0, run.output
        whos = [line.split()[2] for line in run.output.splitlines() if " s  " in line]
        assert whos[:5] == ["caller", "bot", "caller", "bot", "caller"]
        assert "caller keys 1#" in run.output

    async def test_a_bot_that_does_not_answer_gives_exit_code_1(self):
        async with answering(greeting="") as url:
            run = await voicepipe("call", *QUICK, url)
        assert run.exit_code == 1
        assert "no answer" in run.output

    async def test_a_line_that_breaks_is_told(self):
        async with answering() as url:
            run = await voicepipe("call", "--say", "hello", "--cut-off-secs", "0.3", *QUICK, url)
        assert "the line broke after 0." in run.output

    async def test_a_bad_line_is_answered_all_the_same(self):
        async with answering(greeting="") as url:
            run = await voicepipe(
                "call", "--say", "hello", "--late", "0.05", "--doubled", "0.05", *QUICK, url
            )
        assert "the caller hung up" in run.output

    @pytest.mark.parametrize("variable", ["TWILIO_AUTH_TOKEN", "PLIVO_AUTH_TOKEN", "TELNYX_PRIVATE_KEY"])
    async def test_a_missing_key_is_named(self, variable, monkeypatch):
        monkeypatch.delenv(variable)
        carrier = variable.partition("_")[0].lower()
        run = await voicepipe("call", "--carrier", carrier, *QUICK, "http://127.0.0.1:1")
        assert run.exit_code == 2
        assert f"{variable}: is not set" in run.stderr

    async def test_another_key_is_said_to_be_one_and_none_is_shown(self, monkeypatch):
        async with answering() as url:
            monkeypatch.setenv("TWILIO_AUTH_TOKEN", "another-token")
            run = await voicepipe("call", *QUICK, url)
        assert run.exit_code == 5
        assert "status 403: the bot refused the webhook: its key is another one" in run.stderr
        assert "-token" not in run.output + run.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (["http://127.0.0.1:1"], 5, "nobody listens there"),
            (["ws://127.0.0.1:1/media"], 5, "media stream could not be opened"),
            (["somewhere"], 2, "url: 'somewhere' is no address"),
            (["--keys", "1x", "http://127.0.0.1:1"], 2, "keys: '1x' has other signs"),
            (["--wav", "no-such.wav", "http://127.0.0.1:1"], 2, "no-such.wav"),
            (["--out", "no/such/heard.wav", "http://127.0.0.1:1"], 2, "no such folder"),
        ],
    )
    async def test_what_goes_wrong_is_said_in_a_line(self, arguments, code, said):
        run = await voicepipe("call", *QUICK, *arguments)
        assert run.exit_code == code
        assert said in run.stderr

    async def test_a_port_of_the_api_that_is_taken_is_said(self, api_port):
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", api_port):
            run = await voicepipe("call", "--api-port", str(api_port), *QUICK, "http://127.0.0.1:1")
        assert run.exit_code == 3

    async def test_a_pair_of_keys_for_telnyx_is_made(self):
        run = await voicepipe("telnyx-keys")
        public, private = run.output.split()[1::2]
        assert public.startswith("TELNYX_PUBLIC_KEY=")
        assert private.startswith("TELNYX_PRIVATE_KEY=")


class TestDemoPhone:
    @pytest.mark.parametrize("carrier", ["telnyx", "plivo"])
    async def test_it_runs_over_the_other_carriers(self, carrier, tmp_path):
        engines = [PhoneEngine.OPENAI]
        code = await asyncio.to_thread(
            demo_phone.run_demo_phone, engines, carrier, tmp_path / "new", speech="tones"
        )
        assert code == 0
        assert sorted(path.name for path in (tmp_path / "new").iterdir() if path.suffix == ".wav") == [
            "phone-openai-heard.wav",
            "phone-openai.wav",
        ]

    async def test_words_that_were_not_heard_give_exit_code_1(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(demo_phone, "EXPECTED_WORDS", ("london", "thunder"))
        engines = [PhoneEngine.ELEVENLABS]
        code = await asyncio.to_thread(demo_phone.run_demo_phone, engines, "twilio", tmp_path, speech="tones")
        assert code == 1
        assert "These words were not heard: thunder" in capsys.readouterr().out

    def test_without_key_and_with_real_speech_both_engines_answer(self, tmp_path):
        secrets = ("TWILIO", "TELNYX", "PLIVO", "OPENAI", "ELEVENLABS", "VOICEPIPE")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(secrets)}
        out = tmp_path / "out"
        command = [
            sys.executable,
            "-c",
            "from voicepipe.cli import main; main()",
            "demo-phone",
            "--out",
            str(out),
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=WITHIN_SECS, check=False, env=environment
        )
        assert run.returncode == 0, run.stdout + run.stderr
        for engine in ("openai", "elevenlabs"):
            assert f"{engine} over Twilio" in run.stdout
            heard, rate = soundfile.read(out / f"phone-{engine}-heard.wav", dtype="int16")
            assert rate == 8000
            assert np.abs(heard.astype(int)).max() > 1000
            assert soundfile.info(out / f"phone-{engine}.wav").channels == 2
        assert run.stdout.count("caller What is the weather in London?") == 2
        assert run.stdout.count('get_weather({"city": "London"})') == 2
        assert run.stdout.count("first answer after") == 2
        assert run.stdout.count("cost  $0.0") == 2
