"""Picture files, in and out, beyond Part 3's eight functions: Pillow reads and writes them; and MNIST's IDX files."""
import gzip
import io
import logging
import os
import warnings

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

from gantut.errors import one_line, whole
from gantut.paths import in_words

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]  # by content, whatever the ending; none that runs a program
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
ROWS = 256  # of a picture that are rounded at once
MEGAPIXELS = 50  # a header that claims more is refused: it takes over 1 GB
Image.MAX_IMAGE_PIXELS = MEGAPIXELS * 500_000  # Pillow refuses twice as many
TEXT = 64 * 2**20  # bytes of text in a PNG, as programs write their settings into it; nobody here reads it
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = TEXT
warnings.filterwarnings("ignore", module="PIL")  # what matters about a broken file is raised
logging.getLogger("PIL").setLevel(logging.CRITICAL)


def read(path):
    """Read a picture file as RGB: [height, width, 3], uint8, or float64 in 0..255 if it is 16-bit gray.

    Gray, palette, CMYK and 16-bit files are converted, transparency is laid over white, and the EXIF orientation is
    applied. Raises OSError or another of Pillow's errors if the file is no picture, is cut short, or claims to be
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
        raise ValueError("is darker than 4096 of 65535 everywhere, as 10 or 12 bits in 16 are: scale it to all 16, or "
                         "save it with 8")
    return 255 - rgb if inverted else rgb  # which Pillow does for up to 8 bits


def check_decodes(data):
    """Raise what read() raises if the bytes of a picture file do not decode.

    A JPEG is decoded at an eighth of its size: all its bytes are read, a third of the time is needed.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format == "JPEG":
            image.draft("L", (image.width // 8, image.height // 8))
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return
    read(io.BytesIO(data))


def is_16_bit(image):
    """Whether an opened picture has 16 bits for each value. Raises ValueError if they have no defined range."""
    if image.format == "TIFF" and 2 in np.ravel(image.tag_v2.get(339, 1)):  # Pillow takes 8 signed bits for 8 others
        raise ValueError(f"holds signed {np.ravel(image.tag_v2.get(258, 1))[0]}-bit numbers, whose range nothing defines: save it with 8 or 16 bits without "
                         "a sign")
    if image.mode == "F" or image.mode == "I" and image.format != "PNG":  # older versions of Pillow: 16-bit PNG is I
        raise ValueError("holds {} numbers, whose range nothing defines: save it with 8 or 16 bits".format(
            "floating-point" if image.mode == "F" else "32-bit"))
    return image.format in ("PNG", "TIFF") and (image.mode[0] == "I" or ";16" in str(image.tile))


def reason(error):
    """What is wrong with a picture, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "is no picture"
    if isinstance(error, Image.DecompressionBombError) and Image.MAX_IMAGE_PIXELS == MEGAPIXELS * 500_000:
        return "has more than {} megapixels: {} --mode crop scales it down".format(
            MEGAPIXELS, in_words("python data/align_faces.py"))
    if "MAX_TEXT_CHUNK" in str(error) or "text chunks" in str(error):
        return f"has more than {TEXT // 2**20} MB of text in it: save it without"
    return one_line(error)


def resize(x, resize_w):
    """Resize a uint8 array, [height, width] or [height, width, 1 or 3], to a square one resize_w wide, bilinearly."""
    if x.ndim == 3 and x.shape[2] == 1:
        return resize(x[:, :, 0], resize_w)[:, :, np.newaxis]
    return np.array(Image.fromarray(x).resize((resize_w, resize_w), Image.Resampling.BILINEAR))


def to_uint8(x):
    """Round an array in 0..255 to uint8, clipping what lies outside."""
    if x.dtype == np.uint8:
        return x
    result = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), ROWS):  # by parts, so that a large picture of floats is not in memory three times
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
    """Write frames, uint8 arrays [h, w, 1 or 3] of one size, as an animated GIF that repeats; seconds: of each."""
    images = [Image.fromarray(np.uint8(frame).squeeze()).convert("RGB") for frame in frames]
    with whole(path) as part:
        images[0].save(part, "GIF", save_all=True, append_images=images[1:], duration=int(seconds * 1000), loop=0)


def save_figure(figure, path, **options):
    """Write a figure of matplotlib as a file of the kind that its ending names. options: savefig()'s."""
    with whole(path) as part:
        figure.savefig(part, format=os.path.splitext(path)[1][1:].lower(), **options)


def read_idx(path):
    """Read an IDX file, MNIST's own format, gzipped or not: a uint8 array.

    Two zeros, the type, how many dimensions, each as four bytes; then the bytes. Raises ValueError, OSError or
    zlib.error if it is none.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content[:3] != b"\0\0\x08" or len(content) < 4:
        raise ValueError("is not an IDX file of bytes")
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
