"""Changing settings while a session runs: a deep merge that is checked as a whole before anything is said.

`merged` takes the settings in force and the changes and returns new settings, or raises an error that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from voicepipe.errors import SettingsError

M = TypeVar("M", bound=BaseModel)


def plain(value: Any) -> Any:
    """Return `value` with every pydantic model in it as a mapping of its fields.

    A field that is None because nobody gave it is left out; a default that says something (`silence_duration_ms`) is
    part of what the model stands for.
    """
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        given = value.model_fields_set
        return {name: plain(item) for name, item in fields.items() if item is not None or name in given}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[Any]", value)]
    return value


def deep_merge(current: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `current` with `changes` laid over it, at any depth.

    Lists and single values are replaced. So is a mapping whose `type` changes, since the fields of the one type (say
    `threshold` of server_vad) mean nothing to the other.
    """
    result = dict(current)
    for key, new in changes.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            old_map, new_map = cast("Mapping[str, Any]", old), cast("Mapping[str, Any]", new)
            another_type = "type" in new_map and new_map["type"] != old_map.get("type")
            result[key] = dict(new_map) if another_type else deep_merge(old_map, new_map)
        else:
            result[key] = new
    return result


def merged(current: M, changes: Mapping[str, Any]) -> M:
    """Return `current` with `changes` made, checked as a whole.

    Raises:
        SettingsError: A name is unknown or a value is not allowed. `current` is as it was.
    """
    whole = deep_merge(plain(current), plain(changes))
    try:
        return type(current).model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        # Pydantic puts the names of a union's branches into the path; a person looks for the fields alone.
        path = ".".join(str(part) for part in first["loc"] if _is_field(current, str(part), whole))
        raise SettingsError(path or str(first["loc"][0]), _reason(first["msg"], first["type"])) from None


def _is_field(model: BaseModel, part: str, whole: Mapping[str, Any]) -> bool:
    return part in type(model).model_fields or _named_anywhere(whole, part)


def _named_anywhere(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return name in mapping or any(_named_anywhere(item, name) for item in mapping.values())
    return False


def _reason(message: str, kind: str) -> str:
    match kind:
        case "extra_forbidden":
            return "there is no such setting"
        case "union_tag_not_found":
            return "needs its `type`, which says of what kind it is"
        case _:
            return message


def difference(old: Mapping[str, Any], new: Mapping[str, Any], descend: frozenset[str]) -> dict[str, Any]:
    """Return what is to be sent so that `old` becomes `new`.

    Args:
        old: The settings in force, in the wire's shape.
        new: The settings wished for, in the wire's shape.
        descend: The names of mappings that the server merges field by field; all others go out whole.
    """
    changed: dict[str, Any] = {}
    for key, value in new.items():
        if key in old and old[key] == value:
            continue
        if key in descend and isinstance(value, Mapping):
            before: Any = old.get(key) or {}
            inner = difference(before, cast("Mapping[str, Any]", value), descend)
            if inner:
                changed[key] = inner
        else:
            changed[key] = value
    return changed


def without(values: Mapping[str, Any], path: str) -> dict[str, Any] | None:
    """Return `values` without the one at a path of names with dots between them; None if there is none."""
    name, _, rest = path.partition(".")
    if name not in values:
        return None
    left = {key: value for key, value in values.items() if key != name}
    if not rest:
        return left
    inner = values[name]
    if not isinstance(inner, Mapping):
        return None
    kept = without(cast("Mapping[str, Any]", inner), rest)
    if kept is None:
        return None
    return {**left, name: kept} if kept else left


class SettingsInForce(Generic[M]):
    """The settings of a running session: what the server has confirmed, and the changes that are on their way.

    A server answers updates in order, each with a confirmation or a refusal. A refused change takes no other with it.
    """

    def __init__(self, settings: M) -> None:
        self.current = settings
        """The settings as they will be if the server accepts all that was sent."""
        self._confirmed = settings
        self._pending: dict[str, Mapping[str, Any]] = {}

    def change(self, update_id: str, new: M, changes: Mapping[str, Any]) -> None:
        """Take note that a change was sent; `new` is `current` with `changes` made."""
        self._pending[update_id] = changes
        self.current = new

    def confirmed(self) -> None:
        """Take note that the oldest change on its way was accepted."""
        if self._pending:
            oldest = next(iter(self._pending))
            self._confirmed = merged(self._confirmed, self._pending.pop(oldest))

    def is_pending(self, update_id: str) -> bool:
        """Whether a change with this id was sent and not answered."""
        return update_id in self._pending

    def refused(self, update_id: str) -> Mapping[str, Any]:
        """Take a change back, and return it; those after it stay."""
        refused = self._pending.pop(update_id, {})
        self.current = self._confirmed
        for changes in self._pending.values():
            self.current = merged(self.current, changes)
        return refused
