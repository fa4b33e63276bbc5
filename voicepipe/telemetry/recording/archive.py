"""A recording as one file: a zip of its folder, made when the call is over, and unpacked to be read."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from voicepipe.telemetry.recording.layout import EVENTS, SOUND, TRACKS

SUFFIX: Final = ".zip"
_FILES: Final = (EVENTS, SOUND, TRACKS)


def archive_of(folder: Path) -> Path:
    """Return where the zip of a folder is: beside it, with its name."""
    return folder.with_name(folder.name + SUFFIX)


def pack(folder: Path) -> Path:
    """Put a recording into a zip beside its folder, and remove the folder; returns where the zip is.

    The folder stays until the zip is whole and on the disk, so that a crash loses nothing.

    Raises:
        FileExistsError: There is such a zip already.
        OSError: It cannot be written.
    """
    path = archive_of(folder)
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in _FILES:
                if (folder / name).is_file():
                    archive.write(folder / name, name)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    # What the application put there as well is left.
    if not any(folder.iterdir()):
        folder.rmdir()
    return path


def unpack(path: Path) -> Path:
    """Unpack a recording's zip into a new folder among the temporary ones; returns it, to be removed by the caller.

    Only the files of a recording are unpacked, whatever else is in it.

    Raises:
        zipfile.BadZipFile: It is none.
        OSError: It cannot be read, or there is no room for it.
    """
    folder = Path(tempfile.mkdtemp(prefix="voicepipe-recording-"))
    try:
        with zipfile.ZipFile(path) as archive:
            for name in set(_FILES) & set(archive.namelist()):
                with archive.open(name) as packed, (folder / name).open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
