"""Ask a run's tables in SQL with DuckDB. Needs duckdb and a run: `facevault experiment demo` makes this one."""

import duckdb

import facevault_bench as fv

run = fv.open_run("demo")
width = run.embeddings.shape[1]

# Parquet's list of fixed size arrives as a list: without the cast, the functions of arrays refuse it.
duckdb.sql(f"""
    CREATE OR REPLACE TABLE faces AS
    SELECT e.face_id, e.identity_id, e.embedding::FLOAT[{width}] AS embedding, q.sharpness
    FROM '{run.path}/embeddings.parquet' e JOIN '{run.path}/face_quality.parquet' q USING (face_id)
""")

nearest = duckdb.execute(
    """
    SELECT f.face_id, f.identity_id, array_inner_product(f.embedding, q.embedding) AS cosine
    FROM faces f, (SELECT embedding FROM faces WHERE face_id = ?) q
    ORDER BY cosine DESC LIMIT 4
    """,
    [str(run.faces["face_id"][0])],
).fetchall()
print(nearest)

# Who is photographed the least sharply?
blurred = duckdb.sql("SELECT identity_id, avg(sharpness) AS mean FROM faces GROUP BY ALL ORDER BY mean LIMIT 3").fetchall()
print(blurred)
