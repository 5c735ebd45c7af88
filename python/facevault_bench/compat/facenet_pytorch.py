"""facenet-pytorch's `InceptionResnetV1`, for inference:

    # from facenet_pytorch import InceptionResnetV1
    from facevault_bench.compat.facenet_pytorch import InceptionResnetV1

    resnet = InceptionResnetV1(pretrained="20180402-114759-vggface2.pt").eval()
    embeddings = resnet(aligned)

torch is not needed; given a tensor, it gives one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._embedder import Embedder
from .._errors import InputError


class InceptionResnetV1:
    """FaceNet on facevault's kernels, called with what facenet-pytorch's own is called with.

    `pretrained` is the path of a checkpoint, or a config's section `weights`. Input are float tensors or arrays of
    (N, 3, side, side), standardised as facenet-pytorch does, (x − 127.5) / 128 of 8-bit pixels; this is the one place that
    takes floats, and it refuses those that are no such values. Output are unit rows, as facenet-pytorch's in eval mode;
    there is no gradient.
    """

    def __init__(
        self,
        pretrained: Any = None,
        classify: bool = False,
        num_classes: int | None = None,
        dropout_prob: float = 0.6,
        device: Any = None,
        *,
        precision: str = "f32",
        threads: int | None = None,
    ) -> None:
        if pretrained is None:
            raise InputError("pretrained: a checkpoint is needed; this is for inference, and there is nothing to train")
        if pretrained in ("vggface2", "casia-webface"):
            raise InputError(
                f"pretrained: give the path of the checkpoint instead of `{pretrained}`: facenet-pytorch keeps it in "
                "~/.cache/torch/checkpoints"
            )
        if classify:
            raise InputError("classify: logits are not computed, only embeddings; leave it out")
        self._arguments = {"weights": pretrained, "precision": precision, "threads": threads}
        self._device = _device(device)
        self._embedder: Embedder | None = None

    def eval(self) -> "InceptionResnetV1":
        """Nothing: it is always in eval mode."""
        return self

    def train(self, mode: bool = True) -> "InceptionResnetV1":
        """Refused, as this does not train."""
        if mode:
            raise InputError("train: this is for inference; train facenet-pytorch's own network and load its checkpoint here")
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "InceptionResnetV1":
        """Nothing for False; refused for True."""
        if requires_grad:
            raise InputError("requires_grad_: there are no gradients; use facenet-pytorch's own network for them")
        return self

    def to(self, device: Any = None, *args: Any, **kwargs: Any) -> "InceptionResnetV1":
        """Move to "cpu" or "cuda"; a device object of torch is fine."""
        if args or kwargs or not (device is None or _is_device(device)):
            raise InputError("to: only a device can be given, such as `to('cuda')`; for another precision see `precision`")
        chosen = _device(device) if device is not None else self._device
        if chosen != self._device:
            self._device, self._embedder = chosen, None
        return self

    def cpu(self) -> "InceptionResnetV1":
        """Move to the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> "InceptionResnetV1":
        """Move to the GPU."""
        return self.to("cuda")

    def forward(self, x: Any) -> Any:
        """Embed standardised faces."""
        return self(x)

    def __call__(self, x: Any) -> Any:
        """Embed standardised faces: (N, 3, side, side) → (N, 512), rows of length 1."""
        tensor = type(x).__module__.split(".")[0] == "torch"
        faces = np.asarray(x.detach().cpu().numpy() if tensor else x)
        rows = self._opened(faces).embed(_bytes(faces))
        if not tensor:
            return rows
        import torch

        return torch.from_numpy(rows).to(x.device)

    def _opened(self, faces: NDArray[Any]) -> Embedder:
        if faces.ndim != 4 or faces.shape[1] != 3 or faces.shape[2] != faces.shape[3]:
            shape = "×".join(map(str, faces.shape))
            raise InputError(f"the faces have the shape {shape}; expected N×3×side×side, as facenet-pytorch takes them")
        side = faces.shape[2]
        if self._embedder is None or self._embedder.side != side:
            self._embedder = Embedder(profile="facenet-pytorch", side=side, device=self._device, **self._arguments)
        return self._embedder


def _bytes(faces: NDArray[Any]) -> NDArray[np.uint8]:
    """The 8-bit pixels that were standardised, N×side×side×3."""
    if not np.issubdtype(faces.dtype, np.floating):
        raise InputError(
            f"the faces are {faces.dtype}; expected floats standardised by facenet-pytorch; for 8-bit pixels there is "
            "`facevault_bench.Embedder`"
        )
    # Exact: half of a whole number, divided by a power of two.
    pixels = faces.astype(np.float64) * 128 + 127.5
    if not np.all((pixels >= 0) & (pixels <= 255) & (pixels == np.rint(pixels))):
        finite = pixels[np.isfinite(pixels)]
        span = f" They are from {faces.min():.4g} to {faces.max():.4g}." if finite.size == pixels.size and finite.size else ""
        raise InputError(
            "the faces are not (x − 127.5) / 128 of 8-bit pixels x, which is what facenet-pytorch's networks are trained on and its "
            f"MTCNN and `fixed_image_standardization` give.{span} Pixels of 0 to 1 or 0 to 255 are not standardised yet; "
            "another standardisation, or resizing after it, would give other embeddings"
        )
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(0, 2, 3, 1))


def _is_device(device: Any) -> bool:
    return isinstance(device, str) or hasattr(device, "type")


def _device(device: Any) -> str:
    """"cpu" or "cuda" of a name or of torch's object."""
    if device is None:
        return "cpu"
    return str(getattr(device, "type", device)).partition(":")[0]
