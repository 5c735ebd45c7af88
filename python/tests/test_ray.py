"""A run on a cluster of Ray: three nodes on this machine, each with processes of its own."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

import facevault_bench as fv
from conftest import command

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

import facevault_bench.ray as on_ray  # noqa: E402

# 800 faces in 80 chunks.
SET = ["dataset.identities=80", "embed.chunk_size=10"]


@pytest.fixture(scope="module")
def cluster():
    """A cluster whose head does no work: tests bring the nodes that they need."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def add_node(cluster):
    added = []

    def add(**arguments):
        added.append(cluster.add_node(num_cpus=1, **arguments))
        return added[-1]

    yield add
    for node in added:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


def descendants(pid):
    """What a process has started: process numbers and command lines."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield int(child), Path(f"/proc/{child}/cmdline").read_text().split("\0")
                yield from descendants(child)
        except OSError:
            # It has ended meanwhile.
            continue


def stop_in_the_middle_of_a_shard(node, experiments, shards):
    """Stops the process that is at a shard on this node, with some of its chunks committed; its number, or `None`."""
    for process, words in descendants(node.all_processes["raylet"][0].process.pid):
        if "--shard" in words:
            index = int(words[words.index("--shard") + 1].split("/")[0])
            first, last = 80 * index // shards, 80 * (index + 1) // shards - 1
            committed = lambda chunk: any(experiments.glob(f"*/chunks/{chunk:05}.json"))  # noqa: E731
            if committed(first) and not committed(last):
                os.kill(process, signal.SIGSTOP)
                return process
    return None


def results(run):
    """What is the same whoever embedded: not times, machines and digests of those."""
    files = (path for path in run.path.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in files if path.name not in ("provenance.json", "SEALED")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    command("experiment", "demo", "--quiet", *(word for one in SET for word in ("--set", one)), cwd=folder)
    return fv.open_run("demo", experiments=folder / "experiments")


def test_a_node_dies_and_the_bytes_are_those_of_one_process(cluster, add_node, alone, tmp_path):
    victim, *_ = [add_node() for _ in range(3)]
    said = []

    def kill():
        until, stopped = time.monotonic() + 60, None
        while time.monotonic() < until and stopped is None:
            stopped = stop_in_the_middle_of_a_shard(victim, tmp_path, shards=3)
            time.sleep(0.01)
        cluster.remove_node(victim, allow_graceful=False)
        # It holds the run's lock as long as it lives.
        with contextlib.suppress(ProcessLookupError, TypeError):
            os.kill(stopped, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    run = on_ray.run(
        "demo", shards=3, address=cluster.address, overrides=SET, experiments=tmp_path, progress=said.append
    )
    killer.join()
    assert any("starts again" in line for line in said), said
    assert "800 of 800 faces embedded" in [line for line in said if line.startswith("embed")][-1], said
    assert results(run) == results(alone) and run.metrics == alone.metrics
    assert command("verify", run.path, check=False).returncode == 0
    # The same call has nothing to do.
    said.clear()
    again = on_ray.run(
        "demo", shards=5, address=cluster.address, overrides=SET, experiments=tmp_path, progress=said.append
    )
    assert again.path == run.path and said == []


def test_a_node_that_refuses_is_avoided(cluster, add_node, alone, tmp_path):
    # It fails at once, so that it is free again before the other node is.
    add_node(env_vars={"FACEVAULT_PERMISSIONS": "nonsense"})
    add_node()
    said = []
    run = on_ray.run(
        "demo", shards=4, address=cluster.address, overrides=SET, experiments=tmp_path, retries=1, evaluate=False,
        progress=said.append,
    )
    refused = [line for line in said if "starts again" in line]
    assert refused and all("FACEVAULT_PERMISSIONS: expected `private` or `umask`" in line for line in refused), said
    assert run.embeddings.tobytes() == alone.embeddings.tobytes()
    assert not (run.path / "metrics.json").exists()


def test_failures_are_exceptions_with_the_texts_of_the_command(cluster, add_node, tmp_path):
    add_node(env_vars={"FACEVAULT_PERMISSIONS": "nonsense"})
    where = {"address": cluster.address, "experiments": tmp_path, "progress": lambda line: None}
    failed = "(?s)^2 of 2 shards failed; what is embedded is kept.*shard 0 on .*nonsense"
    with pytest.raises(fv.InputError, match=failed):
        on_ray.run("demo", shards=2, overrides=SET, retries=1, **where)
    with pytest.raises(fv.InputError, match="cannot read the config"):
        on_ray.run("nowhere.yaml", shards=2, **where)
    with pytest.raises(fv.InputError, match="shards is 0"):
        on_ray.run("demo", shards=0, **where)
    with pytest.raises(fv.InputError, match="embed.chunk_sise"):
        on_ray.run("demo", shards=2, overrides=["embed.chunk_sise=3"], **where)


def test_a_folder_that_a_node_does_not_see_is_named(cluster, add_node, tmp_path):
    add_node()
    ray.init(address=cluster.address)
    try:
        tasks = on_ray._Tasks(tmp_path / "demo-1", 2, {"num_cpus": 1, "num_gpus": 0}, 0, lambda line: None)
        failed = tasks.complete("embed", [1], None)
        said = str(on_ray._failure(failed, 2))
        assert f"has no {tmp_path}/demo-1: give `experiments` a folder that all nodes share" in said, said
        said = []
        on_ray._Tasks(tmp_path, 2, {"num_cpus": 1, "num_gpus": 3}, 0, said.append).warn_if_nowhere()
        assert said == ["no node has 1 CPUs and 3 GPUs for a shard now: waiting for one"]
    finally:
        ray.shutdown()
