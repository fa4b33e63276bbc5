"""Every block of code in the documentation does what it says: Python is run, data is read, commands are those there are.

A page's Python blocks are run one after the other with the same names. What a page takes for granted (a bot that runs, keys,
a server at an address) is set up in `tests/docs/surroundings.py`. A block that cannot be run has `<!-- not run: why -->`
before it, and is listed here.
"""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest
import yaml

from tests.docs.surroundings import around
from tests.support import commands
from tests.support.documentation import PAGES, ROOT, Block, blocks_in, blocks_of

PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks_of(page))]
OTHERS = [block for page in PAGES for block in blocks_of(page) if block.language != "python"]
LANGUAGES = {"python", "bash", "console", "text", "json", "yaml"}
NOT_RUN = {
    "docs/openai-realtime.md": ["needs azure-identity and an account"],
}

TEXT = """A

```json
{}
```

- a list

    its text

B

    make test
    make lint

C

<!-- not run: no -->

```python
x
```
"""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.virtual_time
@pytest.mark.parametrize("page", PYTHON, ids=name_of)
async def test_the_python_of_a_page_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    async with around(name_of(page), monkeypatch) as stage:
        for block in blocks_of(page):
            if block.language == "python" and not block.not_run:
                await run_block(block, stage.names, stage.replaced)
        await stage.check()


async def run_block(block: Block, names: dict, replaced: dict[str, str]) -> None:
    code = block.code
    for old, new in {"asyncio.run(": "await (", **replaced}.items():
        code = code.replace(old, new)
    # Lines are counted as in the page, so that a traceback leads to them.
    code = "\n" * (block.line - 1) + code
    result = eval(compile(code, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(result):
        await result


@pytest.mark.parametrize("block", OTHERS, ids=lambda block: block.name)
def test_what_is_no_python_is_right(block):
    assert block.language in LANGUAGES, f"{block.name}: nobody checks {block.language!r}"
    if block.language == "json":
        json.loads(block.code)
    elif block.language == "yaml":
        yaml.safe_load(block.code)
    elif block.language in ("bash", "console") and not block.not_run:
        for command in commands.commands_in(block.code):
            commands.check(command)


def test_few_blocks_are_not_run_and_each_says_why():
    found = {
        name_of(page): [block.not_run for block in blocks_of(page) if block.not_run]
        for page in PAGES
        if any(block.not_run for block in blocks_of(page))
    }
    assert found == NOT_RUN


class TestTheCheckItself:
    def test_blocks_are_found_in_fences_and_indented(self):
        found = [(block.line, block.language, block.code, block.not_run) for block in blocks_in(TEXT)]
        assert found == [
            (4, "json", "{}", ""),
            (13, "bash", "make test\nmake lint", ""),
            (21, "python", "x", "no"),
        ]

    @pytest.mark.parametrize(
        "command",
        [
            "voicepipe run bot.py",
            "voicepipe demo [QUESTION.wav] [--engine openai|elevenlabs] [--out DIR]",
            "python bot.py console --local --wav question.wav",
            "OPENAI_API_KEY=any python your_bot.py",
            "make demo  # says why",
            "pip install 'voicepipe[browser,local]'",
        ],
    )
    def test_commands_that_there_are_pass(self, command):
        commands.check(command)

    @pytest.mark.parametrize(
        "command",
        [
            "voicepipe dance",
            "voicepipe run bot.py --loudly",
            "python bot.py console --loudly",
            "python examples/no_such.py",
            "python -m voicepipe.no_such",
            "make coffee",
            "pip install 'voicepipe[coffee]'",
            "voicpipe run bot.py",
        ],
    )
    def test_others_do_not(self, command):
        with pytest.raises(AssertionError):
            commands.check(command)
