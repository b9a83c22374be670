"""Erase people from a trained image classifier, keep what it is good at, and say honestly how well it worked.

This is the whole public surface; a test pins it.
"""

from expunge import errors
from expunge.app.erased import assert_not_erased
from expunge.app.library import ErasureResult, audit, erase
from expunge.app.runs import Run, load_run
from expunge.data.requests import ErasureRequest
from expunge.errors import ExpungeError

__all__ = [
    "ErasureRequest",
    "ErasureResult",
    "ExpungeError",
    "Run",
    "assert_not_erased",
    "audit",
    "erase",
    "errors",
    "load_run",
]
