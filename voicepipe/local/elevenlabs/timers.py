"""When what is due, by name: a table that reads no clock. Times are milliseconds from any beginning."""

from __future__ import annotations


class Timers:
    """Timers of one conversation; setting one anew moves it."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    @property
    def next_ms(self) -> float | None:
        """When the first one is due."""
        return min(self._due.values(), default=None)

    def set(self, name: str, due_ms: float) -> None:
        """Have `name` be due at a time."""
        self._due[name] = due_ms

    def stop(self, name: str) -> None:
        """Have `name` not be due."""
        self._due.pop(name, None)

    def runs(self, name: str) -> bool:
        """Whether `name` is set."""
        return name in self._due

    def take(self, now_ms: float) -> list[str]:
        """Return the names that are due, in their order; they are then no longer set."""
        due = sorted((due_ms, name) for name, due_ms in self._due.items() if due_ms <= now_ms)
        for _, name in due:
            del self._due[name]
        return [name for _, name in due]

    def clear(self) -> None:
        """Have nothing be due."""
        self._due.clear()
