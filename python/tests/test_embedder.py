"""The network from Python: the command's bytes, and everything around them."""

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import facevault_bench as fv
from conftest import DEMO


def test_rows_are_the_bytes_that_the_command_writes(embedder, faces, folder_run):
    run = fv.open_run("noise", experiments=folder_run[0] / "experiments")
    rows = embedder.embed(faces)
    assert rows.dtype == np.float32 and rows.shape == (48, embedder.dimension) == run.embeddings.shape
    assert rows.tobytes() == np.asarray(run.embeddings).tobytes()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_a_row_depends_on_its_own_face_only(embedder, faces):
    rows = embedder.embed(faces)
    assert embedder.embed(faces[5:6]).tobytes() == rows[5:6].tobytes()
    one = fv.Embedder(**DEMO, device="cpu", threads=1)
    assert one.embed(faces).tobytes() == rows.tobytes()
    assert embedder.embed(faces[:0]).shape == (0, embedder.dimension)


@pytest.mark.parametrize("profile", ["facenet-tf", "adaface"])
def test_mirroring_and_channels_are_those_of_a_run(faces, tmp_path, profile):
    # `facenet-tf` appends the mirrored face, `adaface`'s network takes blue first.
    own = {"profile": profile, "crop": {"mode": "whole"}, "resize": {"size": 80, "filter": "pillow-bilinear"}}
    embedder = fv.Embedder(DEMO["weights"], width=0.25, profile=own, device="cpu")
    paths = []
    for number, face in enumerate(faces[:3]):
        paths.append(tmp_path / f"{number}.ppm")
        paths[-1].write_bytes(b"P6 80 80 255\n" + face.tobytes())
    assert embedder.embed(faces[:3]).tobytes() == embedder.embed_files(paths).rows.tobytes()


def test_pixels_are_read_where_they_lie_even_if_read_only(embedder, faces):
    locked = faces.copy()
    locked.flags.writeable = False
    assert embedder.embed(locked).tobytes() == embedder.embed(faces).tobytes()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda f: f.astype(np.float32) / 255, "float32, and this takes 8-bit pixels: the network standardises"),
        (lambda f: f.astype(np.float64), "float64"),
        (lambda f: f.astype(np.int64), "int64, and this takes uint8"),
        (lambda f: f.astype(bool), "bool, and this takes uint8"),
        (lambda f: f[0], "one face of 80×80×3; give a batch of one: `face[np.newaxis]`"),
        (lambda f: f[0, 0], "the faces have the shape 80×3; expected N×80×80×3"),
        (lambda f: f.transpose(0, 3, 1, 2), "channels first"),
        (lambda f: f[:, :, :, :1], "1 channels; expected RGB"),
        (lambda f: f[:, :64, :64], "64×64 pixels, and this embedder takes 80×80"),
        (lambda f: f[:, :, ::-1], "np.ascontiguousarray(faces)"),
        (lambda f: f[::2], "np.ascontiguousarray(faces)"),
    ],
)
def test_what_is_no_batch_of_faces_is_refused_with_the_reason(embedder, faces, wrong, text):
    with pytest.raises(fv.FaceVaultError) as refused:
        embedder.embed(wrong(faces))
    assert text in str(refused.value) and isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"weights": "nowhere.safetensors"}, ValueError, "`weights.path`: no such file"),
        ({"weights": "model.txt"}, ValueError, ".safetensors"),
        ({**DEMO, "network": "facenet"}, ValueError, "`inception-resnet-v1`"),
        ({**DEMO, "precision": "f8"}, ValueError, "precision"),
        ({**DEMO, "side": 10}, ValueError, "preprocess.resize.size"),
        ({**DEMO, "width": 1.0}, ValueError, "does not match the network"),
        ({**DEMO, "profile": "facenet"}, ValueError, "profile"),
        ({**DEMO, "precision": "int8"}, ValueError, "calibrate on a sample of the faces first"),
        ({**DEMO, "threads": 0}, ValueError, "threads"),
        ({**DEMO, "threads": np.int64(-1)}, ValueError, "threads"),
        ({**DEMO, "threads": 1j}, ValueError, "1j is no value of a config"),
    ],
)
def test_wrong_arguments_have_the_texts_of_the_command(arguments, kind, text):
    with pytest.raises(fv.FaceVaultError) as refused:
        fv.Embedder(**arguments)
    assert text in str(refused.value) and isinstance(refused.value, kind), repr(refused.value)
    assert not str(refused.value).startswith("error")


def test_a_gpu_is_a_requirement_and_auto_says_why_there_is_none():
    try:
        fv.Embedder(**DEMO, device="cuda")
    except fv.MachineError as refused:
        assert "device `cuda` is not available" in str(refused) and isinstance(refused, OSError)
        auto = fv.Embedder(**DEMO, device="auto")
        assert auto.device.startswith("CPU") and any("device auto" in note for note in auto.notes)
    else:
        pytest.skip("this machine has a GPU")


def test_int8_is_calibrated_on_the_faces_that_are_given(faces):
    exact = fv.Embedder(**DEMO, device="cpu").embed(faces)
    int8 = fv.Embedder(**DEMO, device="cpu", precision="int8", calibration=faces)
    cosines = (exact * int8.embed(faces)).sum(axis=1)
    assert int8.precision == "int8" and 0.9 < cosines.min() < 1
    with pytest.raises(fv.InputError, match="calibration: the faces are of 40×40"):
        fv.Embedder(**DEMO, device="cpu", precision="int8", calibration=np.ascontiguousarray(faces[:, :40, :40]))


