"""Writes what README.md and docs/ say about the code and its measurements from the code and from raw results.

The registries, the commands and benchmarks/results flow in, Markdown flows out: between `<!-- generated: NAME -->` and
`<!-- end of NAME -->` everything is written anew. `make docs` runs it; a test fails where the pages are stale.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import typer.main

from expunge.app.measure import plain
from expunge.app.tiers import tier_table
from expunge.audits.registry import describe_audits
from expunge.bench.cells import BenchTable, Excess
from expunge.bench.notes import MARK
from expunge.bench.pages import COURSES, FRONTIER, escaped, read_table, table_markdown
from expunge.bench.protocol import Protocol, protocol_names, read_protocol
from expunge.bench.run import write_results
from expunge.bench.table import fingerprint
from expunge.cli.main import build
from expunge.evidence import margins as evidence_margins
from expunge.evidence.margins import MARGINS
from expunge.functional.significance import t_interval
from expunge.methods.registry import describe_methods, resolve_method

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (
    "README.md",
    "docs/methods.md",
    "docs/audits.md",
    "docs/cli.md",
    "docs/benchmarks.md",
    "docs/dlfd.md",
    "docs/results/index.md",
)
WHOSE = {"reference": "retrained", "original": "untouched original"}
SIGHTS = ("other requests", "same request", "models in sight")  # of the calibration
DIRECTIONS = {"higher": "higher", "lower": "lower", "reference": "near the reference"}

Card = Mapping[str, Any]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def first_sentence(text: str) -> str:
    """Up to the first full stop."""
    return f"{text.partition('. ')[0].rstrip('.')}."


def number(value: object) -> str:
    """A setting as a reader would type it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def parent(card: Card, cards: list[Card]) -> Card | None:
    """The form of the same method that this one is a preset of: the first that shares its settings."""
    family = card["name"].partition(":")[0]
    forms = (
        c for c in cards if c["name"].partition(":")[0] == family and c["settings"].keys() == card["settings"].keys()
    )
    first = next(forms)
    return None if first is card else first


def changes(card: Card, base: Card) -> str:
    """The settings in which a preset differs from its method."""
    different = {k: v for k, v in card["settings"].items() if v != base["settings"][k]}
    return ", ".join(f"`{k}={number(v)}`" for k, v in different.items())


def methods() -> str:
    """One row a method."""
    cards = [dict(card) for card in describe_methods()]
    rows = []
    for card in cards:
        base = parent(card, cards)
        what = f"`{base['name']}` with other settings: {changes(card, base)}" if base else None
        rows.append((f"`{card['name']}`", what or first_sentence(card["summary"]), card["source"]))
    return table(("method", "what it does", "source"), rows)


def method_pages() -> str:
    """One section a method: formula, settings, cost, weakness, source."""
    cards = [dict(card) for card in describe_methods()]
    return "\n\n".join(part for card in cards for part in _method(card, parent(card, cards)))


def _method(card: Card, base: Card | None) -> Iterator[str]:
    yield f"## `{card['name']}`"
    if base:
        yield f"`{base['name']}` with other settings: {changes(card, base)}."
        return
    yield card["summary"]
    if card["formula"]:
        yield f"$$\n{card['formula']}\n$$"
    yield table(("setting", "default"), [(f"`{k}`", f"`{number(v)}`") for k, v in card["settings"].items()])
    titles = (("Cost", "cost"), ("Fails when", "fails_when"), ("Source", "source"), ("Differs", "differs_from"))
    yield "\n".join(f"- **{title}**: {card[key]}" for title, key in titles if card[key])


def audits() -> str:
    """One row a measured value."""
    rows = [
        (f"`{a['name']}`", a["description"], a["unit"], DIRECTIONS[a["direction"]], a["source"])
        for a in describe_audits()
    ]
    return table(("value", "what it says", "unit", "good is", "source"), rows)


