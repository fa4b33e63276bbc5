"""Which function calls are open, and when the model is to speak to their results."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Group:
    """The calls one response made."""

    open: set[str] = field(default_factory=set[str])
    finished: bool = False
    respond: bool = False


class Calls:
    """Parallel calls run together; when all of a response are answered and it has ended, one response is due (P-7)."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._response_of: dict[str, str] = {}

    def made(self, response_id: str, call_id: str) -> bool:
        """Take note of a call; False if it is known already and must not run twice."""
        if call_id in self._response_of:
            return False
        self._response_of[call_id] = response_id
        self._groups.setdefault(response_id, _Group()).open.add(call_id)
        return True

    def is_open(self, call_id: str) -> bool:
        """Whether the model waits for the result of this call."""
        group = self._groups.get(self._response_of.get(call_id, ""))
        return group is not None and call_id in group.open

    @property
    def any_open(self) -> bool:
        """Whether the model waits for the result of any call."""
        return any(group.open for group in self._groups.values())

    def answered(self, call_id: str, *, respond: bool) -> bool:
        """Take note of a result; True if a response is due now."""
        response_id = self._response_of.get(call_id, "")
        group = self._groups.get(response_id)
        if group is None or call_id not in group.open:
            return False
        group.open.discard(call_id)
        group.respond = group.respond or respond
        return self._settle(response_id, group)

    def response_finished(self, response_id: str) -> bool:
        """Take note that a response ended; True if another is due now, because its calls are all answered."""
        group = self._groups.get(response_id)
        if group is None:
            return False
        group.finished = True
        return self._settle(response_id, group)

    def made_by(self, response_id: str) -> tuple[str, ...]:
        """Return the calls of a response, in the order they were made."""
        return tuple(call for call, of in self._response_of.items() if of == response_id)

    def _settle(self, response_id: str, group: _Group) -> bool:
        if group.open or not group.finished:
            return False
        del self._groups[response_id]
        return group.respond
