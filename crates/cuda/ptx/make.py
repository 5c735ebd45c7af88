#!/usr/bin/env python3
"""Makes the PTX that the program carries, from crates/cuda/kernels/*.cu, with NVRTC from PyPI: no CUDA toolkit, no GPU.

    python3 crates/cuda/ptx/make.py            writes crates/cuda/ptx/*.ptx and SOURCES
    python3 crates/cuda/ptx/make.py --report   also assembles each for the cards named below and prints registers and spills

The PTX is of compute capability 8.0 and of CUDA 12.1, so that every driver from 530 on takes it and compiles it for its
card. SOURCES holds the digest of what the PTX was made from; `cargo test cuda` fails where it is not that of the sources.
"""
import argparse
import ctypes
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

NVRTC = "nvidia-cuda-nvrtc-cu12==12.1.105"
NVCC = "nvidia-cuda-nvcc-cu12==12.1.105"  # ptxas, for the report
HERE = pathlib.Path(__file__).resolve().parent
KERNELS = HERE.parent / "kernels"
CARDS = ["sm_80", "sm_90"]


def fetch(folder, package):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--root-user-action=ignore", "--target", folder]
    subprocess.run([*pip, package], check=True)


def compile_ptx(nvrtc, source):
    def check(code, what):
        if code:
            size = ctypes.c_size_t()
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetProgramLog(program, log)
            sys.exit(f"{what} failed for {source.name}:\n{log.value.decode()}")

    program = ctypes.c_void_p()
    text = source.read_bytes()
    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), 0, None, None), "creating")
    # --fmad=false: a multiplication and an addition are one only where the source says so.
    options = [b"--gpu-architecture=compute_80", b"-std=c++17", b"--fmad=false", b"-default-device",
               b"-I" + str(KERNELS).encode()]
    array = (ctypes.c_char_p * len(options))(*options)
    check(nvrtc.nvrtcCompileProgram(program, len(options), array), "compiling")
    size = ctypes.c_size_t()
    check(nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size)), "reading")
    ptx = ctypes.create_string_buffer(size.value)
    check(nvrtc.nvrtcGetPTX(program, ptx), "reading")
    # Comments and blank lines are half of it.
    lines = (line for line in ptx.value.decode().splitlines() if line.strip() and not line.startswith("//"))
    return "\n".join(re.sub(r"[ \t]*//.*$", "", line) for line in lines) + "\n"


def digest():
    sources = sorted(KERNELS.glob("*.cu*"))
    state = hashlib.sha256()
    for source in sources:
        state.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return state.hexdigest()


def report(ptxas, path):
    for card in CARDS:
        with tempfile.NamedTemporaryFile(suffix=".cubin") as out:
            done = subprocess.run([ptxas, "-v", f"-arch={card}", path, "-o", out.name], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        name = None
        for line in done.stderr.splitlines():
            if found := re.search(r"Compiling entry function '(\w+)'", line):
                name = found[1]
            if found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
                spills = found
            if found := re.search(r"Used (\d+) registers", line):
                print(f"{card}  {name:32} {found[1]:>4} registers  {spills[2]:>4} B spilled, {spills[1]:>4} B stack")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as assembler:
        fetch(folder, NVRTC)
        library = next(pathlib.Path(folder).rglob("libnvrtc.so.12"))
        nvrtc = ctypes.CDLL(str(library))
        for source in sorted(KERNELS.glob("*.cu")):
            (HERE / f"{source.stem}.ptx").write_text(compile_ptx(nvrtc, source))
        (HERE / "SOURCES").write_text(digest() + "\n")
        if arguments.report:
            fetch(assembler, NVCC)
            ptxas = next(pathlib.Path(assembler).rglob("ptxas"))
            ptxas.chmod(0o755)
            for path in sorted(HERE.glob("*.ptx")):
                report(ptxas, path)


main()
