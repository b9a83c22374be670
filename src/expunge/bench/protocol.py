"""What a bench protocol says: which pictures, who is forgotten, which network, which methods. One YAML file each.

Files of this folder's `protocols/` flow in, checked frozen values flow out. Nothing is read from data here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)

from expunge.app.plainfiles import read_json, read_yaml
from expunge.errors import InputError
from expunge.methods.registry import resolve_method

FOLDER = Path(__file__).with_name("protocols")
Setting = bool | int | float | str | None


class Part(BaseModel):
    """A part of a protocol: no unknown fields, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Part):
    """Which pictures.

    Args:
        file: what is read, below the folder of faces.
        layout: published layout of it (`mufac`, `raf-db`, `mucac`, `mufac-lists`), where it is no plain table.
        labels, subject: columns.
        group: column whose values stay together where seeds other than 0 draw splits anew; None keeps the column
            `split` for all seeds.
    """

    file: str
    layout: Literal["", "mufac", "mufac-lists", "raf-db", "mucac"] = ""
    labels: tuple[str, ...]
    subject: str | None = None
    group: str | None = None


class Forget(Part):
    """Who is forgotten: whole people until a share of the training pictures, pictures at random, k whole people, or
    whom the literature forgets on a published layout (then nothing is drawn, and copies stay where the lists put them).
    """

    kind: Literal["people", "pictures", "count", "published", "sequence", "memorised"]
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    count: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Forget:
        wanted = "count" if self.kind == "count" else "share" if self.kind != "published" else None
        if wanted and getattr(self, wanted) is None:
            raise ValueError(f"forget {self.kind} needs {wanted}")
        return self


class Sequence(Forget):
    """Several requests, one after the other: whole people, each time until a share of all training pictures.

    Args:
        requests: how many. retrained: after which of them references are retrained.
    """

    requests: Annotated[int, Field(ge=1, le=100)]
    retrained: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_turn(self) -> Sequence:
        if list(self.retrained) != sorted(set(self.retrained)) or self.retrained[-1] > self.requests:
            raise ValueError(f"retrained must be numbers from 1 to {self.requests}, in order")
        return self


class Memorised(Forget):
    """The people whom models memorise most, until a share of the training pictures.

    Args:
        scores: JSON file that gives each person a score, beside the protocols that come along (or an absolute path).
    """

    scores: str

    def by_person(self) -> dict[str, float]:
        """How much each person is memorised.

        Raises:
            InputError: the file is not there, or holds something else.
        """
        path = FOLDER / self.scores
        if not path.is_file():
            remedy = "make it with benchmarks/memorised.py"
            raise InputError("forget.scores", expected="a file of scores", came=f"no file {path}", remedy=remedy)
        found = read_json(path, "forget.scores")
        if not isinstance(found, dict) or not all(type(score) in (int, float) for score in found.values()):
            raise InputError("forget.scores", expected="a number for every person", came=f"something else in {path}")
        return found


KINDS: Mapping[str, type[Forget]] = {"sequence": Sequence, "memorised": Memorised}


class Size(Part):
    """A network and how it is trained (everything else as the default recipe says)."""

    side: Annotated[int, Field(ge=8, le=1024)]
    arch: str
    epochs: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0)] = 0.1
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.125


class Entry(Part):
    """A row of the table: a method with settings, under a name."""

    method: str
    set: dict[str, Setting] = {}
    label: str = ""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        return {"method": raw} if isinstance(raw, str) else raw

    @property
    def name(self) -> str:
        """What the row is called."""
        return self.label or ", ".join([self.method, *(f"{k}={v}" for k, v in self.set.items())])


class Protocol(Part):
    """A protocol.

    Args:
        name: of its file. title, says: for people.
        data, forget: which pictures, and who is forgotten.
        seeds: splits, forgotten people, initialisation and order all follow from one.
        references: retrained models for the first seed and for each other one.
        sizes: networks by name of size.
        methods: rows, beside `original` and the references, which are always there.
    """

    name: str
    title: str
    says: str = ""
    data: Data
    forget: SerializeAsAny[Forget]
    seeds: tuple[int, ...]
    references: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = (3, 1)
    sizes: Mapping[str, Size]
    methods: tuple[Entry, ...]

    @field_validator("forget", mode="before")
    @classmethod
    def _of_kind(cls, raw: Any) -> Any:
        kind = KINDS.get(str(raw.get("kind"))) if isinstance(raw, dict) else None
        return kind(**raw) if kind else raw

    @model_validator(mode="after")
    def _known(self) -> Protocol:
        names = [entry.name for entry in self.methods]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rows are called {twice[0]}")
        for entry in self.methods:
            resolve_method(entry.method, entry.set)
        return self

    def reference_count(self, seed: int) -> int:
        """How many references a seed has."""
        return self.references[0 if seed == self.seeds[0] else 1]


def protocol_names() -> list[str]:
    """All protocols that come with expunge."""
    return sorted(p.name.removesuffix(".yaml") for p in FOLDER.iterdir() if p.name.endswith(".yaml"))


def read_protocol(name: str) -> Protocol:
    """A protocol by name, or from a YAML file; `base: NAME` takes all fields of another and overrides some.

    Raises:
        InputError: no such protocol, or a field that is not what it must be.

    Example:
        >>> read_protocol("mufac-age").forget.share
        0.15
    """
    fields = _fields(name)
    try:
        return Protocol.model_validate({"name": Path(name).stem, **fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "protocol"
        raise InputError(f"{name}: {where}", expected=str(first["msg"]), came=repr(first["input"])[:80]) from None


def _fields(name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    own = name in protocol_names()
    place = FOLDER / f"{name}.yaml" if own else Path(name)
    if not (own or name.endswith((".yaml", ".yml"))) or not place.is_file():
        raise InputError("protocol", expected=f"one of {', '.join(protocol_names())}, or a .yaml file", came=name)
    found = read_yaml(place, "protocol")
    if not isinstance(found, dict):
        raise InputError("protocol", expected="a mapping of fields", came=type(found).__name__)
    if place.resolve() in above:
        raise InputError("base", expected="a protocol that is not based on this one", came=name)
    base = found.pop("base", None)
    return {**_fields(str(base), (*above, place.resolve())), **found} if base else found
