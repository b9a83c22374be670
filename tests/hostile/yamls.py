"""Hostile YAML and JSON that describe work: tags that call Python, aliases that explode, numbers that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from expunge.app.job import EraseJob
from expunge.app.jobfile import build_job, read_job_file
from expunge.app.ledger import Books
from expunge.app.runs import load_run
from expunge.bench.protocol import read_protocol
from tests.hostile.table import LONG, Case, Place

Prepared = Callable[[], object]
GOOD = "data: {path: faces.parquet}\nmodel: {path: m}\n"


def laughs(levels: int = 12, width: int = 12) -> str:
    """Aliases of aliases: a few lines that become billions of values."""
    lines = ["l0: &l0 {a: 1}"]
    for level in range(1, levels):
        inner = ", ".join(f"k{i}: *l{level - 1}" for i in range(width))
        lines.append(f"l{level}: &l{level} {{{inner}}}")
    return "\n".join(lines)


def erase_job(path: Path) -> EraseJob:
    return build_job(EraseJob, read_job_file(EraseJob, path))


def job(text: str | bytes) -> Callable[[Place], Prepared]:
    return lambda place: partial(erase_job, place.file("job.yaml", text))


def protocol(text: str | bytes) -> Callable[[Place], Prepared]:
    return lambda place: partial(read_protocol, str(place.file("mine.yaml", text)))


def run(text: str | bytes = GOOD, metrics: str | bytes = "{}") -> Callable[[Place], Prepared]:
    def prepare(place: Place) -> Prepared:
        place.file("run/metrics.json", metrics)
        path = place.file("run/job.yaml", text).parent
        return lambda: load_run(path)

    return prepare


def recorded(metrics: str) -> Callable[[Place], Prepared]:
    """A run that is entered into a ledger."""

    def prepare(place: Place) -> Prepared:
        frozen = f"frozen: {{expunge: '1', versions: {{}}, inputs: {{pictures: {'ab' * 32}, weights: {'ab' * 32}}}}}"
        place.file("run/metrics.json", metrics)
        place.file("run/model/model.safetensors", b"")
        run = place.file("run/job.yaml", f"kind: erase\nmethod: {{name: finetune}}\n{frozen}\n").parent
        books = Books(str(place.folder / "ledger.db"), place.folder / "pseudonyms.key")
        books.migrate()
        return lambda: books.record(run)

    return prepare


# what a loader that trusts its input would do
TAGS = {
    "that runs a program": "!!python/object/apply:os.system ['touch {canary}']",
    "that calls eval": "!!python/object/apply:eval [\"open('{canary}', 'w')\"]",
    "that makes an object": "!!python/object/new:subprocess.Popen [['touch', '{canary}']]",
    "that names a function": "!!python/name:os.system",
    "that imports a module": "!!python/module:antigravity",
    "that makes a tuple": "!!python/tuple [1]",
    "that nobody knows": "!evil 1",
    "that reads an environment": "!ENV ${HOME}",
}
BROKEN: Mapping[str, str | bytes] = {
    "aliases that explode": laughs(),
    "an alias to itself": "a: &a [*a]\n",
    "a name that stands twice": f"{GOOD}seed: 1\nseed: 2\n",
    "several documents": f"{GOOD}---\nseed: 2\n",
    "lists in lists": "a: " + "[" * 20_000 + "]" * 20_000,
    "10 MB": f"a: {LONG}",
    "other bytes": b"\xff\xfe\x00a",
    "NUL": "a: \0",
    "nothing": "",
    "a list": "- 1\n- 2\n",
    "a key that is a list": "? [1, 2]\n: 3\n",
}
FIELDS = {
    "a seed that is no number": "seed: .nan",
    "a seed of infinity": "seed: .inf",
    "a seed of 400 digits": f"seed: {'9' * 400}",
    "a seed below nothing": "seed: -1",
    "a learning rate that is no number": "recipe: {lr: .nan}",
    "a learning rate of infinity": "recipe: {lr: -.inf}",
    "an exponent without end": "recipe: {epochs: 1.0e+999}",
    "a setting that is no number": "method: {name: finetune, set: {lr: .nan}}",
    "a budget of infinity": "engine: {max_seconds: .inf}",
    "a day for a name": "request: {subjects: [2026-01-01]}",
    "bytes for a name": "request: {subjects: [!!binary aGVsbG8=]}",
    "a set for a list": "request: {subjects: !!set {a, b}}",
    "a name that is empty": "request: {subjects: ['']}",
    "a field with two underscores": "__class__: 1",
    "a field of HTML": "'<script>alert(1)</script>': 1",
}
YAMLS: Mapping[str, Case] = {
    **{
        f"a job with a tag {what}": Case(
            "read_job_file",
            lambda p, text=text: job(f"{GOOD}seed: {text.replace('{canary}', str(p.canary))}\n")(p),
            "YAML|seed",
        )
        for what, text in TAGS.items()
    },
    **{
        f"a protocol with a tag {what}": Case(
            "read_protocol",
            lambda p, text=text: protocol(f"title: {text.replace('{canary}', str(p.canary))}\n")(p),
            "YAML|title",
        )
        for what, text in TAGS.items()
    },
    **{
        f"a run with a tag {what}": Case(
            "load_run", lambda p, text=text: run(f"kind: {text.replace('{canary}', str(p.canary))}\n")(p), "run"
        )
        for what, text in list(TAGS.items())[:3]
    },
    **{f"a job of {what}": Case("read_job_file", job(text), "--job|data") for what, text in BROKEN.items()},
    **{
        f"a protocol of {what}": Case("read_protocol", protocol(text), "protocol|mine.yaml")
        for what, text in BROKEN.items()
        if what != "a name that stands twice"
    },
    **{f"a run of {what}": Case("load_run", run(text), "run") for what, text in BROKEN.items()},
    **{f"a job with {what}": Case("build_job", job(GOOD + text), "expected") for what, text in FIELDS.items()},
    "a protocol that is its own base": Case("read_protocol", protocol("base: mine.yaml\n"), "base"),
    "a protocol whose base leads away": Case("read_protocol", protocol("base: ../../../../etc/passwd\n"), "protocol"),
    "a protocol whose base is a list": Case("read_protocol", protocol("base: [1]\n"), "protocol"),
    "metrics that are too deep": Case("load_run", run(metrics="[" * 100_000), "run"),
    "metrics that are a list": Case("load_run", run(metrics="[]"), "run"),
    "metrics in other bytes": Case("load_run", run(metrics=b"\xff\xfe"), "run"),
    "metrics with a number that is none": Case("load_run", run(metrics='{"steps": NaN}'), "run"),
    "metrics with infinity": Case("load_run", run(metrics='{"steps": -Infinity}'), "run"),
    "metrics with a number beyond all": Case("load_run", run(metrics='{"steps": 1e999}'), "run"),
    "metrics with 5,000 digits": Case("load_run", run(metrics=f'{{"steps": {"9" * 5000}}}'), "run"),
    "metrics with a hash that is none": Case(
        "ledger.record", recorded('{"weights": {"after": "<script>"}}'), "after|64 hexadecimal"
    ),
}
