"""The documentation's pages: every link leads somewhere, and none promises a latency (S000-9, S000-51, S001-2)."""

from __future__ import annotations

import re

import pytest

from tests.support.documentation import PAGES, ROOT

_LINK = re.compile(r"\]\(([^)#:]+?)(?:#[^)]*)?\)")
_FILE = re.compile(r"`((?:tests|voicepipe|examples|docs)/[\w./-]+)`")
_OF_A_NEW_BOT = {"tests/test_bot.py"}
_PROMISE = re.compile(
    r"(?i)\b(lowest|low|ultra[- ]?low|minimal|near[- ]zero)[- ]latency\b"
    r"|\b(sub-?|under |below |(?<!no )less than |typically |typical )\d+(\.\d+)? ?(ms|milliseconds?)\b"
    r"|\b(fastest|blazing\w*|real-time speed)\b"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_s000_9_and_s001_2_no_page_promises_a_latency(page):
    promises = [line for line in page.read_text("utf-8").splitlines() if _PROMISE.search(line)]
    assert promises == []


@pytest.mark.parametrize(
    "promise",
    [
        "the lowest-latency option",
        "sub-500 ms typical turn latency",
        "answers in under 300 ms",
        "the fastest",
    ],
)
def test_s000_9_and_s001_2_the_documents_own_would_be_found(promise):
    assert _PROMISE.search(promise)


def test_s000_9_and_s001_2_what_the_readme_says_in_ms_is_measured_and_says_how():
    measured = (ROOT / "README.md").read_text("utf-8").partition("## Measured")[2].partition("\n## ")[0]
    assert "`make bench` reproduces it" in measured
    assert "ms |" in measured


def test_s000_51_the_page_of_engines_leads_to_what_they_stand_on():
    links = _LINK.findall((ROOT / "docs" / "phone.md").read_text("utf-8"))
    engines = {"openai-realtime.md", "elevenlabs.md"}
    assert engines | {"telephony.md", "records.md", "local-server.md", "demo.md"} <= set(links)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_s000_51_every_link_leads_somewhere(page):
    links = _LINK.findall(page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page):
    named = _FILE.findall(page.read_text("utf-8"))
    assert [path for path in named if path not in _OF_A_NEW_BOT and not (ROOT / path).exists()] == []


def test_s000_51_from_the_navigation_every_page_is_reached():
    written = (ROOT / ".mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")]
    assert [page for page in pages if f": {page}" not in written] == []
