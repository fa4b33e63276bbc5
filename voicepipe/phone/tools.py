"""Functions a model may call in a call: made from plain functions, and two that are ready, ending and transferring."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_type_hints, overload

import docstring_parser
from pipecat.adapters.llm.schemas.direct_function import DirectFunctionWrapper
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties
from pipecat.services.llm_service import FunctionCallParams
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from voicepipe.errors import SettingsError
from voicepipe.phone.carriers.contract import checked_mode
from voicepipe.phone.numbers import checked_number

if TYPE_CHECKING:
    from voicepipe.phone.call import Call

Handler: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Tool:
    """A function that the model may call.

    Parameters:
        name: As the model calls it.
        description: When to call it, and what it gives.
        parameters: The JSON schema of its arguments: an object with `properties`.
        handler: Called with the arguments by name, `async` or not; one that is not runs in a thread. What it returns goes
            to the model. A parameter annotated with `Call` is given the call.
        timeout_secs: How long it may take.
        ends_turn: Whether the model says nothing after it.

    Raises:
        SettingsError: The name is empty, or the schema is none of an object.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    handler: Handler
    timeout_secs: float = 30.0
    ends_turn: bool = False
    _model: type[BaseModel] | None = field(default=None, repr=False)
    _call_parameter: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise SettingsError("tools.name", "is empty")
        if self.parameters.get("type", "object") != "object":
            raise SettingsError(f"tools.{self.name}.parameters", "is no JSON schema of an object")

    def schema(self, call: Call) -> FunctionSchema:
        """Return it as Pipecat takes it, bound to a call."""

        async def handle(params: FunctionCallParams) -> None:
            result = await self._run(call, params.arguments)
            properties = FunctionCallResultProperties(run_llm=False) if self.ends_turn else None
            await params.result_callback(result, properties=properties)

        return FunctionSchema(
            name=self.name,
            description=self.description,
            properties=dict(self.parameters.get("properties", {})),
            required=list(self.parameters.get("required", [])),
            handler=handle,
        )

    async def _run(self, call: Call, arguments: Mapping[str, Any]) -> Any:
        try:
            given = self._checked(arguments)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            return {"error": "; ".join(problems)}
        if self._call_parameter:
            given[self._call_parameter] = call
        # A tool is the application's: whatever goes wrong in it is told to the model and to the hooks.
        [outcome] = await asyncio.gather(self._called(given), return_exceptions=True)
        if isinstance(outcome, TimeoutError):
            outcome = TimeoutError(f"no answer within {self.timeout_secs:g} s")
        if isinstance(outcome, Exception):
            call.report_error(f"tool {self.name}: {type(outcome).__name__}: {outcome}")
            return {"error": f"{self.name} failed: {outcome}"}
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _called(self, given: Mapping[str, Any]) -> Any:
        async with asyncio.timeout(self.timeout_secs):
            if inspect.iscoroutinefunction(self.handler):
                return await cast("Awaitable[Any]", self.handler(**given))
            outcome = await asyncio.to_thread(self.handler, **given)
            # Also a plain function may return what is to be awaited, as a lambda does that calls an async one.
            return await outcome if inspect.isawaitable(outcome) else outcome

    def _checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if self._model is None:
            return dict(arguments)
        checked = self._model.model_validate(dict(arguments))
        return {name: getattr(checked, name) for name in checked.model_fields_set}


@overload
def tool(function: Handler, /) -> Tool: ...
@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    timeout_secs: float = 30.0,
    ends_turn: bool = False,
) -> Callable[[Handler], Tool]: ...
def tool(
    function: Handler | None = None,
    /,
    *,
    name: str = "",
    description: str = "",
    timeout_secs: float = 30.0,
    ends_turn: bool = False,
) -> Tool | Callable[[Handler], Tool]:
    """Make a tool of a function: its type hints give the schema, its docstring says what it and its arguments are.

        @tool
        async def get_weather(city: str, days: int = 1) -> str:
            "The weather in a city."

    Args:
        function: The function.
        name: In place of the function's own.
        description: In place of the docstring's first paragraphs.
        timeout_secs: How long it may take.
        ends_turn: Whether the model says nothing after it.

    Raises:
        SettingsError: A parameter has no type hint, or one that needs definitions of its own; such a tool is made as
            `Tool(parameters=...)`.
    """

    def make(function: Handler) -> Tool:
        made = _of_function(function, name, description)
        return Tool(
            made.name,
            made.description,
            made.parameters,
            function,
            timeout_secs,
            ends_turn,
            made._model,  # pyright: ignore[reportPrivateUsage]
            made._call_parameter,  # pyright: ignore[reportPrivateUsage]
        )

    return make if function is None else make(function)


