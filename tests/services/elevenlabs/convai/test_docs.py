"""The page about the service says what the service does."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import voicepipe
from voicepipe.services.elevenlabs.convai import ElevenLabsConvAIService, Overrides

PAGE = (Path(voicepipe.__file__).parent.parent / "docs" / "elevenlabs.md").read_text()


def test_the_table_of_arguments_is_the_constructors():
    table = PAGE.partition("## The constructor")[2].partition("## Overrides")[0]
    documented = re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE)
    parameters = inspect.signature(ElevenLabsConvAIService.__init__).parameters
    wanted = [name for name in parameters if name not in ("self", "kwargs")]
    assert [name for name, _ in documented] == wanted
    for name, default in documented:
        if default != "`Limits()`":
            assert ast.literal_eval(default.strip("`")) == parameters[name].default, name


def test_the_table_of_overrides_is_that_of_the_settings():
    table = PAGE.partition("## Overrides")[2].partition("## Frames")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", table, re.MULTILINE))
    assert set(rows) == set(Overrides.model_fields)
    for group, row in rows.items():
        model = Overrides.model_fields[group].annotation.__args__[0]
        assert set(model.model_fields) <= set(re.findall(r"`(\w+)`", row)), group


def test_its_snippets_are_python():
    snippets = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(snippets) == 3
    for snippet in snippets:
        compile(snippet, "elevenlabs.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
