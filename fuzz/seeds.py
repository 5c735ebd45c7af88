"""Writes first inputs for each fuzz target into OUT/<target>: `python3 fuzz/seeds.py OUT [RUN]`.

They come from the tests' fixtures and from the texts below; RUN is the directory of a small finished run of `demo.yaml`,
for the files of runs. Nothing else than Python is needed. Keep what adds coverage: `fuzz/run --minimise`.
"""

import io
import json
import pathlib
import re
import struct
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).parent.parent
OUT = pathlib.Path(sys.argv[1])
RUN = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None


def put(target, name, content):
    """Adds an input; large ones are slow to change, so they stay out."""
    content = content.encode() if isinstance(content, str) else content
    if len(content) <= 32_000:
        folder = OUT / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"seed-{re.sub('[^A-Za-z0-9_.-]', '-', name)}").write_bytes(content)


def fixtures(pattern):
    return sorted(path for path in ROOT.glob(pattern) if path.is_file())


# Configs, and overrides as their documentation has them.
for path in fixtures("configs/*.yaml"):
    put("config", path.name, path.read_bytes())
put("config", "small", "name: a\ndataset: {source: synthetic, identities: 3, samples: 2}\nweights: {source: embedded, name: demo}\n")
SETS = """\
embed.batch_size=64
preprocess={profile: facevault-notebook, crop: {mode: box, margin: 32, unit: output-pixels}}
model={network: inception-resnet-v1, width: 0.25}
dataset={source: folders, root: faces, pairs: pairs.txt, boxes: boxes.csv}
dataset={source: phase1, csv: faces.csv, root: faces, rewrite: [{from: /a, to: b}], image: photo}
dataset={source: archive, hub: {repo: a/b, revision: 0123456789012345678901234567890123456789, file: c.tar}}
dataset={source: parquet, path: shards, sha256: 0000000000000000000000000000000000000000000000000000000000000000}
dataset={source: vggface2, archive: {path: a.tar}, boxes: {path: b.csv}}
weights={source: hub, repo: a/b, revision: 0123456789012345678901234567890123456789, file: w.pth}
weights={source: url, url: "https://a.test/w.pth"}
expect.tar@fmr=1e-3.min=0.9
expect={eer: {max: 0.05}, impostor.mean_abs: {max: 0.1, source: here}}
similarity={device: cpu, pairs: all}
protocols=[{name: view-2, kind: folds, pairs: dataset}]
ablation={metric: eer, design: grid, steps: [{name: no mirror, set: {preprocess.mirror: none}}]}
published=[{metric: eer, value: 0.01, source: a paper, plus_minus: 0.001, differs: [data]}]
detect={keep: largest, min_size: 20, thresholds: [0.6, 0.7, 0.7]}
description="\\u00e9 \\t x"
seed=18446744073709551615
"""
for number, line in enumerate(SETS.splitlines()):
    put("set", f"line-{number:02}", line)
put("set", "all", SETS)

# Tables and lists.
HEAD = "face_id,identity_id,photo_id,photo_path,crop_path,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score"
ROWS = "a_1,Ann,p1,Ann/p1.jpg,Ann/a_1.png,1,2,30,40.5,0.99\nb_1,Bob,p2,Bob/p2.jpg,\"Bob/b, 1.png\",0,0,10,10,\n"
for kind in range(6):
    put("csv", f"phase1-{kind}", bytes([kind]) + f"{HEAD}\n{ROWS}".encode())
put("csv", "semicolons", b"\x01" + f"\ufeff{HEAD}\r\n{ROWS}".replace(",", ";").encode())
put("csv", "metadata", b"\x00file_name,label\nAnn/1.jpg, Ann\nBob/2.jpg,\"B\"\"ob\"\n\n")
marks = ",".join(f"{mark}_{axis}" for mark in ["left_eye", "right_eye", "nose", "mouth_left", "mouth_right"] for axis in "xy")
put("csv", "landmarks", b"\x01" + f"{HEAD},{marks}\n{ROWS.splitlines()[0]},1,2,3,4,5,6,7,8,9,10\n".encode())
LISTS = [
    "2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nBob\t1\t3\nBob\t2\tCy\t2\n",
    "1\nAnn\t1\t4\nAnn\t2\tBob\t1\n",
    "fold,target,img_0,img_1\n1,1,images/000/Ann_0001.jpg,Ann_0004.png\n10,-1,Ann_0002,Bob_0001\n",
    "same,a,b,split\n1,Ann_0001,Ann_0004,train\n0,Ann_0002,Bob_0001,test\n",
    "is_same;image_a;image_b;fold\nTrue;Ann_0001;Ann_0004;1\nFalse;Ann_0002;Bob_0001;10\n",
    "Ann_0001.jpg Ann_0002.jpg 1\nAnn_0001.jpg Bob_0001.jpg 0\n",
    "1 images/000/Ann_0001.jpg images/000/Ann_0002.jpg\n0 Ann_0001.jpg Eve_0001.jpg\n",
]
for number, text in enumerate(LISTS):
    for name in range(4):
        put("pairs", f"{number}-{name}", bytes([name]) + text.encode())
