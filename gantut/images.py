"""Reads and writes picture files with Pillow, beyond Part 3's eight functions; reads MNIST's IDX files."""
import gzip
import io
import logging
import os
import warnings

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from gantut.errors import one_line, whole
from gantut.paths import in_words

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]  # by content, not by extension; none that runs a program
EXTENSIONS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
ROWS = 256  # of a picture that are rounded at once
MEGAPIXELS = 50  # a header that claims more is refused: it would take over 1 GB
Image.MAX_IMAGE_PIXELS = MEGAPIXELS * 500_000  # Pillow refuses twice as many
TEXT = 64 * 2**20  # bytes of text in a PNG, where programs save their settings; it is not used here
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = TEXT
warnings.filterwarnings("ignore", module="PIL")  # real problems with a file are raised
logging.getLogger("PIL").setLevel(logging.CRITICAL)


def read(path):
    """Read a picture file as RGB: [height, width, 3], uint8, or float64 in 0..255 if it is 16-bit gray.

    Gray, palette, CMYK and 16-bit files are converted, transparency is laid over white, and the EXIF orientation is
    applied. Raises OSError or another of Pillow's errors if the file is not a picture, is truncated, or claims to be
    absurdly large; ValueError if its values have no defined range.
    """
    with Image.open(path, formats=FORMATS) as image:
        deep = is_16_bit(image)
        inverted = image.mode.startswith("I") and image.format == "TIFF" and image.tag_v2.get(262) == 0  # white is zero
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):  # gray: Pillow's convert() would clip it at 255, not scale it
            gray = np.asarray(image, dtype=np.float64) / 257
            rgb = np.stack([gray.clip(0, 255)] * 3, axis=-1)
        else:
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            rgb = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    if deep and 0 < rgb.max() < 16:
        raise ValueError("is darker than 4096 of 65535 everywhere, as if it had 10 or 12 bits in 16: scale it to 16 "
                         "bits, or save it with 8")
    return 255 - rgb if inverted else rgb  # Pillow itself inverts only up to 8 bits


def check_decodes(data):
    """Raise what read() raises if the bytes of a picture file cannot be decoded.

    A JPEG is decoded at an eighth of its size: all its bytes are read, in a third of the time.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format == "JPEG":
            image.draft("L", (image.width // 8, image.height // 8))
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return
    read(io.BytesIO(data))


def is_16_bit(image):
    """Whether an opened picture has 16 bits per value. Raises ValueError if its values have no defined range."""
    if image.format == "TIFF" and 2 in np.ravel(image.tag_v2.get(339, 1)):  # Pillow reads 8 signed bits as unsigned
        bits = np.ravel(image.tag_v2.get(258, 1))[0]
        raise ValueError(f"holds signed {bits}-bit numbers, whose range is not defined: save it with 8 or 16 unsigned "
                         "bits")
    if image.mode == "F" or image.mode == "I" and image.format != "PNG":  # older versions of Pillow: 16-bit PNG is I
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise ValueError(f"holds {kind} numbers, whose range is not defined: save it with 8 or 16 bits")
    return image.format in ("PNG", "TIFF") and (image.mode[0] == "I" or ";16" in str(image.tile))


def reason(error):
    """What is wrong with a picture, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "is not a picture"
    if isinstance(error, Image.DecompressionBombError) and Image.MAX_IMAGE_PIXELS == MEGAPIXELS * 500_000:
        command = in_words("python data/align_faces.py")
        return f"has more than {MEGAPIXELS} megapixels: {command} --mode crop scales it down"
    if "MAX_TEXT_CHUNK" in str(error) or "text chunks" in str(error):
        return f"has more than {TEXT // 2**20} MB of text in it: save it without the text"
    return one_line(error)


def resize(x, resize_w):
    """Resize a uint8 array, [height, width] or [height, width, 1 or 3], to a square one resize_w wide, bilinearly."""
    if x.ndim == 3 and x.shape[2] == 1:
        return resize(x[:, :, 0], resize_w)[:, :, np.newaxis]
    return np.array(Image.fromarray(x).resize((resize_w, resize_w), Image.Resampling.BILINEAR))


def to_uint8(x):
    """Round an array in 0..255 to uint8; values outside are clipped."""
    if x.dtype == np.uint8:
        return x
    result = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), ROWS):  # in parts, so that a large picture of floats is not in memory three times
        result[start:start + ROWS] = np.clip(x[start:start + ROWS], 0, 255) + 0.5
    return result


def pixels(images):
    """The generator's images, in [-1, 1], as uint8."""
    return to_uint8((images + 1.0) / 2.0 * 255)


def grid_size(n):
    """The [rows, columns] of a nearly square grid that holds n images: [8, 8] for 64."""
    columns = int(np.ceil(np.sqrt(n)))
    return [int(np.ceil(n / columns)), columns]


def save_film(frames, path, seconds=0.2):
    """Write frames, uint8 arrays [h, w, 1 or 3] of one size, as an animated GIF that repeats; seconds: per frame."""
    images = [Image.fromarray(np.uint8(frame).squeeze()).convert("RGB") for frame in frames]
    with whole(path) as part:
        images[0].save(part, "GIF", save_all=True, append_images=images[1:], duration=int(seconds * 1000), loop=0)


def save_figure(figure, path, **options):
    """Write a matplotlib figure in the format that the extension of path names. options: savefig()'s."""
    with whole(path) as part:
        figure.savefig(part, format=os.path.splitext(path)[1][1:].lower(), **options)


def read_idx(path):
    """Read an IDX file, MNIST's own format, gzipped or not: a uint8 array.

    Two zeros, the type, the number of dimensions, each dimension as four bytes; then the data. Raises ValueError,
    OSError or zlib.error if it is not one.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError("is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
