#!/usr/bin/env python3
"""Alternates facevault's engine with ONNX Runtime and OpenVINO on ONNX files, round by round, on the same cores.

    cargo build --release -p facevault-engine --example onnx_engine
    python experiments/peers/onnx_side_by_side.py FOLDER iresnet50 mobilefacenet --threads 2 --batches 32,1

FOLDER is what `onnx_graphs.py` makes. Needs `onnxruntime` and `openvino`, and `onnx` for int8, where the peers run the file
as ONNX Runtime's own tools quantise it (QDQ, per channel), and facevault the file as it is. Each engine compiles its network once and then runs
batches on demand; each round visits every engine, starting one engine further than the round before. Prints faces/s as the
median of the rounds, and the median of the rounds' own ratios to the faster peer, in which drift cancels.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy

ENGINE = "target/release/examples/onnx_engine"


class Ours:
    name = "facevault"

    def __init__(self, path, threads, batch, options):
        arguments = [options.engine, str(path.parent), path.stem, "--serve", str(threads), str(batch), options.precision]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.run(1)

    def run(self, rounds):
        self.process.stdin.write(f"{rounds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def shape_of(path, batch):
    """The input's name and shape with this batch."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    input = session.get_inputs()[0]
    shape = [extent if isinstance(extent, int) else batch for extent in input.shape]
    shape[0] = batch
    return input.name, shape


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, path, threads, batch, options):
        import onnxruntime

        if options.precision == "bf16":
            raise ValueError("no bf16 on this CPU")

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        name, shape = shape_of(path, batch)
        self.feed = {name: numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)}
        self.run(1)

    def run(self, rounds):
        start = time.perf_counter()
        for _ in range(rounds):
            self.session.run(None, self.feed)
        return (time.perf_counter() - start) / rounds

    def close(self):
        del self.session


class OpenVino:
    name = "OpenVINO"

    def __init__(self, path, threads, batch, options):
        import openvino

        core = openvino.Core()
        model = core.read_model(str(path))
        _, shape = shape_of(path, batch)
        model.reshape(shape)
        hint = "bf16" if options.precision == "bf16" else "f32"
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint}
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.input = numpy.random.default_rng(1).standard_normal(shape, dtype=numpy.float32)
        self.run(1)

    def run(self, rounds):
        start = time.perf_counter()
        for _ in range(rounds):
            self.request.infer([self.input])
        return (time.perf_counter() - start) / rounds

    def close(self):
        del self.request


def quantised(path, folder):
    """The network with products of bytes, calibrated on noise."""
    import onnx
    import onnx.version_converter
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name, shape = shape_of(path, 1)

    class Faces(CalibrationDataReader):
        def __init__(self):
            random = numpy.random.default_rng(1)
            self.left = iter([{name: random.standard_normal(shape, dtype=numpy.float32)} for _ in range(4)])

        def get_next(self):
            return next(self.left, None)

    ready, out = folder / "ready.onnx", folder / path.name
    # Quantisation per channel came with operator set 13.
    onnx.save(onnx.version_converter.convert_version(onnx.load(path), 17), ready)
    quant_pre_process(str(ready), str(ready), skip_symbolic_shape=True)
    quantize_static(str(ready), str(out), Faces(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return out


def compare(path, theirs, threads, batch, options):
    engines = []
    for kind in [Ours, OnnxRuntime, OpenVino]:
        try:
            engines.append(kind(path if kind is Ours else theirs, threads, batch, options))
        except Exception as error:  # noqa: BLE001: a peer that cannot run a graph is a result.
            if options.precision != "bf16":
                print(f"  {kind.name}: {str(error).splitlines()[0][:100]}")
    # As many batches as fill a turn of the slowest.
    rounds = {engine.name: max(1, round(options.seconds / engine.run(1))) for engine in engines}
    times = {engine.name: [] for engine in engines}
    for turn in range(options.rounds):
        for engine in engines[turn % len(engines):] + engines[:turn % len(engines)]:
            times[engine.name].append(engine.run(rounds[engine.name]))
    for engine in engines:
        engine.close()
    peers = [engine.name for engine in engines if engine.name != Ours.name]
    cells = [f"{batch / statistics.median(times[name]):.1f}" if name in times else "–" for name in
             [Ours.name, OnnxRuntime.name, OpenVino.name]]
    ratio = "–"
    if Ours.name in times and peers:
        ratios = [min(times[peer][turn] for peer in peers) / times[Ours.name][turn] for turn in range(options.rounds)]
        ratio = f"{statistics.median(ratios):.2f}"
    print(f"| {path.stem} | {batch} | {' | '.join(cells)} | {ratio} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="files without .onnx; all if none")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", default="32,1", help="comma-separated (32,1)")
    parser.add_argument("--precision", choices=["f32", "bf16", "int8"], default="f32", help="bf16: OpenVINO alone has it too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="a turn of an engine (1)")
    parser.add_argument("--engine", default=ENGINE, help=f"the example of facevault-engine ({ENGINE})")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    names = options.names or sorted(path.stem for path in options.folder.glob("*.onnx"))
    print("| network | batch | facevault, faces/s | ONNX Runtime | OpenVINO | ratio to the faster |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in names:
        path = options.folder / f"{name}.onnx"
        with tempfile.TemporaryDirectory() as folder:
            theirs = quantised(path, pathlib.Path(folder)) if options.precision == "int8" else path
            for batch in map(int, options.batches.split(",")):
                compare(path, theirs, options.threads, batch, options)


if __name__ == "__main__":
    main()
