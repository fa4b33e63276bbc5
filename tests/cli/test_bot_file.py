"""A bot's file: what it has to define, and what happens when it changes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from voicepipe.cli.bot_file import BotFile
from voicepipe.errors import SettingsError


@pytest.fixture(autouse=True)
def modules_are_forgotten():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path: Path, text: str, at: int = 0) -> Path:
    """Write a file, as of so many seconds after now: within one tick of the file system's clock changes are not seen."""
    path.write_text(text)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + at * 1_000_000_000))
    return path


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("transport", ("t",)), ("transport, openai", ("t", "o"))],
)
def test_a_bot_takes_the_transport_and_if_it_wants_the_api(tmp_path, arguments, given):
    file = BotFile(write(tmp_path / "my_bot.py", f"def bot({arguments}):\n    return ({arguments},)\n"))
    assert file.name == "my bot"
    assert file.load()("t", "o") == given


@pytest.mark.parametrize("more", ["*, greeting='hi'", "**options"])
def test_what_a_bot_takes_by_name_alone_is_its_own(tmp_path, more):
    file = BotFile(write(tmp_path / "bot.py", f"def bot(transport, {more}):\n    return transport\n"))
    assert file.load()("t", "o") == "t"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "bot.py has no function `bot`"),
        ("bot = 1", "bot.py has no function `bot`"),
        ("def bot(): ...", "takes 0 arguments"),
        ("def bot(a, b, c): ...", "takes 3 arguments"),
    ],
)
def test_a_file_without_a_bot_says_what_would_be_one(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        BotFile(write(tmp_path / "bot.py", text)).load()


def test_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.py"):
        BotFile(tmp_path / "nothing.py")


def test_what_the_file_raises_is_raised(tmp_path):
    with pytest.raises(ZeroDivisionError):
        BotFile(write(tmp_path / "bot.py", "1 / 0")).load()


def test_a_change_of_the_file_or_of_a_module_beside_it_is_seen_once_and_loaded(tmp_path):
    write(tmp_path / "words_of_my_bot.py", "WORD = 'one'\n")
    path = write(
        tmp_path / "bot.py", "from words_of_my_bot import WORD\ndef bot(transport):\n    return WORD\n"
    )
    file = BotFile(path)
    assert file.load()("t", "o") == "one"
    assert not file.has_changed()
    write(tmp_path / "words_of_my_bot.py", "WORD = 'twenty'\n", at=2)
    assert file.has_changed()
    assert not file.has_changed()
    assert file.load()("t", "o") == "twenty"
    write(path, "def bot(transport):\n    return 'other'\n", at=4)
    assert file.has_changed()
    assert file.load()("t", "o") == "other"


def test_a_file_that_cannot_be_loaded_can_be_mended(tmp_path):
    path = write(tmp_path / "bot.py", "def bot(transport):\n    return 1\n")
    file = BotFile(path)
    file.load()
    write(path, "def bot(transport:\n", at=2)
    assert file.has_changed()
    with pytest.raises(SyntaxError):
        file.load()
    write(path, "def bot(transport):\n    return 2\n", at=4)
    assert file.has_changed()
    assert file.load()("t", "o") == 2
