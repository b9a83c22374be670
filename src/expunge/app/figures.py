"""Use case: the figures of finished erase runs, as files: feature maps, losses, over-shoot, perturbed pictures.

Run directories flow in, a directory of SVG or PNG files flows out. The models are shown the pictures again; nothing
is trained, and pictures of people are drawn only where the user asked for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

from expunge.app.audit import names_of
from expunge.app.desk import Desk
from expunge.app.illustrate import perturbed_pairs
from expunge.app.line import watch
from expunge.app.measure import plain
from expunge.app.reopen import EraseRun, Reopened, erase_run, reopen
from expunge.app.reporting import map_classes, map_rows, model_view
from expunge.app.rundir import check_out, disk_errors, partial_of
from expunge.audits.observe import Observation
from expunge.errors import InputError
from expunge.evidence.figures import FigureData, Format, OvershootLine, figure_files, loss_spread
from expunge.evidence.report import PicturePair
from expunge.evidence.report.featurefigure import MapKey
from expunge.evidence.report.projection import Projection
from expunge.methods.registry import resolve_method

ORIGINAL, REFERENCE = "original", "retrained reference"
FORMATS: tuple[str, ...] = get_args(Format)
PROJECTIONS: tuple[str, ...] = get_args(Projection)
Word = TypeVar("Word", bound=str)


@dataclass(frozen=True)
class FigureSettings:
    """What to draw.

    Args:
        runs: finished erase runs of one task.
        out: directory to write.
        formats: of the files.
        projection: of the feature map, see `feature_maps`.
        show_faces: draw perturbed pictures beside their originals.
        factory: `package.module:factory` of the network, where the runs were made with one.
        device, threads: to compute with.
    """

    runs: tuple[str, ...]
    out: Path | None
    formats: tuple[str, ...] = ("svg",)
    projection: str = "report"
    show_faces: bool = False
    factory: str | None = None
    device: str = "auto"
    threads: int = 0


def draw_figures(settings: FigureSettings, *, desk: Desk) -> dict[str, Any]:
    """Draw and write; the answer names the files and gives the numbers of the over-shoot figure.

    Raises:
        InputError: no such run or word, or something is not what it was when a run was made.
    """
    formats: list[Format] = [_word("format", word, Format) for word in settings.formats]
    projection: Projection = _word("projection", settings.projection, Projection)
    out = check_out(settings.out, resume=False)
    if not settings.runs:
        raise InputError("run", expected="at least one finished erase run", came="nothing")
    runs = [erase_run(path, device=settings.device, threads=settings.threads) for path in settings.runs]
    opened = reopen(runs, desk, factory=settings.factory)
    titles = titles_of(runs)
    pairs = _pairs(runs, titles, opened, desk) if settings.show_faces else {}
    data = _figure_data(_observations(titles, opened, desk), opened, pairs, projection)
    desk.stage("drawing")
    write_files(out, figure_files(data, formats))
    files = sorted(str(path) for path in out.iterdir())
    return {"out": str(out), "figures": files, "models": [plain(line) for line in data.lines]}


def titles_of(runs: Sequence[EraseRun]) -> list[str]:
    """What panels are called: the method, and the directory too where one method ran several times."""
    methods = [run.job.method.name for run in runs]
    named = zip(methods, names_of([str(run.path) for run in runs]), strict=True)
    return [method if methods.count(method) == 1 else f"{method} ({name})" for method, name in named]


def overshoot_lines(seen: Mapping[str, Observation]) -> list[OvershootLine]:
    """Quantiles of the losses of every model, and how far its forget losses lie above the reference's."""
    forget = {name: loss_spread(found["forget"].losses) for name, found in seen.items()}
    unseen = {name: loss_spread(found["reporting"].losses) for name, found in seen.items()}
    goal = forget[REFERENCE].median if REFERENCE in seen else None
    return [
        OvershootLine(name, forget[name], unseen[name], None if goal is None else forget[name].median - goal)
        for name in seen
    ]


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Write a directory that is either whole or absent.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    work = partial_of(out)
    try:
        with disk_errors(out):
            work.mkdir(parents=True)
            for name, content in files.items():
                (work / name).write_bytes(content)
            os.rename(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _observations(titles: Sequence[str], opened: Reopened, desk: Desk) -> dict[str, Observation]:
    """What every model answers, in the order of the panels."""
    models = {ORIGINAL: opened.erasure.artefact, **dict(zip(titles, opened.models, strict=True))}
    if opened.reference is not None:
        models[REFERENCE] = opened.reference
    found = {}
    for name, model in models.items():
        desk.stage(f"looking at {name}")
        found[name] = watch(model.classifier, opened.erasure.task, opened.erasure.settings)
    return found


def _figure_data(
    seen: Mapping[str, Observation],
    opened: Reopened,
    pairs: Mapping[str, Sequence[PicturePair]],
    projection: Projection,
) -> FigureData:
    rows = map_rows(seen[ORIGINAL])
    classes, forget = map_classes(seen[ORIGINAL], rows)
    spec = opened.erasure.task.retain.spec
    return FigureData(
        views={name: model_view(found, rows) for name, found in seen.items()},
        lines=overshoot_lines(seen),
        key=MapKey(classes, forget, spec.classes[0]),
        attribute=spec.names[0],
        target=REFERENCE if REFERENCE in seen else "",
        pairs=pairs,
        projection=projection,
    )


def _pairs(
    runs: Sequence[EraseRun], titles: Sequence[str], opened: Reopened, desk: Desk
) -> dict[str, Sequence[PicturePair]]:
    """Perturbed pictures of the runs whose method perturbs any."""
    desk.stage("perturbing pictures")
    found: dict[str, Sequence[PicturePair]] = {}
    for run, title in zip(runs, titles, strict=True):
        method, config = resolve_method(run.job.method.name, run.job.method.set)
        settings = replace(opened.erasure.settings, seed=run.job.seed)
        pairs = perturbed_pairs(replace(opened.erasure, method=method, config=config, settings=settings))
        if pairs:
            found[title] = pairs
    if not found:
        desk.say("no run changes pictures: there is nothing to show of them")
    return found


def _word(field: str, word: str, kind: Any) -> Any:
    allowed: tuple[str, ...] = get_args(kind)
    if word not in allowed:
        raise InputError(f"{field} (--{field})", expected=f"one of {', '.join(allowed)}", came=repr(word))
    return word
