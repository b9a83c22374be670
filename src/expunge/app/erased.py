"""Who of the people in a data set is erased, as a ledger knows it; and the refusal to train on them again.

The ledger holds pseudonyms only, so names come from the data: each one that is there is hashed and looked up. Copies
under other names, and other pictures of the same face, are not recognised: for that the ledger would have to hold
fingerprints of erased pictures, which are personal data that was to be erased.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from expunge.app.ledger import Books
from expunge.app.ledgerkeys import keys_of, pseudonyms_of
from expunge.app.memory import as_dataset, as_request
from expunge.data.dataset import Dataset
from expunge.data.requests import ErasureRequest
from expunge.errors import DataError
from expunge.evidence.ledger.lineage import everybody_erased
from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.types import PictureSet

SHOWN, DIGITS = 3, 16


def assert_not_erased(
    data: Dataset | Mapping[str, Any] | ErasureRequest | Sequence[str], *, ledger: str | Path, key: str | Path
) -> None:
    """Refuse to train on anybody whom a run of the ledger erased, from whichever model.

    Args:
        data: what is to be trained on: a `Dataset` or a mapping of tensors (their training pictures), names of
            subjects, or an `ErasureRequest` of subjects and ids of pictures.
        ledger: SQLite file or postgresql://USER@HOST/DATABASE. key: file with the keys of its pseudonyms.

    Raises:
        DataError: somebody is erased; it says how many, and names the first under name and pseudonym.
        InputError: the ledger or a key of it is not there.
    """
    if isinstance(data, Dataset | Mapping):
        names = named_in(as_dataset(data, None, "", None).role("train"))
    else:
        names = as_request(data)
    check_not_erased(names, Books(str(ledger), Path(key)))


def check_not_erased(names: ErasureRequest, books: Books) -> None:
    """The same for names that were read already.

    Raises:
        DataError: somebody is erased.
    """
    with books.open().reading() as view:
        keys, erased = keys_of(books.key, view), everybody_erased(view.register())
    found = {name: pseudonym for pseudonym, name in pseudonyms_of(keys, names).items() if pseudonym in erased}
    if not found:
        return
    shown = ", ".join(f"{name!r} ({_short(pseudonym)})" for (_, name), pseudonym in list(found.items())[:SHOWN])
    kinds = [kind for kind, _ in found]
    counts = f"{kinds.count('subject')} subjects and {kinds.count('picture')} single pictures that are: {shown}"
    raise DataError(
        "data",
        expected="nobody who was erased",
        came=counts + (" and more" if len(found) > SHOWN else ""),
        remedy="leave out their pictures (expunge train --without REQUEST)",
    )


def named_in(pictures: PictureSet) -> ErasureRequest:
    """Everybody and everything in a set of pictures by name."""
    owners = () if pictures.subjects is None else dict.fromkeys(pictures.subjects.tolist())
    return ErasureRequest(tuple(name for name in owners if name), tuple(pictures.ids.tolist()))


def meant_by(
    pseudonyms: Collection[str], names: ErasureRequest, keys: Sequence[PseudonymKey]
) -> tuple[ErasureRequest, frozenset[str]]:
    """Whom pseudonyms mean among `names`; and the pseudonyms that mean nobody there."""
    known = pseudonyms_of(keys, names)
    found = [known[pseudonym] for pseudonym in known if pseudonym in pseudonyms]
    subjects, pictures = (
        tuple(dict.fromkeys(name for kind, name in found if kind == wanted)) for wanted in ("subject", "picture")
    )
    return ErasureRequest(subjects, pictures), frozenset(pseudonyms) - known.keys()


def _short(pseudonym: str) -> str:
    key, _, digits = pseudonym.partition(":")
    return f"{key}:{digits[:DIGITS]}..."
