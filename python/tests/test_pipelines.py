"""The README's embedders in pipelines of others: their rows are those of one process."""

from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parent.parent / "README.md"


def table(name, **variables):
    """What the README's code with this import makes of the variables."""
    (code,) = [block for block in README.read_text().split("```python\n") if block.startswith(f"import {name}\n")]
    exec(code.partition("```")[0], variables)
    return variables["table"].to_pandas()


def same(table, ids, rows):
    by_id = dict(zip(table["face_id"], table["embedding"], strict=True))
    return np.stack([by_id[one] for one in ids]).tobytes() == rows.tobytes()


@pytest.fixture(scope="module")
def ids(faces):
    return [f"face {number}" for number in range(len(faces))]


def test_ray_data(embedder, faces, ids):
    ray = pytest.importorskip("ray")
    pytest.importorskip("pandas")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        assert same(table("ray", embedder=embedder, faces=faces, ids=ids), ids, embedder.embed(faces))
    finally:
        ray.shutdown()


def test_daft(embedder, faces, ids):
    pytest.importorskip("daft")
    pytest.importorskip("pandas")
    assert same(table("daft", embedder=embedder, faces=faces, ids=ids), ids, embedder.embed(faces))
