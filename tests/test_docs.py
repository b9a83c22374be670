"""The pages say what the code does: generated parts are current, snippets run, commands parse, links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from expunge.cli.main import build

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("pyproject.toml", "Makefile", "constraints.txt", ".ci/run")),
    *(p for folder in ("src", "benchmarks", "examples", "docs") for p in sorted((ROOT / folder).rglob("*.py"))),
]

# Words that must not stand in a product: how it was made, where packages came from, what nobody can promise.
FORBIDDEN = (
    r"/work/|/root/|/tmp/contracts",
    r"\bissue \d|\bissue #|\bissues show",
    r"pypi\.org|pythonhosted|huggingface\.co/simple|--extra-index|--index-url",
    r"GDPR.compliant|legally compliant|provably (forgets|erased)|guaranteed? (erasure|removal|forgetting)",
    r"\bTODO\b|\bFIXME\b|\bXXX\b",
)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The `expunge ...` lines of a shell snippet, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["expunge"]:
            yield words[1:]


SHELL = [(page.name, words) for page in PAGES for block in blocks(page, "sh") for words in commands(block)]
PYTHON = [(page.name, code) for page in PAGES for code in blocks(page, "python")]


def test_generated_parts_are_current() -> None:
    assert generator().stale() == [], "run `make docs`"


def test_stale_parts_are_noticed() -> None:
    page = (ROOT / "README.md").read_text()
    methods = generator().methods()
    assert methods in page
    assert generator().renewed(page.replace(methods, "| nothing |")) == page


def unknown(words: list[str]) -> list[str]:
    """What of a command line `expunge` would not understand."""
    group: Any = typer.main.get_command(build())
    if words[0].startswith("-"):
        return [] if words[0] in {"--version", "--help"} else words[:1]
    while hasattr(group, "commands"):
        if not words or words[0] not in group.commands:
            return words[:1] or ["nothing"]
        group, *words = group.commands[words[0]], *words[1:]
    known = {flag for option in group.params for flag in [*option.opts, *option.secondary_opts]}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in known | {"--help"}]


@pytest.mark.parametrize(
    ("page", "words"), SHELL, ids=[f"{page}-{words[0]}-{i}" for i, (page, words) in enumerate(SHELL)]
)
def test_commands_on_the_pages_exist(page: str, words: list[str]) -> None:
    assert unknown(words) == []


def test_flags_in_running_text_exist() -> None:
    commands = [command for _, command in generator()._walk(typer.main.get_command(build()), "")]
    known = {f for c in commands for o in c.params for f in [*o.opts, *o.secondary_opts]}
    pages = [page for page in PAGES if page.name != "benchmarks.md"]
    named = {(page.name, flag) for page in pages for flag in re.findall(r"`(--[a-z][a-z-]*)", page.read_text())}
    assert {(page, flag) for page, flag in named if flag not in known | {"--help"}} == set()


def test_unknown_flags_are_noticed() -> None:
    assert unknown(["erase", "--data", "x", "--forget-everything"]) == ["--forget-everything"]
    assert unknown(["forget"]) == ["forget"]
    assert unknown(["ledger", "burn"]) == ["burn"]
    assert unknown(["ledger"]) == ["nothing"]
    assert unknown(["ledger", "due", "--ledger", "x", "--soon"]) == ["--soon"]


@pytest.mark.parametrize(("page", "code"), PYTHON, ids=[f"{page}-{i}" for i, (page, _) in enumerate(PYTHON)])
def test_python_snippets_run(page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {"__name__": "snippet"})


def test_the_readme_has_snippets_of_both_kinds() -> None:
    assert {"train", "draw-request", "erase"} <= {words[0] for page, words in SHELL if page == "README.md"}
    assert [page for page, _ in PYTHON if page == "README.md"]


def test_targets_of_make_on_the_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {target for page in PAGES for target in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def forbidden(text: str) -> list[str]:
    return [found[0] for pattern in FORBIDDEN for found in re.finditer(pattern, text, re.IGNORECASE)]


def test_no_forbidden_words() -> None:
    assert {str(p.relative_to(ROOT)): words for p in TEXTS if (words := forbidden(p.read_text()))} == {}
    assert forbidden("a GDPR-compliant tool, see issue #7") == ["issue #", "GDPR-compliant"]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The generator in a project of its own, with nothing measured yet."""
    module = generator()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "benchmarks" / "results")
    monkeypatch.setattr(module, "PAGES", ("docs/results/index.md",))
    (tmp_path / "docs" / "results").mkdir(parents=True)
    index = "# Results\n\n<!-- generated: bench index -->\n\nNothing is recorded yet.\n\n<!-- end of bench index -->\n"
    (tmp_path / "docs" / "results" / "index.md").write_text(index)
    return module


