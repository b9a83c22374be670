"""Job files in and out: YAML plus flags become a checked job; the first mistake becomes one line.

Paths and mappings flow in, frozen jobs and YAML text flow out. What the fields mean is said in `job.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from expunge.app.job import AuditJob, CheckJob, DrawJob, EraseJob, Flag, Job, Prefix, TrainJob
from expunge.app.plainfiles import read_yaml
from expunge.errors import InputError

JobT = TypeVar("JobT", bound=Job)
KINDS: Mapping[type[Job], str] = {
    TrainJob: "train",
    EraseJob: "erase",
    AuditJob: "audit",
    CheckJob: "check",
    DrawJob: "draw-request",
}
CAME_LIMIT = 120
LONGEST = 4096  # characters of a text: a path is no longer
UNION_MEMBERS = ("bool", "int", "float", "str")
# pydantic's error types in our words
EXPECTED: Mapping[str, str] = {
    "missing": "a value",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "finite_number": "a finite number",
    "too_short": "at least {min_length} value",
    "string_too_short": "a name",
    "string_type": "text",
    "path_type": "a path",
    "model_type": "a mapping of fields",
    "dict_type": "a mapping of fields",
    "tuple_type": "a list",
    "literal_error": "one of {expected}",
    "union": "a number, text, true or false",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
}


def build_job(kind: type[JobT], fields: Mapping[str, Any], flags: Mapping[str, Any] | None = None) -> JobT:
    """A checked job from nested fields, overridden by flags (dotted field names).

    Raises:
        InputError: the first field that is not what it must be, with its flag.

    Example:
        >>> build_job(TrainJob, {"data": {"path": "faces.parquet"}}, {"recipe.lr": 0.1}).recipe.lr
        0.1
    """
    merged = _plain(fields)
    for dotted, value in (flags or {}).items():
        _put(merged, dotted.split("."), value)
    _check_lengths(kind, merged)
    try:
        return kind.model_validate(merged)
    except ValidationError as error:
        # `from None`: the chain would show the values of every other field
        raise _one_line(kind, error.errors(include_url=False)[0]) from None


def read_job_file(kind: type[Job], path: Path) -> dict[str, Any]:
    """The fields of a job file, unchecked but for its `kind`.

    Raises:
        InputError: no such file, not YAML, not a mapping, or a job of another command.
    """
    raw = read_yaml(path, "--job")
    if not isinstance(raw, dict):
        raise InputError("--job", expected="a mapping of job fields", came=f"{type(raw).__name__} in {path}")
    found = raw.get("kind", KINDS[kind])
    if found != KINDS[kind]:
        raise InputError("kind", expected=f"a job for `expunge {KINDS[kind]}`", came=f"{_shown(found)} in {path}")
    return {key: value for key, value in raw.items() if key != "frozen"}


def job_fields(job: Job) -> dict[str, Any]:
    """A job as plain values for YAML; `out` is left out, since a run may be moved."""
    return {"kind": KINDS[type(job)], **job.model_dump(mode="json", exclude={"out"})}


def flatten(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings under dotted names; an empty mapping has none.

    Example:
        >>> list(flatten({"a": {"b": 1}, "c": [2]}))
        [('a.b', 1), ('c', [2])]
    """
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flags_of(kind: type[BaseModel], dotted: str = "", prefix: str = "") -> Iterator[tuple[str, str, Flag]]:
    """Dotted name, prefix and flag of every field that has a flag, nested parts included."""
    for name, info in kind.model_fields.items():
        inner = next((note.text for note in info.metadata if isinstance(note, Prefix)), prefix)
        if found := next((note for note in info.metadata if isinstance(note, Flag)), None):
            yield f"{dotted}{name}", prefix, found
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from flags_of(info.annotation, f"{dotted}{name}.", inner)


def flag_name(flag: Flag, prefix: str) -> str:
    """The flag as it is typed, e.g. `--recipe-lr`."""
    return "/".join(part.replace("--", f"--{prefix}", 1) for part in flag.name.split("/"))


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, Mapping) else value for key, value in fields.items()}


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        inner = fields.get(parent)
        fields[parent] = inner if isinstance(inner, dict) else {}
        fields = fields[parent]
    known = fields.get(last)
    # settings given one by one (--set) add to those of the file
    fields[last] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value


def _check_lengths(kind: type[Job], fields: Mapping[str, Any]) -> None:
    """Refuse texts that are longer than any name or path."""
    for dotted, value in flatten(fields):
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, str | Path) and len(str(one)) > LONGEST:
                field = _field(kind, dotted.split("."), missing=False)
                raise InputError(field, expected=f"at most {LONGEST} characters", came=str(len(str(one))))


def _one_line(kind: type[Job], error: ErrorDetails) -> InputError:
    places = [str(part) for part in error["loc"]]
    if places[-1:] and places[-1] in UNION_MEMBERS:
        places, error = places[:-1], {**error, "type": "union"}
    field = _field(kind, places, missing=error["type"] == "missing")
    came = "nothing" if error["type"] == "missing" else _shown(error["input"])
    if error["type"] == "extra_forbidden":
        names = ", ".join(_names(kind, places[:-1]))
        return InputError(field, expected=f"one of the fields {names}", came=f"the unknown name {places[-1]!r}")
    return InputError(field, expected=_expected(error), came=came)


def _field(kind: type[Job], places: list[str], *, missing: bool) -> str:
    dotted = ".".join(part for part in places if not part.isdigit())
    typed = {name: flag_name(flag, prefix) for name, prefix, flag in flags_of(kind)}
    # errors below a flag's field (an entry of a list, a part of --reference) are mended at that flag
    flag = next((typed[name] for name in _parents(dotted) if name in typed), "")
    if missing and not flag:  # a whole part is missing: its first flag is the one that is always needed
        flag = next((typed[name] for name in typed if name.startswith(f"{dotted}.")), "")
    return f"{dotted} ({flag})" if flag else dotted or "job"


def _parents(dotted: str) -> Iterator[str]:
    while dotted:
        yield dotted
        dotted = dotted.rpartition(".")[0]


def _names(kind: type[BaseModel], places: list[str]) -> list[str]:
    for place in places:
        info = kind.model_fields.get(place)
        if info is not None and isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            kind = info.annotation
    return list(kind.model_fields)


def _expected(error: ErrorDetails) -> str:
    limits = error.get("ctx", {})
    if text := EXPECTED.get(error["type"]):
        return text.format_map(limits)
    text = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= CAME_LIMIT else f"{text[:CAME_LIMIT]}..."
