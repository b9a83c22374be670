"""Recognises what holds erased people: stores, models, shadows, reports, figures, lists, pictures and tables.

The files below the roots and the scope of a purge flow in, items of an inventory flow out; nothing is changed. What
expunge wrote and can make again is to be deleted; what somebody else wrote is named, for its owner to decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expunge.app.attest import ATTESTATION, OPENINGS
from expunge.app.check import NUMBERS, PAGE
from expunge.app.handoff import CARD
from expunge.app.purgeruns import REFERENCES, WEIGHTS, Judged, Models
from expunge.app.purgescope import Scope
from expunge.data.leftovers import in_files, in_store, in_table
from expunge.data.mentions import ARRAYS, TEXTS, named_in, names_nobody_else
from expunge.data.tables import PICTURE_SUFFIXES
from expunge.errors import DataError
from expunge.evidence.files import hash_file
from expunge.evidence.openings import KIND as OPENINGS_KIND
from expunge.evidence.purge.inventory import Fate, Item
from expunge.models.huggingface import CONFIG
from expunge.models.record import RECORD as LABELS

STORE = re.compile(r"[0-9a-f]{40}\.pixels(\.\d+\.\d+\.tmp)?")
UNFINISHED = re.compile(r"[0-9a-f]{40}\.json\.\d+\.\d+\.tmp|\.[0-9a-f]{40}\.(npz|safetensors|json)\.\d+\.part")
SHADOW = re.compile(r"[0-9a-f]{40}")
UNKNOWN = "unfinished or damaged: nobody can look into it"
FACES = "perturbed"  # the figure that shows pictures of people
BESIDE = ("losses", "overshoot")  # figures that are always drawn with it
MARK, EMBEDDED = '<meta name="generator" content="expunge">', "data:image/"
AGAIN = "made again when it is needed"
WITHOUT = "if it is needed, write it without them first"
LABELLED = (CONFIG, LABELS, CARD)
CLASS_KEPT = "a class of the model is one of them: rename that class in the copy that you use, if the name must go"
CLASS_PAGE = "a class of the model is one of them, and every page about it names that class"
YOURS = "not written by expunge: remove it, or what is in it of them"
RECORD = "ledger and attestation know the run by it; it goes when you delete the run directory"
OPENING = "proves to a person that their picture was erased; delete it when nobody may ask any more"
RECORDS = ("job.yaml", "metrics.json", "events.jsonl", "purge.jsonl")


@dataclass
class Finds:
    """Items found so far, and files that nobody has claimed yet.

    Args:
        scope: whom the purge is about. models: what is known about models. files: below the roots.
        items: what was found. notes: what could not be looked at.
    """

    scope: Scope
    models: Models
    files: frozenset[Path]
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, path: Path, kind: str, holds: str, fate: Fate, reason: str) -> None:
        """Note a file."""
        self.items.append(Item(path, kind, holds, fate, reason, path.lstat().st_size))

    @property
    def unclaimed(self) -> list[Path]:
        """The files that nothing is known of yet."""
        return sorted(self.files - {item.path for item in self.items})


def stores(finds: Finds) -> None:
    """Decoded stores with a picture of theirs, and unfinished ones, which nobody can look into.

    A store is deleted whole, retained pictures included: its name is the hash of all its encoded pictures, so that one
    without some of them would be found under a name that promises them; and it is only a cache.
    """
    for path in finds.unclaimed:
        if not STORE.fullmatch(path.name):
            continue
        found = in_store(finds.scope.wanted, path) if path.suffix == ".pixels" else None
        if found == 0:
            continue
        holds = UNKNOWN if found is None else f"at least {found} of their pictures"
        finds.add(path, "decoded pictures", holds, "delete", AGAIN)
        if path.with_suffix(".json") in finds.files:
            finds.add(path.with_suffix(".json"), "decoded pictures", holds, "delete", AGAIN)
    for path in finds.unclaimed:
        if UNFINISHED.fullmatch(path.name):
            finds.add(path, "unfinished file", "left behind by a process that was killed", "delete", AGAIN)


def shadows(finds: Finds) -> None:
    """Shadow models and what they answered to every picture, unless made of sets without them."""
    for path in finds.unclaimed:
        told = _json(path) if path.suffix == ".json" and SHADOW.fullmatch(path.stem) else {}
        made = told.get("ingredients")
        if not isinstance(made, dict) or "sha256" not in told:
            continue
        without = made.get("unlearning") is None and made.get("population") in finds.scope.without
        if without and made.get("watched") in finds.scope.without:
            continue
        holds = "trained without them, asked about them" if without else "trained on or asked about them"
        for ending, kind in (("npz", "statistics of a shadow"), ("safetensors", "shadow model"), ("json", "shadow")):
            if path.with_suffix(f".{ending}") in finds.files:
                finds.add(path.with_suffix(f".{ending}"), kind, holds, "delete", AGAIN)
    for path in finds.unclaimed:
        alone = path.suffix in (".npz", ".safetensors") and not path.with_suffix(".json").exists()
        if alone and SHADOW.fullmatch(path.stem):
            finds.add(path, "unfinished file", "a shadow that was not finished", "delete", AGAIN)


def weights(finds: Finds) -> None:
    """Models and checkpoints: by their run, by the job, or because they equal a model that is known to hold them."""
    files = [path for path in finds.unclaimed if path.suffix in WEIGHTS]
    judged = {path: finds.models.judge(path) for path in files}
    dirty = [path for path, found in judged.items() if found is not None and found.holds]
    sizes = {path.stat().st_size for path in dirty}
    hashes = {hash_file(path, "weights") for path in dirty}
    for path, found in judged.items():
        if found is None and path.stat().st_size in sizes and hash_file(path, "weights") in hashes:
            found = Judged(True, "a copy of a model that knows them")
        if found is None:
            finds.add(path, "model", "nobody knows what it was trained on", "keep", "look at it yourself")
        elif found.holds:
            kind = "checkpoint" if "checkpoints" in path.parts else "model"
            finds.add(path, kind, found.because, "delete", "the model that unlearned them takes its place")
        else:
            kind = "reference" if REFERENCES in path.parts else "model"
            reason = "look at it yourself" if found.holds is None else "does not hold them, as far as its run says"
            finds.add(path, kind, found.because, "keep", reason)


def evidence(finds: Finds) -> None:
    """Attestations and openings, which are kept."""
    for path in finds.unclaimed:
        if path.name == ATTESTATION:
            finds.add(path, "attestation", "names nobody", "keep", "it proves what was done")
        elif path.suffix == ".json" and (path.name == OPENINGS or _json(path).get("type") == OPENINGS_KIND):
            finds.add(path, "openings", "ids and hashes of their pictures", "keep", OPENING)


def pages(finds: Finds) -> None:
    """Reports and pre-flight pages with pictures or names, and figures with pictures."""
    for path in finds.unclaimed:
        if path.suffix in (".svg", ".png") and path.stem == FACES:
            if all(path.with_stem(other).exists() for other in BESIDE):
                finds.add(path, "figure with faces", "pictures of people", "delete", WITHOUT)
        elif path.suffix == ".html" or path.name == NUMBERS:
            text = path.read_text(encoding="utf-8", errors="replace")
            ours = MARK in text or path.name in (PAGE, NUMBERS)
            if ours and EMBEDDED in text:
                finds.add(path, "report with faces", "pictures of people", "delete", WITHOUT)
            elif ours and (named := finds.scope.names.in_text(text)):
                reason = CLASS_PAGE if named <= finds.scope.classes else WITHOUT
                finds.add(path, "report with names", f"names {len(named)} of them", "delete", reason)


def label_lists(finds: Finds) -> None:
    """The classes of models of runs, where a class is one of them: they stay or go with the weights beside them.

    Nobody can take one class out of the list of a model that is in use: its answers would mean something else.
    """
    judged = {item.path.parent: finds.models.judge(item.path) for item in finds.items if item.path.suffix in WEIGHTS}
    for path in finds.unclaimed:
        model = judged.get(path.parent)
        if path.name not in LABELLED or finds.models.run_of(path) is None or model is None or model.holds is None:
            continue
        named = named_in(finds.scope.names, path)
        if not named or not named <= finds.scope.classes:
            continue
        holds = f"names {len(named)} of them as classes"
        if model.holds:
            finds.add(path, "labels of a model", holds, "delete", "the model that has these classes goes")
        else:
            finds.add(path, "labels of a model", holds, "keep", CLASS_KEPT)


def lists(finds: Finds) -> None:
    """Files that name them: records of runs are kept, lists of nobody else go, all others are their owner's."""
    own = finds.scope.run.job.request.file
    for path in finds.unclaimed:
        if path.suffix not in TEXTS and path.suffix != ARRAYS:
            continue
        try:
            named = named_in(finds.scope.names, path)
        except DataError as error:
            finds.notes.append(str(error))
            continue
        if own is not None and path == own.resolve():
            finds.add(path, "request", "names them", "keep", "says whom the run erased: the search needs it")
        elif names_nobody_else(finds.scope.names, path):
            finds.add(path, "list of names", "names them and nobody else", "delete", "the run's own request is kept")
        elif named and path.name in RECORDS and finds.models.run_of(path) is not None:
            finds.add(path, "record of a run", f"names {len(named)} of them", "keep", RECORD)
        elif named and path.suffix == ARRAYS:
            finds.add(path, "statistics", f"names {len(named)} of them, one by one", "delete", AGAIN)
        elif named and finds.scope.is_source(path):
            finds.add(path, "your data", f"names {len(named)} of them", "keep", "never touched")
        elif named:
            finds.add(path, "list of names", f"names {len(named)} of them", "yours", YOURS)


