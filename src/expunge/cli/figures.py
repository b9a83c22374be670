"""The command `expunge figures`: its flags, and how its answer is shown."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.app.figures import FORMATS, PROJECTIONS, FigureSettings, draw_figures
from expunge.cli.flags import parameter
from expunge.cli.session import Answer, conclude
from expunge.cli.terminal import Terminal

HELP = (
    "Draw figures of finished erase runs: feature maps, losses, over-shoot, perturbed pictures.\n\n"
    "Example: `expunge figures runs/erased-dlfd runs/erased-neggrad --out runs/figures`"
)


def _option(annotation: Any, flag: str, help: str, metavar: str | None = None) -> Any:
    return Annotated[annotation, typer.Option(flag, help=help, metavar=metavar, rich_help_panel="Figures")]


def parameters() -> list[Parameter]:
    """The flags; their defaults are those of `FigureSettings`."""
    given = FigureSettings((), None)
    runs = Annotated[list[str], typer.Argument(metavar="RUN", help="Finished erase runs of one request.")]
    projections, formats = "|".join(PROJECTIONS), "|".join(FORMATS)
    return [
        parameter("runs", runs, Parameter.empty),
        parameter("out", _option(str | None, "--out", "Directory to write.", "PATH")),
        parameter(
            "formats", _option(list[str] | None, "--format", "Of the files (default: svg); repeatable.", formats)
        ),
        parameter(
            "projection",
            _option(str, "--projection", "Of the feature map: the report's, or t-SNE of the features.", projections),
            given.projection,
        ),
        parameter(
            "show_faces",
            _option(bool, "--show-faces", "Draw perturbed pictures beside their originals: pictures of people."),
            given.show_faces,
        ),
        parameter(
            "factory", _option(str | None, "--factory", "package.module:factory of the network, where runs used one.")
        ),
        parameter("device", _option(str, "--device", "auto, cpu, cuda, cuda:1, mps."), given.device),
        parameter("threads", _option(int, "--threads", "CPU threads; 0 for torch's own choice."), given.threads),
    ]


def run(values: Mapping[str, Any]) -> int:
    """Draw, and say what the over-shoot figure shows."""

    def work(terminal: Terminal) -> Answer:
        answer = draw_figures(settings(values), desk=terminal)
        terminal.bars.stop()
        if not values["json"]:
            print("\n".join([*map(told, answer["models"]), *answer["figures"]]))
        return answer

    return conclude(work, as_json=values["json"], debug=values["debug"])


def settings(values: Mapping[str, Any]) -> FigureSettings:
    """The settings that the flags ask for."""
    return FigureSettings(
        runs=tuple(values["runs"]),
        out=Path(values["out"]) if values["out"] else None,
        formats=tuple(values["formats"] or FigureSettings.formats),
        projection=values["projection"],
        show_faces=values["show_faces"],
        factory=values["factory"],
        device=values["device"],
        threads=values["threads"],
    )


def told(line: Mapping[str, Any]) -> str:
    """One model of the over-shoot figure as a line of text."""
    medians = [line[side]["median"] for side in ("forget", "unseen")]
    erased, unseen = ("unknown" if value is None else f"{value:.3f}" for value in medians)
    text = f"{line['name']}: median loss {erased} on erased, {unseen} on never-seen pictures"
    return text if line["excess"] is None else f"{text}, {line['excess']:+.3f} against the reference on erased"
