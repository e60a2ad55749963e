"""What gantut_complete.py reads and writes besides pictures.

Masks say which pixels of a picture are kept (True = keep); they are computed or read from files. Each result gets its
own name, and none overwrites another file.
"""
import collections
import contextlib
import csv
import itertools
import os
import re
import unicodedata

import numpy as np
from PIL import Image, ImageOps

from gantut.datasets import list_pictures
from gantut.errors import UserError, is_table, is_there, put_aside, writing
from gantut.images import FORMATS, is_16_bit, read, reason
from gantut.seeding import file_number, random_state

KINDS = ("random", "center", "left", "full", "grid", "lowres")
RULE = "white (255) = keep, black (0) = fill in; if it is transparent somewhere, opaque = keep, transparent = fill in"
TABLE, PLOT, FILM = "losses.csv", "losses.png", "film.gif"
HEADER = ["picture", "iteration", "loss", "contextual", "perceptual"]  # of the table
LONGEST = 235  # bytes of a result's name; file systems allow 255, the rest is for what is added to the name


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
    elif kind == "grid":  # one pixel in sixteen is kept
        mask[:] = False
        mask[::4, ::4] = True
    elif kind == "lowres":  # no pixel is kept, but the averages of blocks are known
        mask[:] = False
    return mask


def find_masks(name, pictures, root, image_size, seed, crop=None):
    """The masks of pictures, [N, image_size, image_size] of bools. name: one of KINDS, a picture file, or a folder.

    pictures: their paths, below root. crop: the function that crops a picture [h, w] for the model, if pictures are
    cropped. Raises UserError for a mask that is missing or cannot be understood.
    """
    if name in KINDS:
        return np.array([make_mask(name, image_size, random_state(seed, "mask", file_number(path)))
                         for path in pictures])
    return np.array([read_mask(path, picture, image_size, crop)
                     for path, picture in zip(mask_files(name, pictures, root), pictures)])


def mask_files(name, pictures, root):
    """The mask's file for each picture: one file for all, or in a folder the file with the same path, or the same name.

    The name alone counts only if no other picture has it. Masks of one of KINDS have no files: [].
    """
    if name in KINDS:
        return []
    if os.path.isfile(name):
        return [name] * len(pictures)
    if not os.path.isdir(name):
        kinds = ", ".join(KINDS)
        raise UserError(f"no mask {name}: give --mask {kinds}, or a picture or folder of pictures: {RULE}")
    by_path, by_name = collections.defaultdict(list), collections.defaultdict(list)
    for path in list_pictures(name, say=False):
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
            raise UserError(f"no mask for {picture} in {name}: it needs one called {own}.png or .jpg")
        if len(paths) > 1:
            raise UserError(f"two masks for {picture}: {paths[0]} and {paths[1]}; remove one")
        found += paths
    return found


def stem(path, root):
    """A path below root without its extension; the name alone if it is root itself."""
    return os.path.splitext(os.path.relpath(path, root) if path != root else os.path.basename(path))[0]


def read_mask(path, picture, image_size, crop=None):
    """Read one mask, by RULE: [image_size, image_size] of bools, True = keep. Raises UserError that names it."""
    try:
        values = brightness(path)
        gray = ((values > 32) & (values < 223)).mean()  # of the original: scaling would turn fine patterns gray
        if crop and values.shape != (image_size, image_size) and values.shape == read(picture).shape[:2]:
            values = crop(values)
        check_mask(values, gray, image_size)
    except Exception as error:  # a broken file may make Pillow raise anything
        words = error if isinstance(error, UserError) else f"cannot be read: {reason(error)}"
        raise UserError(f"the mask {path} {words}") from None
    return values > 127


def brightness(path):
    """The opacity of a mask's file, or its brightness if it is opaque: [h, w] in 0..255."""
    with Image.open(path, formats=FORMATS) as image:
        is_16_bit(image)
        ImageOps.exif_transpose(image, in_place=True)
        if image.has_transparency_data:
            opacity = np.asarray(image.convert("RGBA").getchannel("A"))
            if opacity.min() < 255:
                return opacity
    rgb = read(path)
    if np.ptp(rgb, axis=-1).max() > 32:  # in a gray JPEG it is less
        raise UserError("is coloured: " + RULE)
    return rgb[:, :, 0]


