"""The event log of a run: one JSON object a line, appended as things happen, read back by reports and resume."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

Scalar = str | int | float | bool | None


class Events:
    """Appends events to a file; without a path it remembers nothing.

    Args:
        path: the `events.jsonl` of a run directory, or None.

    Example:
        >>> Events(None).write("phase_start", name="train")
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def write(self, kind: str, **fields: Scalar | dict[str, float]) -> None:
        """Append one event with the time it happened (`t`, unix seconds)."""
        if self.path is None:
            return
        line = json.dumps({"t": round(time.time(), 3), "kind": kind, **fields})
        with self.path.open("a") as file:
            file.write(line + "\n")

    def size(self) -> int:
        """Bytes written so far; a checkpoint remembers it."""
        return self.path.stat().st_size if self.path is not None and self.path.exists() else 0

    def rewind(self, size: int) -> None:
        """Forget what was logged after a checkpoint, since it is about to happen again."""
        if self.path is not None and self.path.exists():
            os.truncate(self.path, min(size, self.size()))

    @staticmethod
    def read(path: Path) -> list[dict[str, object]]:
        """All complete events of a log; a last line torn by a crash is left out."""
        events = []
        for line in path.read_text().splitlines():
            try:
                events.append(json.loads(line))
            except (ValueError, RecursionError):
                break
        return events