def as_tool(given: Any) -> Tool | FunctionSchema:
    """Return what was given among an agent's tools: functions become a `Tool`, Pipecat's direct functions a schema.

    Raises:
        SettingsError: It is none of these and no function.
    """
    if isinstance(given, Tool | FunctionSchema):
        return given
    if not callable(given):
        raise SettingsError("tools", f"{type(given).__name__} is no function and no Tool")
    parameters = list(inspect.signature(given).parameters)
    if parameters and parameters[0] == "params" and inspect.iscoroutinefunction(given):
        return _of_direct(given)
    return tool(given)


def _of_direct(function: Any) -> FunctionSchema:
    wrapper = DirectFunctionWrapper(function)
    schema = wrapper.to_function_schema()

    async def handle(params: FunctionCallParams) -> None:
        await wrapper.invoke(dict(params.arguments), params)

    return FunctionSchema(
        name=schema.name,
        description=schema.description,
        properties=schema.properties,
        required=schema.required,
        handler=handle,
    )


def _of_function(function: Handler, name: str, description: str) -> Tool:
    name = name or getattr(function, "__name__", "")
    docs = docstring_parser.parse(inspect.getdoc(function) or "")
    told = {parameter.arg_name: parameter.description or "" for parameter in docs.params}
    try:
        hints = get_type_hints(function, localns=_names_of_a_call(), include_extras=True)
    except NameError as error:
        raise SettingsError(f"tools.{name}", f"a type hint cannot be resolved: {error}") from None
    fields: dict[str, Any] = {}
    call_parameter = ""
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in hints:
            raise SettingsError(f"tools.{name}.{parameter.name}", "has no type hint")
        if hints[parameter.name] is _names_of_a_call()["Call"]:
            call_parameter = parameter.name
            continue
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (
            hints[parameter.name],
            Field(default, description=told.get(parameter.name) or None),
        )
    model = create_model(f"{name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    if "$defs" in schema:
        raise SettingsError(
            f"tools.{name}", "has types with definitions of their own; pass Tool(parameters=...)"
        )
    for each in schema["properties"].values() if fields else ():
        each.pop("title", None)
    words = description or "\n\n".join(filter(None, [docs.short_description, docs.long_description]))
    return Tool(name, words, schema, function, _model=model, _call_parameter=call_parameter)


def _names_of_a_call() -> dict[str, Any]:
    # A call knows its agent and an agent its tools.
    from voicepipe.phone.call import Call

    return {"Call": Call}


def end_call(
    description: str = "End the call. Say goodbye first, and call this only when the caller is done.",
) -> Tool:
    """Return a tool with which the model ends the call, after all it said has been heard."""

    async def handler(reason: str, *, call: Call) -> str:
        call.end_soon(reason or "the model ended the call")
        return "The call ends."

    reason = {"type": "string", "description": "Why the call ends, in a few words."}
    schema = {"type": "object", "properties": {"reason": reason}, "required": ["reason"]}
    return Tool("end_call", description, schema, handler, ends_turn=True, _call_parameter="call")


def transfer_call(
    numbers: Mapping[str, str],
    *,
    mode: str = "cold",
    hold_audio_url: str = "",
    description: str = "Hand the call to a person. Say that you do so first.",
) -> Tool:
    """Return a tool with which the model hands the call to one of some people.

    A model is never given the choice of any number: what it dials costs money.

    Args:
        numbers: Whom it may call: a name for the model, and the number.
        mode: `cold` hands over at once; `warm` has the person hear a summary first.
        hold_audio_url: What the caller hears while a warm transfer goes on.
        description: For the model.

    Raises:
        SettingsError: There is no number, one of them is none, or there is no such mode.
    """
    if not numbers:
        raise SettingsError("transfer_call.numbers", "is empty")
    wanted = checked_mode("transfer_call.mode", mode)
    known = {name: checked_number(f"transfer_call.numbers.{name}", to) for name, to in numbers.items()}

    async def handler(to: str, summary: str = "", *, call: Call) -> str:
        if to not in known:
            return f"There is nobody called {to!r}; there are: {', '.join(known)}."
        call.transfer_soon(known[to], mode=wanted, summary=summary, hold_audio_url=hold_audio_url)
        return "The call is handed over."

    names: Sequence[str] = list(known)
    properties = {
        "to": {"type": "string", "enum": names, "description": "Whom the call goes to."},
        "summary": {"type": "string", "description": "What it is about, for that person."},
    }
    schema = {"type": "object", "properties": properties, "required": ["to"]}
    return Tool("transfer_call", description, schema, handler, ends_turn=True, _call_parameter="call")
