"""S001-1: the documentation is shipped with an index that models read, made by the build itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documentation import ROOT

ENTRY = re.compile(r"^- \[(.+?)\]\((\S+?)\): (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation, built as CI builds it: a warning is an error."""
    path = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        str(ROOT / ".mkdocs.yml"),
    ]
    run = subprocess.run(
        [*command, "-d", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert run.returncode == 0, run.stderr
    return path


def test_s001_1_llms_txt_lists_each_page_with_its_address_and_a_line(site):
    text = (site / "llms.txt").read_text()
    assert text.startswith("# voicepipe\n\n> A frame-pipeline framework")
    entries = ENTRY.findall(text)
    config = (ROOT / ".mkdocs.yml").read_text()
    pages = re.findall(r": ([\w/-]+\.md)$", config, re.MULTILINE)
    assert len(entries) == len(pages) == len({address for _, address, _ in entries})
    for title, address, line in entries:
        assert (site / address.lstrip("/") / "index.html").exists(), f"{title} is not at {address}"
        assert 10 < len(line) < 400, f"{title}: {line}"
    assert "## Reference" in text


def test_llms_full_txt_holds_the_pages_themselves(site):
    text = (site / "llms-full.txt").read_text()
    assert text.count("\nSource: /") == len(ENTRY.findall((site / "llms.txt").read_text()))
    assert (ROOT / "docs" / "turns.md").read_text().strip() in text


def test_the_hook_is_no_page_of_the_site(site):
    assert not (site / "hooks").exists()