def check_mask(values, gray, image_size):
    """Raise UserError for a mask [h, w] in 0..255 that keeps everything or nothing, or is largely gray."""
    if values.shape != (image_size, image_size):
        height, width = values.shape
        raise UserError(f"is {width}x{height}, but the model's pictures are {image_size}x{image_size}: scale it to "
                        "that, or with --is_crop give it the size of its picture")
    if (values > 127).all():
        raise UserError("keeps every pixel: " + RULE)
    if values.max() <= 127:
        raise UserError(f"keeps no pixel, its brightest value is {values.max():.0f} of 255: {RULE}; to keep only "
                        "averages, use --mask lowres")
    if gray > 0.25:
        raise UserError(f"is neither black nor white in {gray:.0%} of its pixels: {RULE}")


def picture_names(files, root):
    """The name of each picture: its path below root, with / replaced.

    It has the extension only if two pictures would otherwise have the same name.
    """
    stems = [stem(path, root) for path in files]
    times = collections.Counter(stems)
    return [(one if times[one] == 1 else os.path.relpath(path, root).replace(".", "_")).replace(os.sep, "_")
            for one, path in zip(stems, files)]


def result_names(names):
    """The names of the results: those of the pictures, made valid for every file system, and all different."""
    names = ["".join("_" if unicodedata.category(c) in ("Cc", "Cs") else c for c in name) for name in names]
    return each_once([name.encode()[:LONGEST].decode(errors="ignore") for name in names], results, [PLOT])


def each_once(names, results, taken=()):
    """The names, with a number added where two results would have the same file name.

    results: a function from a name to its files. taken: other names of files that must not be used.
    """
    own = keys(*map(results, names))  # a numbered name must not be another picture's own name
    taken, found = keys(taken), []
    for name in names:
        numbered = (f"{name}_{i}" for i in itertools.count(2))
        tries = itertools.chain([name], (one for one in numbered if own.isdisjoint(keys(results(one)))))
        found.append(next(one for one in tries if taken.isdisjoint(keys(results(one)))))
        taken |= keys(results(found[-1]))
    return found


def results(name):
    return [name + ".png", name + "_strip.png"]


def keys(*lists):
    """Names of files, as they are compared by file systems that ignore case and the encoding of accents."""
    return {unicodedata.normalize("NFC", file.lower()) for files in lists for file in files}


def put_results_aside(out_dir, names):
    """Move the results that an earlier completion's table names, and files called like the results of names, aside.

    They are moved into a new folder earlier-N in out_dir.
    """
    names = set(names)
    with contextlib.suppress(FileNotFoundError, csv.Error), open(os.path.join(out_dir, TABLE), newline="",
                                                                 encoding="utf-8", errors="replace") as file:
        for line in itertools.islice(csv.reader(file), 1, None):
            names.update(line[:1])
    files = [TABLE, PLOT, FILM, *itertools.chain(*map(results, names))]
    put_aside(out_dir, "|".join(map(re.escape, files)), TABLE)


def try_to_write(out_dir, names, inputs):
    """Raise UserError if a result cannot be written, or would overwrite an input or a file that is not a result."""
    with writing(out_dir):
        os.makedirs(out_dir, exist_ok=True)
    paths = [os.path.join(out_dir, file) for file in [TABLE, PLOT, FILM, *itertools.chain(*map(results, names))]]
    there = [path for path in paths if os.path.lexists(path)]
    read = {os.stat(path)[1:3] for path in inputs}  # inode and device, the same through any link
    same = [path for path in there if os.path.exists(path) and os.stat(path)[1:3] in read]
    if same:
        raise UserError(f"--out_dir {out_dir}: {same[0]} is an input, and a result would overwrite it; give another")
    full = [path for path in there if os.path.islink(path) or is_there(path)]  # a kill below leaves an empty one
    if full and not (os.path.isfile(paths[0]) and is_table(paths[0], HEADER)):
        raise UserError(f"--out_dir {out_dir}: {full[0]} exists and is not from a completion ({TABLE} is not there, "
                        "or another program's); give another")
    with writing(out_dir):
        for path in paths:
            open(path, "ab").close()
            if path not in there:
                os.remove(path)
