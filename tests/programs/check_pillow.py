"""Pictures of every kind that Pillow writes are read as Pillow reads them; skipped where it is not installed.

usage: python3 check_pillow.py DUMP_PICTURE

SPDX-License-Identifier: Apache-2.0
"""
import io
import itertools
import random
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    from PIL import Image, ImageOps
except ImportError:
    print("needs Pillow: Debian's python3-pil")
    sys.exit(77)

WIDTH, HEIGHT = 23, 14
random.seed(20)


def noise(mode, channels):
    return Image.frombytes(mode, (WIDTH, HEIGHT), random.randbytes(WIDTH * HEIGHT * channels))


def smooth(mode):
    image = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    parts = [image.rotate(90 * i) for i in range(len(mode))]
    return Image.merge(mode, parts) if len(mode) > 1 else image


def with_chunk(data, kind, body):
    """The PNG file with a chunk behind its header."""
    chunk = struct.pack(">I", len(body)) + kind + body
    return data[:33] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + data[33:]


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def deep(colour, samples):
    """The PNG file of 16-bit samples, which Pillow cannot write for every colour type."""
    pitch = len(samples) // HEIGHT
    rows = b"".join(b"\0" + samples[pitch * y:pitch * (y + 1)] for y in range(HEIGHT))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header
    start += struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return with_chunk(with_chunk(start, b"IEND", b""), b"IDAT", zlib.compress(rows))


def grey_in_16_bits():
    """Grey of 16 bits, any values and then 257 times what 8 bits hold, with the same picture in RGB of 16 bits.

    Pillow's convert("RGB") makes white of every grey above 255, and takes the upper 8 bits of RGB: the same picture must
    not depend on how many times each value is written.
    """
    for name, samples in (("any", random.randbytes(2 * WIDTH * HEIGHT)),
                          ("257 times", b"".join(bytes((v, v)) for v in random.randbytes(WIDTH * HEIGHT)))):
        thrice = b"".join(3 * samples[i:i + 2] for i in range(0, len(samples), 2))
        yield f"grey 16 {name}.png", deep(0, samples), deep(2, thrice)


def pictures():
    palette = noise("RGB", 3).quantize(37)
    modes = {
        "1": noise("L", 1).convert("1"), "L": noise("L", 1), "LA": noise("LA", 2), "RGB": noise("RGB", 3),
        "RGBA": noise("RGBA", 4), "P": palette,
    }
    for mode, image in modes.items():
        data = saved(image, "PNG")
        yield f"{mode}.png", data
        yield f"{mode} linear.png", with_chunk(data, b"gAMA", struct.pack(">I", 100000))
        yield f"{mode} srgb.png", with_chunk(data, b"sRGB", b"\1")
    for bits in 1, 2, 4:
        few = noise("RGB", 3).quantize(1 << bits)
        yield f"palette {bits}.png", saved(few, "PNG", bits=bits)
    yield "palette tRNS.png", saved(palette, "PNG", transparency=bytes(range(0, 185, 5)))
    for entries in 1, 5, 255:
        body = bytes(range(entries)) * 3
        data = saved(noise("L", 1), "PNG").replace(b"\x08\0\0\0\0", b"\x08\3\0\0\0", 1)
        data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
        yield f"palette of {entries}.png", with_chunk(data, b"PLTE", body)
    yield "palette one clear.png", saved(palette, "PNG", transparency=3)
    yield "grey tRNS.png", saved(noise("L", 1), "PNG", transparency=7)
    yield "rgb tRNS.png", saved(noise("RGB", 3), "PNG", transparency=(1, 2, 3))
    for name, colour, channels in ("rgb", 2, 3), ("grey alpha", 4, 2), ("rgb alpha", 6, 4):
        yield f"{name} 16.png", deep(colour, random.randbytes(2 * channels * WIDTH * HEIGHT))
    for mode in "L", "RGB", "CMYK":
        for quality in 30, 95:
            for progressive in False, True:
                yield f"{mode} {quality} {progressive}.jpg", saved(
                    smooth(mode), "JPEG", quality=quality, progressive=progressive)
    for sampling in 0, 1, 2:
        yield f"sampling {sampling}.jpg", saved(smooth("RGB"), "JPEG", subsampling=sampling)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[274] = orientation
        yield f"turned {orientation}.jpg", saved(smooth("RGB"), "JPEG", exif=exif)
        yield f"turned {orientation}.png", saved(noise("RGBA", 4), "PNG", exif=exif)
    whole = saved(smooth("RGB"), "JPEG")
    yield "more before the end.jpg", whole[:-2] + bytes(300) + whole[-2:]
    table = whole.index(b"\xff\xdb")
    yield "more before a table.jpg", whole[:table] + b"xy" + whole[table:]


def pixels(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return b"%d %d\n" % (image.height, image.width) + image.tobytes()


failed = count = 0
with tempfile.TemporaryDirectory() as folder:
    for name, data, same in itertools.chain(((*picture, picture[1]) for picture in pictures()), grey_in_16_bits()):
        path = f"{folder}/{name}"
        with open(path, "wb") as file:
            file.write(data)
        expected = pixels(same)
        got = subprocess.run([sys.argv[1], path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
        count += 1
        if got != expected:
            failed += 1
            print(f"{name}: {got[:60]!r}, not {expected[:60]!r}")
print(f"{count} pictures, {failed} of them not as Pillow reads them")
sys.exit(1 if failed else 0)
