"""An engine's process, and what it is asked."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.peers import HERE, thread_variables
from bench.workloads import Workload

LATE = "no answer within"
FOLDER = Path(__file__).resolve().parent


class Worker:
    """An engine's process with so many threads. `about` is its greeting, or {"error": why}."""

    def __init__(self, engine: str, python: str, threads: int, more: dict[str, str] | None = None) -> None:
        self.engine, self.threads = engine, threads
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        environment |= thread_variables(threads) | (more or {})
        if engine in HERE:
            environment["PYTHONPATH"] = str(FOLDER.parent)
        # Elsewhere than in the checkout: its folder on the path would put our `autograd` before HIPS'.
        self.process = subprocess.Popen(
            [python, str(FOLDER / "worker.py"), engine, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        self.about = self._read(120)

    def _read(self, patience: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(patience):
                self.process.kill()
                self.process.wait()
                return {"error": f"{LATE} {patience:g} s"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"the process ended ({self.process.wait()})"}

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, do: str, work: Workload, patience: float, **more: Any) -> dict[str, Any]:
        if not self.alive:
            return {"error": f"the process ended ({self.process.returncode})"}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, "build": work.build, "settings": work.settings, **more}) + "\n")
        self.process.stdin.flush()
        return self._read(patience)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
