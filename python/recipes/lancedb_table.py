"""Keep a run's faces in a LanceDB table. Needs lancedb and a run: `facevault experiment demo` makes this one."""

import lancedb
import pyarrow as pa

import facevault_bench as fv

run = fv.open_run("demo")
rows = run.embeddings
columns = {name: pa.array(run.faces[name].tolist()) for name in ["face_id", "identity_id"]}
columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])

# A table of one run: rows of different runs compare only where you have checked that they do.
table = lancedb.connect("faces.lance").create_table(run.name, pa.table(columns), mode="overwrite")

# Without an index the search is exact.
query = table.search(rows[0]).distance_type("dot").limit(4)
nearest = [(row["face_id"], round(1 - row["_distance"], 4)) for row in query.to_list()]
print(nearest)

# The same among everybody else.
own = run.faces["identity_id"][0]
others = query.where(f"identity_id != '{own}'", prefilter=True).to_list()
print(others[0]["identity_id"], round(1 - others[0]["_distance"], 4))
