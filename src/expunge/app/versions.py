"""Which software a run was computed with; written into every run, since another version may compute otherwise."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "accelerate", "numpy", "scipy", "scikit-learn", "POT", "transformers", "datasets", "pillow")


def installed(package: str) -> str:
    """The version of an installed package, or `unknown`.

    Example:
        >>> installed("no-such-package")
        'unknown'
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


EXPUNGE = installed("expunge")
ROOT = Path(__file__).parents[1]


@functools.cache
def source_hash(*parts: str) -> str:
    """Hexadecimal SHA-256 of the sources of this library, as they were when it was first asked for.

    Args:
        parts: folders with all modules in them, or single modules, relative to the package.

    Returns:
        the same wherever the package lies; another one as soon as a letter of these modules changes, or a module is
        added or renamed.

    Example:
        >>> source_hash("types.py") == source_hash("types.py") != source_hash("errors.py")
        True
    """
    found = hashlib.sha256()
    for part in parts:
        place = ROOT / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            content = path.read_bytes()
            found.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Everything whose version could change a number."""
    return {"python": platform.python_version(), "machine": platform.machine(), **{p: installed(p) for p in PACKAGES}}
