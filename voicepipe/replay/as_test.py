"""A recording as a regression test: a test file that replays it and expects what today's code does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from voicepipe.replay.player import MakeBot, Replayed, replay
from voicepipe.replay.story import story_of
from voicepipe.telemetry.recording.reader import Recording

_TEST: Final = '''"""The call {name}, replayed: the bot has to do what it did when this test was made."""

from pathlib import Path

from voicepipe.replay import Recording, assert_same_story, {maker}, replay

RECORDING = Path(__file__).parent / {where!r}
STORY = """\\
{story}"""


def test_{name}():
    recording = Recording(RECORDING)
    assert_same_story(replay(recording, {bot}), STORY)
'''


def write_test(recording: Recording, make_bot: MakeBot, path: Path, *, bot: str | None = None) -> Path:
    """Write a test file that expects what the bot does today; returns where it is.

    Args:
        recording: The recording; the test names it relative to itself.
        make_bot: Makes the bot.
        path: The file; one that is there is not overwritten.
        bot: How the test gets the bot, `module:function`; None is the bot of the recording.

    Raises:
        FileExistsError: There is such a file.
    """
    story = told(replay(recording, make_bot))
    name = "".join(c if c.isalnum() else "_" for c in path.stem.removeprefix("test_")).lower()
    text = _TEST.format(
        name=name,
        where=os.path.relpath(recording.place.resolve(), path.parent.resolve()),
        story=story.replace("\\", "\\\\").replace('"""', '\\"\\"\\"'),
        maker="named_bot" if bot else "recorded_bot",
        bot=f"named_bot({bot!r})" if bot else "recorded_bot(recording)",
    )
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


def told(replayed: Replayed) -> str:
    """Return the story of a replay as text, a line for each thing that was done."""
    return "".join(f"{line}\n" for line in story_of(replayed.entries))


def assert_same_story(replayed: Replayed, story: str) -> None:
    """Fail if a replay did not do what a story tells, to the millisecond.

    Raises:
        AssertionError: It did not; the message shows where.
    """
    from difflib import unified_diff

    is_now = told(replayed)
    if is_now != story:
        lines = unified_diff(story.splitlines(), is_now.splitlines(), "expected", "replayed", lineterm="")
        raise AssertionError("the replay differs:\n" + "\n".join(lines))