def margins() -> str:
    """One row a margin of the verdict."""
    rows = [
        (f"`{m.name}` on {'; '.join(m.splits)}", f"{m.margin:g}", f"{m.floor:g}", f"{m.why[0].upper()}{m.why[1:]}.")
        for m in MARGINS
    ]
    return table(("audit", "margin", "floor", "the margin's reason"), rows)


def unjudged() -> str:
    """What the verdict leaves out, and why, as the module of margins has it."""
    _, _, listed = (evidence_margins.__doc__ or "").partition("Not judged are:\n\n")
    return listed.strip()


def calibration() -> str:
    """How often each outcome was reached on pairs of retrained models and on originals, and the planted series."""
    place = RESULTS / "calibration"
    found = json.loads((place / "verdict.json").read_text())
    rows = [
        (
            WHOSE[c["kind"]],
            *(str(c[name]) for name in ("references", "sight", "people", "audits", *OUTCOMES, "alarmed")),
        )
        for c in sorted(
            found["counts"],
            key=lambda c: (c["kind"] == "original", c["references"], SIGHTS.index(c["sight"]), c["people"]),
        )
    ]
    judged = table(("audited model", "references", "of", "people", "audits", *OUTCOMES, "over-forgetting alarms"), rows)
    return f"{judged}\n\n{_planted(json.loads((place / 'half-unlearned.json').read_text())['outcomes'])}"


def verdict() -> str:
    """What the verdict said of retrained models and of untouched originals, beside one reference."""
    found = json.loads((RESULTS / "calibration" / "verdict.json").read_text())
    chosen = [c for c in found["counts"] if c["references"] == 1 and c["sight"] != "models in sight"]
    groups = sorted({(c["kind"], c["people"]) for c in chosen}, key=lambda group: (group[0] == "original", group[1]))
    rows = []
    for group in groups:
        same = [c for c in chosen if (c["kind"], c["people"]) == group]
        sums = (str(sum(c[name] for c in same)) for name in ("audits", *OUTCOMES))
        rows.append((WHOSE[group[0]], str(group[1]), *sums))
    return table(("audited model", "people to forget", "models", *OUTCOMES), rows)


def elsewhere() -> str:
    """How far retrained models of other tasks differ, beside the floors."""
    found = json.loads((RESULTS / "calibration" / "elsewhere.json").read_text())
    names = sorted({name for task in found.values() for name in task["deviation"]})
    floors = {f"{m.name}, {split}": m.floor for m in MARGINS for split in m.splits}
    rows = [
        (
            f"`{name.split(', ')[0]}` on {name.split(', ')[1]}",
            f"{floors[name]:g}",
            *("" if (of := t["deviation"].get(name)) is None else f"{of:.3f}" for t in found.values()),
        )
        for name in names
    ]
    said = (
        "verdicts, each beside each other one",
        "",
        *(", ".join(f"{n} {name}" for name, n in t["verdicts"].items()) for t in found.values()),
    )
    people = ("people erased", "", *(str(t["people"] or "unknown") for t in found.values()))
    return table(("between retrained models", "floor", *(f"`{task}`" for task in found)), [*rows, people, said])


def told_apart() -> str:
    """What the verdict says of every method on every task."""
    found = json.loads((RESULTS / "calibration" / "elsewhere.json").read_text())
    names = next(iter(found.values()))["methods"]
    rows = [(f"`{n}`", *(t["methods"][n]["verdict"] for t in found.values())) for n in names]
    original = ("untouched original", *(t["original"] for t in found.values()))
    return table(("model", *(f"`{task}`" for task in found)), [original, *rows])


def inside() -> str:
    """What audits that look inside or train further show of retrained models and of untouched originals."""
    found = json.loads((RESULTS / "calibration" / "inside.json").read_text())
    rows = [
        (
            f"`{key.split(', ', 1)[0]}`",
            key.split(", ", 1)[1],
            _mean(v["retrained"]),
            f"{v['floor']:.3f}",
            f"{v['gap']:+.3f}",
        )
        for key, v in found.items()
    ]
    head = ("value", "of", "retrained models", "standard deviation", "untouched originals beyond that")
    return table(head, rows)


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.3f}"


