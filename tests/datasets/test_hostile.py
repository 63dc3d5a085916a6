"""Data sets as nobody should make them: each is read, counted as broken image by image, or refused with a reason."""

# ruff: noqa: E501 - a case a line
from __future__ import annotations

import io
import os
import re
import signal
import socket
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipbench.datasets.catalog import define, open_dataset
from clipbench.embed.loader import Decoder
from clipbench.errors import UserError

Definition = dict[str, Any]
Make = Callable[[Path], Definition]

RED, GREEN, WHITE, BLACK, GREY = (200, 30, 30), (20, 180, 40), (255, 255, 255), (0, 0, 0), (128, 128, 128)
NOT_DECODED = "broken: is not decoded: the bytes are none of JPEG, PNG, WebP, GIF, BMP, TIFF, PPM$"
CASES: dict[str, tuple[Make, tuple[int, ...] | str]] = {}
"""What makes a data set in a folder, and what it comes to: the corner's colour of the image `x`; 'broken: ...' where
`x` is; 'refused: ...' where the whole set is."""


def encoded(image: PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(mode: str = "RGB", colour: Any = RED, side: int = 6) -> PIL.Image.Image:
    return PIL.Image.new(mode, (side, side), colour)


OK = encoded(plain(colour=GREEN))


def image(content: bytes, name: str = "x.png", **declared: Any) -> Make:
    """A folder of classes with this image beside a good one."""

    def make(folder: Path) -> Definition:
        write(folder, {f"cat/{name}": content, "dog/good.png": OK})
        return {"adapter": "folder", "path": ".", **declared}

    return make


def write(folder: Path, files: Mapping[str, bytes | str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# Formats, told by the content whatever the name says.
for kind in ("PNG", "JPEG", "WebP", "GIF", "BMP", "TIFF", "PPM"):
    whole = encoded(plain(), kind)
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    noisy = encoded(noise, kind)
    CASES[f"{kind}"] = image(whole), RED
    CASES[f"{kind} called .jpg"] = image(whole, "x.jpg"), RED
    CASES[f"{kind} cut in half"] = image(noisy[: len(noisy) // 2]), "broken: "
    CASES[f"{kind} cut in its header"] = image(whole[:9]), "broken: "
    CASES[f"{kind} with a tail"] = image(whole + b"\0" * 100), RED
for kind in ("ICO", "EPS", "PDF", "PCX", "TGA", "ICNS", "JPEG2000", "SGI"):
    try:
        CASES[f"{kind}, which is not decoded"] = image(encoded(plain(side=64), kind)), NOT_DECODED
    except (OSError, KeyError):  # Pillow was built without it
        continue
CASES |= {
    "two views of a camera": (image(encoded(plain(), "MPO", save_all=True, append_images=[plain(colour=GREEN)])), RED),
    "SVG": (image(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"), NOT_DECODED),
    "a PostScript program": (image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"), NOT_DECODED),
    "a pickle": (image(b"\x80\x04\x95\x1b\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94."), NOT_DECODED),
    "a page": (image(b"<!doctype html><title>404</title>"), NOT_DECODED),
    "zeros": (image(bytes(4096)), NOT_DECODED),
    "no byte": (image(b""), "broken: there is no image, or it is empty"),
    "one byte": (image(b"\x89"), NOT_DECODED),
}

# Modes.
DEEP = PIL.Image.fromarray(np.full((6, 6), 128 * 257, np.uint16))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(size: tuple[int, int], depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def deep_rows(*channels: int) -> bytes:
    return (b"\0" + struct.pack(f">{len(channels)}H", *(value * 257 for value in channels)) * 2) * 2


TRANSPARENT = plain("RGBA", (*RED, 0))
PALETTE = plain().quantize(4)
UNIT = np.full((6, 6), 128 / 255, np.float32)
CASES |= {
    "grey": (image(encoded(plain("L", 128))), GREY),
    "black and white": (image(encoded(plain("1", 1))), WHITE),
    "a palette": (image(encoded(PALETTE)), RED),
    "CMYK": (image(encoded(plain("CMYK", (0, 0, 0, 127)), "TIFF")), GREY),
    "CMYK JPEG": (image(encoded(plain("CMYK", (0, 0, 0, 127)), "JPEG")), GREY),
    "YCbCr": (image(encoded(plain("YCbCr", (128, 128, 128)), "TIFF")), GREY),
    "16 bits": (image(encoded(DEEP)), GREY),
    "16 bits in TIFF": (image(encoded(DEEP, "TIFF")), GREY),
    "16 bits in big-endian TIFF": (image(encoded(PIL.Image.frombytes("I;16B", (2, 2), b"\x80\x80" * 4), "TIFF")), GREY),
    "16 bits in PGM": (image(b"P5 2 2 65535\n" + b"\x80\x80" * 4), GREY),
    "10 bits in PGM": (image(b"P5 2 2 1023\n" + struct.pack(">H", 514) * 4), GREY),
    "16 bits a colour": (image(raw_png((2, 2), 16, 2, deep_rows(*RED, *RED)[:13] * 2)), RED),
    "16 bits grey and alpha": (image(raw_png((2, 2), 16, 4, deep_rows(128, 255))), GREY),
    "white in 16 bits": (image(encoded(PIL.Image.fromarray(np.full((6, 6), 65535, np.uint16)))), WHITE),
    "32 bits": (image(encoded(plain("I", 128), "TIFF")), "broken: has 32 bits a channel, whose scale is not known"),
    "floats from 0 to 1": (image(encoded(PIL.Image.fromarray(UNIT), "TIFF")), GREY),
    "floats to 255": (image(encoded(PIL.Image.fromarray(UNIT * 255), "TIFF")), "broken: its floating-point values"),
    "floats below 0": (image(encoded(PIL.Image.fromarray(-UNIT), "TIFF")), "broken: its floating-point values"),
    "not a number": (image(encoded(PIL.Image.fromarray(UNIT * np.nan), "TIFF")), "broken: its floating-point values"),
    "PFM": (image(b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", *[128 / 255] * 4)), GREY),
    "alpha dropped": (image(encoded(TRANSPARENT)), RED),
    "alpha on white": (image(encoded(TRANSPARENT), alpha="white"), WHITE),
    "alpha on black": (image(encoded(TRANSPARENT, "WebP", lossless=True, exact=True), alpha="black"), BLACK),
    "half transparent on white": (image(encoded(plain("RGBA", (1, 1, 1, 128))), alpha="white"), (127, 127, 127)),
    "grey with alpha": (image(encoded(plain("LA", (10, 0))), alpha="white"), WHITE),
    "a transparent palette": (image(encoded(PALETTE, transparency=0), alpha="white"), WHITE),
    "a transparent colour": (image(encoded(plain(), transparency=RED), alpha="black"), BLACK),
    "a transparent GIF": (image(encoded(PALETTE, "GIF", transparency=0), alpha="white"), WHITE),
    "an opaque image on white": (image(encoded(plain("RGBA", (*RED, 255))), alpha="white"), RED),
}
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [plain(colour=GREEN)]}
for kind in ("GIF", "WebP", "PNG", "TIFF"):
    options = {"lossless": True} if kind == "WebP" else {}
    CASES[f"the first frame of several in {kind}"] = image(encoded(plain(), kind, **FRAMES, **options)), RED

# EXIF: the corner is red where the image is upright, or left as it is.
Transpose = PIL.Image.Transpose
STORED = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
CORNER = PIL.Image.new("RGB", (48, 32), GREEN)
CORNER.paste(RED, (0, 0, 16, 16))


def exif_of(orientation: Any) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def stored(orientation: int) -> PIL.Image.Image:
    return CORNER.transpose(STORED[orientation]) if orientation in STORED else CORNER


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
for number in range(1, 9):
    turned = {"exif": exif_of(number)}
    CASES[f"orientation {number} in JPEG"] = image(encoded(stored(number), "JPEG", quality=95, **turned)), RED
    CASES[f"orientation {number} in PNG"] = image(encoded(stored(number), **turned)), RED
for number in (0, 9, 65535):
    CASES[f"orientation {number}"] = image(encoded(CORNER, exif=exif_of(number))), RED
CASES |= {
    "orientation in WebP": (image(encoded(stored(6), "WebP", lossless=True, exif=exif_of(6))), RED),
    "orientation in TIFF": (image(encoded(stored(6), "TIFF", exif=exif_of(6))), RED),
    "orientation in XMP": (image(encoded(stored(6), "JPEG", quality=95, xmp=XMP)), RED),
    "orientation ignored": (image(encoded(stored(6), exif=exif_of(6)), exif="ignore"), GREEN),
    "orientation of a deep image": (image(encoded(DEEP, exif=exif_of(6))), GREY),
    "EXIF of zeros": (image(encoded(CORNER, "JPEG", quality=95, exif=b"Exif\0\0" + bytes(40))), RED),
    "EXIF cut short": (image(encoded(CORNER, "JPEG", quality=95, exif=exif_of(6).tobytes()[:17])), RED),
    "EXIF of text": (image(encoded(CORNER, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02a\0\0\0")), RED),
    "EXIF in a profile of nonsense": (
        image(raw_png((1, 1), 8, 2, b"\0" + bytes(RED), chunk(b"tEXt", b"Raw profile type exif\0zz"))),
        RED,
    ),
}

# Sizes that the bytes do not hold, and damage.
CASES |= {
    "a PNG of 60,000 x 60,000": (image(raw_png((60000, 60000), 8, 2, b"")), "broken: DecompressionBombError"),
    "a GIF of 65,535 x 65,535": (image(b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;"), "broken: DecompressionBomb"),
    "a PPM of 100,000 x 100,000": (image(b"P6 100000 100000 255\n"), "broken: DecompressionBombError"),
    "a BMP of 100,000 x 100,000": (image(b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 100000, 100000, 1, 24, 0, 0, 0, 0, 0, 0)), "broken: DecompressionBomb"),
    "a PNG whose text is a bomb": (image(raw_png((1, 1), 8, 2, b"\0" + bytes(RED), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27))))), "broken: "),
    "a row of 30,000 pixels": (image(encoded(PIL.Image.new("RGB", (30000, 1), RED))), "broken: is 30000 x 1 pixels"),
    "a row of 1,000 pixels": (image(encoded(PIL.Image.new("RGB", (1, 1000), RED))), RED),
    "no width": (image(raw_png((0, 4), 8, 2, b"\0" * 4)), "broken: "),
    "a PPM of no colours": (image(b"P6 2 2 0\n" + bytes(12)), "broken: "),
    "a PPM of negative size": (image(b"P6 -2 2 255\n" + bytes(12)), "broken: "),
    "a PNG without pixels": (image(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)) + chunk(b"IEND", b"")), "broken: "),
    "a PNG of spoilt pixels": (image(OK.replace(OK[OK.index(b"IDAT") + 4 : OK.index(b"IDAT") + 12], b"\xff" * 8)), "broken: "),
    "a PNG with a wrong checksum": (image(OK[:30] + b"\0" + OK[31:]), "broken: "),
}  # fmt: skip


# Files and folders.
def special(create: Callable[[Path], Any], name: str = "x.png", **declared: Any) -> Make:
    """A folder of classes with a file system's oddity under cat/."""

    def make(folder: Path) -> Definition:
        write(folder, {"cat/other.png": OK, "dog/good.png": OK})
        create(folder / "cat" / name)
        return {"adapter": "folder", "path": ".", **declared}

    return make


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        os.chdir(path.parent)  # the path of a socket is short
        opened.bind(path.name)


def folder_of(*files: str, **declared: Any) -> Make:
    def make(folder: Path) -> Definition:
        write(folder, dict.fromkeys(files, OK))
        return {"adapter": "folder", "path": ".", **declared}

    return make


NOT_A_FILE = "broken: is not a regular file"
CASES |= {
    "a pipe": (special(os.mkfifo), NOT_A_FILE),
    "a socket": (special(listen), NOT_A_FILE),
    "a link to a device": (special(lambda path: path.symlink_to("/dev/zero"), links="follow"), NOT_A_FILE),
    "a link to a device, not followed": (special(lambda path: path.symlink_to("/dev/zero")), "refused: .*leaves"),
    "a link to itself": (special(lambda path: path.symlink_to(path)), "broken: .*Too many levels of symbolic links"),
    "a link to nothing": (special(lambda path: path.symlink_to("gone.png")), "broken: .*No such file"),
    "a folder called x.png": (image(encoded(plain()), "x.png/x.png"), RED),
    "a link to a folder around": (special(lambda path: path.symlink_to("..")), "refused: .*is a link to a folder around"),
    "a class that is a link to nothing": (special(lambda path: path.symlink_to("gone"), "../bird"), "refused: .*bird: is a link to nothing"),
    "nothing": (folder_of(), "refused: .*holds no class folders"),
    "images without classes": (folder_of("x.png"), "refused: .*holds no class folders"),
    "a stray folder beside splits": (folder_of("Train/a/1.png", "test/a/1.png", "old/1.png"), "refused: .*Train/, test/ look like splits, and old/ do not"),
    "a flat test split": (folder_of("train/a/1.png", "test/1.png"), "refused: .*train/ look like splits, and test/ do not"),
    "a path that is a file": (lambda folder: write(folder, {"f": ""}) or {"adapter": "folder", "path": "f"}, "refused: .*is not a folder"),
    "shares above 1": (folder_of("a/1.png", split={"train": 0.8, "test": 0.3}), "refused: .*sum to 1 or less"),
    "shares of splits": (folder_of("train/a/1.png", "test/a/2.png", split={"train": 0.5}), "refused: .*this data set has test, train"),
}  # fmt: skip
NAMES = (
    "\x1b[31mred",
    "new\nline",
    "tab\t",
    "=cmd()",
    "-rf",
    "'\"`$(x)",
    "x.",
    "Ä ä",
    "e\u0301",
    "\u202egnp",
    "x" * 240,
)
for name in NAMES:
    CASES[f"a file called {name!r:.20}"] = image(encoded(plain()), f"{name}.png"), RED
try:
    os.fsdecode(b"f\xfcr.png").encode()
except UnicodeEncodeError:
    CASES["a file name that is no text"] = image(encoded(plain()), os.fsdecode(b"f\xfcr.png")), RED


# Tables.
def table(content: bytes | str, name: str = "t.csv", **declared: Any) -> Make:
    def make(folder: Path) -> Definition:
        write(folder, {name: content, "good.png": OK})
        return {"adapter": "table", "path": name, **declared}

    return make


def rows(path: str, label: str = "cat") -> str:
    return f"path,label\n{path},{label}\ngood.png,dog\n"


def pipe_row(folder: Path) -> Definition:
    os.mkfifo(folder / "x.png")
    return table(rows("x.png"))(folder)


TWO = {"classes": ["cat", "dog"]}
CASES |= {
    "a row of a device": (table(rows("/dev/zero")), "broken: is not a regular file"),
    "a row of a pipe": (pipe_row, NOT_A_FILE),
    "a row of a folder": (table(rows(".")), "broken: .*is not a regular file"),
    "a row of a missing image": (table(rows("gone.png")), "broken: .*No such file"),
    "a row of too long a name": (table(rows("x" * 5000)), "broken: .*name too long"),
    "a row with a zero byte": (table('{"path": "x\\u0000.png", "label": "cat"}\n{"path": "good.png", "label": "dog"}', "t.jsonl"), "broken: .*null byte"),
    "half a character": (table('{"path": "good.png", "label": "\\ud800"}', "t.jsonl"), r"refused: .*t\.jsonl:1: holds half a character"),
    "half a character in a key": (table('{"path": "good.png", "label": "a", "\\udfff": 1}', "t.jsonl"), r"refused: .*t\.jsonl:1: holds half"),
    "lists in lists": (table('{"path": "good.png", "label": "a"}\n' + "[" * 100_000, "t.jsonl"), r"refused: .*t\.jsonl:2: is not JSON"),
    "objects in objects": (table('{"a":' * 100_000, "t.jsonl"), r"refused: .*t\.jsonl:1: is not JSON"),
    "no object": (table("[1]", "t.jsonl"), r"refused: .*t\.jsonl:1: is not a JSON object"),
    "a number of 5,000 digits": (table('{"path": "good.png", "label": ' + "9" * 5000 + "}", "t.jsonl", **TWO), "refused: .*t.jsonl:1"),
    "infinity as a label": (table('{"path": "good.png", "label": Infinity}', "t.jsonl", **TWO), "refused: .*label inf"),
    "0_1 as a label": (table(rows("good.png", "0_1"), **TWO), "refused: .*label '0_1' is not among the 2 classes"),
    "+1 as a label": (table(rows("good.png", "+1"), **TWO), "refused: .*label '\\+1' is not among the 2 classes"),
    "１ as a label": (table(rows("good.png", "１"), **TWO), "refused: .*label '１' is not among the 2 classes"),
    "a label of 5,000 digits": (table(rows("good.png", "9" * 5000), **TWO), "refused: .*label"),
    "an empty table": (table(""), "refused: .*holds no rows"),
    "column names alone": (table("path,label\n"), "refused: .*holds no rows"),
    "columns of one name": (table("path,path\na,b\n"), r"refused: .*t\.csv:1: column names repeat"),
    "a cell too many": (table("path,label\ngood.png,a,b\n"), r"refused: .*t\.csv:2: has 3 cells"),
    "an open quote": (table('path,label\n"good.png,a\n'), "refused: .*is not CSV"),
    "a cell of 200,000 letters": (table(rows("x" * 200_000)), "refused: .*is not CSV"),
    "UTF-16": (table(rows("good.png").encode("utf-16")), "refused: .*is not UTF-8 text"),
    "a Parquet file of zeros": (table(bytes(100), "t.parquet"), "refused: .*cannot be read as Parquet"),
    "a table that is a pipe": (lambda folder: os.mkfifo(folder / "t.csv") or {"adapter": "table", "path": "t.csv"}, "refused: .*there is no such table"),
}  # fmt: skip


# Tars.
def tar(*members: tuple[str, bytes] | tarfile.TarInfo, cut: int | None = None, **files: bytes) -> Make:
    """A webdataset of one shard beside a good one."""

    def make(folder: Path) -> Definition:
        good = (("good.png", OK), ("good.cls", b"1"))
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for member in members or good:
                if isinstance(member, tarfile.TarInfo):
                    archive.addfile(member)
                else:
                    info = tarfile.TarInfo(member[0])
                    info.size = len(member[1])
                    archive.addfile(info, io.BytesIO(member[1]))
        write(folder, {"classnames.txt": "cat\ndog\n", "test/0.tar": content.getvalue()[:cut]})
        write(folder, {name.replace("__", "/").replace("_", "."): content for name, content in files.items()})
        return {"adapter": "webdataset", "path": "."}

    return make


def special_member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def multilabel(array: bytes) -> Make:
    def make(folder: Path) -> Definition:
        write(folder, {"dataset_type.txt": "multilabel"})
        return tar(X, ("x.npy", array))(folder)

    return make


NO_IMAGE = "broken: there is no image, or it is empty"
X, LABEL = ("x.png", encoded(plain())), ("x.cls", b"0")
CASES |= {
    "a tar": (tar(X, LABEL), RED),
    "no tar": (tar(test__0_tar=b"not a tar"), "refused: .*0.tar: is damaged or cut short"),
    "an empty tar": (tar(test__0_tar=b""), "refused: .*0.tar: is damaged or cut short"),
    "a tar cut short": (tar(X, LABEL, cut=700), "refused: .*0.tar: is damaged or cut short"),
    "a tar cut after a member": (tar(X, LABEL, cut=2048), "refused: .*0.tar: is damaged or cut short"),
    "an image twice, adjacent": (tar(X, X, LABEL), "refused: .*0.tar: holds 'x.png' and 'x.png' under one key"),
    "a label twice, adjacent": (tar(X, LABEL, ("x.cls", b"1")), "refused: .*holds 'x.cls' and 'x.cls' under one key"),
    "two images of one key": (tar(X, ("x.jpg", OK), LABEL), "refused: .*holds 'x.png' and 'x.jpg' under one key"),
    "an ending in capitals beside it": (tar(X, ("x.PNG", OK), LABEL), "refused: .*holds 'x.png' and 'x.PNG' under one"),
    "a key that comes back": (tar(X, LABEL, ("y.png", OK), ("y.cls", b"0"), X, LABEL), "refused: .*key 'x' comes up twice"),
    "a label without an image": (tar(LABEL), NO_IMAGE),
    "an image without a label": (tar(X), "refused: .*x.cls: is missing"),
    "an image that is a link": (tar(special_member("x.png", tarfile.SYMTYPE, "/etc/passwd"), LABEL), NO_IMAGE),
    "an image that is a pipe": (tar(special_member("x.png", tarfile.FIFOTYPE), LABEL), NO_IMAGE),
    "an image that is a device": (tar(special_member("x.png", tarfile.CHRTYPE), LABEL), NO_IMAGE),
    "an image that is a folder": (tar(special_member("x.png", tarfile.DIRTYPE), LABEL), NO_IMAGE),
    "a member outside": (tar(("../../x.png", X[1]), ("../../x.cls", b"0")), RED),
    "a member with an absolute name": (tar(("/x.png", X[1]), ("/x.cls", b"0")), RED),
    "a pickled array": (multilabel(b"\x80\x04]."), "refused: .*x.npy: is not a NumPy array of numbers"),
    "classes of another encoding": (tar(X, LABEL, classnames_txt="Käfer".encode("latin-1")), "refused: .*is not UTF-8 text"),
    "no classes": (tar(X, LABEL, classnames_txt=b"\n"), "refused: .*classnames.txt is missing or empty"),
    "a missing shard": (tar(X, LABEL, test__nshards_txt=b"2"), "refused: .*test/1.tar"),
    "a count that is no number": (tar(X, LABEL, test__nshards_txt=b"+2"), "refused: .*not a number"),
}  # fmt: skip
for number in (b"0_1", b"1 x", b"+1", "１".encode(), b"1.0", b"", b"0x1", b"1e0", b"9" * 5000, b"\xff", b"0\x000"):
    CASES[f"a class of {number!r:.20}"] = tar(X, ("x.cls", number)), "refused: .*is not a class number; check the label"
for number in (b"2", b"-1", b"99999999999"):
    CASES[f"a class of {number!r}"] = tar(X, ("x.cls", number)), "refused: .*is not one of the 2 classes"


# Tables of the hub.
def parquet(cell: Mapping[str, Any] | None, label: int = 0, cut: int | None = None) -> Make:
    def make(folder: Path) -> Definition:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        column = pa.array([cell, {"bytes": OK, "path": None}], kind)
        path = folder / "set/test-00000-of-00001.parquet"
        path.parent.mkdir()
        pq.write_table(pa.table({"image": column, "label": [label, 1], "id": ["x", "good"]}), path)
        path.write_bytes(path.read_bytes()[:cut])
        write(folder, {"secret.png": OK})
        (folder / "set/loop.png").symlink_to("loop.png")
        return {"adapter": "hf", "path": "set", "classes": ["cat", "dog"], "id": "id"}

    return make


CASES |= {
    "an image in a cell": (parquet({"bytes": encoded(plain()), "path": "/etc/passwd"}), RED),
    "an empty cell": (parquet(None), NO_IMAGE),
    "a cell of nothing": (parquet({"bytes": None, "path": None}), NO_IMAGE),
    "a cell of no bytes": (parquet({"bytes": b"", "path": "x.png"}), NO_IMAGE),
    "a path out of the folder": (parquet({"bytes": None, "path": "../secret.png"}), "broken: .*lies outside the data set"),
    "a path to a device": (parquet({"bytes": None, "path": "/dev/zero"}), "broken: .*lies outside the data set"),
    "a path to a folder": (parquet({"bytes": None, "path": "."}), "broken: .*is not a regular file"),
    "a path to a link to itself": (parquet({"bytes": None, "path": "loop.png"}), "broken: .*(ymlink|symbolic)"),
    "a path with a zero byte": (parquet({"bytes": None, "path": "x\0.png"}), "broken: .*null byte"),
    "a label outside the classes": (parquet(None, label=7), "refused: .*label 7 is not one of the 2 classes"),
    "a Parquet file cut short": (parquet(None, cut=200), "refused: .*cannot be read as Parquet"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """Fail what would wait for ever."""

    def refuse(*_: object) -> None:
        raise TimeoutError

    before = Path.cwd()
    signal.signal(signal.SIGALRM, refuse)
    signal.alarm(30)
    yield
    signal.alarm(0)
    os.chdir(before)


def outcome(definition: Definition, folder: Path) -> Mapping[str, PIL.Image.Image | str] | str:
    """Return each example's image or what is wrong with it, or why the set is refused."""
    try:
        dataset = open_dataset(define("hostile", definition, base=folder))
        seen = {}
        for name in dataset.splits:
            split = dataset.split(name)
            split.locator()
            decoder = Decoder(lambda image: image, decoding=split.decoding)
            seen |= {example.id: decoder[example] for shard in split.shards() for example in shard}
        return seen
    except UserError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_data_set_is_read_counted_or_refused(tmp_path: Path, name: str):
    make, expected = CASES[name]
    definition = make(tmp_path)
    found = outcome(definition, tmp_path)
    if isinstance(expected, str) and (match := re.fullmatch("refused: (.*)", expected)):
        assert isinstance(found, str), found
        assert re.search(match[1], found, re.DOTALL), found
        return
    assert isinstance(found, Mapping), found
    (odd,) = (value for key, value in found.items() if "good" not in key and "other" not in key)
    if isinstance(expected, str):
        assert isinstance(odd, str), odd
        assert re.search(expected.removeprefix("broken: "), odd, re.DOTALL), odd
        assert not re.search("0x[0-9a-f]{6}", odd)
        assert outcome(definition, tmp_path) == found
    else:
        assert isinstance(odd, PIL.Image.Image), odd
        assert odd.mode == "RGB"
        np.testing.assert_allclose(odd.getpixel((0, 0)), expected, atol=4)
