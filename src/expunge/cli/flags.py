"""Turns the fields of a job into the flags of a command: names, help, defaults and ranges are generated from the job.

Values are handed on as typed text: only the job checks them, so that a flag and a job file get the same one-line
error for the same mistake.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from expunge.app.job import Flag, Job
from expunge.app.jobfile import build_job, flag_name, flags_of, read_job_file
from expunge.errors import InputError

JobT = TypeVar("JobT", bound=Job)
PANELS: Mapping[str, str] = {
    "data": "Data",
    "model": "Model",
    "run": "Model",
    "models": "Model",
    "original": "Model",
    "factory": "Model",
    "head": "Model",
    "normalise": "Model",
    "request": "Request",
    "without": "Request",
    "near_copies": "Request",
    "method": "Method",
    "reference": "Reference",
    "recipe": "Training recipe",
    "tier": "Shadow models",
    "workers": "Shadow models",
    "engine": "Engine",
}
RUN = "Run"  # where everything else is shown
BOUNDS = (("gt", "> "), ("ge", ">= "), ("lt", "< "), ("le", "<= "))
HUGE = 1e12  # a bound that only guards against overflow is not worth telling


def options(kind: type[Job], *, only: Sequence[str] = ()) -> list[inspect.Parameter]:
    """One keyword parameter for every flag of a job, as typer reads them.

    Args:
        kind: the job. only: if given, the parts of the job to make flags of, e.g. `("data",)`.
    """
    order = [*dict.fromkeys(PANELS.values()), RUN]
    chosen = [found for found in flags_of(kind) if not only or found[0].partition(".")[0] in only]
    chosen.sort(key=lambda found: order.index(_panel(found[0])))
    return [parameter(name.replace(".", "__"), _annotation(kind, name, prefix, flag)) for name, prefix, flag in chosen]


def parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    """A keyword parameter of a generated command."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def generated(
    function: Callable[[Mapping[str, Any]], int], parameters: Sequence[inspect.Parameter]
) -> Callable[..., int]:
    """A function with these parameters that hands all its arguments on as one mapping.

    Typer reads flags from signatures; this one is written from the fields of a job instead of a second time by hand.
    """

    def command(**values: Any) -> int:
        return function(values)

    command.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = function.__doc__
    return command


def read_job(kind: type[JobT], values: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> JobT:
    """The job of a command's arguments: the file of `--job`, overridden by every flag that was given.

    Args:
        kind: of the job. values: arguments of the command. known: fields where neither file nor flag says anything.

    Raises:
        InputError: the first field that is not what it must be.
    """
    names = {dotted: flag for dotted, _, flag in flags_of(kind)}
    flags = {name: values[name.replace(".", "__")] for name in names if _given(values.get(name.replace(".", "__")))}
    if "method.set" in flags:
        flags["method.set"] = dict(map(setting, flags["method.set"]))
    file = read_job_file(kind, Path(values["job"])) if values.get("job") else {}
    return build_job(kind, {**(known or {}), **file}, flags)


def setting(text: str) -> tuple[str, str]:
    """One `name=value` of `--set`; the method reads the value.

    Raises:
        InputError: it is not of that form.

    Example:
        >>> setting("lr=1e-3")
        ('lr', '1e-3')
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError("method.set (--set)", expected="name=value", came=repr(text))
    return name, value


def _given(value: Any) -> bool:
    return value is not None and value != []


def _annotation(kind: type[Job], dotted: str, prefix: str, flag: Flag) -> Any:
    info = _field(kind, dotted)
    inner = _inner(info.annotation)
    text = _help(flag, info)
    panel = _panel(dotted)
    if inner is bool:
        option = typer.Option(flag_name(flag, prefix), help=text, show_default=False, rich_help_panel=panel)
        return Annotated[bool | None, option]
    metavar = _metavar(inner)
    option = typer.Option(
        flag_name(flag, prefix), help=text, show_default=False, rich_help_panel=panel, metavar=metavar
    )
    several = get_origin(info.annotation) in (tuple, dict) or dotted == "reference"
    return Annotated[list[str] | None, option] if several else Annotated[str | None, option]


def _panel(dotted: str) -> str:
    return PANELS.get(dotted.partition(".")[0], RUN)


def _field(kind: type[BaseModel], dotted: str) -> FieldInfo:
    head, _, rest = dotted.partition(".")
    info = kind.model_fields[head]
    if not rest:
        return info
    inner = info.annotation
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        raise TypeError(f"{dotted}: {head} is not a part of {kind.__name__}")
    return _field(inner, rest)


def _inner(annotation: Any) -> Any:
    """What a value is, without `| None`, `Annotated` and `tuple`."""
    origin = get_origin(annotation)
    if origin is Annotated or origin is tuple:
        return _inner(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _inner(next(arm for arm in get_args(annotation) if arm is not type(None)))
    return annotation


def _metavar(inner: Any) -> str:
    if get_origin(inner) is Literal:
        return "|".join(get_args(inner))
    if get_origin(inner) is dict:
        return "NAME=VALUE"
    return {int: "INT", float: "NUMBER", Path: "PATH"}.get(inner, "TEXT")


def _help(flag: Flag, info: FieldInfo) -> str:
    bounds = [(sign, getattr(note, name, None)) for name, sign in BOUNDS for note in info.metadata]
    limits = [f"{sign}{bound:g}" for sign, bound in bounds if isinstance(bound, int | float) and bound < HUGE]
    default = info.default
    if isinstance(default, tuple) and default:
        default = ", ".join(default)
    told = type(default) in (int, float, str)
    notes = [*([", ".join(limits)] if limits else []), *([f"default: {default}"] if told else [])]
    # square brackets would be read as markup
    text = flag.help.replace("[", "(").replace("]", ")")
    return f"{text} ({'; '.join(notes)})" if notes else text
