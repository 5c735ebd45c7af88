"""Stand-ins for other packages, and equality with them where they are installed."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import facevault_bench as fv
from conftest import DEMO
from facevault_bench.compat.facenet_pytorch import InceptionResnetV1, _bytes
from facevault_bench.sklearn import FaceEmbedder


def standardised(faces):
    return ((faces.astype(np.float32) - 127.5) / 128.0).transpose(0, 3, 1, 2)


def test_every_byte_comes_back_exactly():
    faces = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    for dtype in [np.float32, np.float64, np.float16]:
        assert (_bytes(standardised(faces).astype(dtype)) == faces).all(), dtype


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x * 128 / 127.5,
        lambda x: (x * 128 + 127.5) / 255,
        lambda x: x * 128 + 127.5,
        lambda x: x + np.float32(1e-4),
        lambda x: x + np.float32(2),
        lambda x: np.where(x == x.max(), np.nan, x),
    ],
)
def test_floats_that_are_no_standardised_bytes_are_refused(faces, wrong):
    with pytest.raises(fv.InputError, match="not \\(x − 127.5\\) / 128 of 8-bit pixels"):
        _bytes(wrong(standardised(faces[:1])))


def test_what_is_not_for_inference_is_refused():
    with pytest.raises(fv.InputError, match="a checkpoint is needed"):
        InceptionResnetV1()
    with pytest.raises(fv.InputError, match="give the path of the checkpoint"):
        InceptionResnetV1(pretrained="vggface2")
    network = InceptionResnetV1(pretrained="x.pt")
    assert network.eval() is network.to("cpu") is network.train(False)
    for refused in [network.train, network.requires_grad_, lambda: network.to("float16", 1)]:
        with pytest.raises(fv.InputError):
            refused()
    with pytest.raises(fv.InputError, match="uint8; expected floats"):
        _bytes(np.zeros((1, 3, 8, 8), np.uint8))
    with pytest.raises(fv.InputError, match="N×3×side×side"):
        network(np.zeros((1, 80, 80, 3), np.float32))


def test_the_transformer_embeds_and_copies_by_its_arguments(faces, embedder):
    transformer = FaceEmbedder(**DEMO, device="cpu")
    rows = transformer.fit_transform(faces[:4])
    assert rows.tobytes() == embedder.embed(faces[:4]).tobytes()
    assert list(transformer.get_feature_names_out())[:2] == ["embedding0", "embedding1"]
    assert pickle.loads(pickle.dumps(transformer)).transform(faces[:4]).tobytes() == rows.tobytes()


def test_the_transformer_in_a_pipeline(faces):
    pipeline = pytest.importorskip("sklearn.pipeline", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    model = clone(pipeline.make_pipeline(FaceEmbedder(**DEMO, device="cpu"), LogisticRegression(C=1e6)))
    labels = np.arange(48) // 24
    assert model.fit(faces, labels).score(faces, labels) > 0.9


def test_facenet_pytorch_gives_the_same_rows():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = pytest.importorskip("facenet_pytorch", reason="facenet-pytorch is not installed")
    checkpoint = os.environ.get("FACEVAULT_CASIA")
    if not checkpoint or not Path(checkpoint).is_file():
        pytest.skip("$FACEVAULT_CASIA names no checkpoint; shared/tools/casia_checkpoint.py makes one")
    from safetensors.torch import load_file

    network = theirs.InceptionResnetV1(classify=False).eval()
    network.load_state_dict(load_file(checkpoint), strict=False)
    faces = np.random.default_rng(3).integers(0, 256, (16, 160, 160, 3), dtype=np.uint8)
    tensor = torch.from_numpy(np.ascontiguousarray(standardised(faces)))
    with torch.no_grad():
        expected = network(tensor).numpy()
    ours = InceptionResnetV1(pretrained=checkpoint).eval().to("cpu")(tensor)
    assert isinstance(ours, torch.Tensor)
    assert np.abs(ours.numpy() - expected).max() <= 1e-5
    direct = fv.Embedder(checkpoint, device="cpu").embed(faces)
    assert direct.tobytes() == ours.numpy().tobytes()