def test_pages_of_results_follow_the_results_and_keep_free_text(results: ModuleType, tmp_path: Path) -> None:
    assert results.stale() == []
    folder, page = results.RESULTS / "bench" / "mufac-age-cpu", tmp_path / "docs" / "results" / "mufac-age-cpu.md"
    (folder / "seed-0").mkdir(parents=True)
    assert results.stale() == ["docs/results/index.md", "docs/results/mufac-age-cpu.md"]
    results.write()
    assert results.stale() == []
    assert page.read_text().startswith("# Age on MUFAC, clean protocol (cpu)\n")
    assert "(mufac-age-cpu.md)" in (page.parent / "index.md").read_text()
    page.write_text(page.read_text() + "\nOur reading.\n")
    assert results.stale() == []
    (folder / "seed-0" / "original.json").write_text("{}")
    assert "docs/results/mufac-age-cpu.md" in results.stale(), "a result that the table does not know"
    results.write()
    assert results.stale() == [] and page.read_text().endswith("\nOur reading.\n")
    page.write_text(page.read_text().replace("not run", "first"))
    assert results.stale() == ["docs/results/mufac-age-cpu.md"]


def test_a_page_of_requests_in_a_row_shows_their_figure(results: ModuleType, tmp_path: Path) -> None:
    (results.RESULTS / "bench" / "mufac-age-sequential-cpu" / "seed-0").mkdir(parents=True)
    results.write()
    pages = tmp_path / "docs" / "results"
    assert "(mufac-age-sequential-cpu.svg)" in (pages / "mufac-age-sequential-cpu.md").read_text()
    assert "<svg" in (pages / "mufac-age-sequential-cpu.svg").read_text() and results.stale() == []


def test_a_folder_of_results_without_a_protocol_is_refused(results: ModuleType) -> None:
    (results.RESULTS / "bench" / "magic-cpu").mkdir(parents=True)
    with pytest.raises(ValueError, match="magic-cpu: expected <protocol>-<size>"):
        results.stale()


def test_attacks_that_are_older_than_their_results_are_not_shown(results: ModuleType) -> None:
    folder = results.RESULTS / "bench" / "mufac-age-cpu"
    (folder / "seed-0").mkdir(parents=True)
    cell = {"value": 0.5, "interval": [0.4, 0.6], "best": True}
    raw = results.fingerprint(folder, *results.bench_of("mufac-age-cpu"))
    told = {"title": "Age", "seeds": [0], "inner_seeds": [], "rows": {"original": {"gap": cell}}, "raw": raw}
    (results.RESULTS / "attacks.json").write_text(json.dumps({"mufac-age": told}))
    assert "**0.500 (0.400 to 0.600)**" in results.attacks()
    (folder / "seed-0" / "original.json").write_text("{}")
    assert results.attacks() == "Age: older than its results."


def test_methods_that_pass_weak_attacks_only_are_named_and_older_settings_left_out(results: ModuleType) -> None:
    passed = {"value": 0.53, "gap": 0.004, "interval": [-0.006, 0.014], "told": False, "passed": True}
    told = {"value": 0.6, "gap": 0.072, "interval": [0.06, 0.084], "told": True, "passed": False}
    klom = {"value": 1.9, "interval": [1.8, 2.0], "floor": 1.5, "gap": 0.4, "gap_interval": [0.3, 0.5], "told": True}
    weak = {**dict.fromkeys(results.SINGLE, passed), "verdicts": {"inconclusive": 4}}
    rows = {
        "original": {"loss_auroc": told, "verdicts": {"distinguishable": 4}},
        "cf-k": {**weak, "lira_auroc": told, "klom": klom},
        "neggrad": weak,
    }
    settings = {"cf-k": results.plain(asdict(results.resolve_method("cf-k")[1])), "neggrad": {"lr": 99}}
    results.RESULTS.mkdir(parents=True)
    (results.RESULTS / "strong.json").write_text(json.dumps({"rows": rows, "settings": settings}))
    said = results.strong()
    assert "+0.004 ±0.010 ≈" in said and "**+0.072 ±0.012**" in said and "**1.90 (1.50)**" in said
    assert "| `cf-k` | 0 | 4 | 0 |" in said and "| `cf-k` | LiRA; KLoM |" in said and "neggrad" not in said
