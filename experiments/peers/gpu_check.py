#!/usr/bin/env python3
"""Checks facevault on a GPU in at most ten minutes: is it correct, and how fast is it beside PyTorch on the same GPU?

    python experiments/peers/gpu_check.py --binary target/release/facevault --out OUT

Needs a machine with an NVIDIA GPU, Python with PyTorch, and the facevault binary, which may have been built anywhere: no
Rust, no toolkit, no network access, no weights, no images. It makes weights of the published size from a seed and JPEG
files from noise, then takes these steps, as far as the time allows:

1. facts: GPU, driver, versions, clocks
2. correctness: the same images by facevault on the CPU in f32, on the GPU in every precision, and by PyTorch in f32
3. a batch of 1 and odd batches against the largest one: the same bytes
4. speed: facevault and PyTorch, alternating round by round (PyTorch in channels-last: eager, in a CUDA graph, and
   torch.compile with CUDA graphs at one batch size, because compiling takes a minute each)
5. end to end from JPEG files
6. all pairs on the GPU against the CPU: the same files

Prints one Markdown table and writes it to OUT/gpu-check.md, and the figures to OUT/gpu-check.json. A step that fails or
does not fit is a line that says so. Exits with 1 if something is wrong, not if something is slow.
"""
import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

PRECISIONS = {"cuda": ["f32", "tf32", "f16", "bf16"], "cpu": ["f32", "bf16"]}
# Lowest cosine to f32 on the CPU that each precision must keep. f16 and bf16 are looser than `throughput`'s own gate.
LEAST = {"f32": 0.99999, "tf32": 0.9999, "f16": 0.999, "bf16": 0.999}
SIDE = 160
GFLOP = 2.846


# ---------------------------------------------------------------- the network, after facenet_pytorch.InceptionResnetV1
def network():
    import torch
    from torch import nn

    class Conv(nn.Module):
        def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
            self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

        def forward(self, x):
            return torch.relu(self.bn(self.conv(x)))

    class Block(nn.Module):
        """Branches side by side, a 1×1 convolution over them, scaled and added."""

        def __init__(self, branches, inputs, scale, relu=True):
            super().__init__()
            for i, branch in enumerate(branches):
                setattr(self, f"branch{i}", branch)
            self.count, self.scale, self.relu = len(branches), scale, relu
            self.conv2d = nn.Conv2d(inputs[0], inputs[1], 1)

        def forward(self, x):
            out = torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.count)], 1)
            out = self.conv2d(out) * self.scale + x
            return torch.relu(out) if self.relu else out

    class Reduction(nn.Module):
        def __init__(self, branches):
            super().__init__()
            for i, branch in enumerate(branches):
                setattr(self, f"branch{i}", branch)
            self.count = len(branches)

        def forward(self, x):
            return torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.count)], 1)

    def seq(*layers):
        return nn.Sequential(*layers)

    def block35(scale):
        return Block([Conv(256, 32, 1), seq(Conv(256, 32, 1), Conv(32, 32, 3, 1, 1)),
                      seq(Conv(256, 32, 1), Conv(32, 32, 3, 1, 1), Conv(32, 32, 3, 1, 1))], (96, 256), scale)

    def block17(scale):
        return Block([Conv(896, 128, 1), seq(Conv(896, 128, 1), Conv(128, 128, (1, 7), 1, (0, 3)),
                                             Conv(128, 128, (7, 1), 1, (3, 0)))], (256, 896), scale)

    def block8(scale, relu=True):
        return Block([Conv(1792, 192, 1), seq(Conv(1792, 192, 1), Conv(192, 192, (1, 3), 1, (0, 1)),
                                              Conv(192, 192, (3, 1), 1, (1, 0)))], (384, 1792), scale, relu)

    class InceptionResnetV1(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv2d_1a = Conv(3, 32, 3, 2)
            self.conv2d_2a = Conv(32, 32, 3)
            self.conv2d_2b = Conv(32, 64, 3, 1, 1)
            self.maxpool_3a = nn.MaxPool2d(3, 2)
            self.conv2d_3b = Conv(64, 80, 1)
            self.conv2d_4a = Conv(80, 192, 3)
            self.conv2d_4b = Conv(192, 256, 3, 2)
            self.repeat_1 = seq(*[block35(0.17) for _ in range(5)])
            self.mixed_6a = Reduction([Conv(256, 384, 3, 2), seq(Conv(256, 192, 1), Conv(192, 192, 3, 1, 1),
                                                                 Conv(192, 256, 3, 2)), nn.MaxPool2d(3, 2)])
            self.repeat_2 = seq(*[block17(0.10) for _ in range(10)])
            self.mixed_7a = Reduction([seq(Conv(896, 256, 1), Conv(256, 384, 3, 2)),
                                       seq(Conv(896, 256, 1), Conv(256, 256, 3, 2)),
                                       seq(Conv(896, 256, 1), Conv(256, 256, 3, 1, 1), Conv(256, 256, 3, 2)),
                                       nn.MaxPool2d(3, 2)])
            self.repeat_3 = seq(*[block8(0.20) for _ in range(5)])
            self.block8 = block8(1.0, relu=False)
            self.last_linear = nn.Linear(1792, 512, bias=False)
            self.last_bn = nn.BatchNorm1d(512, eps=1e-3)

        def forward(self, x):
            x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
            x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x))))
            x = self.block8(self.repeat_3(self.mixed_7a(self.repeat_2(self.mixed_6a(x)))))
            x = self.last_bn(self.last_linear(x.mean((2, 3))))
            return nn.functional.normalize(x, dim=1)

    torch.manual_seed(0)
    net = InceptionResnetV1()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    module.bias.normal_(0, 0.02)
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.uniform_(0.5, 1.0)
                module.bias.uniform_(-0.2, 0.2)
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.8, 1.2)
    return net.eval()


