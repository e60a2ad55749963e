"""Images in and out of the network: Part 3 of the tutorial.

In:  imread -> (center_crop) -> transform gives the discriminator's input, in [-1, 1].
Out: inverse_transform -> merge -> imsave writes a grid of the generator's images.
imageio and Pillow (in gantut/images.py) replace the tutorial's scipy.misc, which no longer exists.
"""
import os

import imageio.v3 as iio
import numpy as np

from gantut.errors import write_whole
from gantut.images import read, resize, to_uint8


def imread(path):
    """Read a picture file as RGB (Part 3).

    Gray, palette, CMYK and 16-bit files are converted, transparency is laid over white, and the EXIF orientation is
    applied. Returns a float array [height, width, 3], 0..255. Raises OSError or another of Pillow's errors if the file
    is not a picture, is truncated, or claims to be absurdly large; ValueError if its values have no defined range.
    """
    return read(path).astype(np.float64)


def transform(image, npx=64, is_crop=True):
    """Scale a picture from 0..255 to [-1, 1]; with is_crop, first take its central npx x npx window (Part 3).

    image: [height, width] or [height, width, channels]. Returns floats of that shape, with is_crop npx x npx.
    A training with --is_crop calls center_crop() itself, since its window is larger, and then this without is_crop.
    """
    if is_crop:
        cropped_image = center_crop(image, npx, resize_w=npx)
    else:
        cropped_image = image
    return np.array(cropped_image) / 127.5 - 1.0


def center_crop(x, crop_h, crop_w=None, resize_w=64):
    """Cut the central crop_h x crop_w window out of a picture and resize it to resize_w x resize_w (Part 3).

    x: [height, width] or [height, width, channels], 0..255. crop_w is crop_h if not given. The start of the window is
    rounded with round(). resize() of gantut/images.py is Pillow's bilinear one on 8 bits, as scipy.misc.imresize was.
    Returns uint8. Raises ValueError if x is too small.
    """
    if crop_w is None:
        crop_w = crop_h
    h, w = x.shape[:2]
    if h < crop_h or w < crop_w:
        raise ValueError(f"a picture of {w}x{h} is too small for a crop of {crop_w}x{crop_h} (width x height)")
    j = int(round((h - crop_h) / 2.0))
    i = int(round((w - crop_w) / 2.0))
    return resize(to_uint8(x[j:j + crop_h, i:i + crop_w]), resize_w)


def get_image(image_path, image_size, is_crop=True):
    """Read a picture file and transform it to [-1, 1] (Part 3).

    Returns floats [image_size, image_size, 3], without is_crop [height, width, 3].
    """
    return transform(imread(image_path), image_size, is_crop)


def inverse_transform(images):
    """Scale images from [-1, 1] to [0, 1] (Part 3)."""
    return (images + 1.0) / 2.0


def merge(images, size):
    """Lay images out in a grid, row by row; cells without an image stay black (Part 3).

    images: [N, h, w, channels], size: [rows, columns]. Returns [rows * h, columns * w, channels].
    Raises ValueError if the images do not fit into the grid.
    """
    h, w = images.shape[1], images.shape[2]
    if len(images) > size[0] * size[1]:
        raise ValueError(f"{len(images)} images do not fit into a grid of {size[0]} x {size[1]}")
    img = np.zeros((h * size[0], w * size[1], images.shape[3]))
    for idx, image in enumerate(images):
        i = idx % size[1]
        j = idx // size[1]
        img[j * h:j * h + h, i * w:i * w + w] = image
    return img


def imsave(images, size, path):
    """Write images [N, h, w, 1 or 3] in [0, 1] as one picture file, a grid of size [rows, columns] (Part 3)."""
    img = to_uint8(merge(images, size) * 255)
    extension = os.path.splitext(path)[1].lower()
    data = iio.imwrite("<bytes>", img[:, :, 0] if img.shape[2] == 1 else img, extension=extension)
    write_whole(path, data)  # on a full disk imageio would print a traceback and destroy an older picture


def save_images(images, size, image_path):
    """Write the generator's images, [N, h, w, 1 or 3] in [-1, 1], as one grid of size [rows, columns] (Part 3)."""
    return imsave(inverse_transform(images), size, image_path)
