"""Writes /llms.txt and /llms-full.txt into the built site: the documentation as models read it (https://llmstxt.org).

The first lists each page with its title, its address and one line; the second holds the pages themselves.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation, Section
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]
_API = re.compile(r"^::: ([\w.]+)", re.MULTILINE)
_SENTENCE = re.compile(r"(.+?\.)(?=\s|$)", re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PROSE = re.compile(r"(?:`|\*\*|\[)?[A-Z](?!.*^\|)|(?:`|\*\*)?voicepipe|`", re.MULTILINE | re.DOTALL)
_ROWS = re.compile(r" \(seed [^)]*\)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_markdown: dict[str, str] = {}
"""Each page's text, by its source."""
_nav: list[Navigation] = []


def on_nav(nav: Navigation, /, *, config: MkDocsConfig, files: Files) -> Navigation:
    """Keep the order of the pages."""
    del config, files
    _nav[:] = [nav]
    return nav


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep a page's text."""
    del config, files
    _markdown[page.file.src_uri] = markdown
    return markdown


def on_post_build(*, config: MkDocsConfig) -> None:
    """Write both files.

    Raises:
        PluginError: A page has nothing that could stand for it in one line.
    """
    [nav] = _nav
    head = f"# {config.site_name}\n\n> {config.site_description}\n"
    index, full = [head], [head]
    for heading, pages in _sections(nav):
        index.append(f"\n## {heading}\n\n")
        for page in pages:
            text = _markdown[page.file.src_uri]
            address = _address(page, config)
            index.append(f"- [{page.title}]({address}): {_line(page, text)}\n")
            full.append(f"\n---\n\nSource: {address}\n\n{text.strip()}\n")
    site = Path(config.site_dir)
    (site / "llms.txt").write_text("".join(index), encoding="utf-8")
    (site / "llms-full.txt").write_text("".join(full), encoding="utf-8")


def _sections(nav: Navigation) -> list[tuple[str, list[Page]]]:
    """Return the nav's sections with all their pages; pages of no section are the start."""
    found: list[tuple[str, list[Page]]] = [("Start", [item for item in nav.items if isinstance(item, Page)])]
    found += [(item.title, _pages(item)) for item in nav.items if isinstance(item, Section)]
    return [(heading, pages) for heading, pages in found if pages]


def _pages(section: Section) -> list[Page]:
    pages: list[Page] = []
    for item in section.children:
        pages += [item] if isinstance(item, Page) else _pages(item) if isinstance(item, Section) else []
    return pages


def _address(page: Page, config: MkDocsConfig) -> str:
    return f"{(config.site_url or '').rstrip('/')}/{page.url}"


def _line(page: Page, text: str) -> str:
    """Return what a page says of itself: its `description`, its first sentence, or that of what it documents."""
    if described := page.meta.get("description"):
        return str(described)
    for paragraph in _FENCED.sub("", text).split("\n\n"):
        if _PROSE.match(paragraph.lstrip("\n")):
            return _sentence(paragraph.strip())
    if named := _API.search(text):
        return _sentence(_docstring(named[1]))
    raise PluginError(f"{page.file.src_uri} has no sentence for llms.txt: begin it with what it is about")


def _sentence(words: str) -> str:
    words = words.removeprefix("**Context.** ")
    found = _SENTENCE.match(words)
    sentence = _LINK.sub(r"\1", found[1] if found else words)
    return " ".join(sentence.split()).rstrip(":,")


def _docstring(name: str) -> str:
    """Return the docstring of a module, or of the module in which a name is; nothing of it is run."""
    path = _ROOT.joinpath(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not source.exists():
        return _docstring(name.rpartition(".")[0])
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    return _ROWS.sub("", docstring or f"The names of {name}.")
