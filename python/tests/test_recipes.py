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
from conftest import DEMO, command, write_ppm

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


@pytest.fixture(scope="session")
def named(tmp_path_factory, faces):
    """A run, and its folder, with names that quote, that look like code, or like no value."""
    folder = tmp_path_factory.mktemp("d'Or \"é\" %s")
    people = ["'A'B", 'C "D"', "NA", "é; DROP TABLE faces", "001", "{}"]
    for number, face in enumerate(faces[:24]):
        person = folder / "faces" / people[number // 4]
        person.mkdir(parents=True, exist_ok=True)
        write_ppm(person / f"{number:02}.ppm", face)
    config = {
        "name": "demo",
        "dataset": {"source": "folders", "root": "faces"},
        "weights": DEMO["weights"],
        "model": {"width": 0.25},
        "preprocess": {"profile": "facevault-notebook", "resize": {"size": 80}},
        "embed": {"device": "cpu"},
    }
    (folder / "demo.yaml").write_text(json.dumps(config))
    command("experiment", "demo.yaml", "--quiet", cwd=folder)
    return folder


@pytest.fixture(params=["demo", "named"])
def run(request, tmp_path):
    """A run that the recipes find as `demo`, in a folder in which they may write."""
    made = request.getfixturevalue(request.param)
    folder = tmp_path / made.name
    folder.mkdir()
    (folder / "experiments").symlink_to(made / "experiments")
    return fv.open_run("demo", experiments=folder / "experiments")


def nearest(run):
    """The faces most like the first, it first: id and cosine, by nothing but numpy."""
    cosines = run.embeddings @ run.embeddings[0]
    return [(str(run.faces["face_id"][row]), float(cosines[row])) for row in np.argsort(-cosines, kind="stable")]


def same(found, expected):
    assert [face for face, _ in found] == [face for face, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-4)


def test_every_recipe_is_tested_and_committed_without_outputs():
    assert {path.name for path in RECIPES.iterdir() if path.is_file()} == set(NEEDS)
    notebook = json.loads((RECIPES / "run.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_faiss_finds_the_nearest_faces(run):
    folder = run.path.parent.parent
    (printed,) = recipe("faiss_search.py", folder)
    same(ast.literal_eval(printed), nearest(run)[:4])
    kept = np.load(folder / "faces.npz")
    assert kept["run"] == run.name and kept["ids"].tolist() == run.faces["face_id"].tolist()


def test_duckdb_finds_the_nearest_faces_and_the_least_sharp_people(run):
    found, blurred = map(ast.literal_eval, recipe("duckdb_sql.py", run.path.parent.parent))
    same([(face, cosine) for face, _, cosine in found], nearest(run)[:4])
    quality = pytest.importorskip("duckdb").read_parquet(str(run.path / "face_quality.parquet"))
    of = dict(quality.project("face_id, sharpness").fetchall())
    people, sharpness = run.faces["identity_id"], np.array([of[face] for face in run.faces["face_id"].tolist()])
    means = {person: sharpness[people == person].mean() for person in set(people.tolist())}
    least = sorted(means, key=means.get)[:3]
    same(blurred, [(person, pytest.approx(means[person], rel=1e-4)) for person in least])


def test_lancedb_finds_the_nearest_faces_of_all_and_of_others(run):
    found, other = recipe("lancedb_table.py", run.path.parent.parent)
    order = nearest(run)
    same(ast.literal_eval(found), order[:4])
    person = dict(zip(run.faces["face_id"].tolist(), run.faces["identity_id"].tolist(), strict=True))
    stranger = next((person[face], cosine) for face, cosine in order if person[face] != person[order[0][0]])
    name, cosine = other.rsplit(" ", 1)
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


def test_the_notebook_shows_the_run_and_its_figures_inline(demo, tmp_path, monkeypatch):
    for module in NEEDS["run.ipynb"]:
        pytest.importorskip(module, reason=f"run.ipynb: {module} is not installed")
    import nbclient
    import nbformat

    # Its history and its sockets, which otherwise are in the user's home.
    for place in ["IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"]:
        monkeypatch.setenv(place, str(tmp_path / place))
    notebook = nbformat.read(RECIPES / "run.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": demo}}).execute()
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
