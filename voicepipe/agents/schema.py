"""From a function's type hints and docstring to a JSON schema, and from a model's arguments to the function's."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from voicepipe.agents.run_context import RunContext, ToolError
from voicepipe.errors import SettingsError

_DEFINITION: Final = "#/$defs/"


class Signature:
    """What a function takes and what it says of itself.

    Args:
        function: `async` or not. Its hints become the schema; a parameter of type `RunContext` is not the model's to give.

    Raises:
        SettingsError: A parameter has no type hint or one that JSON has nothing for; the error names both.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name: str = getattr(function, "__name__", type(function).__name__)
        parsed = docstring_parser.parse(inspect.getdoc(function) or "")
        about = (parsed.short_description, parsed.long_description)
        self.description = "\n\n".join(part for part in about if part)
        self.context_name: str | None = None
        described = {parameter.arg_name: parameter.description or "" for parameter in parsed.params}
        self._model = self._model_of(function, described)
        self.parameters = _schema_of(self._model, self.name)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's arguments as the function's, of the types that its hints say.

        Raises:
            ToolError: They do not fit; the message says which and why, for the model to correct itself.
        """
        try:
            checked = self._model.model_validate(given)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, part['loc'])) or 'arguments'}: {part['msg']}" for part in error.errors()
            )
            raise ToolError("; ".join(problems)) from None
        return {name: getattr(checked, name) for name in type(checked).model_fields}

    def _model_of(self, function: Callable[..., Any], described: Mapping[str, str]) -> type[BaseModel]:
        try:
            hints = typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise SettingsError(self.name, f"a type hint cannot be resolved: {error}") from error
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            hint = hints.get(parameter.name)
            if parameter.name == "self" and hint is None:
                continue
            if hint is RunContext or typing.get_origin(hint) is RunContext:
                self.context_name = parameter.name
                continue
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                why = "stands for any number of arguments, of which a model is not told; name each one"
                raise SettingsError(f"{self.name}.{parameter.name}", why)
            if hint is None:
                raise SettingsError(f"{self.name}.{parameter.name}", "needs a type hint, e.g. `str`")
            default = ... if parameter.default is parameter.empty else parameter.default
            about = described.get(parameter.name)
            fields[parameter.name] = (hint, Field(default, description=about) if about else default)
        try:
            return create_model(self.name, __config__=ConfigDict(arbitrary_types_allowed=False), **fields)
        except (PydanticUserError, NameError) as error:
            raise SettingsError(self.name, f"a parameter's type has no JSON: {error}") from error


def _schema_of(model: type[BaseModel], name: str) -> dict[str, Any]:
    """Return a model's JSON schema without titles and references, which not every API takes."""
    schema = model.model_json_schema()
    definitions = cast("dict[str, Any]", schema.pop("$defs", {}))
    plain = cast("dict[str, Any]", _inlined(schema, definitions, (), name))
    return {
        "type": "object",
        "properties": plain.get("properties", {}),
        "required": plain.get("required", []),
    }


def _inlined(value: Any, definitions: Mapping[str, Any], inside: tuple[str, ...], name: str) -> Any:
    if isinstance(value, list):
        return [_inlined(part, definitions, inside, name) for part in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = dict(cast("dict[str, Any]", value))
    reference = fields.pop("$ref", None)
    if isinstance(reference, str):
        if reference in inside:
            raise SettingsError(name, f"the type {reference.removeprefix(_DEFINITION)} contains itself")
        target = definitions[reference.removeprefix(_DEFINITION)]
        return _inlined({**target, **fields}, definitions, (*inside, reference), name)
    if isinstance(fields.get("title"), str):
        del fields["title"]
    properties = fields.get("properties")
    plain = {
        key: _inlined(part, definitions, inside, name) for key, part in fields.items() if key != "properties"
    }
    if isinstance(properties, dict):
        # Apart, since a property may be called "title" or "properties" itself.
        plain["properties"] = {
            key: _inlined(part, definitions, inside, name)
            for key, part in cast("dict[str, Any]", properties).items()
        }
    return plain
