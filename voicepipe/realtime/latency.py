"""Where the time of a turn goes: how long network and model took, and what voicepipe added. Times are passed in."""

from __future__ import annotations

from pipecat.metrics.metrics import MetricsData


class TurnLatencyMetricsData(MetricsData):
    """The latency of one turn, from the end of the user's speech as the server tells it to the first sound going out.

    Parameters:
        server_ms: From the end of the turn to the arrival of the first sound: network and model.
        added_ms: From there until the sound was passed on.
    """

    server_ms: float
    added_ms: float


class FunctionCallMetricsData(MetricsData):
    """How long a function ran.

    Parameters:
        function_name: The function.
        tool_call_id: The call.
        duration_ms: From the model's call to its result.
        completed: Whether it gave a result; if not, it was cancelled.
    """

    function_name: str
    tool_call_id: str
    duration_ms: float
    completed: bool


class LatencyMeter:
    """Measures one turn after the other."""

    def __init__(self) -> None:
        self._ended_ms: float | None = None

    def turn_ended(self, now_ms: float) -> None:
        """The user's turn is over."""
        self._ended_ms = now_ms

    def sound_went_out(self, received_ms: float, now_ms: float) -> tuple[float, float] | None:
        """Take the first sound of a response.

        Args:
            received_ms: When it arrived.
            now_ms: When it was passed on.

        Returns:
            `server_ms` and `added_ms`; None if it answers no turn.
        """
        ended_ms, self._ended_ms = self._ended_ms, None
        return None if ended_ms is None else (received_ms - ended_ms, now_ms - received_ms)


class CallMeter:
    """Measures function calls, any number at once."""

    def __init__(self) -> None:
        self._started: dict[str, tuple[str, float]] = {}

    def started(self, call_id: str, name: str, now_ms: float) -> None:
        """A function runs."""
        self._started[call_id] = (name, now_ms)

    def ended(self, call_id: str, now_ms: float) -> tuple[str, float] | None:
        """Return the name of a function that has ended and how long it ran, in milliseconds; None if it was not seen."""
        name, began_ms = self._started.pop(call_id, ("", 0.0))
        return (name, now_ms - began_ms) if name else None