put("boxes", "corners", "face_id,x1,y1,x2,y2,score\nimages/000/Ann_0001.jpg,1,2,30,40,0.9\nAnn_0002,,,,,\nEve,1,1,2,2,1\n")
put("boxes", "sizes", "name_id,x,y,w,h\nBob_0001,1,2,30,40\nCy_0002,1.5,-2,1e3,4\n")
put("boxes", "landmarks", f"file_name,left,top,right,bottom,{marks}\nAnn_0003.jpg,1,2,3,4,1,2,3,4,5,6,7,8,9,10\n")

# The tables of a set of templates; those that are left out are sound.
MEMBERS = "1.jpg 1 10\n2.jpg 1 10\n3.jpg 2 11\n4.jpg 7 12\n5.jpg 9 12\n"
POINTS = "".join(f"{number}.jpg 1 2 3 4 5 6 7 8 9 10 0.{number}\n" for number in range(1, 6))
SETS_OF_TEMPLATES = {
    "whole": [MEMBERS, POINTS, "1 2 1\n1 7 0\n7 9 1\n", "TEMPLATE_ID,SUBJECT_ID\n1,5\n", "TEMPLATE_ID,SUBJECT_ID\n7,6\n"],
    "implied": ["", "", "1 2 1\r\n\r\n1\t7 0\n", "TEMPLATE_ID,SUBJECT_ID\n3,5\n"],
    "landmarks": ["", "1.jpg a 2 3 4 5 6 7 8 9 10 0.9\n6.jpg 1 2 3 4 5 6 7 8 9 10 1\n"],
    "pictures": ["../1.jpg 1 1\n"],
    "numbers": ["1.jpg 2147483648 1\n"],
    "twice": ["1.jpg 1 1\n1.jpg 2 1\n"],
    "labels": ["", "", "1 2 2\n"],
    "subjects": ["", "", "", "TEMPLATE_ID,SUBJECT_ID\n1,5\n1,6\n"],
}
for name, tables in SETS_OF_TEMPLATES.items():
    put("templates", name, "\0".join(tables))

# Weights and matrices.
for path in fixtures("crates/nn/tests/fixtures/weights/*.pth"):
    content = path.read_bytes()
    put("pickle", path.name, b"\0" + content)
    if content.startswith(b"PK"):
        archive = zipfile.ZipFile(path)
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        put("pickle", f"{path.name}.pkl", b"\1" + archive.read(name))
    else:
        system_ends = content.index(b"u.") + 2
        put("pickle", f"{path.name}.tail", b"\2" + content[system_ends:])
for path in fixtures("crates/graph/tests/fixtures/operators/*.onnx"):
    put("onnx", path.stem, path.read_bytes())


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


for dtype, size in [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8), ("I64", 8), ("U8", 1)]:
    header = {"a": {"dtype": dtype, "shape": [2, 3], "data_offsets": [0, 6 * size]}, "__metadata__": {"format": "pt"}}
    put("safetensors", dtype, safetensors(header, bytes(range(6 * size))))
two = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b.c": {"dtype": "F32", "shape": [], "data_offsets": [4, 8]}}
put("safetensors", "two", safetensors(two, bytes(8)))


