"""A process of the suite: started on a core of its own, read line by line, and measured from outside through /proc."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from types import TracebackType

from tests.benchmarks.peers.environments import environment_variables, python_of

_LINE_LIMIT = 1 << 27
_PATIENCE_SECS = 90.0


class Process:
    """`python -m module arguments` in an environment, on one core; to be used with `async with`.

    Args:
        environment: Whose interpreter it runs in.
        core: Where it runs.
        module: What it runs.
        arguments: With what.
    """

    def __init__(self, environment: str, core: int, module: str, *arguments: str) -> None:
        self._command = [str(python_of(environment)), "-m", module, *arguments]
        self._core = core
        self.started_ms = 0.0

    async def __aenter__(self) -> Process:
        self.started_ms = time.perf_counter() * 1000
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment_variables(),
            preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def line(self, begins: str = "") -> str:
        """Return the next line on its standard output that begins so.

        Raises:
            ChildProcessError: It ended, or said nothing for too long.
        """
        assert self._process.stdout is not None
        async with asyncio.timeout(_PATIENCE_SECS):
            while line := (await self._process.stdout.readline()).decode():
                if line.startswith(begins):
                    return line.strip()
        raise ChildProcessError(f"{' '.join(self._command)} ended")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    def end_input(self) -> None:
        """Close its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def tasks(self) -> int:
        """Return how many asyncio tasks a bot has."""
        self._process.send_signal(signal.SIGUSR1)
        return int((await self.line("tasks")).split()[1])

    @property
    def cpu_ms(self) -> float:
        """The processor time it and its children have used, in milliseconds."""
        return sum(_cpu_ms(pid) for pid in self._tree())

    @property
    def memory_kb(self) -> int:
        """What it and its children hold in memory (resident), in kB."""
        return sum(_status(pid, "VmRSS") for pid in self._tree())

    @property
    def threads(self) -> int:
        """How many threads it and its children have."""
        return sum(_status(pid, "Threads") for pid in self._tree())

    def _tree(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        return found


def _cpu_ms(pid: int) -> float:
    # The clock of another process, as clock_getcpuclockid(3) makes its number.
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e6


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)
