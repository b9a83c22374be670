"""Use case: find what still holds the people whom a run erased, delete it with receipts, and search once more.

A run directory and roots flow in; what was found, what was deleted and what is left flow out. The search after the
deletion is the one before it, on what the disk then holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from expunge.app.attest import ATTESTATION
from expunge.app.desk import Desk
from expunge.app.ledger import Books
from expunge.app.ledgerkeys import keys_of
from expunge.app.purgefinds import FINDERS, Finds
from expunge.app.purgeruns import ORIGINAL, Models, read_runs
from expunge.app.purgescope import Scope, scope_of
from expunge.app.recording import run_sha256
from expunge.app.report import REPORT
from expunge.errors import RequestError
from expunge.evidence.files import hash_file
from expunge.evidence.purge.inventory import Inventory as Inventory
from expunge.evidence.purge.inventory import Item as Item
from expunge.evidence.purge.inventory import inventory
from expunge.evidence.purge.inventory import visible as visible
from expunge.evidence.purge.places import root_around, roots_of, walk
from expunge.evidence.purge.receipts import Receipt, receipts_at

RECEIPTS = "purge.jsonl"
OUTSIDE = "outside the roots: name its folder with --root"
NOT_ATTESTED = (
    "this run is not attested: without the original model nobody can attest it or replay it any more "
    "(`expunge attest` first)"
)
NOT_IN_REPORT = (
    f"{REPORT} does not name the run's attestation: without the original model nobody can write it anew "
    "(`expunge report` first)"
)


@dataclass(frozen=True)
class PurgeSettings:
    """Where to look, and where to enter what was deleted.

    Args:
        run: directory of a finished `expunge erase`. roots: further folders to look and delete in.
        books: the ledger that knows the run, or None.
    """

    run: Path
    roots: tuple[Path, ...] = ()
    books: Books | None = None


@dataclass(frozen=True)
class Purged:
    """What a purge did.

    Args:
        after: the inventory after it. receipts: of all that was deleted for this run, now or before.
        deleted: how many of these now. agreed: whether somebody agreed to the plan.
    """

    after: Inventory
    receipts: tuple[Receipt, ...]
    deleted: int
    agreed: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values by name."""
        return {
            "deleted": self.deleted,
            "agreed": self.agreed,
            "receipts": [vars(receipt) for receipt in self.receipts],
            "kept": [item.to_json() for item in self.after.of("keep")],
            "left": [item.to_json() for item in self.after.left],
            "notes": list(self.after.notes),
        }


def purge(settings: PurgeSettings, *, desk: Desk, show: Callable[[Inventory], None]) -> Purged:
    """Delete what still holds the people whom a run erased, once somebody agreed to what is shown.

    Args:
        settings: where. desk: who listens, and is asked. show: is handed the plan before anybody is asked.

    Raises:
        InputError: no such run or root, its request or pictures are gone, or the ledger does not know the run.
    """
    run = settings.run.resolve()
    scope = scope_of(run, desk)
    roots = roots_of((run, *settings.roots))
    requests = requests_of(settings.books, run) if settings.books is not None else []
    plan = look(scope, roots, settings.books, desk)
    show(plan)
    ahead = plan.of("delete")
    if any(item.holds == ORIGINAL.because for item in plan.left) and (lacking := lacks(run)):
        desk.warn(lacking)
    if ahead and not desk.confirm(f"Delete {len(ahead)} files for good?", unasked=False):
        return Purged(plan, (), 0, agreed=False)
    if not ahead and not (run / RECEIPTS).exists():
        return Purged(plan, (), 0, agreed=True)
    with receipts_at(run / RECEIPTS) as receipts:
        desk.stage("deleting")
        # what has come to lie outside meanwhile, behind a link, is not touched
        inside = ((item, root) for item in ahead if (root := root_around(item.path, roots)) is not None)
        deleted = sum(receipts.delete(item, root) for item, root in inside)
        after = look(scope, roots, settings.books, desk) if ahead else plan
        if settings.books is not None:
            enter(settings.books, requests, after, receipts.all)
        return Purged(after, tuple(receipts.all), deleted, agreed=True)


