"""Hostile input that is taken, since it means something: what exactly comes of it, and that nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from expunge.app.desk import Silent
from expunge.app.draw import draw_request
from expunge.app.job import DrawJob
from expunge.app.jobfile import build_job
from expunge.app.plainfiles import read_yaml, to_yaml
from expunge.data.requests import ErasureRequest, resolve
from expunge.data.sources import DataSpec, read_dataset
from expunge.data.store import hashed
from expunge.data.storefile import StoreFile
from expunge.engine.events import Events
from expunge.evidence.openings import commit, read_openings, write_openings
from tests.hostile.table import HTML, SQL, TERMINAL, TRAVERSAL, TURNED, Place
from tests.hostile.tables import faces

Check = Callable[[Place], None]
NAMES = {
    "HTML": HTML,
    "SQL": SQL,
    "a path that leads away": TRAVERSAL,
    "marks that turn": TURNED,
    "orders to the terminal": TERMINAL,
    "a line end": "Ana\nBo",
    "quotes and commas": '",",""',
    "a template": "{{ 7*7 }}${7*7}%s",
    "a formula": "=cmd|' /C calc'!A0",
}


@dataclass(frozen=True)
class Outcome:
    """A hostile input with a defined outcome.

    Args:
        entry: what takes it. check: gives it, and looks at what came of it.
    """

    entry: str
    check: Check


def erased(name: str, place: Place) -> None:
    """The person is found by exactly this name, and nobody else is erased along."""
    path = faces(place, subject=[name, "Bo", "Bo", "Cai", "Dee", "Eve"])
    dataset = read_dataset(DataSpec(str(path), subject="subject", split="split"), size=(8, 8))
    found = resolve(ErasureRequest(subjects=(name,)), dataset, near_copies="ignore").task.forget
    assert found.subjects is not None and found.subjects.tolist() == [name] and len(found) == 1


def drawn(name: str, place: Place) -> None:
    """A request that is drawn and written reads back as the same names."""
    path = faces(place, subject=[f"{name}{i}" for i in range(6)])
    data = {"path": str(path), "subject": "subject"}
    out = place.folder / "request.json"
    draw_request(build_job(DrawJob, {"data": data, "out": out, "share": 0.5}), desk=Silent())
    known = {f"{name}{i}" for i in range(6)}
    assert ErasureRequest.from_file(out).subjects and {*ErasureRequest.from_file(out).subjects} <= known


def kept(name: str, place: Place) -> None:
    """A job with this name, written and read."""
    path = place.file("job.yaml", to_yaml({"subjects": [name], name: 1}))
    assert read_yaml(path, "job") == {"subjects": [name], name: 1}


def disclosed(name: str, place: Place) -> None:
    """The opening of a picture with this name is written where it was asked for, and nowhere else."""
    place.file("openings.json", write_openings(commit([name], [bytes(32)])))
    before = set(place.folder.parent.rglob("*"))
    assert place.run("disclose", "openings.json", "--picture", name, "--out", "one.json") == 0
    assert set(place.folder.parent.rglob("*")) - before == {place.folder / "one.json"}
    (one,) = read_openings((place.folder / "one.json").read_bytes()).openings
    assert one.picture == name


def decoded_anew(manifest: str | bytes | dict[str, object], place: Place) -> None:
    """A cache of pictures that is not as it was written counts as none."""
    cache = StoreFile(place.folder, "key", (1, 2, 2, 3))
    cache.save(hashed([np.zeros((1, 2, 2, 3), np.uint8)]), {})
    told = json.loads(cache.manifest_path.read_bytes())
    assert cache.load(memory_bytes=1 << 20) is not None
    if isinstance(manifest, dict):
        manifest = json.dumps(told | manifest)
    cache.manifest_path.write_bytes(manifest if isinstance(manifest, bytes) else manifest.encode())
    assert cache.load(memory_bytes=1 << 20) is None


def left_out(line: str, place: Place) -> None:
    """An event log ends where it can no longer be read."""
    path = place.file("events.jsonl", json.dumps({"t": 1, "kind": "phase_start"}) + f"\n{line}\n")
    assert [event["kind"] for event in Events.read(path)] == ["phase_start"]


OUTCOMES: Mapping[str, Outcome] = {
    **{f"a person called {what}": Outcome("resolve", partial(erased, name)) for what, name in NAMES.items()},
    **{f"a request drawn for {what}": Outcome("draw_request", partial(drawn, name)) for what, name in NAMES.items()},
    **{f"a job that names {what}": Outcome("read_yaml", partial(kept, name)) for what, name in NAMES.items()},
    **{
        f"a picture called {what}": Outcome("expunge disclose", partial(disclosed, name))
        for what, name in NAMES.items()
    },
    **{
        f"a cache of pictures told as {what}": Outcome("StoreFile.load", partial(decoded_anew, manifest))
        for what, manifest in {
            "a list": "[]",
            "a number": "7",
            "brackets without end": "[" * 100_000,
            "other bytes": b"\xff\xfe",
            "nothing": "",
            "another shape": {"shape": [9, 2, 2, 3]},
            "shapes that are no numbers": {"shape": ["<script>"]},
            "another format": {"format": "../../x"},
            "other hashes": {"hashes": "ab" * 32},
            "reasons in a list": {"unreadable": []},
            "reasons of no row": {"unreadable": {"x": "y"}},
            "reasons of a row that is not there": {"unreadable": {"1": "y"}},
        }.items()
    },
    **{
        f"an event log with {what}": Outcome("Events.read", partial(left_out, line))
        for what, line in {"HTML": HTML, "half a line": '{"t": 1', "brackets without end": "[" * 100_000}.items()
    },
}
