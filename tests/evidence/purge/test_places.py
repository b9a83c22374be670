"""A purge stays below its roots, whatever links say and whoever moves things meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from expunge.errors import InputError
from expunge.evidence.purge.places import opened, root_around, roots_of, walk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for name in ("root/inner/file", "outside/file"):
        (tmp_path / name).write_text(name)
    return tmp_path / "root"


def test_roots_are_real_folders_each_once(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert roots_of([root / "inner", tmp_path / "link", root]) == (root,)
    for wrong in (tmp_path / "nothing", root / "inner" / "file", Path("/")):
        with pytest.raises(InputError, match="existing folder"):
            roots_of([wrong])


def test_walking_lists_links_without_following(root: Path) -> None:
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "inner" / "linked").symlink_to(root.parent / "outside" / "file")
    found = walk([root])
    assert found.files == (root / "inner" / "file",)
    assert found.links == (root / "folder", root / "inner" / "linked")


def test_a_path_is_where_it_really_lies(root: Path) -> None:
    (root / "folder").symlink_to(root.parent / "outside")
    assert root_around(root / "inner" / "file", [root]) == root
    assert root_around(root / "folder" / "file", [root]) is None


def test_a_folder_that_became_a_link_leads_nowhere(root: Path) -> None:
    (root / "inner").rename(root / "moved")
    (root / "inner").symlink_to(root.parent / "outside")
    with pytest.raises(InputError, match="not behind a link"), opened(root / "inner" / "file", root):
        pass
    (root / "last").symlink_to(root.parent / "outside" / "file")
    with pytest.raises(InputError, match="not behind a link"), opened(root / "last", root):
        pass
    for path in (root.parent / "outside" / "file", root / ".." / "outside" / "file"):
        with pytest.raises(InputError, match="a file below"), opened(path, root):
            pass


def test_an_open_file_is_deleted_where_it_was_found(root: Path) -> None:
    with opened(root / "inner" / "file", root) as found:
        assert found is not None and found.bytes == len("root/inner/file")
        (root / "inner").rename(root / "moved")
        (root / "inner").symlink_to(root.parent / "outside")
        found.unlink()
    assert not (root / "moved" / "file").exists() and (root.parent / "outside" / "file").exists()
    with opened(root / "moved" / "file", root) as found:
        assert found is None