def pictures(finds: Finds) -> None:
    """Picture files and tables that show them: never deleted, since expunge writes none."""
    source = finds.scope.data
    if source.exists():
        finds.add(source, "your data", "all of their pictures", "keep", "never touched: remove them there yourself")
    others = [path for path in finds.unclaimed if not finds.scope.is_source(path)]
    files = [path for path in others if path.suffix.lower() in PICTURE_SUFFIXES]
    for path in in_files(finds.scope.wanted, files):
        finds.add(path, "picture", "shows one of them", "yours", YOURS)
    for path in others:
        if path.suffix != ".parquet" and path.name != "state.json":  # what a saved data set has beside its tables
            continue
        try:
            found = in_table(finds.scope.wanted, path.parent if path.name == "state.json" else path)
            named = named_in(finds.scope.names, path)
        except DataError as error:
            finds.notes.append(str(error))
            continue
        if found or named:
            holds = f"{found} of their pictures, {len(named)} of their names"
            finds.add(path, "table", holds, "yours", YOURS)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# in this order: what one has claimed, the next ones do not look at
FINDERS: Sequence[tuple[str, Callable[[Finds], None]]] = (
    ("decoded pictures", stores),
    ("shadow models", shadows),
    ("models", weights),
    ("evidence", evidence),
    ("reports and figures", pages),
    ("classes", label_lists),
    ("names", lists),
    ("pictures and tables", pictures),
)