def test_pickles_and_copies_are_made_of_the_arguments(embedder, faces):
    text = pickle.dumps(embedder)
    assert len(text) < 1000, "weights are not in it"
    for other in [pickle.loads(text), copy.deepcopy(embedder)]:
        assert other.embed(faces[:4]).tobytes() == embedder.embed(faces[:4]).tobytes()


def test_errors_are_caught_by_their_public_names_and_pickle():
    with pytest.raises(fv.InputError) as refused:
        fv.detect(["x.png"], min_size=1)
    again = pickle.loads(pickle.dumps(refused.value))
    assert repr(again) == repr(refused.value) and type(again) is fv.InputError
    assert fv.InputError.__module__ == "facevault_bench"


def test_threads_share_one_embedder(embedder, faces):
    expected = embedder.embed(faces)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(embedder.embed, np.split(faces, 12)))
    assert np.concatenate(parts).tobytes() == expected.tobytes()


def test_other_threads_run_while_it_embeds(embedder, faces):
    many = np.tile(faces, (16, 1, 1, 1))
    beats, over = 0, threading.Event()

    def beat():
        nonlocal beats
        while not over.is_set():
            beats += 1
            time.sleep(0.001)

    heart = threading.Thread(target=beat)
    heart.start()
    started, before = time.monotonic(), beats
    embedder.embed(many)
    seconds, during = time.monotonic() - started, beats - before
    over.set()
    heart.join()
    # A thread that waits for the GIL beats not once.
    assert during > 20 * seconds, f"{during} beats in {seconds:.2f} s"


def test_ctrl_c_ends_a_long_call(tmp_path):
    script = textwrap.dedent("""
        import numpy as np, signal, time
        import facevault_bench as fv
        # A shell ignores it for what it starts in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        embedder = fv.Embedder({"source": "embedded", "name": "demo"}, width=0.25, side=80, threads=1, device="cpu")
        faces = np.zeros((20_000, 80, 80, 3), np.uint8)
        print("started", flush=True)
        began = time.monotonic()
        try:
            embedder.embed(faces)
        except KeyboardInterrupt:
            print(f"stopped after {time.monotonic() - began}", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert told.startswith("stopped after ") and process.returncode == 0
    assert float(told.split()[-1]) < 5


def _embed_in_child(queue, embedder, faces):
    try:
        queue.put(embedder.embed(faces).tobytes())
    except fv.FaceVaultError as error:
        queue.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes(embedder, faces, method):
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=_embed_in_child, args=(queue, embedder, faces[:2]))
    child.start()
    answer = queue.get(timeout=60)
    child.join()
    if method == "spawn":
        assert answer == embedder.embed(faces[:2]).tobytes()
    else:
        # Its threads did not follow: it says so instead of waiting for them forever.
        assert "before this process was forked" in answer and "spawn" in answer


def test_files_are_read_cropped_and_embedded_as_in_a_run(embedder, folder_run, tmp_path):
    folder, paths = folder_run
    run = fv.open_run("noise", experiments=folder / "experiments")
    text = tmp_path / "no-picture.ppm"
    text.write_text("not a picture")
    rows, failures, quality = embedder.embed_files([*paths[:3], text, "nowhere.png", *paths[3:]])
    assert rows.tobytes() == np.asarray(run.embeddings).tobytes()
    assert quality["index"].tolist() == [0, 1, 2, *range(5, 50)]
    assert all(len(column) == 48 for column in quality.values()) and (quality["size"] == 80).all()
    assert [(failed.index, failed.step) for failed in failures] == [(3, "decode"), (4, "read")]
    assert failures[1].path == "nowhere.png" and "nowhere.png" in failures[1].reason
    again = embedder.embed_files(paths[:4], profile={"profile": "facevault-notebook", "resize": {"size": 80}})
    assert again.rows.tobytes() == rows[:4].tobytes()


def test_boxes_cut_faces_out(faces, tmp_path):
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[40:120, 100:180] = faces[0]
    path = tmp_path / "photo.ppm"
    path.write_bytes(b"P6 300 200 255\n" + photo.tobytes())
    cut = {"profile": "facevault-notebook", "crop": {"mode": "box", "margin": 0, "unit": "output-pixels"}, "resize": {"size": 80}}
    embedder = fv.Embedder(DEMO["weights"], width=0.25, profile=cut, device="cpu")
    rows = embedder.embed_files([path, path], boxes=[[100, 40, 180, 120], [0, 0, 80, 80]]).rows
    assert rows[0].tobytes() == embedder.embed(faces[:1])[0].tobytes() and rows[0].tobytes() != rows[1].tobytes()
    with pytest.raises(fv.FaceVaultError, match="no face has a box"):
        embedder.embed_files([path])
    with pytest.raises(fv.InputError, match="boxes have the shape 4; expected 1×4"):
        embedder.embed_files([path], boxes=[0, 0, 80, 80])
    with pytest.raises(fv.InputError, match=r"boxes\[0\] has a number that is not finite"):
        embedder.embed_files([path], boxes=[[0, 0, np.nan, 80]])
    with pytest.raises(fv.InputError, match="is one path; give a list"):
        embedder.embed_files(os.fspath(path))


def test_what_is_detected_can_be_embedded(tmp_path):
    flat = tmp_path / "flat.ppm"
    flat.write_bytes(b"P6 64 48 255\n" + bytes(64 * 48 * 3))
    photo, missing = fv.detect([flat, tmp_path / "none.jpg"])
    assert photo.size == (64, 48) and photo.boxes.shape == (0, 4) and photo.landmarks.shape == (0, 5, 2)
    assert photo.error is None and missing.size is None and "none.jpg" in missing.error
    with pytest.raises(fv.InputError, match="min_size"):
        fv.detect([flat], min_size=1)