OUTCOMES = ("distinguishable", "inconclusive", "indistinguishable")


def _planted(outcomes: list[Card]) -> str:
    """One row a share of the original: means over series, and the outcomes."""
    rows = []
    for kind, share in dict.fromkeys((o["kind"], o["share"]) for o in sorted(outcomes, key=lambda o: o["kind"])):
        found = [o for o in outcomes if (o["kind"], o["share"]) == (kind, share)]
        relative, accuracy = (sum(o[name] for o in found) / len(found) for name in ("relative", "accuracy"))
        told = ", ".join(f"{n} {name}" for name in OUTCOMES if (n := sum(o["overall"] == name for o in found)))
        rows.append((kind, f"{share:g}", f"{relative:.3f}", f"{accuracy:.3f}", told))
    head = ("interpolated", "share of the original", "relative attack against the retain set", "accuracy, reporting")
    return table((*head, "outcomes"), rows)


def commands() -> str:
    """One section a command, one table a group of its flags."""
    app = typer.main.get_command(build())
    return "\n\n".join(part for name, command in _walk(app, "") for part in _command(name, command))


def _walk(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every command by its full name, those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _walk(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"## `expunge {name}`"
    yield str(command.help)
    panels: dict[str, list[tuple[str, ...]]] = {}
    for option in command.params:
        flags = ", ".join(f"`{flag}`" for flag in [*option.opts, *option.secondary_opts])
        panels.setdefault(getattr(option, "rich_help_panel", None) or "Run", []).append((flags, option.help or ""))
    for title, rows in panels.items():
        yield f"**{title}**"
        yield table(("flag", "meaning"), rows)


def measurements() -> str:
    """One row a comparison or limit of every result file: what was measured, against which threshold."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        for found in json.loads(path.read_text()).get("results", ()):
            if "threshold" in found:
                rows.append((path.stem, found["name"], _measured(found), str(found["threshold"]), _holds(found)))
    return table(("script", "what", "measured", "threshold", "holds"), rows) if rows else "Nothing is recorded yet."


def _measured(found: Card) -> str:
    if "ratio" in found:
        return "{median} ({min} to {max})".format(**found["ratio"])
    return number(found["value"])


def _holds(found: Card) -> str:
    return "yes" if found["holds"] else "no"


WANTED = (
    ("accuracy", "retain"),
    ("accuracy", "forget"),
    ("accuracy", "reporting"),
    ("mia_auroc", "forget-vs-reporting"),
    ("forgetting_score", "forget-vs-reporting"),
    ("nomus", "forget-vs-reporting"),
    ("js_divergence", "forget"),
    ("distance", "reporting"),
)


def mufac() -> str:
    """The main job on real faces: one row a model."""
    path = RESULTS / "mufac_age.json"
    if not path.exists():
        return "Nothing is recorded yet."
    found = json.loads(path.read_text())
    training = [sum(p["seconds"] for p in t["phases"]) for name, t in found["training"].items() if name != "original"]
    lines = [("original (nothing done)", found["original"], 0.0)]
    lines += [
        (f"retrained {i}", rows, s) for i, (rows, s) in enumerate(zip(found["references"], training, strict=True), 1)
    ]
    lines += [(f"`{name}`", method["rows"], method["seconds"]) for name, method in found["methods"].items()]
    head = ("model", *(f"{name}, {split}" for name, split in WANTED), "seconds")
    rows = [(name, *(_cell(rows, key) for key in WANTED), f"{spent:.0f}") for name, rows, spent in lines]
    floor = ", ".join(f"{row['value']:.3f}" for row in found["floor"])
    return f"{found['protocol']}.\n\n{table(head, rows)}\n\nRetrain floor, distances between references: {floor}."


def _cell(rows: list[Card], key: tuple[str, str]) -> str:
    row = next((r for r in rows if (r["name"], r["split"]) == key), None)
    if row is None or row["value"] is None:
        return "-"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


LOSERS = {"dlfd": "`dlfd`", "retrained again": "a second retrained model"}
APART = {**LOSERS, "original": "untouched"}
SHARES = {0.0: "all", 0.18: "where 18 % or more are forgotten"}
LOSS = 0.03
FIGURES = {COURSES: "over the requests", FRONTIER: "accuracy against attack, and distance against cost"}


def collapse() -> str:
    """One row a setting drawn at random: what `dlfd` loses and how near it gets, beside a second retrained model."""
    path = RESULTS / "collapse.json"
    found = json.loads(path.read_text())["outcomes"] if path.exists() else []
    if not found:
        return "Nothing is recorded yet."
    losses = (f"{name} loses" for name in LOSERS.values())
    head = ("protocol", "network", "forgotten", "retrained", *losses, f"d_all: {', '.join(APART.values())}", "warnings")
    counts = "\n".join(f"- {LOSERS[name]}: {_beyond(found, name)}" for name in LOSERS)
    means = "\n".join(f"- {LOSERS[name]}: {_average(found, name)}" for name in LOSERS)
    said = f"Of {len(found)} settings:\n\n{counts}\n\nLost on average:\n\n{means}"
    near = "\n".join(f"- {words}: {_apart_on_average(found, at_least)}" for at_least, words in SHARES.items())
    return f"{table(head, [_lost(row) for row in found])}\n\n{said}\n\nd_all on average:\n\n{near}"


def _lost(row: Card) -> tuple[str, ...]:
    begin = (row["protocol"], row["arch"], f"{row['share']:.1%}")
    if "failed" in row:
        return (*begin, "-", "-", "-", "-", f"failed: {row['failed']}")
    losses = ("{value:.3f} ({low:.3f} to {high:.3f})".format(**row["loss"][name]) for name in LOSERS)
    near = ", ".join(f"{_apart(row, name):.3f}" for name in APART)
    return (*begin, f"{row['accuracy']['retrained']:.3f}", *losses, near, "yes" if row["warnings"] else "")


def _apart(row: Card, name: str) -> float:
    """The largest gap to the first retrained model."""
    columns = ("accuracy", "accuracy_retain", "accuracy_forget", "mia_auroc")
    return max(float(abs(row[column][name] - row[column]["retrained"])) for column in columns)


def _apart_on_average(rows: list[Card], at_least: float) -> str:
    some = [row for row in rows if row["share"] >= at_least and not row.get("failed")]
    return ", ".join(f"{said} {np.mean([_apart(row, name) for row in some]):.3f}" for name, said in APART.items())


def _beyond(rows: list[Card], name: str) -> str:
    done = [row for row in rows if not row.get("failed")]
    may, does = ([row for row in done if row["loss"][name][bound] > LOSS] for bound in ("high", "low"))
    unwarned = "" if name != FLAGSHIP else f", {sum(not row['warnings'] for row in may)} of them without a warning"
    return f"{len(may)} may lose more than {LOSS:g} (upper bound){unwarned}; {len(does)} are shown to (lower bound)"


def _average(rows: list[Card], name: str) -> str:
    """The mean loss of each protocol, and of all settings with its interval over them."""
    losses: dict[str, list[float]] = {}
    for row in rows:
        if not row.get("failed"):
            losses.setdefault(row["protocol"], []).append(row["loss"][name]["value"])
    each = ", ".join(f"{protocol} {np.mean(some):.3f}" for protocol, some in sorted(losses.items()))
    everywhere = [loss for some in losses.values() for loss in some]
    if len(everywhere) < 2:  # one setting says nothing about others
        return each
    return "{:.3f} ({:.3f} to {:.3f}); {}".format(np.mean(everywhere), *t_interval(everywhere), each)


def judging() -> str:
    """A row a seed: does the estimate by which `auto` chooses order methods as retrained models do."""
    path = RESULTS / "judging.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    rows = [
        (
            told["title"],
            str(one["seed"]),
            f"{one['spearman']:.2f}",
            ", ".join(f"{gap:.3f}" for gap in one["retrained"]),
            f"`{one['taken']}` ({one['taken d_all']:.3f})",
            f"{one['nearest d_all']:.3f}",
            f"{one['untouched d_all']:.3f}",
        )
        for name, told in found.items()
        if told["raw"] == fingerprint(benches()[f"{name}-cpu"], *bench_of(f"{name}-cpu"))
        for one in told["seeds"]
    ]
    head = ("", "seed", "Spearman", "retrained models", "taken (its d_all)", "nearest", "untouched")
    return table(head, rows) if rows else "Nothing is recorded yet."


ATTACKED = {
    "gap": "largest gap",
    "loss": "by loss",
    "entropy": "by entropy",
    "inner": "largest inner gap",
    "calibrated": "calibrated",
}


def attacks() -> str:
    """A table a protocol: what attacks find that no method saw; the best of a column is bold."""
    path = RESULTS / "attacks.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    return "\n\n".join(_attacks_on(f"{name}-cpu", told) for name, told in found.items()) or "Nothing is recorded yet."


def _attacks_on(bench: str, told: Card) -> str:
    if told["raw"] != fingerprint(benches()[bench], *bench_of(bench)):
        return f"{told['title']}: older than its results."
    columns = [column for column in ATTACKED if column in told["rows"]["original"]]
    rows = [(_called(name), *(_attacked(cells[column]) for column in columns)) for name, cells in told["rows"].items()]
    seeds, inner = (", ".join(map(str, told[which])) for which in ("seeds", "inner_seeds"))
    said = f" (inner gap: {inner})" if inner and inner != seeds else ""
    heads = ("", *(ATTACKED[column] for column in columns))
    return f"{told['title']}, seeds {seeds}{said}:\n\n{table(heads, rows)}"


def _attacked(cell: Card) -> str:
    text = "{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})".format(**cell)
    return f"**{text}**" if cell["best"] else text


SINGLE = {
    "loss_auroc": "loss",
    "entropy_auroc": "entropy",
    "modified_entropy_auroc": "modified entropy",
    "confidence_auroc": "confidence",
    "margin_auroc": "margin",
    "gradient_norm_auroc": "gradient norm",
    "feature_distance_auroc": "feature distance",
    "svc_auroc": "support vectors",
}
STRONGER = {
    "mia_relative_auroc": "beside a retrained model",
    "lira_auroc": "LiRA",
    "lira_offline_auroc": "offline LiRA",
    "rmia_auroc": "RMIA",
    "u_lira_auroc": "U-LiRA",
    "klom": "KLoM",
    "epsilon_quality": "epsilon score",
}


def strong() -> str:
    """What every attack finds beyond what it finds in retrained models; and who passes the weak ones only."""
    path = RESULTS / "strong.json"
    if not path.exists():
        return "Nothing is recorded yet."
    found = json.loads(path.read_text())
    rows = {name: cells for name, cells in found["rows"].items() if _as_now(name, found["settings"].get(name))}
    parts = []
    for heads in (SINGLE, STRONGER):
        lines = [
            (_called(name), *(_beyond_retraining(cells.get(key)) for key in heads)) for name, cells in rows.items()
        ]
        parts.append(table(("", *heads.values()), lines))
    parts.append(table(("", *(f"called {name}" for name in OUTCOMES)), [_outcomes(n, c) for n, c in rows.items()]))
    weak = [name for name, cells in rows.items() if name in found["settings"] and not cells["loss_auroc"]["told"]]
    caught = {name: [said for key, said in (SINGLE | STRONGER).items() if _told(rows[name].get(key))] for name in weak}
    lines = [(_called(name), "; ".join(by) or "none") for name, by in caught.items()]
    parts.append(table(("not told apart by its losses", "but by"), lines))
    return "\n\n".join(parts)


def _outcomes(name: str, cells: Card) -> tuple[str, ...]:
    """How often each verdict was given."""
    return (_called(name), *(str(cells["verdicts"].get(outcome, 0)) for outcome in OUTCOMES))


def _as_now(name: str, settings: Card | None) -> bool:
    """Whether a method still has the settings that it was measured with; models that no method made have none."""
    return settings is None or settings == plain(asdict(resolve_method(name)[1]))


def _called(name: str) -> str:
    return name if name in ("original", "retrained") else f"`{name}`"


def _told(cell: Card | None) -> bool:
    return cell is not None and bool(cell["told"])


def _beyond_retraining(cell: Card | None) -> str:
    """A gap with half of its interval's width; of KLoM and epsilon the value and, in brackets, retraining's own."""
    if cell is None:
        return ""
    if "floor" in cell:
        text = "{value:.2f} ({floor:.2f})".format(**cell)
        return f"**{text}**" if cell["told"] else text
    text = f"{cell['gap']:+.3f} ±{(cell['interval'][1] - cell['interval'][0]) / 2:.3f}"
    return f"**{text}**" if cell["told"] else f"{text} ≈" if cell["passed"] else text


def benches() -> dict[str, Path]:
    """Folders of bench results by `<protocol>-<size>`, which is also the name of their page."""
    return {path.name: path for path in sorted((RESULTS / "bench").glob("*")) if path.is_dir()}


def bench_of(name: str) -> tuple[Protocol, str]:
    """The protocol and size that a folder of results is named after."""
    for protocol in map(read_protocol, protocol_names()):
        for size in protocol.sizes:
            if name == f"{protocol.name}-{size}":
                return protocol, size
    raise ValueError(f"benchmarks/results/bench/{name}: expected <protocol>-<size>, of {', '.join(protocol_names())}")


def current(name: str) -> BenchTable | None:
    """The table that lies beside its results; None where there is none, or these results would give another one."""
    made = read_table(benches()[name])
    return made if made and made.raw == fingerprint(benches()[name], *bench_of(name)) else None


def bench(name: str) -> str:
    """The table of one bench; outdated where its results changed since."""
    made = current(name)
    if made is None:
        return "The table is older than its results."
    figure = figure_of(name)
    shown = f"\n\n![{escaped(made.title)}: {FIGURES[figure.name]}]({name}.svg)" if figure else ""
    return f"{table_markdown(made)}{shown}"


def figure_of(name: str) -> Path | None:
    """The figure that lies beside the results; None where there is none."""
    return next((path for path in (benches()[name] / figure for figure in FIGURES) if path.exists()), None)


FLAGSHIP = "dlfd"
AIMED = ("mufac-age", "mufac-gender", "mufac-attributes", "ferplus-emotion", "lfw-people", "mufac-age-hard")
ALSO = ("mufac-age-25-people", "mufac-age-5-people")


def flagship() -> str:
    """Where `dlfd` stands in each table: its distances, who is nearest beside it, and who is marked where it is not."""
    tables = {name: current(f"{name}-cpu") for name in (*AIMED, *ALSO) if f"{name}-cpu" in benches()}
    rows = [_standing(name, made) for name, made in tables.items() if made]
    first = [name for name in AIMED if (made := tables.get(name)) and next(iter(_ranked(made))) == FLAGSHIP]
    head = (
        "",
        "seeds",
        "d",
        "d_all",
        "d beyond the floor",
        "d_all beyond it",
        "nearest other in d_all",
        f"who has a {MARK} where `dlfd` has none",
    )
    said = f"Smallest mean d_all: {len(first)} of the {len(AIMED)} tables of the aim ({', '.join(first)})."
    return f"{table(head, rows)}\n\n{said}" if rows else "Nothing is recorded yet."


def _ranked(made: BenchTable) -> dict[str, float]:
    """d_all of the methods measured on every seed, the nearest first."""
    cells = {row.name: row.cells["distance_all"] for row in made.rows if row.kind == "method" and row.state == "done"}
    known = {name: cell.value for name, cell in cells.items() if cell.value is not None}
    return dict(sorted(known.items(), key=lambda one: one[1]))


def _standing(name: str, made: BenchTable) -> tuple[str, ...]:
    mine, columns = made.row(FLAGSHIP).cells, ("distance", "distance_all")
    # rows of the flagship with other settings are no other method
    other, theirs = next(one for one in _ranked(made).items() if not re.match(rf"{FLAGSHIP}($|,)", one[0]))
    beyond = {one.column: one for one in made.excesses if one.method == FLAGSHIP}
    nearer = {row.name for row in made.rows for c in columns if row.cells[c].marked and not mine[c].marked}
    return (
        f"[{escaped(made.title)}](results/{name}-cpu.md)",
        str(len(made.seeds)),
        *(f"{mine[column].value:.3f}" for column in columns),
        *(_beyond_floor(beyond.get(column)) for column in columns),
        f"{_called(other)} {theirs:.3f}",
        ", ".join(map(_called, sorted(nearer))) or "none",
    )


def _beyond_floor(one: Excess | None) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" if one else "-"


def bench_index() -> str:
    """One row a page of results."""
    rows: list[tuple[str, ...]] = []
    for name in benches():
        protocol, size = bench_of(name)
        made = current(name)
        tried = [row for row in made.rows if row.kind == "method"] if made else []
        counts = f"{sum(row.state == 'done' for row in tried)} of {len(tried)}"
        rows.append((f"[{escaped(protocol.title)}]({name}.md)", size, str(len(made.seeds) if made else 0), counts))
    return table(("protocol", "size", "seeds", "methods done"), rows) if rows else "Nothing is recorded yet."


BLOCKS: Mapping[str, Callable[[], str]] = {
    "methods": methods,
    "method pages": method_pages,
    "audits": audits,
    "margins": margins,
    "unjudged": unjudged,
    "tiers": tier_table,
    "inside": inside,
    "calibration": calibration,
    "verdict": verdict,
    "elsewhere": elsewhere,
    "told-apart": told_apart,
    "commands": commands,
    "measurements": measurements,
    "mufac": mufac,
    "collapse": collapse,
    "attacks": attacks,
    "judging": judging,
    "flagship": flagship,
    "strong": strong,
    "bench index": bench_index,
}


def block(name: str) -> str:
    """What stands in a generated block; `bench NAME` is the table of a folder of results."""
    return BLOCKS[name]() if name in BLOCKS else bench(name.removeprefix("bench "))


def renewed(text: str) -> str:
    """A page with its generated blocks written anew; what stands outside of them stays."""

    def written(found: re.Match[str]) -> str:
        return f"<!-- generated: {found[1]} -->\n\n{block(found[1])}\n\n<!-- end of {found[1]} -->"

    return re.sub(r"<!-- generated: (.+?) -->.*?<!-- end of \1 -->", written, text, flags=re.DOTALL)


def pages() -> dict[str, str]:
    """Every page with generated blocks as it is now; a page of results that is not there yet begins with its title."""
    found = {page: (ROOT / page).read_text() for page in PAGES}
    for name in benches():
        page, (protocol, size) = f"docs/results/{name}.md", bench_of(name)
        begin = (
            f"# {escaped(protocol.title)} ({size})\n\n<!-- generated: bench {name} --><!-- end of bench {name} -->\n"
        )
        found[page] = (ROOT / page).read_text() if (ROOT / page).exists() else begin
    return found


def stale() -> list[str]:
    """Pages that do not say what the code and the results say."""
    outdated = {f"docs/results/{name}.md" for name in benches() if current(name) is None}
    return [page for page, text in pages().items() if page in outdated or renewed(text) != text]


def write() -> None:
    """Make every table anew whose results changed, then every page that is stale."""
    for name, folder in benches().items():
        if current(name) is None:
            write_results(folder, *bench_of(name))
        if figure := figure_of(name):
            shutil.copyfile(figure, ROOT / "docs" / "results" / f"{name}.svg")
    for page in stale():
        text = renewed(pages()[page])
        (ROOT / page).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / page).write_text(text)
        print(f"written: {page}", file=sys.stderr)


if __name__ == "__main__":
    write()
