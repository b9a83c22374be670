"""Which software a run was computed with; written into every run, since another version may compute otherwise."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

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


def versions() -> dict[str, str]:
    """Everything whose version could change a number."""
    return {"python": platform.python_version(), "machine": platform.machine(), **{p: installed(p) for p in PACKAGES}}
