"""The house rules that a machine can check: who may import whom, where optimizers step, how long a file may be.

The import rules stand in `pyproject.toml`; here they are run, and shown to fail on planted faults.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "expunge"
MODULES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES, FUNCTION_LINES = 200, 50

# What may be longer than the limits, and why. An entry that is no longer needed fails.
LONG_FILES: Mapping[str, str] = {
    "app/job.py": "a list of fields with their flags and ranges, not a program; split, nobody would find a default",
}
LONG_FUNCTIONS: Mapping[str, str] = {}

LAZY_IMPORTS_ONLY = "an import inside a function hides a cycle; only heavy optional packages may be imported late"
HEAVY = {"transformers", "datasets", "pyarrow", "pandas", "sklearn", "scipy.stats", "scipy.optimize", "ot"}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


def code_lines(source: str, node: ast.AST) -> int:
    """Lines of `node` that hold code: neither blank, nor a comment, nor part of a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [n.body[0] for n in ast.walk(node) if isinstance(n, documented) and ast.get_docstring(n) is not None]
    doc = {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    lines = source.splitlines()
    start, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", len(lines))
    numbered = ((number, lines[number - 1].strip()) for number in range(start, end + 1))
    return sum(bool(text) and not text.startswith("#") and number not in doc for number, text in numbered)


def long_functions(source: str, limit: int) -> dict[str, int]:
    found = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: lines for node in found if (lines := code_lines(source, node)) > limit}


def test_no_file_is_too_long() -> None:
    lengths = {p.relative_to(PACKAGE).as_posix(): code_lines(s := p.read_text(), ast.parse(s)) for p in MODULES}
    long = {name: lines for name, lines in lengths.items() if lines > FILE_LINES}
    assert set(long) == set(LONG_FILES), long


def test_no_function_is_too_long() -> None:
    long = {
        f"{p.relative_to(PACKAGE).as_posix()}:{name}": lines
        for p in MODULES
        for name, lines in long_functions(p.read_text(), FUNCTION_LINES).items()
    }
    assert set(long) == set(LONG_FUNCTIONS), long


def test_length_counts_code_only() -> None:
    source = '"""Doc\nof two lines."""\n\n# why\nx = 1\n\n\ndef f():\n    """Doc."""\n    # why\n    return x\n'
    assert code_lines(source, ast.parse(source)) == 3
    assert long_functions(source, 1) == {"f": 2}
    assert long_functions(source, 2) == {}


def late_imports(tree: ast.Module) -> list[str]:
    """Imports of the project's own modules inside functions."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = [[n.module or ""] if isinstance(n, ast.ImportFrom) else [a.name for a in n.names] for n in inside]
    return [name for group in names for name in group if name.split(".")[0] == "expunge"]


def test_no_import_hides_in_a_function() -> None:
    assert {name: late for name, tree in trees() if (late := late_imports(tree))} == {}, LAZY_IMPORTS_ONLY
    planted = ast.parse("def f():\n    import timm\n    from expunge.app import erase\n")
    assert late_imports(planted) == ["expunge.app"]


def test_starting_leaves_heavy_libraries_alone() -> None:
    """Every command, every worker and every `--help` pays for what is imported at the top of a module."""
    look = f"import sys, expunge.cli; print(*({HEAVY} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []
    seen = subprocess.run([sys.executable, "-c", f"import ot; {look}"], capture_output=True, text=True, check=True)
    assert "ot" in seen.stdout.split()


def around_the_root(tree: ast.Module) -> bool:
    """Whether a room reads the public surface, through which it would reach every other room."""
    nodes = list(ast.walk(tree))
    plain = any(a.name == "expunge" for n in nodes if isinstance(n, ast.Import) for a in n.names)
    return plain or any(isinstance(n, ast.ImportFrom) and (n.module == "expunge" or n.level > 0) for n in nodes)


def test_no_room_reads_the_public_surface() -> None:
    assert [name for name, tree in trees() if name != "__init__.py" and around_the_root(tree)] == []
    assert around_the_root(ast.parse("from expunge import erase"))
    assert around_the_root(ast.parse("from .. import erase"))
    assert not around_the_root(ast.parse("from expunge.app.erase import erase"))


def steps(tree: ast.Module) -> list[str]:
    """Calls that train something: `.backward(...)`, and anything out of `torch.optim`."""
    nodes = list(ast.walk(tree))
    called = [n.func.attr for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    attributes = [n.attr for n in nodes if isinstance(n, ast.Attribute) and n.attr == "optim"]
    attributes += [name for name in called if name == "backward"]
    modules = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    modules += [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    return attributes + [m for m in modules if m.startswith("torch.optim")]


def test_only_the_engine_steps_an_optimizer() -> None:
    found = {name: calls for name, tree in trees() if (calls := steps(tree))}
    assert {name for name in found if not name.startswith("engine/")} == set()
    assert "engine/training.py" in found  # or the check looks for the wrong thing
    assert steps(ast.parse("loss.backward()")) == ["backward"]
    assert steps(ast.parse("from torch.optim.sgd import SGD")) == ["torch.optim.sgd"]


def test_methods_see_no_reporting_pictures() -> None:
    """What a method may read has no way to the pictures that only the audits may read."""
    from expunge.types import SteeringTask

    assert set(SteeringTask.__dataclass_fields__) == {"retain", "forget", "tuning"}
    named = [
        name
        for name, tree in trees()
        if name.startswith(("methods/", "engine/"))
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and n.attr == "reporting"
    ]
    assert named == []


def lint_imports(folder: Path) -> tuple[int, str]:
    """Run the import rules on the package under `folder`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", "pyproject.toml"]
    done = subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(folder / "src")}, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_imports_go_down_only() -> None:
    code, said = lint_imports(ROOT)
    assert code == 0, said


FAULTS = {
    "data/splits.py": ("import expunge.models.classifier", "imports go down only"),
    "methods/finetune.py": ("import expunge.methods.dlfd", "a method never imports another"),
    "audits/__init__.py": ("import expunge.methods.dlfd", "the examiner does not know the examinee"),
    "engine/loop.py": ("import expunge.methods.registry", "the engine knows phases, not methods"),
    "cli/main.py": ("import expunge.engine.loop", "the command line calls use cases"),
    "functional/losses.py": ("import expunge.types", "functional knows tensors only"),
    "models/predict.py": ("import expunge.engine.loop", "imports go down only"),
    "evidence/ledger/events.py": ("import expunge.types", "the ledger knows neither models nor pictures"),
    "app/erase.py": ("import sqlalchemy", "only the ledger speaks SQL"),
    "newroom.py": ("import expunge.errors", "imports go down only"),
}


def test_import_rules_fail_on_planted_faults(tmp_path: Path) -> None:
    """All faults at once, since building the graph of imports is what takes the time."""
    shutil.copytree(PACKAGE, tmp_path / "src" / "expunge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, (line, _) in FAULTS.items():
        with (tmp_path / "src" / "expunge" / name).open("a") as file:
            file.write(f"\n{line}\n")
    code, said = lint_imports(tmp_path)
    assert code == 1
    broken = said.partition("Broken contracts")[2]
    for name, (line, rule) in FAULTS.items():
        assert rule in broken
        source = "expunge." + name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        assert f"{source} -> {line.removeprefix('import ')}" in broken or source == "expunge.newroom", (name, said)


def test_every_ignored_error_of_types_carries_its_code() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert config["strict"] and "ignore-without-code" in config["enable_error_code"]


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "constraints.txt"])
def test_the_project_is_complete(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0
