"""Run directories: work happens in `OUT.partial`, which becomes OUT in one rename when everything is done.

So a directory called OUT is complete by construction, and a run that died is visibly `.partial`: it can be resumed
or thrown away. Frozen jobs flow in and out; nothing here knows what a run computes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.app.jobfile import flatten
from expunge.app.plainfiles import read_yaml, to_yaml
from expunge.errors import ExpungeError, Interrupted, RunDirectoryError

FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_TEXTS = ("no space left on device", "disk quota exceeded")
# what never changes a result may differ when a run is resumed
FREE = ("engine.checkpoint_seconds", "data.cache", "workers")
LOCK, CHECKPOINTS = ".lock", "checkpoints"


@dataclass(frozen=True)
class RunDirectory:
    """An unfinished run, locked by this process.

    Args:
        out: where it will be when it is finished.
        work: where it is until then.
        resumed: something was already there.
    """

    out: Path
    work: Path
    resumed: bool

    @property
    def checkpoints(self) -> Path:
        """Where the engine keeps what it needs to continue; deleted when the run is finished."""
        return self.work / CHECKPOINTS

    @property
    def has_progress(self) -> bool:
        """Something was computed that a resumed run would not compute again."""
        return any(self.checkpoints.rglob("*.pt")) or self.path("references").exists()

    def path(self, name: str) -> Path:
        """A file or directory of the run."""
        return self.work / name

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write numbers that depend on the job only: sorted, no times, so that equal runs are equal files."""
        write_whole(self.path(name), json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")

    def finish(self) -> Path:
        """Make it a finished run: checkpoints go (they hold the original's weights), then one rename."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.path(LOCK).unlink(missing_ok=True)
        os.rename(self.work, self.out)
        _sync(self.out.parent)
        return self.out


def partial_of(out: Path) -> Path:
    """The working directory of a run that will be `out`."""
    return out.with_name(f"{out.name}.partial")


def check_out(out: Path | None, *, resume: bool) -> Path:
    """The run directory to write, before anything is read or computed.

    Raises:
        RunDirectoryError: none was given, it holds something, or an unfinished run is in the way.
    """
    if out is None:
        raise RunDirectoryError("out (--out)", expected="a directory to write", came="nothing")
    out = out.absolute()
    unfinished = partial_of(out)
    if _holds_something(out) and not (resume and (out / "job.yaml").exists()):
        what = "a finished run" if (out / "job.yaml").exists() else "other files"
        raise RunDirectoryError(
            "out (--out)",
            expected="a new or empty directory",
            came=f"{out}, which holds {what}",
            remedy="choose another",
        )
    if _holds_something(unfinished) and not resume:
        raise RunDirectoryError(
            "out (--out)",
            expected="no unfinished run beside it",
            came=str(unfinished),
            remedy="continue it with --resume, or delete it",
        )
    return out


def stored_job(out: Path) -> dict[str, Any] | None:
    """The frozen job of the run, finished or not, at `out`; None where there is none."""
    for directory in (out, partial_of(out)):
        if (directory / "job.yaml").exists():
            found = read_yaml(directory / "job.yaml", "out (--out)")
            return found if isinstance(found, dict) else {}
    return None


def began_with(out: Path | None) -> dict[str, str] | None:
    """Fingerprints of the inputs with which the run at `out` began; None where there is none."""
    stored = stored_job(out) if out is not None else None
    if stored is None:
        return None
    inputs: dict[str, str] = stored.get("frozen", {}).get("inputs", {})
    return inputs


def finished(out: Path, job: Mapping[str, Any]) -> bool:
    """Whether the run at `out` is already done; then it must have been the same job.

    Args:
        out: the run directory.
        job: the fields of the job with all decisions; what the inputs were (`frozen`) is not looked at.

    Raises:
        RunDirectoryError: it was another job.
    """
    if not (out / "job.yaml").exists():
        return False
    stored = stored_job(out) or {}
    same_job(*({name: value for name, value in fields.items() if name != "frozen"} for fields in (stored, job)))
    return True


def same_job(stored: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to continue a run with anything but its own configuration.

    Raises:
        RunDirectoryError: naming the first field that differs.

    Example:
        >>> same_job({"a": {"lr": 1}}, {"a": {"lr": 1}})
    """
    before, after = dict(flatten(stored)), dict(flatten(now))
    for name in [*after, *(name for name in before if name not in after)]:
        if name not in FREE and before.get(name) != after.get(name):
            raise RunDirectoryError(
                name,
                expected=f"{before.get(name)!r} as when the run began",
                came=repr(after.get(name)),
                remedy="resume with the same configuration, or write to another --out",
            )


@contextmanager
def open_run(out: Path, frozen: Mapping[str, Any], *, resume: bool) -> Iterator[RunDirectory]:
    """Create or continue the unfinished run of `out`; one process at a time.

    Args:
        out: as answered by `check_out`.
        frozen: the job with all decisions, as plain values.
        resume: continue what is there, if anything is.

    Raises:
        RunDirectoryError: the directory cannot be written, is in use, belongs to another configuration, or the
            disk is full.
    """
    work = partial_of(out)
    with disk_errors(out), _locked(work):
        stored = stored_job(out)
        if stored is None:
            write_whole(work / "job.yaml", to_yaml(frozen))
        elif resume:
            same_job(stored, frozen)
        else:  # another process was faster
            check_out(out, resume=False)
        run = RunDirectory(out, work, resumed=stored is not None)
        try:
            yield run
        except Exception as error:
            if _mendable(error) and not run.has_progress:
                shutil.rmtree(work, ignore_errors=True)
            raise


def _mendable(error: Exception) -> bool:
    """A mistake of the job or the machine, not an interruption (to be resumed) and not a bug (to be looked at)."""
    return _disk_full(error) or (isinstance(error, ExpungeError) and not isinstance(error, Interrupted))


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Say in one line what the file system refused; what was written stays `.partial` and can be resumed."""
    try:
        yield
    except Exception as error:
        if not (_disk_full(error) or isinstance(error, PermissionError | NotADirectoryError | FileExistsError)):
            raise
        came = "a full disk" if _disk_full(error) else getattr(error, "strerror", None) or str(error)
        remedy = "free some space, then continue with --resume" if _disk_full(error) else ""
        raise RunDirectoryError("out (--out)", expected=f"{out} to be writable", came=came, remedy=remedy) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is either whole or absent, also after a power cut."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    with (work / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the run may have been finished and renamed between opening and locking: then this is another file's lock
            mine = os.fstat(lock.fileno()).st_ino == (work / LOCK).stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise RunDirectoryError(
                "out (--out)", expected="a run that no other process works on", came=f"{work}, which is in use"
            )
        try:
            yield
        finally:
            _unlock(work, os.fstat(lock.fileno()).st_ino)


def _unlock(work: Path, inode: int) -> None:
    """Leave no lock behind, nor a directory that holds nothing; but touch nothing of the next process."""
    with suppress(OSError):
        if (work / LOCK).stat().st_ino == inode:
            (work / LOCK).unlink()
            work.rmdir()


def _holds_something(path: Path) -> bool:
    if not path.exists():
        return False
    return not path.is_dir() or any(entry.name != LOCK for entry in path.iterdir())


def _disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(text in str(error).lower() for text in FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
