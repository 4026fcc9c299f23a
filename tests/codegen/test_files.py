"""Outputs appear whole or not at all, and nobody's work is deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from codegen.errors import OutputError
from codegen.files import RECORD, check_writable, replace_folder, write_atomic

FILES = {"mark.json": "{}", "model.c": "int x;", "sub/data.bin": b"\x00\xff"}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones included, but for the records of what was generated."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != RECORD}


def everything(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.name != RECORD}


class Failing:
    """Lets the first `passes` calls through, then raises what a full disk or lost permission raises."""

    def __init__(self, real: Any, passes: int) -> None:
        self.real, self.left, self.failed = real, passes, False

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.left -= 1
        if self.left < 0 and not self.failed:
            self.failed = True
            raise OSError(28, "No space left on device")
        return self.real(*args, **options)


def test_write_atomic_makes_folders_and_keeps_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.txt"
    before = os.umask(0o027)
    try:
        write_atomic(target, "text\n")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert target.read_bytes() == b"text\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    write_atomic(target, b"\x00\x01")
    assert target.read_bytes() == b"\x00\x01"
    assert everything(tmp_path) == {"a", "a/b", "a/b/file.txt"}


@pytest.mark.parametrize("step", ["mkstemp", "fdopen", "chmod", "replace"])
def test_write_atomic_leaves_the_old_file(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    owner, name = {
        "mkstemp": ("codegen.files.tempfile", "mkstemp"),
        "fdopen": ("codegen.files.os", "fdopen"),
        "chmod": ("pathlib.Path", "chmod"),
        "replace": ("pathlib.Path", "replace"),
    }[step]

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(f"{owner}.{name}", fail)
        with pytest.raises(OutputError, match=r"file.txt can't be written \(No space left on device\)"):
            write_atomic(target, "new")
    assert tree(tmp_path) == {"file.txt": b"old"}


def test_write_atomic_onto_a_folder_or_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").write_text("x")
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "folder", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match="can't be written"):
            write_atomic(target, "new")
    assert everything(tmp_path) == {"folder", "folder/kept", "file"}


def test_replace_folder_makes_exactly_these_files(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "project"
    replace_folder(folder, FILES)
    assert tree(folder) == {"mark.json": b"{}", "model.c": b"int x;", "sub/data.bin": b"\x00\xff"}
    assert stat.S_IMODE(folder.stat().st_mode) & 0o700 == 0o700
    replace_folder(folder, {"mark.json": "2"})
    assert tree(folder) == {"mark.json": b"2"}
    assert everything(folder.parent) == {"project", "project/mark.json"}


def test_an_empty_folder_may_be_taken(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    replace_folder(tmp_path / "project", FILES)
    assert (tmp_path / "project" / "model.c").is_file()


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis exists and was not generated .* choose another --out or remove it"):
        replace_folder(folder, FILES)
    assert tree(tmp_path) == {"thesis/chapter.tex": b"years of work"}


def test_a_record_that_is_a_folder_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "p" / RECORD).mkdir(parents=True)
    with pytest.raises(OutputError, match="was not generated"):
        replace_folder(tmp_path / "p", FILES)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("a file")
    with pytest.raises(OutputError):
        replace_folder(tmp_path / "project", FILES)
    assert tree(tmp_path) == {"project": b"a file"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        replace_folder(tmp_path / "locked" / "project", FILES)


@pytest.mark.parametrize("fails_at", range(12))
@pytest.mark.parametrize("exists", [False, True])
def test_any_failing_rename_leaves_old_or_new(
    fails_at: int, exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th rename fails: the folder is as it was or as it should be, and nothing else lies about."""
    folder, old = tmp_path / "project", {"mark.json": "old"}
    if exists:
        replace_folder(folder, old)
    failing = Failing(Path.replace, fails_at)
    refused = ""
    with monkeypatch.context() as m:
        m.setattr(Path, "replace", lambda self, target: failing(self, target))
        try:
            replace_folder(folder, FILES)
        except OutputError as e:
            refused = str(e)
    if failing.failed:
        assert "can't be written" in refused
        assert tree(tmp_path) == ({"project/mark.json": b"old"} if exists else {})
    else:
        assert not refused
        assert tree(folder) == {k: v.encode() if isinstance(v, str) else v for k, v in FILES.items()}
    assert not [name for name in everything(tmp_path) if Path(name).name.startswith(".")]


def test_a_failing_clean_up_of_the_old_folder_keeps_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    replace_folder(folder, {"mark.json": "old"})
    with monkeypatch.context() as m:
        m.setattr(shutil, "rmtree", Failing(shutil.rmtree, 0))
        with contextlib.suppress(OutputError):
            replace_folder(folder, FILES)
    assert (folder / "model.c").is_file()


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        replace_folder(tmp_path / "project", {"a": "1", "a/b": "2"})
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"generator": "npm", "files": []}', '{"generator": "swtrain"}'])
def test_a_record_of_someone_else_does_not_count(record: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(record)
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="was not generated"):
        replace_folder(tmp_path, FILES)
    assert tree(tmp_path) == {"thesis.tex": b"years of work"}


def test_what_a_user_added_is_kept(tmp_path: Path) -> None:
    """Also in a generated sub-folder, and links as links; what was generated and is not any more goes."""
    folder = tmp_path / "project"
    replace_folder(folder, FILES)
    (folder / "main.c").write_text("mine")
    (folder / "sub" / "notes").write_text("mine")
    (folder / "own" / "deep").mkdir(parents=True)
    (folder / "own" / "deep" / "x").write_text("mine")
    (folder / "link").symlink_to("main.c")
    replace_folder(folder, {"model.c": "int y;"})
    assert tree(folder) == {
        "model.c": b"int y;",
        "main.c": b"mine",
        "link": b"mine",
        "sub/notes": b"mine",
        "own/deep/x": b"mine",
    }
    assert (folder / "link").is_symlink()
    replace_folder(folder, {"main.c": "generated now"})
    assert (folder / "main.c").read_text() == "generated now"


def test_links_are_followed(tmp_path: Path) -> None:
    """A linked file or folder stays a link; what it points to is written."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    replace_folder(tmp_path / "link", FILES)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "model.c").is_file()
    (tmp_path / "out.json").symlink_to("real/out.json")
    write_atomic(tmp_path / "out.json", "{}")
    assert (tmp_path / "out.json").is_symlink()
    assert (tmp_path / "real" / "out.json").read_text() == "{}"


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """`--json /dev/null` must not turn the device into a file; a pipe stands for it here."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for write in (lambda: write_atomic(pipe, "x"), lambda: check_writable(pipe)):
        with pytest.raises(OutputError, match="device"):
            write()
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_names_too_long(tmp_path: Path) -> None:
    for path in (tmp_path / ("a" * 300), tmp_path / ("a" * 300) / "b"):
        for write in (lambda p: write_atomic(p, "x"), lambda p: replace_folder(p, FILES), check_writable):
            with pytest.raises(OutputError):
                write(path)
    assert everything(tmp_path) == set()
