"""facenet-pytorch's MTCNN weights as one file: pnet.pt, rnet.pt and onet.pt -> assets/mtcnn.safetensors.

    pip install torch numpy safetensors && pip install --no-deps facenet-pytorch==2.6.0
    python assets/mtcnn.py

Checks the sha256 of the three files and prints its own; assets/mtcnn.md holds all four.
"""
import hashlib
import importlib.util
import pathlib

import torch
from safetensors.torch import save

SHA256 = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}


def main():
    package = pathlib.Path(importlib.util.find_spec("facenet_pytorch").origin).parent
    tensors = {}
    for network, expected in SHA256.items():
        path = package / "data" / f"{network}.pt"
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != expected:
            raise SystemExit(f"{path.name}: sha256 {found} instead of {expected}")
        state = torch.load(path, map_location="cpu", weights_only=True)
        tensors |= {f"{network}.{key}": value.float().contiguous() for key, value in state.items()}
    data = save(tensors)
    out = pathlib.Path(__file__).with_name("mtcnn.safetensors")
    out.write_bytes(data)
    print(f"{out.name}: {len(tensors)} tensors, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
