"""Masks for the completion, which pixels of a picture are kept: made, or read from files. True = keep."""
import collections
import os

import numpy as np
from PIL import Image, ImageOps

from gantut.dice import file_number, random_state
from gantut.errors import UserError
from gantut.finding import list_pictures
from gantut.images import ENDINGS, FORMATS, is_16_bit, read, reason

KINDS = ("random", "center", "left", "full", "grid", "lowres")
RULE = "white (255) = keep, black (0) = fill in; if it is transparent somewhere, opaque = keep, transparent = fill in"


def make_mask(kind, image_size, rng):
    """A mask [image_size, image_size] of bools, True = keep; the kinds of bamos/dcgan-completion.tensorflow."""
    mask = np.ones([image_size, image_size], dtype=bool)
    quarter, half = image_size // 4, image_size // 2
    if kind == "random":  # a fifth of the pixels is missing
        mask = rng.uniform(size=mask.shape) >= 0.2
    elif kind == "center":
        mask[quarter:image_size - quarter, quarter:image_size - quarter] = False
    elif kind == "left":
        mask[:, :half] = False
    elif kind == "grid":  # one pixel in sixteen is left
        mask[:] = False
        mask[::4, ::4] = True
    elif kind == "lowres":  # no pixel is left, but the averages of blocks are known
        mask[:] = False
    return mask


def find_masks(name, pictures, root, image_size, seed, crop=None):
    """The masks of pictures, [N, image_size, image_size] of bools: of a kind, of a picture file, or of a folder's.

    pictures: their paths, below root. crop: what makes a picture [h, w] fit the model, if pictures are cropped.
    Raises UserError for a mask that is missing, or cannot be understood.
    """
    if name in KINDS:
        return np.array([make_mask(name, image_size, random_state(seed, "mask", file_number(path)))
                         for path in pictures])
    return np.array([read_mask(path, picture, image_size, crop)
                     for path, picture in zip(mask_files(name, pictures, root), pictures)])


def mask_files(name, pictures, root):
    """The mask's file of each picture: one for all, or in a folder the one of the same path below it, or name.

    A name alone counts only if no other picture has it. Masks of a kind have no files: [].
    """
    if name in KINDS:
        return []
    if os.path.isfile(name):
        return [name] * len(pictures)
    if not os.path.isdir(name):
        raise UserError("no mask {}: give --mask {}, or a picture or folder of pictures: {}".format(
            name, ", ".join(KINDS), RULE))
    by_path, by_name = collections.defaultdict(list), collections.defaultdict(list)
    for path in list_pictures(name, [ending[1:] for ending in ENDINGS], say=False):
        by_path[stem(path, name)].append(path)
        by_name[os.path.basename(stem(path, name))].append(path)
    times = collections.Counter(os.path.basename(stem(path, root)) for path in pictures)
    found = []
    for picture in pictures:
        own = stem(picture, root)
        paths = by_path.get(own, [])
        if not paths and times[os.path.basename(own)] == 1:
            paths = by_name.get(os.path.basename(own), [])
        if not paths:
            raise UserError("no mask for {} in {}: it needs one called {}.png or .jpg".format(picture, name, own))
        if len(paths) > 1:
            raise UserError("two masks for {}: {} and {}; leave one".format(picture, *paths[:2]))
        found += paths
    return found


def stem(path, root):
    """A path below root without its ending; the name alone if it is root itself."""
    return os.path.splitext(os.path.relpath(path, root) if path != root else os.path.basename(path))[0]


def read_mask(path, picture, image_size, crop=None):
    """Read one mask, by RULE: [image_size, image_size] of bools, True = keep. Raises UserError that names it."""
    try:
        values = brightness(path)
        gray = ((values > 32) & (values < 223)).mean()  # as it was painted: scaling makes gray of fine patterns
        if crop and values.shape != (image_size, image_size) and values.shape == read(picture).shape[:2]:
            values = crop(values)
        check_mask(values, gray, image_size)
    except Exception as error:  # whatever a broken file makes Pillow raise
        raise UserError("the mask {} {}".format(path, error if isinstance(error, UserError) else "cannot be read: "
                                                + reason(error))) from None
    return values > 127


def brightness(path):
    """What a mask's file says of each pixel: [h, w] in 0..255."""
    with Image.open(path, formats=FORMATS) as image:
        is_16_bit(image)
        ImageOps.exif_transpose(image, in_place=True)
        if image.has_transparency_data:
            opacity = np.asarray(image.convert("RGBA").getchannel("A"))
            if opacity.min() < 255:
                return opacity
    rgb = read(path)
    if np.ptp(rgb, axis=-1).max() > 32:  # of JPEG, less
        raise UserError("is coloured: " + RULE)
    return rgb[:, :, 0]


def check_mask(values, gray, image_size):
    """Raise UserError for a mask [h, w] in 0..255 that keeps everything or nothing, or is gray in a large share."""
    if values.shape != (image_size, image_size):
        raise UserError("is {}x{}, but the model's pictures are {}x{}: scale it to that, or with --is_crop give it its "
                        "picture's size".format(values.shape[1], values.shape[0], image_size, image_size))
    if (values > 127).all():
        raise UserError("keeps every pixel: " + RULE)
    if values.max() <= 127:
        raise UserError("keeps no pixel, its brightest value is {:.0f} of 255: {}; to keep only averages, --mask "
                        "lowres".format(values.max(), RULE))
    if gray > 0.25:
        raise UserError("is neither black nor white in {:.0%} of its pixels: {}".format(gray, RULE))
