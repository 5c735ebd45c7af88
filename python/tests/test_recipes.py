"""What the package does with others: the recipes as a user runs them, and tables. What is not installed is skipped by name."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import facevault_bench as fv

RECIPES = Path(__file__).parent.parent / "recipes"
NEEDS = {
    "faiss_search.py": ["faiss"],
    "duckdb_sql.py": ["duckdb"],
    "lancedb_table.py": ["lancedb", "pyarrow"],
    "ray_embed.py": ["ray.data", "pyarrow"],
    "daft_embed.py": ["daft", "pyarrow"],
    "run.ipynb": ["nbclient", "ipykernel"],
}


def recipe(name, folder):
    """Run a recipe in a folder and return what it printed, line by line."""
    for module in NEEDS[name]:
        pytest.importorskip(module, reason=f"{name}: {module} is not installed")
    # Ray's sockets need a short path; nothing is sent, and no key is left in the user's home.
    with tempfile.TemporaryDirectory(prefix="ray") as short:
        ray = {
            "RAY_TMPDIR": short,
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": "100000000",
        }
        ended = subprocess.run(
            [sys.executable, RECIPES / name],
            cwd=folder,
            env={**os.environ, **ray, "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture
def folder(demo, tmp_path):
    """A folder with the demo's run, in which a recipe may write."""
    (tmp_path / "experiments").symlink_to(demo / "experiments")
    return tmp_path


@pytest.fixture
def nearest(folder):
    """The face most like the first, and so on: its id and cosine, by nothing but numpy."""
    run = fv.open_run("demo", experiments=folder / "experiments")
    cosines = run.embeddings @ run.embeddings[0]
    order = np.argsort(-cosines, kind="stable")
    return [(str(run.faces["face_id"][row]), float(cosines[row])) for row in order]


def same(found, expected):
    assert [face for face, _ in found] == [face for face, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-4)


def test_every_recipe_is_tested_and_committed_without_outputs():
    assert {path.name for path in RECIPES.iterdir() if path.is_file()} == set(NEEDS)
    notebook = json.loads((RECIPES / "run.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_faiss_finds_the_nearest_faces(folder, nearest):
    (printed,) = recipe("faiss_search.py", folder)
    same(ast.literal_eval(printed), nearest[:4])
    kept = np.load(folder / "faces.npz")
    assert kept["run"] == "demo-7b1a15708269" and len(kept["ids"]) == 600


def test_duckdb_finds_the_nearest_faces_and_the_least_sharp_people(folder, nearest):
    printed = recipe("duckdb_sql.py", folder)
    found, blurred = map(ast.literal_eval, printed)
    same([(face, cosine) for face, _, cosine in found], nearest[:4])
    run = fv.open_run("demo", experiments=folder / "experiments")
    quality = pytest.importorskip("duckdb").sql(f"SELECT face_id, sharpness FROM '{run.path}/face_quality.parquet'")
    of = dict(quality.fetchall())
    people, sharpness = run.faces["identity_id"], np.array([of[face] for face in run.faces["face_id"].tolist()])
    means = {person: sharpness[people == person].mean() for person in set(people.tolist())}
    least = sorted(means, key=means.get)[:3]
    same(blurred, [(person, pytest.approx(means[person], rel=1e-4)) for person in least])


def test_lancedb_finds_the_nearest_faces_of_all_and_of_others(folder, nearest):
    found, other = recipe("lancedb_table.py", folder)
    same(ast.literal_eval(found), nearest[:4])
    run = fv.open_run("demo", experiments=folder / "experiments")
    person = dict(zip(run.faces["face_id"].tolist(), run.faces["identity_id"].tolist(), strict=True))
    stranger = next((person[face], cosine) for face, cosine in nearest if person[face] != person[nearest[0][0]])
    name, cosine = other.split()
    same([(name, float(cosine))], [stranger])


@pytest.mark.parametrize("name", ["ray_embed.py", "daft_embed.py"])
def test_workers_give_the_rows_of_a_run_and_say_what_failed(name, folder_run, tmp_path):
    noise, paths = folder_run
    shutil.copytree(noise / "faces", tmp_path / "faces")
    (tmp_path / "faces" / "p03" / "no-picture.ppm").write_text("not a picture")
    recipe(name, tmp_path)
    table = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "embedded").to_pylist()
    rows = {Path(row["path"]).name: row for row in table}
    run = fv.open_run("noise", experiments=noise / "experiments")
    assert len(table) == len(rows) == len(paths) + 1
    for path, expected in zip(paths, run.embeddings, strict=True):
        assert np.float32(rows[path.name]["embedding"]).tobytes() == expected.tobytes() and rows[path.name]["error"] is None
    failed = rows["no-picture.ppm"]
    assert failed["embedding"] is None and "not a supported picture" in failed["error"]


def test_the_notebook_shows_the_run_and_its_figures_inline(folder, monkeypatch):
    for module in NEEDS["run.ipynb"]:
        pytest.importorskip(module, reason=f"run.ipynb: {module} is not installed")
    import nbclient
    import nbformat

    # Its history and its sockets, which otherwise are in the user's home.
    for place in ["IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"]:
        monkeypatch.setenv(place, str(folder / place))
    notebook = nbformat.read(RECIPES / "run.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    page = outputs[0].data["text/html"]
    assert "demo-7b1a15708269" in page and page.count("data:image/svg+xml") == 4
    assert outputs[1].text.startswith("EER 0.15% [") and "0 broken rules" in outputs[1].text
    assert "Receiver operating characteristic (ROC)" in outputs[2].text and "<svg" in outputs[3].data["image/svg+xml"]


def columns():
    """Faces with every kind of column: ids of digits, text with nothing in it, whole numbers, numbers of which one is missing."""
    return fv.Faces(
        face_id=np.array(["001", "NA", "é"]),
        path=np.array(["a.jpg", "", "c.jpg"]),
        width=np.array([160, 80, 40]),
        probability=np.array([0.5, np.nan, 1.0]),
    )


def test_faces_as_a_pandas_frame(demo):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    faces = fv.open_run("demo", experiments=demo / "experiments").faces
    table = faces.to_pandas()
    assert isinstance(table, pandas.DataFrame) and len(table) == 600 and list(table) == list(faces)
    assert table.groupby("identity_id").size().eq(10).all()
    small = columns().to_pandas()
    assert small["face_id"].tolist() == ["001", "NA", "é"] and small["path"].tolist() == ["a.jpg", "", "c.jpg"]
    assert small["width"].dtype.kind == "i" and small["probability"].isna().tolist() == [False, True, False]


def test_faces_as_a_polars_frame(demo):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    faces = fv.open_run("demo", experiments=demo / "experiments").faces
    table = faces.to_polars()
    assert isinstance(table, polars.DataFrame) and table.columns == list(faces) and table.height == 600
    assert set(table.group_by("identity_id").len()["len"]) == {10}
    small = columns().to_polars()
    assert small["face_id"].to_list() == ["001", "NA", "é"] and small["path"].to_list() == ["a.jpg", "", "c.jpg"]
    assert small["width"].dtype == polars.Int64
    # A missing number is null, as polars has it: NaN would be a number that is known to be none.
    assert small["probability"].to_list() == [0.5, None, 1.0]