def save_weights(net, path):
    """safetensors, without its library: a JSON header, then the numbers."""
    header, blobs, at = {}, [], 0
    for key, tensor in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        data = tensor.detach().cpu().float().contiguous().numpy().tobytes()
        header[key] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        blobs.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


# ---------------------------------------------------------------- pictures
def pictures(folder, people, each, lossless):
    """Smooth noise, of the network's size: no resampling, so that all sides see the same bytes. BMP, or JPEG by PIL."""
    import numpy as np

    rng = np.random.default_rng(0)
    rows = []
    for person in range(people):
        base = rng.uniform(0, 255, (11, 11, 3))
        for number in range(each):
            coarse = np.clip(base + rng.normal(0, 25, base.shape), 0, 255)
            fine = np.kron(coarse, np.ones((16, 16, 1)))[:SIDE, :SIDE]
            image = np.clip(fine + rng.normal(0, 6, fine.shape), 0, 255).astype("uint8")
            path = folder / f"person{person:05d}" / f"{number:03d}.{'bmp' if lossless else 'jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if lossless:
                save_bmp(image, path)
            else:
                from PIL import Image

                Image.fromarray(image).save(path, quality=90)
            rows.append(image)
    return rows


def save_bmp(image, path):
    height, width, _ = image.shape
    size = height * width * 3  # 160 × 3 is a multiple of four
    head = b"BM" + (54 + size).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    info += (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(4) + size.to_bytes(4, "little") + bytes(16)
    path.write_bytes(head + info + image[::-1, :, ::-1].tobytes())


CONFIG = """\
name: {name}
seed: 0
dataset: {{ source: folders, root: {root} }}
preprocess: {{ profile: facenet-pytorch, resize: {{ size: 160 }} }}
model: {{ network: inception-resnet-v1 }}
weights: {{ source: file, path: {weights} }}
embed: {{ device: {device}, precision: {precision}, batch_size: {batch} }}
similarity: {{ replicates: 50 }}
"""


class Check:
    def __init__(self, arguments, work):
        self.binary, self.work, self.deadline = arguments.binary, work, time.monotonic() + arguments.minutes * 60
        self.device, self.rounds, self.seconds = arguments.device, arguments.rounds, arguments.seconds
        self.precisions, self.compiled = PRECISIONS[self.device], arguments.compiled
        self.batches, self.faces, self.batch = arguments.batches, arguments.faces, arguments.batch
        self.lines, self.figures, self.wrong = [], {}, False
        self.env = os.environ | {"HF_HUB_OFFLINE": "1"}

    def left(self):
        return self.deadline - time.monotonic()

    def say(self, line=""):
        print(line, flush=True)
        self.lines.append(line)

    def fail(self, what):
        self.wrong = True
        self.say(f"**WRONG: {what}**")

    def facevault(self, *arguments, config=None):
        """What the program prints as JSON; a line that says why where it failed."""
        command = [self.binary, *arguments[:1], *([str(config)] if config else []), *arguments[1:], "--json"]
        ended = subprocess.run(command, cwd=self.work, env=self.env, capture_output=True, text=True,
                               timeout=max(self.left(), 5))
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: exit {ended.returncode}: {ended.stderr.strip().splitlines()[-1:]}")
        return json.loads(ended.stdout)

    def config(self, name, root, device, precision, batch=None):
        path = self.work / f"{name}.yaml"
        path.write_text(CONFIG.format(name=name, root=root, device=device, precision=precision, batch=batch or self.batch,
                                      weights=self.work / "weights.safetensors"))
        return path

    def rows(self, name):
        """Embeddings of a run in row order, and their bytes."""
        import numpy as np

        run = next(self.work.glob(f"experiments/{name}-[0-9a-f]*"))
        return np.load(run / "face_embeddings.npy"), (run / "face_embeddings.npy").read_bytes()

    def step(self, title, needs, work):
        """Runs a step if there is time for it; a failure is a line, and the next step goes on."""
        self.say(f"\n## {title}\n")
        if self.left() < needs:
            self.say(f"Left out: {self.left():.0f} s were left, about {needs} s are needed.")
            return
        started = time.monotonic()
        try:
            work()
        except subprocess.TimeoutExpired:
            self.say("Ended for want of time.")
        except Exception as error:  # noqa: BLE001  (whatever it is, the other figures are wanted)
            self.fail(f"{type(error).__name__}: {error}")
        self.say(f"\n({time.monotonic() - started:.0f} s)")

    # ------------------------------------------------------------ steps
    def facts(self):
        import torch

        found = {"torch": torch.__version__, "torch CUDA": torch.version.cuda, "python": sys.version.split()[0],
                 "cores": len(os.sched_getaffinity(0))}
        if torch.cuda.is_available():
            properties = torch.cuda.get_device_properties(0)
            found |= {"card": properties.name, "multiprocessors": properties.multi_processor_count,
                      "memory": f"{properties.total_memory >> 20} MiB", "cuDNN": torch.backends.cudnn.version()}
        query = "driver_version,clocks.max.sm,clocks.max.mem,power.limit,persistence_mode,mig.mode.current"
        with contextlib.suppress(OSError):
            ended = subprocess.run(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True)
            found |= dict(zip(query.split(","), ended.stdout.strip().split(", "), strict=False))
        found["facevault"] = subprocess.run([self.binary, "--version"], capture_output=True, text=True).stdout.strip()
        self.figures["facts"] = found
        self.say("| | |\n|---|---|")
        for name, value in found.items():
            self.say(f"| {name} | {value} |")

    def correctness(self):
        import numpy as np
        import torch

        self.net = network()
        save_weights(self.net, self.work / "weights.safetensors")
        each = min(8, max(self.faces // 2, 2))
        images = pictures(self.work / "exact", max(self.faces // each, 2), each, lossless=True)
        self.facevault("embed", config=self.config("cpu", self.work / "exact", "cpu", "f32"))
        cpu, _ = self.rows("cpu")
        batch = (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() - 127.5) / 128
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        net = self.net.to("cuda") if torch.cuda.is_available() else self.net
        with torch.no_grad():
            peer = torch.cat([net(part.to(next(net.parameters()).device)).cpu() for part in batch.split(64)]).numpy()
        self.say(f"{len(images)} pictures, against facevault on the CPU in f32:\n")
        self.say("| | cosine, least | cosine, mean | largest difference | |\n|---|---:|---:|---:|---|")
        rows = self.figures["correctness"] = {}

        def compare(name, other, least):
            cosines = (cpu.astype("f8") * other).sum(1)
            difference = float(np.abs(cpu - other).max())
            right = cosines.min() >= least
            self.wrong |= not right
            rows[name] = {"cosine_min": float(cosines.min()), "cosine_mean": float(cosines.mean()), "difference": difference}
            self.say(f"| {name} | {cosines.min():.7f} | {cosines.mean():.7f} | {difference:.2e} | {'' if right else '**WRONG**'} |")

        compare("PyTorch f32", peer, LEAST["f32"])
        for precision in self.precisions:
            name = f"card-{precision}"
            try:
                self.facevault("embed", config=self.config(name, self.work / "exact", self.device, precision))
            except RuntimeError as error:
                self.fail(str(error))
                continue
            compare(f"facevault {self.device} {precision}", self.rows(name)[0], LEAST[precision])

    def same_bytes(self):
        for precision in self.precisions:
            reference = None
            for batch in (1, 7, self.batch):
                name = f"bytes-{precision}-{batch}"
                self.facevault("embed", config=self.config(name, self.work / "exact", self.device, precision, batch))
                data = self.rows(name)[1]
                if reference is not None and data != reference:
                    self.fail(f"{precision}: a batch of {batch} gives other bytes than a batch of 1")
                reference = data if reference is None else reference
            self.say(f"{precision}: batches of 1, 7 and {self.batch} give the same bytes.")

    def speed(self):
        import torch

        cuda = torch.cuda.is_available()
        kinds = {"f32": (torch.float32, False), "tf32": (torch.float32, True), "f16": (torch.float16, False),
                 "bf16": (torch.bfloat16, False)}
        speeds = {}

        def prepared(precision, batch, how):
            """A call that embeds a batch, kept from one round to the next."""
            key = (precision, batch, how)
            if key in calls:
                return calls[key]
            kind, _ = kinds[precision]
            if precision not in nets:
                nets[precision] = network().to("cuda" if cuda else "cpu", kind, memory_format=torch.channels_last)
            net = nets[precision]
            images = torch.randn(batch, 3, SIDE, SIDE, device="cuda" if cuda else "cpu", dtype=kind)
            images = images.to(memory_format=torch.channels_last)
            if how == "compiled":
                net = torch.compile(net, mode="reduce-overhead", dynamic=False)
            for _ in range(3):
                net(images)
            if how == "graph":
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    net(images)
                calls[key] = graph.replay
            else:
                calls[key] = lambda: net(images)
            return calls[key]

        def peer(precision, batch, how):
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kinds[precision][1]
            torch.backends.cudnn.benchmark = True
            wait = torch.cuda.synchronize if cuda else (lambda: None)
            with torch.inference_mode():
                call = prepared(precision, batch, how)
                call()
                wait()
                count, start = 0, time.perf_counter()
                while count == 0 or time.perf_counter() - start < self.seconds:
                    # The host runs ahead of the card, but not for ever.
                    for _ in range(4):
                        call()
                    wait()
                    count += 4
            return batch * count / (time.perf_counter() - start)

        nets, calls = {}, {}
        config = self.config("speed", self.work / "exact", self.device, "f32")

        def ours(batch):
            found = self.facevault("throughput", *self.on_device(), "--batches", str(batch), "--rounds", "1", "--seconds",
                                   str(self.seconds), "--faces", "64", "--reference", "fused", "--no-report",
                                   "--network-only", config=config)
            self.figures.setdefault("throughput", []).append(found)
            for one in found["variants"]:
                # A cell that could not be measured says why, in `error`.
                if rate := one.get("faces_per_second"):
                    speeds.setdefault(("facevault", one["precision"], batch), []).append(rate["median"])

        for number in range(self.rounds):
            for batch in self.batches:
                if self.left() < 60:
                    self.say(f"Ended in round {number + 1} for want of time.")
                    break
                ours(batch)
                for precision in self.precisions:
                    for how in ("eager", "graph", "compiled"):
                        once = (precision, batch, how) in calls
                        if how == "graph" and not cuda or how == "compiled" and batch != self.compiled:
                            continue
                        # What does not fit is left out, and the table shows it.
                        if how == "compiled" and not once and self.left() < 150:
                            continue
                        name = f"PyTorch {how}"
                        try:
                            speeds.setdefault((name, precision, batch), []).append(peer(precision, batch, how))
                        except Exception as error:  # noqa: BLE001
                            self.say(f"{name} {precision} batch {batch}: {type(error).__name__}: {str(error)[:200]}")
        self.say("| | precision | batch | faces/s | spread | TFLOP/s | to the best PyTorch, round by round |")
        self.say("|---|---|---:|---:|---|---:|---|")
        for (name, precision, batch), rates in sorted(speeds.items(), key=lambda item: (item[0][1], item[0][2], item[0][0])):
            median = statistics.median(rates)
            ratio = ""
            peers = [speeds[key] for key in speeds if key[0] != "facevault" and key[1:] == (precision, batch)]
            if name == "facevault" and peers:
                best = max(peers, key=statistics.median)
                ratios = [mine / other for mine, other in zip(rates, best, strict=False)]
                ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else ""
            self.say(f"| {name} | {precision} | {batch} | {median:.0f} | {min(rates):.0f}–{max(rates):.0f} | "
                     f"{median * GFLOP / 1e3:.1f} | {ratio} |")
        self.figures["speed"] = [{"engine": n, "precision": p, "batch": b, "faces_per_second": r}
                                 for (n, p, b), r in speeds.items()]

    def end_to_end(self):
        pictures(self.work / "jpeg", max(self.faces // 16, 4), 16, lossless=False)
        config = self.config("jpeg", self.work / "jpeg", self.device, "f32")
        found = self.facevault("throughput", *self.on_device(), "--batches", str(self.batches[-1]), "--rounds", "1", "--seconds",
                               str(self.seconds), "--faces", str(self.faces), "--reference", "fused", "--no-report", config=config)
        self.figures["end to end"] = found["end_to_end"]
        self.say("| | faces/s | of the network alone | device fed | device busy | reading a face, one of its threads |")
        self.say("|---|---:|---:|---:|---:|---:|")
        for one in found["end_to_end"]:
            if "faces_per_second" not in one:
                self.fail(f"{one['name']}: {one.get('err')}")
                continue
            busy = one["busy"]
            self.say(f"| {one['name']} | {one['faces_per_second']:.0f} | {one['of_network']:.2f} | {one['fed']:.2f} | "
                     f"{'' if busy is None else f'{busy:.2f}'} | {one['prepare_seconds'] * 1e3:.2f} ms by {one['workers']} |")

    def on_device(self):
        """Options of `throughput`: a card takes no threads."""
        threads = ["--threads", str(len(os.sched_getaffinity(0)))] if self.device == "cpu" else []
        return ["--devices", self.device, "--precisions", ",".join(self.precisions), *threads]

    def pairs(self):
        files = {}
        for where in ("cpu", self.device):
            name = f"pairs-{where}"
            config = self.config(name, self.work / "exact", "cpu", "f32")
            config.write_text(config.read_text().replace("similarity: {", f"similarity: {{ device: {where},"))
            self.facevault("experiment", config=config)
            run = next(self.work.glob(f"experiments/{name}-[0-9a-f]*"))
            files[where] = {file: (run / file).read_bytes() for file in ("histograms.parquet", "pairs.parquet", "curves.parquet")}
        for file, data in files["cpu"].items():
            if files[self.device][file] != data:
                self.fail(f"{file} of the card is not the CPU's")
        self.say("histograms.parquet, pairs.parquet and curves.parquet are byte for byte the CPU's.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    parser.add_argument("--minutes", type=float, default=9.0, help="no new step starts after this")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: try the script without a GPU")
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[1, 32, 256, 1024])
    parser.add_argument("--compiled", type=int, default=256, help="batch size for torch.compile; 0: none")
    parser.add_argument("--batch", default="auto", help="batch size where speed is not compared")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--faces", type=int, default=512, help="images per step")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        check = Check(arguments, pathlib.Path(work))
        check.say("# GPU check")
        check.step("Facts", 5, check.facts)
        check.step("Correctness", 60, check.correctness)
        check.step("The same bytes for every batch", 60, check.same_bytes)
        check.step("All pairs", 60, check.pairs)
        check.step("End to end, from JPEG files", 60, check.end_to_end)
        check.step("Speed, alternately", 60, check.speed)
    (arguments.out / "gpu-check.md").write_text("\n".join(check.lines) + "\n")
    (arguments.out / "gpu-check.json").write_text(json.dumps(check.figures, indent=1, default=str) + "\n")
    sys.exit(1 if check.wrong else 0)


main()
