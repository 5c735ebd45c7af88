#!/usr/bin/env python3
"""Alternates facevault with the engines that a user would pick instead, round by round, on the same cores.

    python experiments/peers/side_by_side.py --threads 1,2 --batches 1,32 \\
        -- target/release/facevault throughput configs/vggface2.yaml --precisions f32,bf16,int8 --network-only

`peer_bench.py`, in this folder, names the packages to install and holds the network and the engines.

Machines differ and drift, so a figure is only worth comparing with one measured next to it. Every round visits every
setting (threads, batch), and in each setting every engine, starting one engine further than the round before. A peer is one
process that compiles its model once and times it on demand. facevault is started anew for each setting of a round and
leaves its own warm-up out of its figures. The program after `--` gets `--threads T --batches B --json`; an object of
its JSON with `precision` and `faces_per_second` (a number, or an object with `median`) is one figure.

Prints a row for each engine and setting: faces/s as median and quartiles of the rounds, and for facevault the ratio to
the fastest peer in the same precision (of bf16x3: in f32), as median and quartiles of the rounds' own ratios, in which drift cancels.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

OURS = "facevault"
OUR_COMMAND = ["target/release/facevault", "throughput", "configs/vggface2.yaml", "--precisions", "f32,bf16,int8",
               "--network-only"]
PEER_BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peer_bench.py")
EVERY_PEER = "torch-f32,torch-bf16,ort-f32,ort-int8,openvino-f32,openvino-bf16,openvino-int8"


def peer_bench(path):
    """The module at `path`, which holds the network, its export and the engines; the timing is done here."""
    spec = importlib.util.spec_from_file_location("peer_bench", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def network(bench):
    import torch.fx.experimental.optimization  # noqa: F401  (peer_bench reaches it as an attribute of torch)

    return bench.seeded_network()


def prepare(bench, folder, with_int8):
    onnx = bench.exported(network(bench), folder)
    if with_int8:
        bench.quantised(onnx, folder)


def timed(call, faces, seconds):
    """Faces/s of as many calls as fit in `seconds` (at least one), after a call that does not count."""
    call()
    calls, start = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - start < seconds:
        call()
        calls += 1
    return faces * calls / (time.perf_counter() - start)


def serve(bench, engine, folder):
    """Answers each line {threads, batch, seconds} of stdin with a line {faces_per_second}."""
    # Libraries talk on stdout; the answers keep the real one for themselves.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch = None
    if engine.startswith("torch"):
        import torch
    net = network(bench) if torch else None
    paths = [os.path.join(folder, name) for name in ("model.onnx", "int8.onnx")]
    calls = {}
    for line in sys.stdin:
        ask = json.loads(line)
        setting = (ask["threads"], ask["batch"])
        if setting not in calls:
            calls[setting] = bench.runner(engine, net, *paths, batch=ask["batch"], threads=ask["threads"])
        if torch:
            torch.set_num_threads(ask["threads"])  # one count for the whole process, whoever asked last
        print(json.dumps({"faces_per_second": timed(calls[setting], ask["batch"], ask["seconds"])}), file=answers, flush=True)


class Peer:
    def __init__(self, engine, worker, folder, errors):
        self.engine, self.precision = engine, engine.split("-")[1]
        self.process = subprocess.Popen([*worker, "--serve", engine, folder], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=errors, text=True)

    def faces_per_second(self, threads, batch, seconds):
        print(json.dumps({"threads": threads, "batch": batch, "seconds": seconds}), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.engine} ended without an answer (exit {self.process.wait()}); --verbose shows why")
        return {(self.engine, self.precision): json.loads(answer)["faces_per_second"]}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    engine = OURS

    def __init__(self, command, errors):
        self.command, self.errors = command, errors

    def faces_per_second(self, threads, batch, seconds):
        command = [*self.command, "--threads", str(threads), "--batches", str(batch), "--json"]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit {ended.returncode}; --verbose shows why")
        figures = {(OURS, precision): value for precision, value in our_figures(json.loads(ended.stdout))}
        if not figures:
            raise SystemExit(f"{' '.join(command)}: no object with `precision` and `faces_per_second` in its JSON")
        return figures

    def close(self):
        pass


def our_figures(document):
    """(precision, faces/s) of every object of the document that has both."""
    if isinstance(document, list):
        for item in document:
            yield from our_figures(item)
    elif isinstance(document, dict):
        speed = document.get("faces_per_second")
        if "precision" in document and speed is not None:
            yield document["precision"].lower(), float(speed["median"] if isinstance(speed, dict) else speed)
        else:
            for item in document.values():
                yield from our_figures(item)


def quartiles(values):
    if len(values) < 2:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def table(rounds):
    """Markdown of `rounds`: one dict a round, faces/s by (engine, precision, threads, batch)."""
    lines = ["| engine | precision | threads | batch | faces/s | quartiles | to the best peer | quartiles |",
             "|---|---|---:|---:|---:|---|---:|---|"]
    middle = {key: quartiles([one[key] for one in rounds]) for key in rounds[0]}
    for key in sorted(middle, key=lambda k: (k[2:], k[1], -middle[k][1])):
        engine, *same = key
        low, median, high = middle[key]
        ratio = " | "
        # bf16x3 is for those who want f32's numbers.
        peer_precision = "f32" if same[0] == "bf16x3" else same[0]
        peers = [k for k in middle if k[0] != OURS and list(k[1:]) == [peer_precision, *same[1:]]]
        if engine == OURS and peers:
            best = max(peers, key=lambda k: middle[k][1])
            below, ratio, above = quartiles([one[key] / one[best] for one in rounds])
            ratio = f"{ratio:.2f} ({best[0]}) | {below:.2f}–{above:.2f}"
        lines.append(f"| {engine} | {same[0]} | {same[1]} | {same[2]} | {median:.1f} | {low:.1f}–{high:.1f} | {ratio} |")
    return "\n".join(lines)


def numbers(text):
    return [int(n) for n in text.split(",")]


def main():
    line = sys.argv[1:]
    ours = line[line.index("--") + 1:] if "--" in line else OUR_COMMAND
    line = line[:line.index("--")] if "--" in line else line
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-bench", default=PEER_BENCH, metavar="PATH", help="the network and the engines; default: the one beside this file")
    parser.add_argument("--engines", default=EVERY_PEER, help="peers, comma-separated; default: all")
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="per peer and setting of a round")
    parser.add_argument("--cores", type=numbers, help="cores to run on; default: the first allowed ones, as many as threads")
    parser.add_argument("--save", metavar="FILE", help="write the rounds as JSON lines")
    parser.add_argument("--without-ours", action="store_true", help="run the peers only")
    parser.add_argument("--verbose", action="store_true", help="show the stderr of the programs")
    parser.add_argument("--serve", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--prepare", nargs=2, metavar=("FOLDER", "INT8"), help=argparse.SUPPRESS)
    args = parser.parse_args(line)
    if args.serve:
        return serve(peer_bench(args.peer_bench), *args.serve)
    if args.prepare:
        return prepare(peer_bench(args.peer_bench), args.prepare[0], args.prepare[1] == "int8")

    engines = [name for name in args.engines.split(",") if name]
    unknown = sorted(set(engines) - set(EVERY_PEER.split(",")))
    if unknown:
        parser.error(f"unknown engines {unknown}; known: {EVERY_PEER}")
    cores = args.cores or sorted(os.sched_getaffinity(0))[:max(args.threads)]
    os.sched_setaffinity(0, cores)
    worker = [sys.executable, os.path.abspath(__file__), "--peer-bench", args.peer_bench]
    errors = None if args.verbose else subprocess.DEVNULL
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        if any(not name.startswith("torch") for name in engines):
            int8 = "int8" if any(name.endswith("int8") for name in engines) else "no"
            subprocess.run([*worker, "--prepare", folder, int8], check=True, stdout=errors, stderr=errors)
        contestants = [] if args.without_ours else [Ours(ours, errors)]
        contestants += [Peer(name, worker, folder, errors) for name in engines]
        for one in contestants:
            running.callback(one.close)
        settings = [(threads, batch) for threads in args.threads for batch in args.batches]
        # The first visit compiles the peers' models and reads the weights into the page cache: it does not count.
        for threads, batch in settings:
            for one in contestants:
                one.faces_per_second(threads, batch, 0.0)
        rounds = []
        for number in range(args.rounds):
            found = {}
            for threads, batch in settings:
                first = number % len(contestants)
                for one in contestants[first:] + contestants[:first]:
                    for (engine, precision), speed in one.faces_per_second(threads, batch, args.seconds).items():
                        found[engine, precision, threads, batch] = speed
            rounds.append(found)
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    if args.save:
        with open(args.save, "w") as file:
            for number, found in enumerate(rounds, 1):
                for (engine, precision, threads, batch), speed in found.items():
                    row = {"round": number, "engine": engine, "precision": precision, "threads": threads, "batch": batch}
                    print(json.dumps(row | {"faces_per_second": speed}), file=file)
    print(f"{args.rounds} rounds on cores {','.join(map(str, cores))}\n\n{table(rounds)}")


if __name__ == "__main__":
    main()
