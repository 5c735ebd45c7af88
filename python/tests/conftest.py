"""What the tests share: the demo's network, its faces as arrays and as files, and its run by the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facevault_bench as fv

DEMO = {"weights": {"source": "embedded", "name": "demo"}, "width": 0.25, "profile": "facevault-notebook", "side": 80}


def command(*arguments, cwd=None, check=True):
    """Run the installed command."""
    facevault = Path(sys.executable).parent / "facevault"
    ended = subprocess.run([facevault, *map(os.fspath, arguments)], cwd=cwd, capture_output=True, text=True)
    if check:
        assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder in which the command has run the demo."""
    folder = tmp_path_factory.mktemp("demo")
    command("experiment", "demo", "--quiet", cwd=folder)
    return folder


@pytest.fixture(scope="session")
def embedder():
    return fv.Embedder(**DEMO, device="cpu")


@pytest.fixture(scope="session")
def faces():
    """Noise: what a network does to it is as well defined as what it does to a face."""
    return np.random.default_rng(7).integers(0, 256, (48, 80, 80, 3), dtype=np.uint8)


def write_ppm(path, picture):
    """Write pixels without a library."""
    height, width, _ = picture.shape
    path.write_bytes(b"P6 %d %d 255\n" % (width, height) + picture.tobytes())


@pytest.fixture(scope="session")
def folder_run(tmp_path_factory, faces):
    """A run of the command over the faces as files, and their paths in its order."""
    folder = tmp_path_factory.mktemp("folder")
    for number, face in enumerate(faces):
        person = folder / "faces" / f"p{number // 4:02}"
        person.mkdir(parents=True, exist_ok=True)
        write_ppm(person / f"{number:02}.ppm", face)
    config = {
        "name": "noise",
        "dataset": {"source": "folders", "root": "faces"},
        "weights": DEMO["weights"],
        "model": {"width": 0.25},
        "preprocess": {"profile": "facevault-notebook", "resize": {"size": 80}},
        "embed": {"device": "cpu"},
    }
    (folder / "noise.yaml").write_text(json.dumps(config))
    command("experiment", "noise.yaml", "--quiet", cwd=folder)
    return folder, sorted((folder / "faces").glob("*/*.ppm"))
