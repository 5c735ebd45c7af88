"""The command, and what Python reads of its runs."""

import base64
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import facevault_bench as fv
from conftest import command


def test_the_demo_needs_no_checkout(demo):
    assert [run.name for run in (demo / "experiments").glob("demo-*")] == ["demo-7b1a15708269"]
    again = command("experiment", "demo", "--json", cwd=demo)
    assert json.loads(again.stdout)["status"] == "already-complete"
    assert command("verify", "demo", cwd=demo).returncode == 0


def test_exit_codes_and_texts_are_those_of_the_command(tmp_path):
    wrong = command("experimnt", check=False)
    assert wrong.returncode == 2 and "experiment" in wrong.stderr and wrong.stdout == ""
    missing = command("experiment", "nowhere.yaml", cwd=tmp_path, check=False)
    assert missing.returncode == 2 and "cannot read the config" in missing.stderr and "`demo`" in missing.stderr
    assert command("--version").stdout == f"facevault {fv.__version__}\n"
    module = subprocess.run([sys.executable, "-m", "facevault_bench", "--version"], capture_output=True, text=True)
    assert module.stdout == f"facevault {fv.__version__}\n"


def test_ctrl_c_ends_the_command_as_it_ends_the_binary(tmp_path):
    facevault = Path(sys.executable).parent / "facevault"
    arguments = [facevault, "experiment", "demo", "--set", "dataset.identities=2000", "--set", "embed.chunk_size=16"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(tmp_path.glob("experiments/*/chunks/*.json")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "to resume: facevault experiment demo" in told and "Traceback" not in told


def test_a_run_is_opened_by_path_name_and_prefix(demo):
    experiments = demo / "experiments"
    run = fv.open_run(experiments / "demo-7b1a15708269")
    for name in ["demo", "demo-7b1a", "demo-7b1a15708269"]:
        assert fv.open_run(name, experiments=experiments).name == run.name == "demo-7b1a15708269"
    with pytest.raises(fv.InputError, match="did you mean `demo`"):
        fv.open_run("dmeo", experiments=experiments)


def test_what_is_in_a_run(demo):
    run = fv.open_run("demo", experiments=demo / "experiments")
    assert run.embeddings.shape == (600, 512) and not run.embeddings.flags.writeable
    assert isinstance(run.embeddings, np.memmap)
    assert run.metrics == json.loads((run.path / "metrics.json").read_text())
    assert len(run.faces["face_id"]) == 600 and run.faces["face_id"].dtype.kind == "U"
    index = (run.path / "face_embedding_index.csv").read_text().split()[1:]
    assert run.faces["face_id"].tolist() == index
    checks = run.verify()
    assert checks and all(check["broken"] == [] for check in checks)
    assert len(run.figures) > 4 and all(svg.startswith("<svg xmlns=") for svg in run.figures.values())


def test_a_matrix_in_parts_is_one_array(demo):
    command("experiment", "demo", "--quiet", "--set", "name=parts", "--set", "embed.part_rows=250", cwd=demo)
    whole = fv.open_run("demo", experiments=demo / "experiments")
    parts = fv.open_run("parts", experiments=demo / "experiments")
    assert sorted(path.name for path in (parts.path / "face_embeddings").iterdir()) == ["00000.npy", "00001.npy", "00002.npy"]
    rows = parts.embeddings
    assert type(rows) is np.ndarray and rows.dtype == np.float32 and rows.shape == (600, 512)
    assert not rows.flags.writeable and rows.tobytes() == whole.embeddings.tobytes()
    last = rows[-1]
    del rows, parts
    # What is left of the array keeps the map.
    assert np.array_equal(last, whole.embeddings[-1])
    assert all(check["broken"] == [] for check in fv.open_run("parts", experiments=demo / "experiments").verify())
    (demo / "face_embeddings.json").write_text("[]")
    with pytest.raises(fv.FaceVaultError, match="index of parts"):
        _ = fv.Run(demo).embeddings


def test_a_notebook_shows_numbers_and_figures_and_nobody(demo):
    run = fv.open_run("demo", experiments=demo / "experiments")
    shown = run._repr_html_()
    assert "demo-7b1a15708269" in shown and "equal error rate" in shown
    assert shown.count("data:image/svg+xml") == 4 and "data:image/png" not in shown
    drawn = [base64.b64decode(part.split("'")[0]).decode() for part in shown.split("base64,")[1:]]
    assert not any(name in svg for svg in [shown, *drawn] for name in set(run.faces["identity_id"]))
    for svg in run.figures.values():
        # It stands alone: well-formed, with its own style sheet, and without any picture.
        names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
        assert "style" in names and not names & {"image", "script", "foreignObject"}


def test_damage_is_found(demo, tmp_path):
    import shutil

    copied = tmp_path / "demo-7b1a15708269"
    shutil.copytree(demo / "experiments" / copied.name, copied)
    rows = np.load(copied / "face_embeddings.npy", mmap_mode="r+")
    rows[3, 5] += 1
    rows.flush()
    assert any(check["broken"] for check in fv.open_run(copied).verify())


def test_comparing_gives_what_the_command_prints(demo):
    command("experiment", "demo", "--quiet", "--set", "name=bf16", "--set", "embed.precision=bf16", cwd=demo)
    printed = json.loads(command("compare", "demo", "bf16", "--json", "--quiet", cwd=demo).stdout)
    experiments = demo / "experiments"
    compared = fv.compare(fv.open_run("demo", experiments=experiments), "bf16", experiments=experiments)
    # The command was started in the folder of the runs.
    paths = json.dumps(compared).replace(f"{demo}/", "")
    assert json.loads(paths) == printed
    with pytest.raises(fv.InputError, match="at least two|two runs|2"):
        fv.compare("demo", experiments=experiments)
    with pytest.raises(fv.InputError, match="no run `other`"):
        fv.compare("demo", "other", experiments=experiments)