def lacks(run: Path) -> str:
    """What a run lacks that takes its original model, as a sentence; empty where it lacks nothing."""
    report = run / REPORT
    if not (run / ATTESTATION).exists():
        return NOT_ATTESTED
    name = hash_file(run / ATTESTATION, "attestation")
    told = not report.exists() or name in report.read_text(encoding="utf-8", errors="replace")
    return "" if told else NOT_IN_REPORT


def look(scope: Scope, roots: Sequence[Path], books: Books | None, desk: Desk) -> Inventory:
    """Everything that holds them below the roots, and where the run's own job says that it lies elsewhere."""
    named = [scope.original, *([cache.resolve()] if (cache := scope.run.job.data.cache) is not None else [])]
    outside = [place for place in named if place.is_dir() and root_around(place, roots) is None]
    walked = walk((*roots, *outside))
    finds = Finds(scope, Models(scope, read_runs(walked.files)), frozenset(walked.files))
    for title, find in FINDERS:
        desk.stage(f"looking for them: {title}")
        find(finds)
    finds.notes += [f"a link, not followed: {visible(str(link))}" for link in walked.links]
    finds.notes += [f"cannot be read: {visible(str(folder))}" for folder in walked.closed]
    if not scope.wanted.searches_near:
        finds.notes.append("the pictures are so small that only exact copies of them were looked for")
    if unsearched := len(scope.names.all - scope.names.looked_for):
        finds.notes.append(f"{unsearched} names are plain numbers or very short, and were not looked for in files")
    items = [item if root_around(item.path, roots) else _outside(item) for item in finds.items]
    return inventory([*items, *_books(books)], finds.notes)


def requests_of(books: Books, run: Path) -> list[int]:
    """The requests that a run answered, as the ledger knows it.

    Raises:
        RequestError: it does not know the run.
    """
    with books.open().reading() as view:
        name = run_sha256(run)
        known = view.register(f"run:{name}").runs.get(name)
    if known is None:
        remedy = f"expunge ledger record {run}"
        raise RequestError("ledger (--ledger)", expected="one that knows the run", came="another", remedy=remedy)
    return sorted(known.requests)


def enter(books: Books, requests: list[int], after: Inventory, receipts: Sequence[Receipt]) -> None:
    """Enter the receipts that the ledger does not have yet, and what was kept.

    Under pseudonyms: a path may name somebody, and the hash of a list of names can be guessed.
    """
    with books.open().reading() as view:
        keys = keys_of(books.key, view)
        events = [event.body for event in view.events(kind="purged") if event.body["requests"] == requests]
    entered = {name for body in events for name in body["removed"]}
    new = [name for name in receipt_names(receipts) if entered.isdisjoint(key.pseudonym("file", name) for key in keys)]
    kept = [
        {"file": keys[-1].pseudonym("file", str(item.path)), "why": item.reason}
        for item in after.items
        if item.fate != "delete"
    ]
    if new:
        books.purged(requests, keys[-1].pseudonyms("file", new), kept)


def receipt_names(receipts: Iterable[Receipt]) -> Iterator[str]:
    """What stands for a receipt before it gets its pseudonym: path, SHA-256, and how often that was deleted by then."""
    count = Counter[str]()
    for receipt in receipts:
        name = f"{receipt.what}\n{receipt.sha256}"
        count[name] += 1
        yield f"{name}\n{count[name]}"


def _books(books: Books | None) -> list[Item]:
    """Ledger and key, where they are files here."""
    if books is None:
        return []
    places = (
        (Path(books.address), "ledger", "pseudonyms of them", "it says what was done"),
        (books.key, "key of the pseudonyms", "tells whom a pseudonym means", "dropped by `expunge ledger key drop`"),
    )
    return [
        Item(path.absolute(), kind, holds, "keep", reason, path.stat().st_size)
        for path, kind, holds, reason in places
        if path.is_file()
    ]


def _outside(item: Item) -> Item:
    return replace(item, fate="yours", reason=OUTSIDE) if item.fate == "delete" else item
