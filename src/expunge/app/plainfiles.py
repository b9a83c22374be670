"""YAML and JSON files in: plain values and nothing else, every name once, numbers that are numbers.

A path flows in, values flow out; whatever is wrong becomes one line. No tag is followed, so no code is run; aliases are
refused, since a few lines of them can stand for billions of values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from expunge.errors import InputError
from expunge.evidence.files import read_file

YAML_BYTES, JSON_BYTES = 8 << 20, 256 << 20


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases and without names that stand twice, of which the last would win unseen."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a name twice", problem_mark=node.start_mark)
        return found


# no bytes, sets and pairs: what JSON has, and days, which are then refused by name where text is expected
_PLAIN = ("null", "bool", "int", "float", "timestamp", "str", "seq", "map")
_Loader.yaml_constructors = {
    tag: make for tag, make in _Loader.yaml_constructors.items() if tag is None or tag.rpartition(":")[2] in _PLAIN
}


class _Dumper(yaml.SafeDumper):
    """Writes what stands in two places twice."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def read_yaml(path: Path, field: str) -> Any:
    """The value of a YAML file.

    Args:
        path: where. field: what it is, for people.

    Raises:
        InputError: it cannot be read, or is not YAML of plain values.
    """
    try:
        return yaml.load(_text(path, field, YAML_BYTES), _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"a mistake in line {mark.line + 1}" if mark else "something else"
        raise InputError(field, expected="YAML", came=f"{where} of {path}") from None
    except (ValueError, RecursionError) as error:  # 5,000 digits, a day that never was, lists in lists
        raise InputError(field, expected="YAML", came=f"{_kind(error)} in {path}") from None


def to_yaml(fields: Mapping[str, Any]) -> str:
    """Plain values as YAML that `read_yaml` takes, in the order of the fields."""
    return yaml.dump(dict(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def read_json(path: Path, field: str) -> Any:
    """The value of a JSON file.

    Args:
        path: where. field: what it is, for people.

    Raises:
        InputError: it cannot be read, or is not JSON; also for `NaN` and numbers beyond a double.
    """
    try:
        return json.loads(_text(path, field, JSON_BYTES), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise InputError(field, expected="JSON", came=f"{_kind(error)} in {path}") from None


def _text(path: Path, field: str, most: int) -> str:
    data = read_file(path, field, most=most)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(field, expected="text in UTF-8", came=f"other bytes in {path}") from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text}")
    return value


def _kind(error: Exception) -> str:
    return "lists in lists" if isinstance(error, RecursionError) else str(error).splitlines()[0]