def npy(rows, columns, first):
    """A matrix whose numbers begin at the byte `first`."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    text = text.ljust(first - 11) + "\n"
    numbers = struct.pack(f"<{rows * columns}f", *range(rows * columns))
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + numbers


for rows, columns in [(2, 3), (0, 4), (1, 1)]:
    put("npy", f"{rows}x{columns}", npy(rows, columns, 128))
for name, rows, columns, first, files in [
    ("one", 2, 3, 128, "a"), ("two", 2, 3, 128, "ab"), ("pages", 2, 512, 4096, "ab"), ("again", 1, 1, 128, "aba"),
]:  # fmt: skip
    parts = [{"file": file, "first_row": number * rows, "rows": rows, "sha256": "0" * 64} for number, file in enumerate(files)]
    index = {"schema": 1, "rows": rows * len(files), "dimension": columns, "part_rows": rows, "parts": parts}
    put("parts", name, json.dumps(index).encode() + b"\0" + npy(rows, columns, first))

# Containers.
for path in fixtures("tests/fixtures/dataset/*.bin"):
    put("insightface", path.name, path.read_bytes())
for path in fixtures("tests/fixtures/dataset/*.parquet"):
    put("parquet", path.name, path.read_bytes())
    put("manifest", path.name, path.read_bytes())
for form in [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
    for names in [["a/1.jpg", "a/2.jpg", "b/1.png"], [f"{'long' * 40}/1.jpg", "b/\u00e9.jpg"]]:
        out = io.BytesIO()
        archive = tarfile.open(fileobj=out, mode="w", format=form)
        for name in names:
            try:
                entry = tarfile.TarInfo(name)
                entry.size = 3
                archive.addfile(entry, io.BytesIO(b"\xff\xd8\xff"))
            except ValueError:
                pass
        archive.close()
        for compress in range(2):
            put("tar", f"{form}-{len(names)}-{compress}", bytes([compress]) + out.getvalue())

# Pictures: what is decoded is small, because a fuzzer tries many.
corpus = (ROOT / "crates/jpeg/tests/corpus/corpus.bin").read_bytes()
for line in (ROOT / "crates/jpeg/tests/corpus/corpus.tsv").read_text().splitlines():
    name, start, length = line.split("\t")[:3]
    if int(length) < 1200:
        put("jpeg", name, corpus[int(start) : int(start) + int(length)])
for path in fixtures("crates/preprocess/tests/fixtures/preprocess/kinds/*") + fixtures("crates/preprocess/tests/fixtures/preprocess/decode/*"):
    content = path.read_bytes()
    if len(content) < 1500:
        options = struct.pack("<BB7h", len(content) % 5, len(content) % 3, 16, 32, 160, 320, 480, 200, 100)
        put("picture", path.name, options + content)

# Answers of a Hub, each ended by the line that `src/hub/fuzzing.rs` looks for.
COMMIT, SHA = "0123456789abcdef0123456789abcdef01234567", "c2d08ba8ff2ff6b1ff6ac28ad8cf4ed4e1c8ebdc9c1bfea1a7b1a0d3d4d6f5c2"


def answer(status, headers, body=""):
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def answers(target, name, asked, *texts):
    put(target, name, bytes([asked]) + "\n----\n".join(texts).encode())


ENTRIES = [
    {"type": "file", "oid": "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "size": 7, "path": "data/a.jpg"},
    {"type": "file", "size": 134, "path": "data/b.jpg", "lfs": {"oid": SHA, "size": 7}},
    {"type": "directory", "path": "data/c"},
]
page = json.dumps(ENTRIES)
link = f'Link: <http://hub.test/api/datasets/owner/name/tree/{COMMIT}/data?recursive=true&cursor=x>; rel="next"'
answers("hub", "list", 0, answer(200, [], page))
answers("hub", "pages", 0, answer(200, [link], page), answer(200, [], "[]"))
answers("hub", "no-repository", 0, answer(404, ["X-Error-Code: RepoNotFound"]))
head = [f"X-Repo-Commit: {COMMIT}", 'ETag: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"', "X-Linked-Size: 7", f'X-Linked-Etag: "{SHA}"']
for asked in [1, 2]:
    answers("hub", f"file-{asked}", asked, answer(200, head, "pinned\n"))
    answers("hub", f"redirect-{asked}", asked, answer(302, [*head, "Location: /files/a?x=1"]), answer(200, [], "pinned\n"))
    answers("hub", f"other-host-{asked}", asked, answer(307, [*head, "Location: http://files.test/a"]), answer(200, [], "pinned\n"))
answers("hub", "small", 1, answer(200, [f"X-Repo-Commit: {COMMIT}", 'ETag: W/"x"'], "a\n"))
pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 7\n"
answers("hub", "pointer", 1, answer(200, head[:2], pointer))
answers("hub", "range", 1, answer(206, [*head, "Content-Range: bytes 0-6/7"], "pinned\n"))
answers("hub", "url", 3, answer(200, ['ETag: "a"'], "pinned\n"))
answers("hub", "url-redirect", 3, answer(302, ["Location: //other.test/b"]), answer(200, [], "pinned\n"))
answers("hub", "revision", 4, answer(200, [], json.dumps({"sha": COMMIT})))
for status in [401, 403, 404, 416, 429, 500, 407]:
    answers("hub", f"status-{status}", status % 5, answer(status, ["Retry-After: 1", 'RateLimit: "api";r=0;t=55']))
answers("hub", "chunked", 4, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"sha\r\n3\r\n\":\"\r\n0\r\n\r\n")

# Files of a run, without the paths of the machine it was made on.
if RUN:

    def cleaned(content):
        text = content.decode()
        text = re.sub(r'"(host|cpu|instruction_sets|rustc|working_directory|path|revision|device)": "[^"]*"', r'"\1": "x"', text)
        return text.replace(str(RUN.parent.parent), "/work")

    for path in sorted((RUN / "chunks").glob("*.json")):
        text = cleaned(path.read_bytes())
        put("sidecar", path.name, text)
        # No fuzzer finds a digest, and older chunks have none.
        put("sidecar", f"{path.name}.older", re.sub(r',\s*"sidecar_sha256": "[0-9a-f]*"', "", text))
    files = ["SEALED", ".checked", "plan.json", "provenance.json", "metrics.json", "breakdown.json", "calibration.json", "people.json"]
    for number, name in enumerate([*files, "face_embedding_index.csv"]):
        if (RUN / name).exists():
            put("run", name, bytes([number]) + cleaned((RUN / name).read_bytes()).encode())
    for name in ["manifest.parquet", "pair_lists.parquet"]:
        if (RUN / name).exists():
            put("manifest", name, (RUN / name).read_bytes())
