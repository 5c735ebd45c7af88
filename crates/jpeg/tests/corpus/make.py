"""Makes the corpus of the decoder's tests: drawn pictures as JPEGs of every kind, with what Pillow reads.

Needs Python with numpy and Pillow (made with 12.3, libjpeg-turbo 3.1.4.1) and `cjpeg` (made with libjpeg-turbo 2.1.5).

Writes `corpus.bin`, all files one behind the other, and `corpus.tsv`: name, first byte, length, and either the pixels' width,
height and SHA-256, or `error` and what the error must say.
"""

import hashlib
import io
import itertools
import pathlib
import random
import struct
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageDraw

HERE = pathlib.Path(__file__).parent
SCRATCH = pathlib.Path(tempfile.mkdtemp())
RANDOM = random.Random(13)
FILES: dict[str, bytes] = {}
ERRORS: dict[str, str] = {}


def picture(seed, width, height):
    """Ellipses on a gradient, with a little noise: edges, areas and colours, and nobody's face."""
    values = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    ramp = np.stack([x * 3, y * 4, (x + y) * 2], axis=2) + values.integers(0, 120, 3)
    image = Image.fromarray((ramp % 256).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        left, top, size = values.integers(0, width), values.integers(0, height), values.integers(3, 30)
        draw.ellipse((left, top, left + size, top + size), fill=tuple(int(v) for v in values.integers(0, 256, 3)))
    noisy = np.asarray(image).astype(int) + values.integers(-5, 6, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def cjpeg(image, *arguments, scans=None):
    data = io.BytesIO()
    image.save(data, "PPM")
    if scans:
        (SCRATCH / "scans").write_text(scans)
        arguments = (*arguments, "-scans", SCRATCH / "scans")
    run = subprocess.run(["cjpeg", *map(str, arguments)], input=data.getvalue(), capture_output=True, check=False)
    assert run.returncode == 0, (arguments, run.stderr)
    return run.stdout


def pillow(image, **options):
    data = io.BytesIO()
    image.save(data, "JPEG", **options)
    return data.getvalue()


def segments(file):
    """(marker, first byte, byte behind) of each segment up to the compressed data."""
    at = 2
    while True:
        end = at + 2 + struct.unpack(">H", file[at + 2 : at + 4])[0]
        yield file[at + 1], at, end
        if file[at + 1] == 0xDA:
            return
        at = end


def find(file, marker):
    return next((start, end) for code, start, end in segments(file) if code == marker)


def without(file, marker):
    for code, start, end in reversed(list(segments(file))):
        if code == marker:
            file = file[:start] + file[end:]
    return file


def changed(file, at, *values):
    return file[:at] + bytes(values) + file[at + len(values) :]


def add(name, file):
    assert name not in FILES, name
    FILES[name] = file


def add_error(name, file, says):
    add(name, file)
    ERRORS[name] = says


SCANS = {
    "one": None,
    "apart": "0;\n1;\n2;\n",
    "luma-chroma": "0;\n1,2;\n",
    "two-one": "0,1;\n2;\n",
    "bands": "0,1,2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "dc-apart": "0: 0-0, 0, 0;\n1: 0-0, 0, 0;\n2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "bits": "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 6-63, 0, 2;\n0: 1-63, 2, 1;\n"
    "0,1,2: 0-0, 1, 0;\n2: 1-63, 1, 0;\n1: 1-63, 1, 0;\n0: 1-63, 1, 0;\n",
}
SAMPLINGS = """1x1 2x1 1x2 2x2 4x1 1x4 4x2 2x4 3x1 1x3 2x1,1x1,1x1 2x2,2x1,2x1 2x2,1x2,1x2 2x1,2x1,2x1 1x2,1x2,1x2
    1x1,2x1,2x1 1x1,1x2,1x2 1x1,2x2,1x1 2x2,2x1,1x2 2x2,1x1,2x1 4x1,2x1,1x1 2x1,1x1,2x1 1x1,1x1,2x2
    1x1,2x2,2x2 1x4,1x2,1x2 4x1,2x1,2x1""".split()
SIZES = [(40, 40), (37, 43), (48, 40), (33, 47), (17, 23), (41, 33), (64, 16), (5, 64), (31, 15)]
RESTARTS = [[], ["-restart", "1"], ["-restart", "2B"], ["-restart", "7B"]]

for index, (sampling, (scan, script)) in enumerate(itertools.product(SAMPLINGS, SCANS.items())):
    width, height = SIZES[index % len(SIZES)]
    restart = RESTARTS[index % len(RESTARTS)]
    quality = [60, 85, 95][index % 3]
    file = cjpeg(picture(index, width, height), "-quality", quality, "-sample", sampling, *restart, scans=script)
    add(f"{sampling.replace(',', '-')}_{scan}_{''.join(restart[1:]) or '0'}_{width}x{height}", file)

# Very small pictures: no room for filters.
for width, height in itertools.product([1, 2, 3, 4, 5, 6, 9, 16, 17], [1, 2, 3, 16, 17]):
    sampling = RANDOM.choice(["2x2", "2x1", "1x2", "2x2", "4x2", "1x1,2x2,2x2"])
    add(f"small_{sampling.replace(',', '-')}_{width}x{height}", cjpeg(picture(width * 99 + height, width, height), "-sample", sampling))

wide = picture(1, 48, 40)
base = cjpeg(wide, "-quality", "85", "-sample", "2x2")
full = cjpeg(wide, "-quality", "85", "-sample", "1x1")

# Colours.
grey = pillow(wide.convert("L"), quality=85)
add("grey", grey)
add("grey-progressive", pillow(wide.convert("L"), quality=85, progressive=True))
frame = find(grey, 0xC0)[0]
add("grey-factors-2x2", changed(grey, frame + 11, 0x22))
add("grey-factors-4x1", changed(grey, frame + 11, 0x41))
rgb = cjpeg(wide, "-rgb", "-quality", "85")
add("rgb-adobe", rgb)
add("rgb-names", without(rgb, 0xEE))
adobe = lambda transform: b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
bare = without(full, 0xE0)
frame = find(bare, 0xC0)[0]
scan = find(bare, 0xDA)[0]


def named(file, *names):
    frame, scan = find(file, 0xC0)[0], find(file, 0xDA)[0]
    for index, name in enumerate(names):
        file = changed(changed(file, frame + 10 + 3 * index, name), scan + 5 + 2 * index, name)
    return file


add("no-jfif", bare)
for transform in [0, 1, 2, 7]:
    add(f"adobe-{transform}", bare[:2] + adobe(transform) + bare[2:])
    add(f"jfif-adobe-{transform}", full[:20] + adobe(transform) + full[20:])
add("adobe-short", bare[:2] + b"\xff\xee\x00\x0bAdobe\x00\x64\x00\x00" + bare[2:])
add("names-rgb", named(bare, *b"RGB"))
add("names-012", named(bare, 0, 1, 2))
add("names-rgb-jfif", named(full, *b"RGB"))
add("names-equal", named(bare, 1, 1, 1))
cmyk = wide.convert("CMYK")
mixed = Image.merge("CMYK", [channel.point(lambda value: value // 2 + 20) for channel in cmyk.split()])
inks = pillow(mixed, quality=90)
add("cmyk", inks)
add("cmyk-full", pillow(cmyk, quality=95))
add("cmyk-progressive", pillow(mixed, quality=90, progressive=True))
add("cmyk-no-adobe", without(inks, 0xEE))
end = find(inks, 0xEE)[1]
add("ycck", changed(inks, end - 1, 2))
add("ycck-transform-1", changed(inks, end - 1, 1))
add("ycck-progressive", changed(pillow(mixed, quality=90, progressive=True), end - 1, 2))

# Tables.
add("wide-quantisers", cjpeg(wide, "-quality", "3"))
add("all-ones-quantisers", cjpeg(wide, "-quality", "100"))
add("own-huffman", cjpeg(wide, "-optimize"))
standard = cjpeg(wide, "-quality", "75")
add("no-huffman", without(standard, 0xC4))
add("baseline-as-extended", changed(base, find(base, 0xC0)[0] + 1, 0xC1))
add("spectral-zeros", changed(base, find(base, 0xDA)[1] - 3, 0, 0, 0))

# What loses nothing.
add("trailing", base + b"\0" * 100 + b"hello\xff\xd8\xff")
add("no-end-marker", base[:-2])
add("fill-bytes", base[:2] + b"\xff\xff\xff" + base[2:-2] + b"\xff\xff" + base[-2:])
first = find(base, 0xDB)[0]
add("between-segments", base[:first] + b"\0\0junk" + base[first:])
add("stuffing-between-segments", base[:first] + b"\xff\0x" + base[first:])
add("restart-in-header", base[:first] + b"\xff\xd3" + base[first:])
add("restart-at-end", base[:-2] + b"\xff\xd0" + base[-2:])
add("padding-byte", base[:-2] + b"\0" + base[-2:])
add("comment", base[:first] + b"\xff\xfe\0\x06\xff\xd8\xff\xd9" + base[first:])
add("dnl-behind", base[:-2] + b"\xff\xdc\0\x04\0\x28" + base[-2:])
interval = cjpeg(wide, "-quality", "85", "-restart", "1B")
add("restart-each", interval)
multi = io.BytesIO()
wide.save(multi, "MPO", save_all=True, append_images=[picture(2, 48, 40)], quality=80)
add("mpo", multi.getvalue())
exif = Image.Exif()
exif[0x112] = 6
add("exif", pillow(wide, quality=80, exif=exif))

# What is not read.
add_error("arithmetic", cjpeg(wide, "-arithmetic"), "arithmetically")
add_error("arithmetic-progressive", cjpeg(wide, "-arithmetic", "-progressive"), "arithmetically")
frame = find(base, 0xC0)[0]
add_error("12-bit", changed(base, frame + 4, 12), "12 bits")
add_error("lossless", changed(base, frame + 1, 0xC3), "without loss")
add_error("hierarchical", changed(base, frame + 1, 0xC5), "hierarchically")
add_error("height-behind", changed(base, frame + 5, 0, 0), "no pixels")
add_error("fraction", changed(base, frame + 11, 0x31, 0, 2, 0x21), "no whole ratio")
add_error("too-wide-interleaved", changed(full, frame + 11, 0x44), "too large to interleave")

# What is damaged: for most of it libjpeg warns, and Pillow returns a picture that is partly grey or shifted.
START = find(base, 0xDA)[1]
progressive = cjpeg(wide, "-progressive", "-quality", "85")
apart = cjpeg(wide, scans=SCANS["apart"])
END = b"\xff\xd9"
middle = (START + len(base)) // 2
add_error("cut", base[:middle], "end of the file")
add_error("cut-with-end", base[:middle] + END, "ends before the picture does")
add_error("cut-with-zeros", base[:middle] + b"\0" * 4000, "")
add_error("cut-with-zeros-and-end", base[:middle] + b"\0" * 4000 + END, "")
add_error("zeros-for-last-byte-and-end-marker", base[:-3] + b"\0", "")
add_error("cut-progressive", progressive[: len(progressive) * 2 // 3], "end of the file")
add_error("cut-progressive-with-end", progressive[: len(progressive) * 2 // 3] + END, "ends before the picture does")
add_error("no-end-marker-progressive", progressive[:-2], "end of the file")
add_error("cut-restart-with-end", interval[: len(interval) * 2 // 3] + END, "")
add_error("doubled", base[:middle] + base[middle - 60 :], "continues ")
add_error("extra-data", base[:-2] + b"abc" + END, "continues after the last block")
second = interval.index(b"\xff\xd1", find(interval, 0xDA)[1])
add_error("restart-missing", interval[:second] + interval[second + 2 :], "")
add_error("restart-wrong", changed(interval, second + 1, 0xD5), "restart marker that is due")
add_error("restart-unannounced", without(interval, 0xDD), "ends before the picture does")
scans = [at for at in range(len(apart)) if apart[at : at + 2] == b"\xff\xda"]
add_error("scan-missing", apart[: scans[2]] + END, "scans are missing")
add_error("scan-twice", apart[:-2] + apart[scans[2] :], "two scans")
refined = cjpeg(wide, scans=SCANS["bits"])
scans = [at for at in range(len(refined)) if refined[at : at + 2] == b"\xff\xda"]
add_error("refinement-missing", refined[: scans[5]] + refined[scans[6] :], "")
add_error("last-refinement-missing", refined[: scans[-1]] + END, "scans are missing")
add_error("restart-and-more", base[:-2] + b"\xff\xd0abc" + END, "belong to no segment")

# Progressive scans that leave coefficients open: whole to libjpeg, but no different from a cut between two scans.
OPEN = {
    "dc": "0,1,2: 0-0, 0, 0;\n",
    "dc-coarse": "0,1,2: 0-0, 0, 2;\n",
    "luma-some": "0,1,2: 0-0, 0, 0;\n0: 1-2, 0, 0;\n",
    "luma-coarse": "0,1,2: 0-0, 0, 0;\n0: 1-63, 0, 2;\n",
    "one-coarse": "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 1;\n1: 1-63, 0, 0;\n",
    "chroma-last": "0,1,2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-62, 0, 0;\n",
    "bit": SCANS["bits"].removesuffix("0: 1-63, 1, 0;\n"),
}
for index, (name, script) in enumerate(OPEN.items()):
    add_error(f"open-{name}", cjpeg(picture(900 + index, 37, 43), "-sample", "2x2", scans=script), "scans are missing")
add_error("open-grey", cjpeg(picture(990, 50, 50), "-grayscale", scans="0: 0-0, 0, 0;\n0: 1-9, 0, 1;\n"), "scans are missing")


def scan_ends(file):
    """The first byte behind each scan's data. (Restart markers belong to the data.)"""
    ends, at = [], 0
    while (at := file.find(b"\xff\xda", at)) >= 0:
        at = next(k for k in range(at + 2, len(file)) if file[k] == 0xFF and file[k + 1] not in (0, *range(0xD0, 0xD8)))
        ends.append(at)
    return ends


# Progressive scans of each kind with a byte too many, bytes too few, or runs of empty blocks that reach too far.
banded = cjpeg(wide, scans=SCANS["bands"])
ends = scan_ends(banded)
add_error("between-scans-with-end", banded[: ends[2]] + END, "scans are missing")
header = banded.index(b"\xff\xda", ends[0])
add_error("scan-header-damaged", banded[:header] + banded[header + 7 :], "belong to no segment")
add_error("scan-header-and-data-missing", banded[: ends[0]] + banded[ends[1] :], "scans are missing")
table = banded.index(b"\xff\xc4", ends[1])
add_error("table-header-damaged", changed(banded, table, 0), "continues after the last block")
for restart in ["", "1"]:
    deep = cjpeg(wide, *(["-restart", restart] if restart else []), scans=SCANS["bits"])
    kinds = {"dc-first": 0, "ac-first": 1, "ac-next": 5, "dc-next": 6}
    for kind, index in kinds.items():
        end = scan_ends(deep)[index]
        name = f"{kind}-restart" if restart else kind
        add_error(f"more-{name}", deep[:end] + b"abc" + deep[end:], "continues after the last block")
        add_error(f"less-{name}", deep[: end - 9] + deep[end - 1 :], "")
        if restart:
            first = deep.index(b"\xff\xd0", deep.rindex(b"\xff\xda", 0, end))
            add_error(f"more-{name}-first", deep[:first] + b"abc" + deep[first:], "continues after the last block")
BLANK = "0: 0-0, 0, 0;\n0: 1-63, 0, 1;\n0: 1-63, 1, 0;\n"
low, high = (cjpeg(Image.new("L", (40, height), 90), scans=BLANK) for height in [40, 64])
for index, kind in enumerate(["first", "next"]):
    (start, end), (tall_start, tall_end) = (scan_ends(file)[index : index + 2] for file in [low, high])
    add_error(f"run-too-far-{kind}", low[:start] + high[tall_start:tall_end] + low[end:], "continues after the last block")

tables = find(base, 0xDB)
add_error("no-quantisers", without(base, 0xDB), "not defined")
add_error("no-frame", without(base, 0xC0), "before the frame header")
add_error("two-frames", base[:frame] + base[slice(*find(base, 0xC0))] * 2 + base[find(base, 0xC0)[1] :], "two frame headers")
add_error("start-twice", base[:2] + b"\xff\xd8" + base[2:], "second start marker")
add_error("headers-only", base[: find(base, 0xDA)[0]] + END, "scans are missing")
add_error("huffman-too-many", changed(base, find(base, 0xC4)[0] + 5, 3), "")
add_error("no-jpeg", b"\x89PNG\r\n\x1a\n", "first marker")
add_error("empty", b"", "first marker")
add_error("marker-only", b"\xff\xd8", "first marker")


def expected(name, file):
    if name in ERRORS:
        return f"error\t{ERRORS[name]}"
    # Pillow looks ahead of the last code, and so misses the end marker in some pictures that have none.
    file = base if name == "no-end-marker" else file
    try:
        image = Image.open(io.BytesIO(file)).convert("RGB")
    except OSError as error:
        raise SystemExit(f"{name}: {error}") from error
    return f"{image.width}\t{image.height}\t{hashlib.sha256(image.tobytes()).hexdigest()}"


offset, lines = 0, []
for name, file in FILES.items():
    lines.append(f"{name}\t{offset}\t{len(file)}\t{expected(name, file)}\n")
    offset += len(file)
(HERE / "corpus.bin").write_bytes(b"".join(FILES.values()))
(HERE / "corpus.tsv").write_text("".join(lines))
print(f"{len(FILES)} files, {len(ERRORS)} of them errors, {offset} bytes")
