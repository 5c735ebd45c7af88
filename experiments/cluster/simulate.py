#!/usr/bin/env python3
"""What a run costs on a cluster, simulated from measured costs: hours, requests, bytes, what breaks first.

    python3 simulate.py                            the table of docs/guides/cluster.md
    python3 simulate.py --store objects            the one of an object store
    python3 simulate.py --faces 3e7 --workers 64 --store-latency 0.02 --picture-bytes 60000

Measured (measure.py, strace, FaceNet's published weights; one core of an EPYC): what starting, a face, a chunk, preparing
and finishing take. Assumed, and all options: the store, slow workers, nodes that die. Workers have one core, and take the
next shard when they end one. Needs numpy."""

import argparse
import heapq
from dataclasses import dataclass

import numpy as np

# Measured. Seconds of one core.
START = 0.42  # a worker: reads 94 MB of weights, checks its arithmetic
FACE = 0.036  # FaceNet in f32
CHUNK = 0.00096  # committed to a file system in memory
PREPARE_FACE = 26e-6  # reads and digests a picture of 20 kB that is in memory
FINISH_FACE, FINISH_CHUNK = 120e-6, 0.2e-3
ROW, SIDECAR, MANIFEST_ROW = 512 * 4, 979, 39
PREPARE_BYTES = 611  # of memory, a face
PAIRS_PER_SECOND = 73.7e6  # of one core, from docs/pairs.md

WEIGHTS = 94e6


@dataclass
class Store:
    """Requests, counted: of a file system by strace, of an object store by the proxy of experiments/cluster/objects/test.
    What a request takes and how many there may be in a second is assumed."""

    start: int
    chunk: int
    picture: int
    # Pictures that `prepare` reads at a time: one on each core, or as many as are read ahead.
    at_a_time: int | None
    latency: float
    per_second: float


STORES = {
    "files": Store(start=190, chunk=14, picture=3, at_a_time=None, latency=0.001, per_second=50e3),
    # S3 gives 5,500 reads a second to a prefix before it divides it.
    "objects": Store(start=12, chunk=2, picture=1, at_a_time=32, latency=0.03, per_second=5.5e3),
}


@dataclass
class Outcome:
    prepare: float
    embed: float
    finish: float
    core_hours: float
    lost: float
    deaths: int
    requests: float
    files: float
    read: float
    written: float
    per_second: float
    breaks: str


