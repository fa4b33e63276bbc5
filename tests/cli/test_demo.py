"""The command line: the demo as a newcomer runs it, and what each thing that can go wrong is answered with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tests.local.elevenlabs.caller import convai_server
from tests.support.tones import heard_in, spoken, tone_server
from voicepipe.cli.app import app
from voicepipe.local import LocalServer
from voicepipe.local.elevenlabs import Agent, LocalElevenLabsServer
from voicepipe.local.speech.moonshine import MoonshineEars
from voicepipe.transports.sound import Sound, read_wav

# The demo paces sound as a telephone does, so a run takes as long as the conversation.
WITHIN_SECS = 120


def write(path: Path, sound: Sound) -> Path:
    soundfile.write(path, np.frombuffer(sound.pcm, np.int16), sound.sample_rate)
    return path


def voicepipe(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from voicepipe.cli import main; main()", *arguments]
    environment = {**os.environ, **env}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WITHIN_SECS, check=False, env=environment
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of the demo with no argument, and the folder it wrote to."""
    out = tmp_path_factory.mktemp("demo")
    return voicepipe("demo", "--out", str(out)), out


class TestDemo:
    def test_it_shows_the_conversation_and_says_where_its_results_are(self, demo):
        run, out = demo
        assert run.returncode == 0, run.stderr
        for words in ("Go forward ten meters.", "What is the weather in Paris?", 'get_weather(city="Paris")'):
            assert words in run.stdout
        for name in ("answer.wav", "conversation.wav", "transcript.json"):
            assert str(out / name) in run.stdout
            assert (out / name).stat().st_size > 100

    def test_the_answer_put_through_the_local_ears_has_the_expected_words(self, demo):
        answer = read_wav(demo[1] / "answer.wav")
        words = MoonshineEars().listen(np.frombuffer(answer.pcm, np.int16), answer.sample_rate).lower()
        for word in ("go forward", "meters", "paris", "degrees", "clear"):
            assert word in words

    def test_the_transcript_has_who_what_when_and_how_long_it_took(self, demo):
        transcript = json.loads((demo[1] / "transcript.json").read_text())
        assert transcript["ended"] == "ended"
        lines = transcript["lines"]
        assert [line["who"] for line in lines] == ["user", "bot", "user", "tool", "bot"]
        assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
        assert all(line["done"] and line["text"] for line in lines)
        assert all(line["latency_ms"] > 0 for line in lines if line["who"] == "bot")

    def test_caller_and_bot_are_on_two_channels_of_one_file(self, demo):
        both, rate = soundfile.read(demo[1] / "conversation.wav", dtype="int16")
        assert both.shape[1] == 2
        loud = [np.flatnonzero(np.abs(both[:, side].astype(int)) > 1000) for side in (0, 1)]
        assert loud[0][0] / rate < loud[1][0] / rate

    def test_a_question_of_ones_own_is_answered(self, tmp_path):
        server_script = tmp_path / "script.yaml"
        server_script.write_text(
            "otherwise: 'Fine.'\nrules:\n  - hear: ['forward']\n    say: Which way is forward?\n"
        )
        from voicepipe.cli.demo import RECORDING

        run = voicepipe("demo", str(RECORDING), "--out", str(tmp_path), "--script", str(server_script))
        assert run.returncode == 0, run.stderr
        assert "Which way is forward?" in run.stdout

    @pytest.mark.parametrize(
        ("engine", "model"), [("elevenlabs", "demo"), ("openai-beta", "gpt-4o-realtime-preview-2025-06-03")]
    )
    def test_the_same_question_is_answered_with_another_engine(self, tmp_path, engine, model):
        from voicepipe.cli.demo import RECORDING

        run = voicepipe("demo", str(RECORDING), "--engine", engine, "--out", str(tmp_path))
        assert run.returncode == 0, run.stderr
        assert "Go forward ten meters." in run.stdout
        answer = read_wav(tmp_path / "answer.wav")
        words = MoonshineEars().listen(np.frombuffer(answer.pcm, np.int16), answer.sample_rate).lower()
        assert "forward" in words
        transcript = json.loads((tmp_path / "transcript.json").read_text())
        assert (transcript["engine"], transcript["model"]) == (engine, model)
        assert [line["who"] for line in transcript["lines"]] == ["user", "bot"]
        assert transcript["lines"][1]["latency_ms"] > 0


@contextmanager
def elsewhere(server: LocalServer | LocalElevenLabsServer, named: Callable[[], None]) -> Iterator[None]:
    """A server on a loop of its own, for commands that run one themselves; `named` is called when it has its address."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with server:
            named()
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait()
    yield
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def openai_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server in OpenAI's place, which takes one key."""
    server = tone_server(api_key="right")

    def named() -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("ws", "http", 1).removesuffix("/realtime"))

    with elsewhere(server, named):
        yield


