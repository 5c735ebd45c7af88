"""Embed faces with Daft. Needs daft."""

from pathlib import Path

import daft
from daft import DataType

import facevault_bench as fv

# Yours: {"weights": "model.safetensors"}
NETWORK = {"weights": {"source": "embedded", "name": "demo"}, "width": 0.25, "profile": "facevault-notebook", "side": 80}
EMBEDDED = DataType.struct({"embedding": DataType.list(DataType.float32()), "error": DataType.string()})


# A process of its own, which is not forked from one that has threads already.
@daft.cls(max_concurrency=1, use_process=True)
class Embed:
    def __init__(self) -> None:
        self.embedder = fv.Embedder(**NETWORK, device="cpu")

    @daft.method.batch(return_dtype=EMBEDDED, unnest=True, batch_size=64)
    def __call__(self, paths: daft.Series) -> list[dict[str, object]]:
        files = paths.to_pylist()
        rows, failures, quality = self.embedder.embed_files(files)
        # Every path stays a row: with an embedding, or with the reason that it has none.
        told: list[dict[str, object]] = [{"embedding": None, "error": None} for _ in files]
        for place, row in zip(quality["index"], rows):
            told[place]["embedding"] = row.tolist()
        for failure in failures:
            told[failure.index]["error"] = failure.reason
        return told


paths = [str(path) for path in sorted(Path("faces").glob("*/*"))]
faces = daft.from_pydict({"path": paths})
embedded = faces.select("path", Embed()(faces["path"])).collect()
embedded.write_parquet("embedded")
