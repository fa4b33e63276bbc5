"""Every example runs, with no key and no network: in tones, on a clock that jumps."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from tests.support.tones import heard, heard_in, spoken
from voicepipe.offline import openai_or_local
from voicepipe.transports.sound import read_wav

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LONGEST = 80


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(path: Path, words: str) -> Path:
    """Write a question to a file."""
    sound = spoken(words)
    soundfile.write(path, np.frombuffer(sound.pcm, np.int16), sound.sample_rate)
    return path


@pytest.fixture(autouse=True)
def offline_in_tones(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("VOICEPIPE_SPEECH", "tones")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def answer(tmp_path) -> str:
    return str(tmp_path / "answer.wav")


@pytest.mark.virtual_time
class TestInTones:
    async def test_first_bot(self, answer, tmp_path, capsys):
        await example("first_bot").main(None, answer)
        assert heard_in(Path(answer)).startswith("I am the local voicepipe bot.")
        assert capsys.readouterr().out.startswith("ended; ")
        await example("first_bot").main(str(asked(tmp_path / "question.wav", "spell cat")), answer)
        assert heard_in(Path(answer)) == "C, A, T."

    async def test_function_calling(self, answer, capsys):
        await example("function_calling").main(answer)
        assert heard_in(Path(answer)) == "In Paris it is 21 degrees and fog."
        assert "get_weather('Paris')" in capsys.readouterr().out

    async def test_changing_settings(self, answer, capsys):
        await example("changing_settings").main(answer)
        assert capsys.readouterr().out == "Answer in Spanish. 512\n"
        assert heard_in(Path(answer)) == "Hello! How can I help you? Hello! How can I help you?"

    async def test_interruptions(self, capsys):
        await example("interruptions").main()
        assert capsys.readouterr().out.splitlines() == [
            "anybody may interrupt: cut 1 times",
            "nobody may interrupt: cut 0 times",
            "who says two words may interrupt: cut 0 times",
        ]

    async def test_another_voice(self, answer):
        await example("another_voice").main(answer)
        assert heard_in(Path(answer)) == "C, A, T."

    async def test_resume(self, answer, capsys):
        await example("resume").main(answer)
        spelled = "V, O, I, C, E, P, I, P, E."
        said = heard_in(Path(answer))
        assert said.endswith(f"{spelled} I said: {spelled}")
        assert said.count("V, ") == 3, "the first answer was not broken off"
        out = capsys.readouterr().out
        assert "the connection broke" in out
        assert "the next one knows what was said" in out

    async def test_context_aggregator(self, answer):
        messages = await example("context_aggregator").main(answer)
        assert [(m["role"], m["content"]) for m in messages] == [
            ("developer", "You are a friendly bot."),
            ("user", "Hello."),
            ("assistant", "Hello! How can I help you?"),
        ]

    async def test_phone_stream(self, tmp_path):
        words = await example("phone_stream").main(str(tmp_path / "call.wav"))
        assert words.startswith("I am the local voicepipe bot.")
        both, rate = soundfile.read(tmp_path / "call.wav")
        assert (both.shape[1], rate) == (2, 8000)

    async def test_manual_turns(self, answer):
        await example("manual_turns").main(answer)
        assert heard_in(Path(answer)) == "C, A, T."

    async def test_images(self, answer):
        await example("images").main(answer)
        assert heard_in(Path(answer)).startswith("You showed me an image")

    async def test_custom_processor(self, answer):
        await example("custom_processor").main(answer)
        said = heard_in(Path(answer))
        assert "one" in said
        assert "twenty" not in said

    async def test_cost_cap(self, answer, capsys):
        notes = await example("cost_cap").main("0.0001", answer)
        assert len(notes.turns) < 3
        assert "the call cost $0.0001" in capsys.readouterr().out
        notes = await example("cost_cap").main("100", answer)
        assert len(notes.turns) == 3

    async def test_wav_batch(self, tmp_path):
        for name in ("cat", "dog"):
            asked(tmp_path / f"{name}.wav", f"spell {name}")
        said = await example("wav_batch").main(str(tmp_path))
        assert said == {"cat.wav": "C, A, T.", "dog.wav": "D, O, G."}


class TestFiles:
    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_each_is_short_and_its_first_line_says_what_one_learns(self, path):
        text = path.read_text()
        assert len(text.splitlines()) < LONGEST
        assert (ast.get_docstring(ast.parse(text)) or "").endswith(".")

    @pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
    def test_each_is_in_the_table_and_has_a_test(self, path):
        assert f"[{path.name}]({path.name})" in (ROOT / "examples" / "README.md").read_text()
        assert f"`{path.name}`" in (ROOT / "docs" / "examples.md").read_text()
        tests = "".join(test.read_text() for test in (ROOT / "tests").rglob("test_*.py"))
        assert f'example("{path.stem}")' in tests or f'"{path.stem}.py"' in tests


def test_the_first_bot_runs_as_a_person_starts_it_in_real_speech(tmp_path, monkeypatch):
    monkeypatch.delenv("VOICEPIPE_SPEECH")
    command = [sys.executable, str(ROOT / "examples" / "first_bot.py")]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert not read_wav(tmp_path / "answer.wav").is_silent


@pytest.mark.virtual_time
async def test_the_ten_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    """The README's bot has a server at a fixed address; here it is wherever one is free."""
    code = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    asked(tmp_path / "question.wav", "hello")
    async with openai_or_local() as openai:
        assert "ws://127.0.0.1:8765/v1/realtime" in code
        code = code.replace("ws://127.0.0.1:8765/v1/realtime", openai.base_url)
        names: dict = {"__name__": "readme"}
        exec(compile(code.replace("asyncio.run(main())", ""), "README.md", "exec"), names)
        await names["main"]()
    assert capsys.readouterr().out == "ended all questions were asked\n"
    assert heard(read_wav(tmp_path / "answer.wav")) == "Hello! How can I help you?"
