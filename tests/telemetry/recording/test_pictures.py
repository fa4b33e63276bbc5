"""How the page of a recorded call looks, in light and dark, wide and on a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chromium import chromium
from tests.support.pictures import check, look
from voicepipe.telemetry.recording import Recording
from voicepipe.telemetry.recording.page import write_page

REFERENCES = Path(__file__).parent / "pictures"
LOOKS = {
    "light": {"height": 1000},
    "dark": {"height": 1000, "dark": True},
    "telephone": {"width": 390, "height": 844, "mobile": True},
}


@pytest.mark.browser
async def test_the_page_of_a_call_looks_as_it_did(call: Recording, tmp_path: Path):
    path = write_page(call, tmp_path / "page.html")
    async with chromium(tmp_path / "profile") as page:
        for name, how in LOOKS.items():
            await look(page, **how)
            await page.go_to(path.as_uri())
            await page.until("document.querySelectorAll('.row').length > 0")
            await check(page, REFERENCES / f"{name}.png", ["body", "#axis"], tmp_path / f"{name}.png")
            assert await page.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
