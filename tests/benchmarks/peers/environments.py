"""The peers' own environments, at pinned versions, below `.cache/bench/`; made once, and used without a network after that.

voicepipe, Pipecat and the relays share one, so that they have the same event loop, WebSocket library and numpy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "bench"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment.

    Parameters:
        packages: What is installed.
        like_ours: Whether all else has the versions of `.requirements.lock`.
    """

    packages: tuple[str, ...]
    like_ours: bool = False


_UVLOOP = "uvloop==0.23.0"
_OURS = [
    "websockets",
    "pybase64",
    "numpy",
    "soxr",
    "loguru",
    "pydantic",
    "orjson",
    "typer",
    "rich",
    "pyyaml",
    "openai",
]
ENVIRONMENTS = {
    "pipecat": Environment(
        ("pipecat-ai[websocket]==1.14.0", "uvicorn==0.54.0", "fastapi==0.165.0", _UVLOOP, *_OURS),
        like_ours=True,
    ),
    "livekit": Environment(
        ("livekit-agents==1.8.9", "livekit-plugins-openai==1.8.9", "websockets==15.0.1", "orjson", _UVLOOP)
    ),
    "patter": Environment(("getpatter==0.7.0", "uvicorn==0.54.0", _UVLOOP)),
}


def python_of(name: str) -> Path:
    """Return the interpreter of an environment."""
    return CACHE / name / "bin" / "python"


def is_installed(name: str) -> bool:
    """Whether an environment is there as it is written here."""
    stamp = CACHE / name / ".packages"
    return stamp.is_file() and stamp.read_text() == _written(name)


def install(name: str) -> None:
    """Make an environment, unless it is there."""
    if is_installed(name):
        return
    folder, environment = CACHE / name, ENVIRONMENTS[name]
    shutil.rmtree(folder, ignore_errors=True)
    pins = ["-c", str(ROOT / ".requirements.lock")] if environment.like_ours else []
    if shutil.which("uv"):
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, folder], check=True)
        command = ["uv", "pip", "install", "--quiet", "--python", str(python_of(name))]
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command = [str(python_of(name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *pins, *environment.packages], check=True)
    (folder / ".packages").write_text(_written(name))


def environment_variables() -> dict[str, str]:
    """Return the variables with which a process of the suite is started: the repository's code, one thread for sums."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**inherited, **threads, "PYTHONPATH": str(ROOT)}


def _written(name: str) -> str:
    return "\n".join(ENVIRONMENTS[name].packages)
