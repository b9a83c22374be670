"""Every setting that the searches tried, in one figure: accuracy against attack, and cost against distance.

    python benchmarks/searchfigure.py [--references]

Reads results/search, where every trial of `search.py` is, and draws docs/figures/searched.svg. All of it is of the one
seed on which settings are searched, with tuning non-members in the place of reporting ones. `--references` measures the
models retrained for that seed anew, which the figure compares with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from expunge.bench.frontierfigure import Point, frontier
from expunge.evidence.report.canvas import INK, MUTED, drawing, look, panels, svg_file
from expunge.methods.cost import Sizes
from expunge.methods.registry import METHODS, resolve_method
from expunge.types import TrainRecipe
from search import RESULTS, ROOT, SPACES, Bench

FIGURE, REFERENCES = ROOT.parent / "docs" / "figures" / "searched.svg", RESULTS / "references.json"
LABEL = (
    "Two panels, one point for every setting that was tried, coloured by method. Left: accuracy on tuning pictures "
    "over MIA AUROC, with retrained models as diamonds. Right: d_all over the work in epochs of training, logarithmic. "
    "Filled points are on the frontier of their panel: no other setting is at least as good in both."
)
FARTHEST = 0.2  # of d_all; a setting beyond that is drawn on the edge
Values = Mapping[str, float]


def references() -> None:
    """What the retrained models show, how many pictures there are, and for how long the original was trained."""
    bench = Bench(2, halved=False)
    sizes = {name: len(bench.task.split(name)) for name in ("retain", "forget", "tuning")}
    epochs = bench.original.recipe.epochs if bench.original.recipe else None
    REFERENCES.write_text(
        json.dumps({"sizes": sizes, "epochs": epochs, "references": bench.references}, indent=1) + "\n"
    )


def trials() -> dict[str, list[dict[str, Any]]]:
    """Those that did not fail, by method."""
    found = {name: RESULTS / f"{name.replace(':', '-')}.json" for name in SPACES}
    kept = {name: json.loads(place.read_text())["trials"] for name, place in found.items() if place.exists()}
    return {name: [trial for trial in tried if "failed" not in trial] for name, tried in kept.items()}


def work(method: str, settings: dict[str, Any], sizes: Sizes) -> float:
    """Epoch-equivalents of a setting."""
    _, config = resolve_method(method, settings)
    cost = METHODS[method].cost
    assert cost is not None
    return cost(config, sizes).epochs(sizes.retain)


def draw() -> None:
    found, told = trials(), json.loads(REFERENCES.read_text())
    sizes, shown = Sizes(**told["sizes"], recipe=TrainRecipe(epochs=told["epochs"])), told["references"]
    traded, paid = {}, {}
    centre = [sum(one[name] for one in shown) / len(shown) for name in ("auroc", "reporting")]
    for name, tried in found.items():
        for number, trial in enumerate(tried):
            x, y = trial["values"]["auroc"], trial["values"]["reporting"]
            traded[name, number] = Point(x, y, (abs(x - centre[0]), abs(y - centre[1])))
            cost, far = work(name, trial["settings"], sizes), min(trial["d_all"], FARTHEST)
            paid[name, number] = Point(cost, far, (cost, far))
    with drawing():
        figure, (left, right) = panels(2, height=4.6)
        scatter(left, traded, list(found))
        for one in shown:
            left.plot(one["auroc"], one["reporting"], color=INK, marker="D", markersize=7, linestyle="none")
        scatter(right, paid, list(found))
        left.set(xlabel="MIA AUROC, forget against tuning", ylabel="accuracy, tuning", title="Accuracy against attack")
        left.set_ylim(min(one["reporting"] for one in shown) - 0.1)
        right.set(xlabel="work, in epochs of training", ylabel="d_all", title="Distance against cost", xscale="log")
        right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.xaxis.set_major_formatter("{x:g}")
        right.xaxis.set_minor_locator(NullLocator())
        right.axhline(FARTHEST, color=MUTED, linestyle=":", linewidth=1.0)
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=5, fontsize=8)
        FIGURE.write_text(svg_file(figure, label=LABEL))


def scatter(axis: Axes, points: Mapping[tuple[str, int], Point], names: list[str]) -> None:
    best = set(frontier({f"{name} {number}": point for (name, number), point in points.items()}))
    for (name, number), point in points.items():
        colour, marker = look(names.index(name))
        face = colour if f"{name} {number}" in best else "none"
        label = name if number == 0 else None
        axis.plot(
            point.x,
            point.y,
            color=colour,
            marker=marker,
            markerfacecolor=face,
            linestyle="none",
            label=label,
            markersize=4,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", action="store_true", help="measure the retrained models anew")
    if parser.parse_args().references or not REFERENCES.exists():
        references()
    draw()


if __name__ == "__main__":
    main()