def simulate(faces, workers, options):
    random = np.random.default_rng(options.seed)
    chunks = -(-faces // options.chunk)
    shards = min(workers * options.shards_per_worker, chunks)
    # A worker is as fast as its node, and some nodes are slow.
    speed = np.exp(random.normal(0, options.spread, workers))
    speed[random.random(workers) < options.slow] /= 2
    store = STORES[options.store]
    latency = store.latency if options.store_latency is None else options.store_latency
    per_second = store.per_second if options.store_requests is None else options.store_requests
    # Pictures are read ahead: only what the store cannot deliver in time delays. All workers share it.
    wanted = workers * options.picture_bytes / FACE
    requests_wanted = workers * (store.picture + store.chunk / options.chunk) / FACE
    crowd = max(1, wanted / options.store_bandwidth, requests_wanted / per_second)
    face = FACE * crowd
    chunk = CHUNK + store.chunk * latency
    # All start at once, and read the weights at once.
    start = START + store.start * latency + workers * WEIGHTS / options.store_bandwidth
    cuts = np.arange(shards + 1) * chunks // shards
    busy, lost, deaths, end = 0.0, 0.0, 0, 0.0
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    for of_shard in np.diff(cuts):
        at, worker = heapq.heappop(free)
        work = of_shard * (chunk + options.chunk * face / speed[worker])
        begin = start if at == 0 else START + store.start * latency
        dead = random.poisson((begin + work) / 3600 / options.hours_between_deaths)
        # A death costs half a chunk on average, waiting for a place, and a start.
        again = dead * (options.chunk * face / speed[worker] / 2 + begin)
        deaths += dead
        lost += again
        busy += begin + work + again
        at += begin + work + again + dead * options.restart
        end = max(end, at)
        heapq.heappush(free, (at, worker))
    # Preparing and finishing are one process each. Preparing reads pictures, some at a time.
    cores = options.prepare_cores
    reading = max(PREPARE_FACE / cores, (PREPARE_FACE + store.picture * latency) / (store.at_a_time or cores))
    prepare = START + faces * max(reading, options.picture_bytes / options.store_bandwidth, store.picture / per_second)
    written = faces * ROW
    finish = faces * FINISH_FACE + chunks * (FINISH_CHUNK + 2 * latency) + 2 * written / options.store_bandwidth
    requests = (
        2 * faces * store.picture
        + chunks * (store.chunk + 2)
        + (shards + deaths) * store.start
        + deaths * store.chunk
    )
    return Outcome(
        prepare=prepare / 3600,
        embed=end / 3600,
        finish=finish / 3600,
        core_hours=(busy + options.prepare_cores * prepare + finish) / 3600,
        lost=lost / 3600,
        deaths=deaths,
        requests=requests,
        files=2 * chunks + shards + deaths,
        read=2 * faces * options.picture_bytes + written + chunks * SIDECAR + (shards + deaths) * WEIGHTS,
        written=2 * written + chunks * SIDECAR + faces * MANIFEST_ROW,
        per_second=faces / end * (store.picture + store.chunk / options.chunk),
        breaks=breaks(faces, workers, chunks, prepare, end, finish, crowd, options),
    )


def breaks(faces, workers, chunks, prepare, embed, finish, crowd, options):
    """What a larger run or cluster meets next, the worst first."""
    whole = prepare + embed + finish
    found = []
    if faces * PREPARE_BYTES > options.memory:
        found.append(f"memory of `prepare`: {size(faces * PREPARE_BYTES)}")
    for name, took in (("prepare", prepare), ("finish", finish)):
        if took > embed:
            found.append(f"`{name}`: {100 * took / whole:.0f}% of the time")
    if crowd > 1:
        found.append(f"the store, asked for {crowd:.1f} times what it gives")
    if chunks > 500_000 and options.store == "files":
        found.append(f"a folder of {2 * chunks / 1e6:.1f} million files")
    return "; ".join(found) or "nothing: embedding takes longest"


def size(number, units=("B", "kB", "MB", "GB", "TB", "PB")):
    for unit in units:
        if number < 999.5 or unit == units[-1]:
            return f"{number:.3g} {unit}"
        number /= 1000


def count(number):
    return size(number, ("", "thousand", "million", "billion", "trillion")).strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    option = parser.add_argument
    option("--faces", type=lambda text: int(float(text)), nargs="*", default=[10**7, 10**8, 10**9])
    option("--workers", type=int, nargs="*", default=[10, 100, 1000])
    option("--shards-per-worker", type=int, default=8)
    option("--chunk", type=int, default=1024, help="embed.chunk_size")
    option("--picture-bytes", type=float, default=20e3)
    option("--store", choices=STORES, default="files", help="what the workers share")
    option("--store-latency", type=float, help="seconds of a request (0.001; of an object store 0.03)")
    option("--store-bandwidth", type=float, default=2e9, help="bytes per second, of all workers")
    option("--store-requests", type=float, help="per second, of all workers (50,000; of an object store 5,500)")
    option("--spread", type=float, default=0.1, help="standard deviation of the logarithm of workers' speeds")
    option("--slow", type=float, default=0.02, help="share of workers at half the speed")
    option("--hours-between-deaths", type=float, default=100.0, help="of one worker")
    option("--restart", type=float, default=120.0, help="seconds until a shard has a place again")
    option("--prepare-cores", type=int, default=8)
    option("--memory", type=float, default=64e9, help="bytes of the machine that prepares")
    option("--seed", type=int, default=0)
    options = parser.parse_args()
    heads = [
        "faces",
        "workers",
        "prepare + embed + finish, h",
        "core-hours",
        "lost to deaths, h",
        "files",
        "requests, per s of embedding",
        "read",
        "written",
        "what breaks first",
    ]
    print(f"| {' | '.join(heads)} |\n|{'---:|' * (len(heads) - 1)}---|")
    for faces in options.faces:
        for workers in options.workers:
            it = simulate(faces, workers, options)
            hours = " + ".join(f"{value:,.{2 if value < 10 else 0}f}" for value in (it.prepare, it.embed, it.finish))
            cells = [
                count(faces),
                f"{workers:,}",
                hours,
                f"{it.core_hours:,.0f}",
                f"{it.lost:.2g} ({it.deaths:,})",
                count(it.files),
                f"{count(it.requests)}, {it.per_second:,.0f}",
                size(it.read),
                size(it.written),
                it.breaks,
            ]
            print(f"| {' | '.join(cells)} |")
    print()
    for faces in options.faces:
        pairs = faces * (faces - 1) / 2
        print(f"All {pairs:.0e} pairs of {count(faces)} faces: {pairs / PAIRS_PER_SECOND / 3600:,.0f} core-hours.")


main()
