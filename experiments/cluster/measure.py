#!/usr/bin/env python3
"""Measures what shards cost on this machine, with the demo's faces and network, as JSON, which simulate.py takes.

    python3 measure.py FACEVAULT [ROUNDS]

Each worker has a core to itself, as on nodes of one core. One and two workers take turns, so that other work on the
machine slows both. `efficiency` is how much of twice the speed two workers have: by the clock, and by the processors'
time, which other work hardly changes."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FACES = 1200
SMALL, LARGE = 10, 100


class Folder:
    """A folder of runs."""

    def __init__(self, facevault, path):
        self.facevault, self.path, self.number = facevault, path, 0

    def start(self, core, *words):
        return subprocess.Popen(
            [self.facevault, *map(str, words)],
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )

    def prepare(self, chunk, faces=FACES):
        """A new run, with the seconds that preparing takes."""
        self.number += 1
        experiments = f"e{self.number}"
        sizes = {"dataset.identities": faces // 10, "embed.chunk_size": chunk, "embed.threads": 1}
        sets = [word for key, value in sizes.items() for word in ("--set", f"{key}={value}")]
        seconds, _ = self.timed(["prepare", "demo", "--no-reuse", "--experiments", experiments, *sets])
        (run,) = (self.path / experiments).glob("demo-*")
        return run, seconds

    def timed(self, *commands):
        """Seconds on the clock and of the processors that commands take which run at once."""
        before, begun = processors(), time.monotonic()
        processes = [self.start(core, *words, "--quiet") for core, words in enumerate(commands)]
        for process in processes:
            _, said = process.communicate()
            if process.returncode:
                sys.exit(f"{process.args}: {said.decode()}")
        return time.monotonic() - begun, processors() - before

    def shards(self, run, count):
        return self.timed(*(["embed", run, "--shard", f"{index}/{count}"] for index in range(count)))


def processors():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    facevault, rounds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    load = os.getloadavg()[0]
    one, two, starts, small, finish, missing, prepare = [], [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(facevault, Path(path))
        for _ in range(rounds):
            run, seconds = folder.prepare(LARGE)
            prepare.append(seconds)
            one.append(folder.shards(run, 1))
            # All of it is there: what is left is the start of a worker.
            starts.append(folder.shards(run, 1))
            finish.append(folder.timed(["finish", run])[0])
            run, _ = folder.prepare(LARGE)
            two.append(folder.shards(run, 2))
            run, _ = folder.prepare(SMALL)
            small.append(folder.shards(run, 1))
            missing.append(folder.timed(["missing", run, "--shards", 10])[0])
        sidecar = statistics.mean(path.stat().st_size for path in (run / "chunks").glob("*.json"))
    clock, processor = 0, 1

    def median(values, which=None):
        return statistics.median(value if which is None else value[which] for value in values)

    start = median(starts, clock)
    chunk = (median(small, clock) - median(one, clock)) / (FACES / SMALL - FACES / LARGE)
    face = (median(one, clock) - start - FACES / LARGE * max(chunk, 0)) / FACES
    ratio = lambda which, of_two: median(one, which) / of_two  # noqa: E731
    costs = {
        "faces": FACES,
        "rounds": rounds,
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "start_seconds": round(start, 3),
        "start_processor_seconds": round(median(starts, processor), 3),
        "face_seconds": round(face, 6),
        "chunk_seconds": round(max(chunk, 0), 5),
        "prepare_seconds": round(median(prepare), 2),
        "finish_seconds": round(median(finish), 2),
        "missing_seconds": round(median(missing), 3),
        "sidecar_bytes": round(sidecar),
        "seconds_of_one_worker": [round(value[clock], 2) for value in one],
        "seconds_of_two_workers": [round(value[clock], 2) for value in two],
        "efficiency": round(ratio(clock, 2 * median(two, clock)), 3),
        "efficiency_of_processors": round(ratio(processor, median(two, processor)), 3),
    }
    print(json.dumps(costs, indent=2))


main()
