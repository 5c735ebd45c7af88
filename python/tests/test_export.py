"""`export` to the formats of Python's libraries; each is tested where its library is installed."""

import csv
import sys

import numpy as np
import pytest

import facevault_bench as fv
from conftest import command
from facevault_bench import export


def test_only_exports_to_python_libraries_are_taken_from_the_command():
    assert export.is_meant(["export", "demo", "--to", "faiss"]) and export.is_meant(["export", "--to=lance", "demo"])
    for others in [[], ["export", "demo", "--to", "mlflow"], ["runs", "--to", "faiss"], ["export", "faiss"]]:
        assert not export.is_meant(others)


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
