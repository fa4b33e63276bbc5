"""Images as a model takes them: JPEG in a data URI (protocol page, 11.13)."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from io import BytesIO

from PIL import Image

from voicepipe.errors import SettingsError
from voicepipe.frames import InputImageRawFrame


async def as_data_uri(frame: InputImageRawFrame) -> str:
    """Return a frame as a JPEG in a data URI; the work is done beside the event loop, since sound must not wait for it.

    Raises:
        SettingsError: The frame's format, size and bytes do not go together.
    """
    return await asyncio.to_thread(_encoded, frame.image, frame.size, frame.format)


def _encoded(image: bytes, size: tuple[int, int], mode: str | None) -> str:
    if mode in ("image/jpeg", "image/png"):
        return f"data:{mode};base64,{b64encode(image).decode()}"
    try:
        picture = Image.frombytes(mode or "RGB", size, image)
    except ValueError as error:
        why = f"{len(image)} bytes as {mode} of {size[0]} by {size[1]}: {error}"
        raise SettingsError("image", why) from None
    jpeg = BytesIO()
    picture.convert("RGB").save(jpeg, format="JPEG")
    return f"data:image/jpeg;base64,{b64encode(jpeg.getvalue()).decode()}"
