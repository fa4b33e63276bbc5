"""YAML that people write, as scripts and scenarios are: each part knows its line, and no key may be there twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import yaml

from voicepipe.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Document:
    """What was read.

    Parameters:
        name: The file, or what else it is called.
        content: What it says.
    """

    name: str
    content: Any
    _root: yaml.Node | None = field(repr=False)

    def where(self, location: Sequence[str | int] = ()) -> str:
        """Return `name:line` of a part; of one that is not there, the line of what it is missing in.

        Args:
            location: The keys and positions that lead to it.
        """
        node, line = self._root, 0
        for step in location:
            found = _part(node, step)
            if found is None:
                break
            node, line = found
        return f"{self.name}:{line + 1}"


class Loader(yaml.SafeLoader):
    """YAML's safe one, which keeps YAML's rule that a mapping's keys are unique: else all but the last would be lost."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return a mapping as it is written.

        Raises:
            MarkedYAMLError: A key is there twice.
        """
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node


def parsed(text: str | TextIO, name: str, kind: type[yaml.SafeLoader] = Loader) -> Document:
    """Return what YAML says.

    Args:
        text: The YAML, or a file that holds it.
        name: What errors call it.
        kind: What reads it; a `Loader`, with what else is to be understood.

    Raises:
        SettingsError: It is no YAML; the error says in which line.
    """
    try:
        loader = kind(text)
        loader.name = name
        root = loader.get_single_node()
        return Document(name, None if root is None else loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = name if mark is None else f"{mark.name}:{mark.line + 1}"
        words = ", ".join(words for words in (error.context, error.problem) if words)
        raise SettingsError(where, f"is no YAML: {words}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(name, f"is no YAML: {error}") from None
    except RecursionError:
        raise SettingsError(name, "is nested too deeply, or in itself") from None


def _part(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, int] | None:
    """Return a part of a node, and its line, counted from 0."""
    if isinstance(node, yaml.MappingNode):
        # What is merged into a mapping stands before its own keys, which replace it.
        found = next(((key, value) for key, value in reversed(node.value) if key.value == step), None)
        return None if found is None else (found[1], found[0].start_mark.line)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark.line
    return None
