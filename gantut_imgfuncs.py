"""Images in and out of the network: Part 3 of the tutorial.

In:  imread -> (center_crop) -> transform gives what the discriminator sees, in [-1, 1].
Out: inverse_transform -> merge -> imsave writes a grid of what the generator draws.
imageio and Pillow stand where the tutorial had scipy.misc, which is gone.
"""
import logging
import os
import warnings

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageOps

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]  # by content, whatever the ending; none that runs a program
Image.MAX_IMAGE_PIXELS = 25_000_000  # Pillow refuses a header that claims twice as many: more takes over 1 GB
warnings.filterwarnings("ignore", module="PIL")  # what matters about a broken file is raised
logging.getLogger("PIL").setLevel(logging.CRITICAL)


def imread(path):
    """Read a picture file as RGB (Part 3).

    Gray, palette, CMYK and 16-bit files are converted, transparency is laid over white, and the EXIF orientation is
    applied. Returns a float array [height, width, 3], 0..255. Raises OSError or another of Pillow's errors if the file
    is no picture, is cut short, or claims to be absurdly large.
    """
    return read(path).astype(np.float64)


def read(path):
    """What imread() returns, but uint8 unless it is 16-bit gray: a large picture takes an eighth of the memory."""
    with Image.open(path, formats=FORMATS) as image:
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):  # 16-bit gray: Pillow's convert() would clip it at 255, not scale it
            gray = np.asarray(image, dtype=np.float64) / 257
            return np.stack([gray.clip(0, 255)] * 3, axis=-1)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def reason(error):
    """What is wrong with a picture, in a few words."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "is no picture"
    return " ".join(str(error).split()) or type(error).__name__


def transform(image, npx=64, is_crop=True):
    """Scale a picture from 0..255 to [-1, 1]; with is_crop, first take its central npx x npx window (Part 3)."""
    if is_crop:
        image = center_crop(image, npx, resize_w=npx)
    return np.array(image) / 127.5 - 1.0


def center_crop(x, crop_h, crop_w=None, resize_w=64):
    """Cut the central crop_h x crop_w window out of a picture and resize it to resize_w x resize_w (Part 3).

    x: [height, width] or [height, width, channels], 0..255. crop_w is crop_h if not given. The resize is Pillow's
    bilinear one on 8 bits, as scipy.misc.imresize did it. Returns uint8. Raises ValueError if x is too small.
    """
    if crop_w is None:
        crop_w = crop_h
    h, w = x.shape[:2]
    if h < crop_h or w < crop_w:
        raise ValueError("a picture of {}x{} is too small for a crop of {}x{} (width x height)".format(
            w, h, crop_w, crop_h))
    j = int(round((h - crop_h) / 2.0))
    i = int(round((w - crop_w) / 2.0))
    window = to_uint8(x[j:j + crop_h, i:i + crop_w])
    if window.ndim == 3 and window.shape[2] == 1:
        return np.array(resize(window[:, :, 0], resize_w))[:, :, np.newaxis]
    return np.array(resize(window, resize_w))


def resize(x, resize_w):
    """Resize a uint8 array, [height, width] or [height, width, 3], to a square picture resize_w wide."""
    return Image.fromarray(x).resize((resize_w, resize_w), Image.Resampling.BILINEAR)


def get_image(image_path, image_size, is_crop=True):
    """Read a picture file and transform it to [-1, 1]: float array [height, width, 3] (Part 3)."""
    return transform(imread(image_path), image_size, is_crop)


def inverse_transform(images):
    """Scale images from [-1, 1] to [0, 1] (Part 3)."""
    return (images + 1.0) / 2.0


def merge(images, size):
    """Lay images out in a grid, row by row; cells without an image stay black (Part 3).

    images: [N, h, w, channels], size: [rows, columns]. Returns [rows * h, columns * w, channels].
    Raises ValueError if the images do not fit into the grid.
    """
    rows, columns = size
    n, h, w, channels = images.shape
    if n > rows * columns:
        raise ValueError("{} images do not fit into a grid of {} x {}".format(n, rows, columns))
    img = np.zeros((h * rows, w * columns, channels))
    for idx, image in enumerate(images):
        i = idx % columns
        j = idx // columns
        img[j * h:j * h + h, i * w:i * w + w] = image
    return img


def imsave(images, size, path):
    """Write images [N, h, w, 1 or 3] in [0, 1] as one picture file, a grid of size [rows, columns] (Part 3)."""
    img = to_uint8(merge(images, size) * 255)
    data = iio.imwrite("<bytes>", img[:, :, 0] if img.shape[2] == 1 else img, extension=os.path.splitext(path)[1])
    with open(path, "wb") as file:  # not by imageio, which leaves a traceback on a full disk
        file.write(data)


def save_images(images, size, image_path):
    """Write the generator's images, [N, h, w, 1 or 3] in [-1, 1], as one grid of size [rows, columns] (Part 3)."""
    return imsave(inverse_transform(images), size, image_path)


def save_film(frames, path, seconds=0.2):
    """Write frames, uint8 arrays [h, w, 1 or 3] of one size, as an animated GIF that repeats; seconds: of each."""
    images = [Image.fromarray(np.uint8(frame).squeeze()).convert("RGB") for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=int(seconds * 1000), loop=0)


def grid_size(n):
    """The [rows, columns] of a nearly square grid that holds n images: [8, 8] for 64."""
    columns = int(np.ceil(np.sqrt(n)))
    return [int(np.ceil(n / columns)), columns]


def to_uint8(x):
    """Round an array in 0..255 to uint8, clipping what lies outside."""
    if x.dtype == np.uint8:
        return x
    return (np.clip(x, 0, 255) + 0.5).astype(np.uint8)


def pixels(images):
    """The generator's images, in [-1, 1], as uint8."""
    return to_uint8(inverse_transform(images) * 255)
