"""Draws the two pictures by which a run's arithmetic is known: `python assets/arithmetic/make.py`.

They are nobody's face. Encoders differ, so the files are what counts, and this tells how they came to be. Both are larger
than any network's input and no multiple of it; one is a JPEG with subsampled colours, the other a PNG.
"""

from pathlib import Path

import numpy as np
from PIL import Image


def face(width, height, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    u, v = 2 * x / width - 1, 2 * y / height - 1

    def blob(cx, cy, rx, ry):
        return np.exp(-(((u - cx) / rx) ** 2 + ((v - cy) / ry) ** 2) ** 2)[..., None]

    picture = np.stack([90 + 60 * u, 110 - 50 * v, 140 + 40 * u * v], -1)
    parts = [
        ((0.0, 0.05, 0.62, 0.80), (206, 160, 132)),
        ((0.0, -0.75, 0.60, 0.30), (58, 40, 30)),
        ((-0.27, -0.12, 0.13, 0.07), (246, 240, 236)),
        ((0.27, -0.12, 0.13, 0.07), (246, 240, 236)),
        ((-0.27, -0.12, 0.05, 0.06), (40, 62, 80)),
        ((0.27, -0.12, 0.05, 0.06), (40, 62, 80)),
        ((0.0, 0.16, 0.07, 0.22), (182, 128, 104)),
        ((0.0, 0.48, 0.24, 0.07), (170, 70, 74)),
    ]
    for place, colour in parts:
        share = blob(*place)
        picture = picture * (1 - share) + share * np.array(colour)
    # Fine structure: rounding in the decoder and the resizer shows in it.
    picture += 18 * np.sin(x / 2.3 + seed)[..., None] * np.cos(y / 3.1)[..., None]
    return Image.fromarray(np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8))


here = Path(__file__).parent
face(311, 331, 1).save(here / "photo.jpg", quality=85, subsampling="4:2:0")
face(263, 283, 2).quantize(64, dither=Image.Dither.FLOYDSTEINBERG).save(here / "drawing.png", optimize=True)
