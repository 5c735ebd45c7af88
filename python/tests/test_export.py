"""`export` to the formats of Python's libraries; each is tested where its library is installed."""

import csv
import json
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import facevault_bench as fv
from conftest import command
from facevault_bench import export


def test_only_exports_to_python_libraries_are_taken_from_the_command():
    assert export.meant(["export", "demo", "--to", "faiss"]) == ["demo", "--to", "faiss"]
    assert export.meant(["export", "--to=lance", "demo"]) == ["--to=lance", "demo"]
    for before in [["--permissions", "umask"], ["--permissions=umask"]]:
        assert export.meant([*before, "export", "demo", "--to", "faiss"]) == [*before, "demo", "--to", "faiss"]
    for others in [[], ["export", "demo", "--to", "mlflow"], ["runs", "--to", "faiss"], ["export", "faiss"]]:
        assert export.meant(others) is None
    assert export.meant(["--permissions"]) is None


class _Index:
    """As much of FAISS as the export calls: what it writes is what is tested."""

    def __init__(self, side):
        self.side = side

    def add(self, rows):
        assert rows.shape[1] == self.side


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType("faiss")
    module.IndexFlatIP = _Index
    module.write_index = lambda index, path: Path(path).write_bytes(b"rows")
    monkeypatch.setitem(sys.modules, "faiss", module)
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022, "the export gives the umask back"


@pytest.mark.parametrize(
    ("given", "variable", "folder", "file"),
    [
        (None, None, 0o700, 0o600),
        (None, "", 0o700, 0o600),
        (None, "umask", 0o755, 0o644),
        ("umask", "private", 0o755, 0o644),
        ("private", "umask", 0o700, 0o600),
    ],
)
def test_only_the_owner_reads_an_export_unless_the_umask_is_to_decide(
    demo, library, monkeypatch, tmp_path, given, variable, folder, file
):
    monkeypatch.delenv("FACEVAULT_PERMISSIONS", raising=False)
    if variable is not None:
        monkeypatch.setenv("FACEVAULT_PERMISSIONS", variable)
    run = fv.open_run("demo", demo / "experiments")
    export.export(run, "faiss", tmp_path / "a" / "b", given)
    # A folder that was there, for all to read, stays as it is.
    (tmp_path / "there").mkdir()
    export.export(run, "faiss", tmp_path / "there", given)
    mode = {path: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert mode.pop(tmp_path / "there") == 0o755
    assert {oct(mode) for path, mode in mode.items() if path.is_dir()} == {oct(folder)}
    assert {oct(mode) for path, mode in mode.items() if path.is_file()} == {oct(file)} and len(mode) == 6


def test_other_permissions_are_refused_before_anything_is_written(demo, library, monkeypatch, tmp_path):
    monkeypatch.setenv("FACEVAULT_PERMISSIONS", "world")
    run = fv.open_run("demo", demo / "experiments")
    with pytest.raises(fv.InputError, match="FACEVAULT_PERMISSIONS: expected `private` or `umask`, this is `world`"):
        export.export(run, "faiss", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_export_takes_what_every_command_takes(demo, library, capsys, tmp_path):
    arguments = ["--permissions", "umask", "demo", "--to", "faiss", "--experiments", str(demo / "experiments")]
    assert export.main([*arguments, "--out", str(tmp_path / "out"), "--reports", "r", "-q", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "run": "demo-7b1a15708269",
        "to": "faiss",
        "folder": str(tmp_path / "out"),
        "files": ["index.faiss", "faces.csv"],
        "faces": 600,
        "without_picture": 0,
    }
    assert (tmp_path / "out" / "index.faiss").stat().st_mode & 0o777 == 0o644


def test_a_missing_library_is_named_with_what_to_install(demo, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "faiss", None)
    run = fv.open_run("demo", demo / "experiments")
    with pytest.raises(fv.MachineError, match="pip install faiss-cpu"):
        export.export(run, "faiss", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_faiss_finds_each_row_of_the_run(demo):
    faiss = pytest.importorskip("faiss")
    told = command("export", "demo", "--to", "faiss", cwd=demo).stdout
    assert told.startswith("600 faces: exports/demo-7b1a15708269/faiss/index.faiss") and "personal data" in told
    folder = demo / "exports" / "demo-7b1a15708269" / "faiss"
    run = fv.open_run("demo", demo / "experiments")
    index = faiss.read_index(str(folder / "index.faiss"))
    cosines, rows = index.search(np.ascontiguousarray(run.embeddings[:7]), 1)
    assert rows[:, 0].tolist() == list(range(7)) and np.allclose(cosines, 1)
    with open(folder / "faces.csv", newline="") as file:
        faces = list(csv.DictReader(file))
    assert [face["face_id"] for face in faces] == run.faces["face_id"].tolist()
    again = command("export", "demo", "--to", "faiss", cwd=demo, check=False)
    assert again.returncode == 2 and "is not empty; remove it" in again.stderr


def test_lance_has_the_rows_in_their_order(demo, tmp_path):
    lance = pytest.importorskip("lance")
    run = fv.open_run("demo", demo / "experiments")
    (path,) = export.export(run, "lance", tmp_path / "out")
    table = lance.dataset(str(path)).to_table()
    assert (np.stack(table["embedding"].to_numpy()) == run.embeddings).all()
    assert table["identity_id"].to_pylist() == run.faces["identity_id"].tolist()
