"""Search a run's faces with FAISS. Needs faiss-cpu and a run: `facevault experiment demo` makes this one."""

import faiss
import numpy as np

import facevault_bench as fv

run = fv.open_run("demo")
assert not any(check["broken"] for check in run.verify())
ids = run.faces["face_id"]

# The inner product of unit rows is their cosine. This index is exact; measure the recall of any other against it.
index = faiss.IndexFlatIP(run.embeddings.shape[1])
index.add(np.ascontiguousarray(run.embeddings))
faiss.write_index(index, "faces.faiss")
# An index holds numbers only: keep the ids and the run's name beside it.
np.savez("faces.npz", ids=ids, run=run.name)

index, kept = faiss.read_index("faces.faiss"), np.load("faces.npz")
cosines, rows = index.search(run.embeddings[:1], 4)
found = [(str(kept["ids"][row]), round(float(cosine), 4)) for row, cosine in zip(rows[0], cosines[0])]
print(found)
