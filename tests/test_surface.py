"""The public surface is pinned: a name or an argument that appears or goes away is a decision, not an accident."""

from __future__ import annotations

import inspect

import expunge

SURFACE = {
    "ErasureRequest": ["subjects", "pictures"],
    "ErasureResult": None,
    "ExpungeError": None,
    "Run": ["path", "job", "metrics", "factory"],
    "assert_not_erased": ["data", "ledger", "key"],
    "audit": [
        *("model", "data", "request", "original", "references", "columns", "preprocessing", "head", "near_copies"),
        *("seed", "engine", "desk"),
    ],
    "erase": [
        *("model", "data", "request", "method", "settings", "references", "train_references", "recipe", "train"),
        *("factory", "columns", "preprocessing", "head", "near_copies", "seed", "engine", "desk"),
    ],
    "errors": None,
    "load_run": ["path", "factory"],
}
ERRORS = {
    *("DataError", "ExpungeError", "InputError", "Interrupted", "MethodError", "ModelError", "RequestError"),
    *("RunDirectoryError", "Unavailable"),
}


def test_the_surface_is_what_it_was() -> None:
    assert sorted(expunge.__all__) == sorted(SURFACE)
    for name, arguments in SURFACE.items():
        found = getattr(expunge, name)
        if arguments is not None:
            assert list(inspect.signature(found).parameters) == arguments, name


def test_everything_public_is_documented() -> None:
    for name in expunge.__all__:
        assert inspect.getdoc(getattr(expunge, name)), name


def test_the_error_tree_is_what_it_was() -> None:
    found = {name for name, thing in vars(expunge.errors).items() if inspect.isclass(thing)}
    assert found == ERRORS
    codes = {name: getattr(expunge.errors, name).exit_code for name in found}
    assert {name for name, code in codes.items() if code == 3} == {"Interrupted"}
    assert set(codes.values()) == {2, 3}
