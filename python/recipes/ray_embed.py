"""Embed faces with Ray Data, on one machine or many. Needs ray[data]; every worker needs facevault-bench."""

from pathlib import Path

import pyarrow as pa
import ray

import facevault_bench as fv

# Yours: {"weights": "/shared/model.safetensors"}, a path that every worker can read.
NETWORK = {"weights": {"source": "embedded", "name": "demo"}, "width": 0.25, "profile": "facevault-notebook", "side": 80}
CORES = 1  # of each worker; the rows do not depend on it


class Embed:
    def __init__(self) -> None:
        self.embedder = fv.Embedder(**NETWORK, threads=CORES, device="cpu")

    def __call__(self, faces: pa.Table) -> pa.Table:
        paths = faces["path"].to_pylist()
        rows, failures, quality = self.embedder.embed_files(paths)
        embeddings = dict(zip(quality["index"].tolist(), rows))
        reasons = {failure.index: failure.reason for failure in failures}
        # Every path stays a row: with an embedding, or with the reason that it has none.
        embedding = pa.array([embeddings.get(place) for place in range(len(paths))], pa.list_(pa.float32()))
        error = pa.array([reasons.get(place) for place in range(len(paths))], pa.string())
        return faces.append_column("embedding", embedding).append_column("error", error)


paths = [str(path.resolve()) for path in sorted(Path("faces").glob("*/*"))]
dataset = ray.data.from_items([{"path": path} for path in paths])
embedded = dataset.map_batches(Embed, batch_format="pyarrow", batch_size=64, num_cpus=CORES, compute=ray.data.ActorPoolStrategy(size=1))
embedded.write_parquet(str(Path("embedded").resolve()))
