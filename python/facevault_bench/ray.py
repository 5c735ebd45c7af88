"""A run on a Ray cluster: each shard is a task that calls the command, and the driver gathers what becomes of them.

    import facevault_bench.ray

    run = facevault_bench.ray.run("config.yaml", shards=64, experiments="/shared/experiments", address="auto")

Every node needs this package, the experiments folder and the dataset under the paths of the driver, and the weights: in
a cache that the nodes share, or downloaded by each. The package `ray` is not among the requirements of this one.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import ray
    from ray.exceptions import RayError
except ImportError as error:
    raise ImportError("facevault_bench.ray needs the package `ray`: pip install ray") from error

from ._arrays import StrPath
from ._errors import FaceVaultError, InputError, MachineError
from ._run import Run, open_run

# Where files are. Tokens stay where they are set: they would pass through the cluster's object store.
_PLACES = ("FACEVAULT_PERMISSIONS", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")
_USAGE, _MISSED = 2, 3
_SECONDS_BETWEEN_LINES = 5.0
_PAUSE_SECONDS = 3.0


@dataclass(frozen=True)
class _Ended:
    """How a command ended."""

    code: int
    printed: str
    text: str
    """What it said, without the word `error`."""
    host: str
    node: str = ""

    def error(self) -> FaceVaultError:
        return (InputError if self.code == _USAGE else MachineError)(self.text)


def run(
    config: StrPath,
    *,
    shards: int,
    address: str | None = None,
    overrides: Sequence[str] = (),
    experiments: StrPath = "experiments",
    num_cpus: float = 1,
    num_gpus: float = 0,
    retries: int = 3,
    evaluate: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Run:
    """Embed and evaluate a config on a Ray cluster, with the bytes that one machine gives.

    `shards` is into how many tasks the faces are split: several for each place in the cluster, so that slow nodes get
    fewer. `address` is Ray's; without it, what `ray.init` finds or starts. A connection that is there is used.
    `overrides` are those of `--set`. `experiments` is a folder that the driver and all nodes have under this path. A task
    has `num_cpus` cores, and as many threads, and `num_gpus` GPUs. A shard that fails, or whose node dies, is started
    again up to `retries` times, on another node if there is one; what it had committed is kept. `progress` is called with
    lines to show; without it, they go to stderr. Without `evaluate`, the run has embeddings and no statistics.

    Fails with the texts of the command: InputError where an argument or the config has to change, MachineError where a
    machine, its files or its network lack something. The same call resumes. Expectations of the config that are missed
    are said, and in `run.metrics`.
    """
    if shards < 1:
        raise InputError(f"shards is {shards}; give 1 or more")
    if retries < 0:
        raise InputError(f"retries is {retries}; give 0 or more")
    say = progress or _to_stderr
    experiments = Path(experiments).absolute()
    threads = max(1, int(num_cpus))
    settings = [f"embed.threads={threads}", *overrides]
    words = ["prepare", os.fspath(config), *(word for one in settings for word in ("--set", one))]
    prepared = json.loads(_here(words, experiments).printed)
    directory = Path(prepared["directory"])
    whole = prepared["committed"] == prepared["chunks"] and (directory / "metrics.json").is_file()
    connected = ray.is_initialized()
    if not connected:
        ray.init(address=address)
    try:
        tasks = _Tasks(directory, shards, {"num_cpus": num_cpus, "num_gpus": num_gpus}, retries, say)
        tasks.warn_if_nowhere()
        _embed(tasks, prepared)
        if evaluate and not whole:
            _evaluate(tasks)
    finally:
        if not connected:
            ray.shutdown()
    return open_run(directory)


def _embed(tasks: "_Tasks", prepared: dict[str, Any]) -> None:
    """Embed what is missing, and finish the run."""
    faces_of_chunk = prepared["faces"] / max(1, prepared["chunks"])
    begun, before = time.monotonic(), prepared["committed"]

    def line() -> str:
        committed = prepared["chunks"] - tasks.missing()["chunks_missing"]
        faces = round((committed - before) * faces_of_chunk)
        speed = faces / max(time.monotonic() - begun, 1e-9)
        return f"{round(committed * faces_of_chunk)} of {prepared['faces']} faces embedded, {speed:.0f}/s"

    for attempt in range(tasks.retries + 1):
        if missing := tasks.missing()["missing"]:
            if failed := tasks.complete("embed", missing, line):
                raise _failure(failed, tasks.shards)
        # It reads all chunks, and removes those that are damaged: they are missing then.
        finished = tasks.here("finish")
        if finished.code == 0:
            return
        if finished.code == _USAGE or attempt == tasks.retries:
            raise finished.error()
        tasks.say(f"not finished yet: {finished.text}")
        # A worker that Ray believes dead may be about to end, and has the run until then.
        time.sleep(_PAUSE_SECONDS)


def _evaluate(tasks: "_Tasks") -> None:
    """Compare the pairs, a part per task, and compute the statistics. What no task compared is compared here."""
    for failed in tasks.complete("evaluate", range(tasks.shards), None).values():
        tasks.say(f"compared by the driver: {failed.text}")
    evaluated = tasks.here("evaluate")
    if evaluated.code not in (0, _MISSED):
        raise evaluated.error()
    if evaluated.code == _MISSED:
        tasks.say("an expectation of the config is not met")


def _failure(failed: dict[int, _Ended], shards: int) -> FaceVaultError:
    """One error for what became of shards: each text once, with who said it."""
    said: dict[str, list[str]] = {}
    for shard, ended in sorted(failed.items()):
        said.setdefault(ended.text, []).append(f"{shard} on {ended.host}" if ended.host else str(shard))
    lines = [f"{len(failed)} of {shards} shards failed; what is embedded is kept, and the same call resumes"]
    for text, who in said.items():
        others = f" and {len(who) - 4} more" if len(who) > 4 else ""
        lines.append(f"shard {', '.join(who[:4])}{others}: {text}")
    usage = all(ended.code == _USAGE for ended in failed.values())
    return (InputError if usage else MachineError)("\n".join(lines))


class _Tasks:
    """The tasks of a run."""

    def __init__(
        self, directory: Path, shards: int, resources: dict[str, float], retries: int, say: Callable[[str], None]
    ) -> None:
        self.directory = directory
        self.shards = shards
        self.resources = resources
        self.retries = retries
        self.say = say
        self._environment = {name: os.environ[name] for name in _PLACES if name in os.environ}
        self._said = 0.0

    def here(self, verb: str, *more: str) -> _Ended:
        """Call the command for the run in this process."""
        return _call([verb, str(self.directory), "--quiet", "--json", *more], {})

    def missing(self) -> dict[str, Any]:
        """What is not committed, as far as the driver sees."""
        ended = self.here("missing", "--shards", str(self.shards))
        if ended.code != 0:
            raise ended.error()
        missing: dict[str, Any] = json.loads(ended.printed)
        return missing

    def warn_if_nowhere(self) -> None:
        """Say so if tasks fit on no node: Ray waits, maybe for a node that an autoscaler adds, and says nothing."""
        if not self._nodes():
            cpus, gpus = self.resources["num_cpus"], self.resources["num_gpus"]
            self.say(f"no node has {cpus:g} CPUs and {gpus:g} GPUs for a shard now: waiting for one")

    def _nodes(self) -> set[str]:
        """The nodes that are large enough for a task."""
        needs = {"CPU": self.resources["num_cpus"], "GPU": self.resources["num_gpus"]}
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call, unused-ignore]
        return {
            node["NodeID"]
            for node in nodes
            if node["Alive"] and all(node["Resources"].get(name, 0) >= need for name, need in needs.items())
        }

    def complete(self, verb: str, todo: Iterable[int], line: Callable[[], str] | None) -> dict[int, _Ended]:
        """Do these shards, again where they fail, and give those that failed to the end."""
        todo = list(todo)
        running = {self._start(verb, shard, set()): shard for shard in todo}
        attempts: dict[int, list[_Ended]] = {}
        failed: dict[int, _Ended] = {}
        done = 0
        try:
            while running:
                ended, _ = ray.wait(list(running), timeout=1)
                for task in ended:
                    shard = running.pop(task)
                    how = _ended(task)
                    if how.code == 0:
                        done += 1
                        continue
                    before = attempts.setdefault(shard, [])
                    before.append(how)
                    at = f" on {how.host}" if how.host else ""
                    if len(before) > self.retries:
                        failed[shard] = how
                    else:
                        self.say(f"shard {shard}{at} starts again: {how.text}")
                        running[self._start(verb, shard, {one.node for one in before})] = shard
                self._show(f"{verb}: {done} of {len(todo)} shards", line, last=not running)
        except BaseException:
            for task in running:
                ray.cancel(task)
            raise
        return failed

    def _start(self, verb: str, shard: int, avoid: set[str]) -> Any:
        options: dict[str, Any] = {**self.resources, "max_retries": 0}
        # A node that lacks something fails at once, and would be given the shard again.
        nodes = self._nodes()
        if avoid & nodes and nodes - avoid:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(sorted(avoid & nodes))})"}
        words = [verb, str(self.directory), "--quiet", "--json", "--shard", f"{shard}/{self.shards}"]
        return ray.remote(_work).options(name=f"{verb} {shard}/{self.shards}", **options).remote(
            words, str(self.directory), self._environment
        )

    def _show(self, text: str, line: Callable[[], str] | None, *, last: bool) -> None:
        now = time.monotonic()
        if last or now - self._said >= _SECONDS_BETWEEN_LINES:
            self.say(f"{text}, {line()}" if line else text)
            self._said = time.monotonic()


def _ended(task: Any) -> _Ended:
    try:
        ended: _Ended = ray.get(task)
        return ended
    except RayError as error:
        # Several lines of advice about Ray follow the first, and a trace of Python ends with what matters.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        return _Ended(1, "", lines[-1 if "Traceback" in str(error) else 0], "")


def _work(words: list[str], directory: str, environment: dict[str, str]) -> _Ended:
    """The task: runs on a node."""
    node = ray.get_runtime_context().get_node_id()
    host = socket.gethostname()
    if not os.path.isfile(os.path.join(directory, "plan.json")):
        text = f"{host} has no {directory}: give `experiments` a folder that all nodes share, under one path"
        return _Ended(1, "", text, host, node)
    ended = _call(words, environment)
    return _Ended(ended.code, ended.printed, ended.text, host, node)


def _here(words: list[str], experiments: Path) -> _Ended:
    ended = _call([*words, "--quiet", "--json", "--experiments", str(experiments)], {})
    if ended.code != 0:
        raise ended.error()
    return ended


def _call(words: list[str], environment: dict[str, str]) -> _Ended:
    """Run the command of this package, and end it with this process, whatever ends that."""
    command = [sys.executable, "-m", __package__, *words]
    parent = os.getpid()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=lambda: _end_with(parent),
    )
    try:
        printed, said = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    text = said.strip()
    if process.returncode < 0:
        text = f"{text}\nthe command was ended by {signal.Signals(-process.returncode).name}".strip()
    return _Ended(process.returncode, printed, text.removeprefix("error: "), socket.gethostname())


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def _end_with(parent: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
