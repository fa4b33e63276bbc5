"""The shape of the package: lazy at the top, and arrows that only go down."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import voicepipe

PACKAGE = Path(voicepipe.__file__).parent

# Each layer may import those after it, and itself.
LAYERS = [
    "cli",
    "testing",
    "browser",
    "bots",
    "phone",
    "agents",
    "watch",
    "replay",
    "offline",
    "local",
    "services",
    "transports",
    "telemetry",
    "realtime",
    "audio",
    "pipeline",
    "own_files",
    "hops",
    "shortcuts",
    "frames",
    "quick_base64",
    "quick_socket",
    "quick_inbox",
    "quick_frames",
    "rests",
    "loops",
    "collector",
    "errors",
    "plain_words",
]
ALLOWED_UPWARDS = {("local", "services.openai.realtime.events")}


def test_importing_voicepipe_loads_nothing_of_pipecat():
    code = "import sys, voicepipe; sys.exit(any(name.split('.')[0] == 'pipecat' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", [name for name in voicepipe.__all__ if not name.startswith("__")])
def test_every_name_of_the_top_resolves(name):
    assert getattr(voicepipe, name) is not None
    assert name in dir(voicepipe)


def test_a_name_that_does_not_exist_says_so():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = voicepipe.no_such_name


def imports_of(path: Path) -> list[str]:
    """The modules of voicepipe that a file imports, without the leading `voicepipe.`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("voicepipe."):
            found.append(node.module.removeprefix("voicepipe."))
        elif isinstance(node, ast.Import):
            found += [
                a.name.removeprefix("voicepipe.") for a in node.names if a.name.startswith("voicepipe.")
            ]
    return found


FILES = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_import_only_goes_down_the_layers(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for module in imports_of(path):
        other = module.split(".")[0]
        if (layer, module) in ALLOWED_UPWARDS or other == layer:
            continue
        assert LAYERS.index(other) > LAYERS.index(layer), f"{layer} imports {module}"
        if layer == "services":
            assert other not in ("transports", "pipeline", "telemetry"), f"a provider imports {module}"
        if layer == "telemetry":
            assert other != "pipeline", f"what watches a pipeline imports {module}"
        if layer == "local" and other == "services":
            pytest.fail(f"the local server reads {module} of a provider, not only its events")
