"""Keys of pseudonyms: which the ledger needs, which the file holds, and how one is dropped for good.

A ledger and a file of keys flow in; keys and what there is to say about them flow out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.data.requests import ErasureRequest
from expunge.errors import InputError, RequestError
from expunge.evidence.ledger.pseudonyms import FIELD, Kind, PseudonymKey, drop_key, read_keys
from expunge.evidence.ledger.register import Request
from expunge.evidence.ledger.store import Ledger, View

ACTIONS = ("new", "list", "drop")


def keys_of(path: Path, view: View) -> list[PseudonymKey]:
    """The keys of a file, oldest first, all that the ledger needs among them.

    With a key missing, people who are in the ledger would be taken for strangers.

    Raises:
        InputError: a key is missing and was not dropped, or there is none at all.
    """
    keys = read_keys(path)
    held, dropped = {key.name for key in keys}, view.dropped()
    missing = [name for name in view.names("key") if name not in held and name not in dropped]
    if missing:
        came = f"{path} without it"
        raise InputError(FIELD, expected=f"a file with the key {missing[0]}, which made pseudonyms", came=came)
    if not keys:
        raise InputError(FIELD, expected="a key", came=f"none in {path}", remedy="expunge ledger key new")
    return keys


def key_cards(path: Path, view: View) -> list[dict[str, Any]]:
    """What there is to say about every key of the file and of the ledger."""
    keys = read_keys(path) if path.exists() else []
    used, dropped = view.names("key"), view.dropped()
    held = {key.name: key.made for key in keys}
    names = [*held, *(name for name in used if name not in held)]
    return [
        {
            "key": name,
            "state": "dropped" if name in dropped else _state(name, keys),
            "made": held.get(name),
            "used": name in used,
        }
        for name in names
    ]


def drop(path: Path, ledger: Ledger, name: str) -> None:
    """Drop a key: nobody can tell any more whom its pseudonyms mean. This cannot be undone.

    Raises:
        RequestError: neither file nor ledger know it, it is dropped already, or a request under it is still open.
    """
    with ledger.writing() as writer:
        known = name in writer.names("key")
        held = path.exists() and any(key.name == name for key in read_keys(path))
        if not (known or held):
            raise RequestError("key", expected="the id of a key of the file or of the ledger", came=repr(name)[:40])
        waiting = [r.number for r in writer.register().requests.values() if r.state == "open" and _under(r, name)]
        if waiting:
            came = f"the key of request {waiting[0]}, which is open"
            raise RequestError("key", expected="a key of closed requests", came=came, remedy="close it first")
        # the file first: the ledger shall never say of a key that is still there that it is gone
        if held:
            drop_key(path, name)
        if name not in writer.dropped():
            writer.append("key-dropped", {"key": name})


def pseudonyms_of(keys: Sequence[PseudonymKey], asked: ErasureRequest) -> dict[str, tuple[Kind, str]]:
    """Every pseudonym that what is asked for may have, under any key, with what it stands for: a kind and a name."""
    named: list[tuple[Kind, str]] = [("subject", name) for name in asked.subjects]
    named += [("picture", name) for name in asked.pictures]
    return {key.pseudonym(kind, name): (kind, name) for key in keys for kind, name in named}


def _under(request: Request, key: str) -> bool:
    return any(name.startswith(f"{key}:") for name in request.names)


def _state(name: str, keys: Sequence[PseudonymKey]) -> str:
    held = [key.name for key in keys]
    return "missing" if name not in held else "current" if name == held[-1] else "old"
