"""The command `expunge bench`: its flags, and how its tables are shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.bench.protocol import protocol_names
from expunge.bench.run import BenchSettings, run_bench
from expunge.cli.flags import parameter
from expunge.cli.session import Answer, bad_field, conclude
from expunge.cli.terminal import Terminal

HELP = (
    "Run a protocol: train originals and references, try every method, write the table. Run again to continue.\n\n"
    "Example: `expunge bench mufac-age --faces faces --size cpu --jobs 2 --out runs/bench`"
)


def _option(annotation: Any, flag: str, help: str) -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, rich_help_panel="Bench", show_default=True)]


def parameters() -> list[Parameter]:
    """The flags; their defaults are those of `BenchSettings`."""
    given = BenchSettings("")
    name = Annotated[str, typer.Argument(help=f"{', '.join(protocol_names())}, or a YAML file of your own.")]
    return [
        parameter("protocol", name, Parameter.empty),
        parameter(
            "size",
            _option(str, "--size", "cpu; or paper, paper-head, paper-efficientnet, paper-densenet (for a GPU)."),
            given.size,
        ),
        parameter("seeds", _option(str, "--seeds", "Only these, e.g. 0,2 or 0-4; else all of the protocol."), ""),
        parameter("methods", _option(list[str] | None, "--method", "Only this row of the protocol; repeatable."), None),
        parameter("jobs", _option(int, "--jobs", "Rows worked on side by side, sharing the CPU threads."), given.jobs),
        parameter("retry", _option(bool, "--retry", "Repeat methods that failed."), False),
        parameter("data", _option(str | None, "--data", "The pictures, where they are not below --faces."), None),
        parameter("faces", _option(str | None, "--faces", "Folder of face sets (default: $EXPUNGE_FACES)."), None),
        parameter(
            "cache", _option(str, "--cache", "Decoded pictures and models, shared by benches."), str(given.cache)
        ),
        parameter("out", _option(str, "--out", "Folder of raw results and tables."), str(given.out)),
        parameter("device", _option(str, "--device", "auto, cpu, cuda, cuda:1, mps."), given.device),
    ]


def run(values: Mapping[str, Any]) -> int:
    """Run the bench and show its table."""

    def work(terminal: Terminal) -> Answer:
        result = run_bench(settings(values), desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            for place in result.tables:
                print(place.read_text(encoding="utf-8") if place.suffix == ".md" else place)
        return {"out": str(result.out), "tables": [str(place) for place in result.tables]}

    return conclude(work, as_json=values["json"], debug=values["debug"])


def settings(values: Mapping[str, Any]) -> BenchSettings:
    """The settings that the flags ask for.

    Raises:
        InputError: seeds that are none.
    """
    faces = values["faces"] or os.environ.get("EXPUNGE_FACES") or "faces"
    return BenchSettings(
        protocol=values["protocol"],
        size=values["size"],
        seeds=seeds_of(values["seeds"]),
        methods=tuple(values["methods"] or ()),
        jobs=values["jobs"],
        retry=values["retry"],
        data=Path(values["data"]) if values["data"] else None,
        faces=Path(faces),
        cache=Path(values["cache"]),
        out=Path(values["out"]),
        device=values["device"],
    )


def seeds_of(text: str) -> tuple[int, ...]:
    """Numbers and ranges, in order.

    Raises:
        InputError: anything else.

    Example:
        >>> seeds_of("0,2-4"), seeds_of("")
        ((0, 2, 3, 4), ())
    """
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or (dash and int(last) - int(first) > 1000):
            raise bad_field("--seeds", "numbers such as 0,2 or ranges such as 0-4", text)
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))
