"""Pictures of pages, compared with stored ones: coarse enough for other fonts and browsers, fine enough for a broken page.

A picture is looked at in grey and in cells of some pixels, and the boxes of the page's parts are compared with those stored
beside it. `python -m tests.support.pictures` takes all stored pictures anew; look at them before they are committed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from tests.support.chromium import Page
from tests.support.documentation import ROOT

RENEW: Final = "RENEW_PICTURES"
TESTS: Final = ("tests/browser/test_pictures.py", "tests/telemetry/recording/test_pictures.py")
_CELL: Final = 20
_MEAN: Final = 0.03
"""How far the grey of a picture may be off in the mean, of 0 to 1."""
_CELLS_OFF: Final = 0.05
"""The share of cells that may be quite different: a line of text that breaks elsewhere."""
_QUITE: Final = 0.2
_BOX_PX: Final = 24


async def look(
    page: Page, *, width: int = 1280, height: int = 800, dark: bool = False, mobile: bool = False
) -> None:
    """Have a page seen at a size and in a colour scheme, without motion."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
    await page.ask("Emulation.setDeviceMetricsOverride", **size)
    features = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
    await page.ask(
        "Emulation.setEmulatedMedia",
        features=[{"name": name, "value": value} for name, value in features.items()],
    )


async def check(page: Page, reference: Path, parts: list[str], seen: Path) -> None:
    """Compare a page with its stored picture, or store it if that is asked for.

    Args:
        page: The page, as it is to be seen.
        reference: The stored picture, `.png`; the boxes are in the `.json` beside it.
        parts: Selectors of the parts whose boxes are compared.
        seen: Where the picture that was seen is left, for whoever has to find out.
    """
    picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
    boxes = await page.run(
        f"Object.fromEntries({json.dumps(parts)}.map(part => [part, (r => [r.x, r.y, r.width, r.height].map(Math.round))"
        "(document.querySelector(part).getBoundingClientRect())]))"
    )
    if os.environ.get(RENEW):
        reference.parent.mkdir(exist_ok=True)
        picture.quantize(64).save(reference, optimize=True)
        reference.with_suffix(".json").write_text(json.dumps(boxes, indent=1) + "\n")
        return
    picture.save(seen)
    hint = f"see {seen}; `python -m tests.support.pictures` stores it, if that is how it has to look"
    stored = json.loads(reference.with_suffix(".json").read_text())
    for part, box in stored.items():
        off = np.abs(np.array(boxes[part]) - box).max()
        assert off <= _BOX_PX, f"{part} is at {boxes[part]}, not {box}: {hint}"
    difference = differences(picture, Image.open(reference).convert("RGB"))
    assert difference.mean() <= _MEAN, f"the picture is off by {difference.mean():.3f} in the mean: {hint}"
    share = float((difference > _QUITE).mean())
    assert share <= _CELLS_OFF, f"{share:.1%} of the picture are quite different: {hint}"


def differences(one: Image.Image, other: Image.Image) -> np.ndarray:
    """Return by how much the cells of two pictures differ in grey, 0 to 1."""
    assert one.size == other.size, f"it is {one.size} in size, not {other.size}"
    return np.abs(_cells(one) - _cells(other))


def _cells(picture: Image.Image) -> np.ndarray:
    width, height = picture.size
    small = picture.convert("L").resize((width // _CELL, height // _CELL), Image.Resampling.BOX)
    return np.asarray(small, dtype=float) / 255


if __name__ == "__main__":
    command = [sys.executable, "-m", "pytest", "-q", *TESTS]
    raise SystemExit(
        subprocess.run(command, cwd=ROOT, check=False, env={**os.environ, RENEW: "1"}).returncode
    )