@pytest.fixture
def elevenlabs_elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server in ElevenLabs' place, which takes one key."""
    server = convai_server(Agent("agent_1", enable_auth=True), api_key="right")
    with elsewhere(server, lambda: monkeypatch.setenv("ELEVENLABS_BASE_URL", server.api_url)):
        yield


@pytest.mark.usefixtures("openai_elsewhere")
class TestLive:
    def test_with_a_key_the_same_command_talks_to_openai(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "right")
        question = write(tmp_path / "question.wav", spoken("hello"))
        run = CliRunner().invoke(app, ["demo", str(question), "--live", "--out", str(tmp_path)])
        assert run.exit_code == 0, run.output
        assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
        assert json.loads((tmp_path / "transcript.json").read_text())["live"] is True

    def test_a_key_that_is_refused_is_said_and_not_shown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        question = write(tmp_path / "question.wav", spoken("hello"))
        run = CliRunner().invoke(app, ["demo", str(question), "--live", "--out", str(tmp_path)])
        assert run.exit_code == 5
        assert "invalid_api_key" in run.output
        assert "sk-secret" not in run.output

    def test_elevenlabs_is_talked_with_by_the_same_command(self, tmp_path, monkeypatch, elevenlabs_elsewhere):
        monkeypatch.setenv("ELEVENLABS_API_KEY", "right")
        monkeypatch.setenv("ELEVENLABS_AGENT_ID", "agent_1")
        question = write(tmp_path / "question.wav", spoken("hello"))
        options = ["--engine", "elevenlabs", "--live", "--out", str(tmp_path)]
        run = CliRunner().invoke(app, ["demo", str(question), *options])
        assert run.exit_code == 0, run.output
        assert heard_in(tmp_path / "answer.wav") == "Hello! How can I help you?"
        run = CliRunner().invoke(app, ["demo", str(question), *options, "--model", "gpt-realtime"])
        assert run.exit_code == 2
        assert "model: " in run.output

    def test_without_an_agent_it_says_which_variable_to_set(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ELEVENLABS_API_KEY", "right")
        monkeypatch.delenv("ELEVENLABS_AGENT_ID", raising=False)
        run = CliRunner().invoke(app, ["demo", "--engine", "elevenlabs", "--live", "--out", str(tmp_path)])
        assert run.exit_code == 5
        assert "set ELEVENLABS_AGENT_ID" in " ".join(run.output.split())

    def test_without_a_key_it_says_which_variable_to_set(self, tmp_path, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        run = CliRunner().invoke(app, ["demo", "--live", "--out", str(tmp_path)])
        assert run.exit_code == 5
        assert "OPENAI_API_KEY" in run.output


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "there is no such file"),
            (b"hello", "not a WAV file"),
            ("empty", "is empty"),
            ("silent", "is silent"),
        ],
    )
    def test_a_question_that_cannot_be_asked_is_named(self, tmp_path, content, said):
        path = tmp_path / "question.wav"
        if content == "empty":
            soundfile.write(path, np.zeros(0), 8000)
        elif content == "silent":
            soundfile.write(path, np.zeros(8000), 8000)
        elif content is not None:
            path.write_bytes(content)
        run = CliRunner().invoke(app, ["demo", str(path), "--out", str(tmp_path / "out")])
        output = " ".join(run.output.split())
        assert run.exit_code == 2
        assert "question.wav" in output
        assert said in output
        assert not (tmp_path / "out").exists()

    def test_a_script_that_cannot_be_read_names_the_rule(self, tmp_path):
        script = tmp_path / "my.yaml"
        script.write_text("rules:\n  - hear: hello\n    sya: Hi\n")
        run = CliRunner().invoke(app, ["demo", "--script", str(script), "--out", str(tmp_path)])
        assert run.exit_code == 2
        assert "sya" in run.output

    def test_a_port_that_is_taken_is_named(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            run = CliRunner().invoke(app, ["serve-local", "--tones", "--port", str(port)])
        assert run.exit_code == 3
        assert str(port) in run.output

    def test_a_missing_extra_says_what_to_install(self, tmp_path):
        code = "import sys; sys.modules['moonshine_voice'] = None\nfrom voicepipe.cli import main; main()"
        command = [sys.executable, "-c", code, "demo", "--out", str(tmp_path)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_SECS, check=False)
        assert run.returncode == 4
        assert "pip install 'voicepipe[local]'" in " ".join(run.stderr.split())


@pytest.mark.parametrize(
    ("number", "options", "named"),
    [(signal.SIGINT, [], "API is"), (signal.SIGTERM, ["--wire", "beta"], "API (beta wire) is")],
)
def test_serve_local_says_what_and_where_it_is_and_ends_on_a_signal(number, options, named):
    command = [
        sys.executable,
        "-c",
        "from voicepipe.cli import main; main()",
        "serve-local",
        "--tones",
        "--port",
        "0",
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert "ws://127.0.0.1:" in line
        assert named in line
        server.send_signal(number)
        assert server.wait(timeout=10) == 0
