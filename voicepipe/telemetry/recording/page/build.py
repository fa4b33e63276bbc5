"""Puts the page of a call together: markup, looks, behaviour and data in one file."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

import orjson

from voicepipe.telemetry.recording.page.data import page_data
from voicepipe.telemetry.recording.page.sound import page_sound
from voicepipe.telemetry.recording.reader import Recording

PAGE: Final = "page.html"


def page_of(recording: Recording) -> str:
    """Return the page of a recording: HTML that loads nothing, from nowhere."""
    return "".join(_pieces(recording))


def _pieces(recording: Recording) -> Iterator[str]:
    """Return the page piece by piece: an hour's sound is a hundred megabytes of it, of which there should be one copy."""
    parts = files(__package__ or "")
    html, css, *scripts = (
        (parts / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "time_axis.js", "lists.js", "page.js")
    )
    page = (
        html.replace("{{title}}", escape(f"Call {recording.header['call']['call_id']}"))
        .replace("{{css}}", css)
        .replace("{{script}}", "\n".join(scripts))
    )
    before, _, after = page.partition("{{data}}")
    yield before
    # Data stands in a script element, which only `</` or `<!--` could end early.
    json = orjson.dumps(page_data(recording), default=str, option=orjson.OPT_NON_STR_KEYS)
    yield json.decode().replace("<", "\\u003c")[:-1]
    yield ',"sound":{'
    for index, (name, value) in enumerate(page_sound(recording.tracks).items()):
        # Numbers and base64: nothing in them needs an escape.
        yield f'{"," if index else ""}"{name}":'
        yield f'"{value}"' if isinstance(value, str) else str(value)
    yield "}}"
    yield after


def write_page(recording: Recording, path: Path | None = None) -> Path:
    """Write the page of a recording; returns where it is.

    Args:
        recording: The recording.
        path: The file; by default `page.html` in the recording's folder, or beside its zip with the zip's name.

    Raises:
        OSError: It cannot be written.
    """
    place = recording.place
    path = path or (place / PAGE if place.is_dir() else place.with_suffix(".html"))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_pieces(recording))
    return path
