"""Reads pictures at the size that a model needs, and checks them before the first step."""
import collections
import contextlib
import hashlib
import os
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image
from tqdm import tqdm

from gantut.errors import UserError, one_line, printable
from gantut.images import FORMATS, is_16_bit, read, reason

HEAD = 4096  # bytes that a file's checksum covers: all of a small picture, the beginning of a photograph
LUMINANCE = [[0.299], [0.587], [0.114]]  # ITU-R 601

LARGE = 8_000_000  # pixels, 24 bytes each as imread's floats: only one thread at a time reads such a picture
ONE_LARGE = threading.Lock()

Examined = collections.namedtuple("Examined", "size crc broken misfit", defaults=[None, None])


class Loader:
    """Reads pictures at the size that a model needs.

    imgfuncs: Part 3's functions, which read, crop and scale each picture. image_size: width and height in pixels.
    is_crop: scale the central window of crop_size x crop_size (0: the largest square) to that size; otherwise every
    picture must have this size. c_dim: 3, or 1 for the luminance (ITU-R 601).
    """

    def __init__(self, imgfuncs, image_size, is_crop=False, crop_size=0, c_dim=3):
        self.imgfuncs = imgfuncs
        self.image_size, self.is_crop, self.crop_size, self.c_dim = image_size, is_crop, crop_size, c_dim

    def load(self, path):
        """Read one picture with Part 3's functions: float32 [image_size, image_size, c_dim] in [-1, 1].

        Raises UserError that names the file if the file is the cause. If it is readable, it is read a second time, and
        then an error of Part 3's functions is raised unchanged.
        """
        try:
            image = self.get_image(path)
        except Exception:  # a broken file may make Pillow raise anything
            self.check_file(path)
            image = self.get_again(path)
        image = np.asarray(image, np.float64)
        if image.shape[:2] != (self.image_size, self.image_size):
            self.check_file(path)
        if self.c_dim == 1 and image.shape[2:] == (3,):
            image = image @ LUMINANCE
        return image.astype(np.float32)

    def get_again(self, path):
        """get_image() of a file that can be read: an error of a network's file system may have passed."""
        try:
            return self.get_image(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or one_line(error)}") from None

    def load_all(self, paths):
        """Read pictures: float32 [N, image_size, image_size, c_dim] in [-1, 1]."""
        return np.array([self.load(path) for path in paths])

    def get_image(self, path):
        """Part 3's get_image(); with is_crop its single steps, because the cropped window is scaled to image_size."""
        part_3 = self.imgfuncs
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
        if not self.is_crop:
            if (width, height) != (self.image_size, self.image_size):
                raise ValueError("another size")  # check_file() says which
            return part_3.get_image(path, self.image_size, is_crop=False)
        with ONE_LARGE if width * height > LARGE else contextlib.nullcontext():
            cropped_image = self.crop(part_3.imread(path))
        return part_3.transform(cropped_image, is_crop=False)

    def crop(self, image):
        """The window that --is_crop takes from a picture [h, w] or [h, w, 3], scaled to image_size."""
        return self.imgfuncs.center_crop(image, self.crop_size or min(image.shape[:2]), resize_w=self.image_size)

    def check_file(self, path):
        """Raise UserError that names the file if it cannot be read, or has the wrong size."""
        size, crop = self.image_size, self.crop_size
        try:
            height, width = read(path).shape[:2]
            if not self.is_crop and (height, width) != (size, size):
                raise ValueError(f"is {width}x{height}, not {size}x{size}: --is_crop takes the centre and scales it")
            if self.is_crop and min(height, width) < crop:
                raise ValueError(f"a picture of {width}x{height} is too small for a crop of {crop}x{crop} "
                                 "(width x height)")
        except MemoryError:  # nothing is wrong with the picture
            raise
        except Exception as error:
            raise UserError(f"{path}: {reason(error)}") from None

    def look_over(self, files, skip_bad=False):
        """Check the header of every file before the first step.

        Returns (the files that can be trained on, a fingerprint of their names and contents). Unreadable pictures are
        listed on stderr and left out if skip_bad; otherwise UserError is raised, as it is for a picture of the wrong
        size.
        """
        blocks = [files[i:i + 256] for i in range(0, len(files), 256)]  # one task per file would be slower
        results = []
        with ThreadPoolExecutor(os.cpu_count()) as threads, \
                tqdm(desc="looking at the pictures", total=len(files), disable=None, leave=False, unit=" files") as bar:
            for block in threads.map(lambda block: [self.examine(path) for path in block], blocks):
                results += block
                bar.update(len(block))
        misfit = next((result.misfit for result in results if result.misfit), None)
        if misfit:
            raise UserError(misfit)
        bad = [(path, result.broken) for path, result in zip(files, results) if result.broken]
        if bad and (skip_bad or len(bad) > 1):
            print("\n".join(printable(f" [!] {path}: {broken}") for path, broken in bad), file=sys.stderr)
        if skip_bad and bad and len(bad) == len(files):
            raise UserError(f"none of the {len(files)} picture(s) can be read: {bad[0][0]}: {bad[0][1]}")
        if bad and not skip_bad:
            path, broken = bad[0]
            many = f" ({len(bad)} such files, listed above)" if len(bad) > 1 else ""
            raise UserError(f"{path}: {broken}{many}; remove or replace such a file, or leave it out with "
                            "--skip_bad_images")
        good = [(path, result) for path, result in zip(files, results) if not result.broken]
        return [path for path, _ in good], fingerprint(good)

    def examine(self, path):
        """Check one file: its size, a checksum of its beginning, and what is broken or of the wrong size, in words."""
        try:
            with open(path, "rb") as file:
                start = file.read(HEAD)
                found = Examined(os.fstat(file.fileno()).st_size, zlib.crc32(start))
                file.seek(0)
                with Image.open(file, formats=FORMATS) as image:
                    width, height = image.size
                    deep = is_16_bit(image)
            if deep:
                read(path)  # only the values show whether they use all 16 bits
        except MemoryError:
            raise
        except Exception as error:  # a broken file may make Pillow raise anything
            return Examined(0, 0, broken=reason(error))
        if not self.is_crop and (width, height) != (self.image_size, self.image_size):
            size = self.image_size
            return found._replace(misfit=f"{path} is {width}x{height}, but the model needs {size}x{size}: add "
                                  "--is_crop to take the centre of every picture and scale it")
        if self.is_crop and min(width, height) < self.crop_size:
            return found._replace(misfit=f"{path} is {width}x{height}, smaller than --crop_size {self.crop_size}: use "
                                  "a smaller one, or 0 for the largest square of each picture")
        return found


def fingerprint(examined):
    """A short hash of the names, sizes and beginnings of the files; it does not depend on where their folder is."""
    folders = {os.path.dirname(path) for path, _ in examined}
    root = os.path.commonpath(folders) if folders else ""
    inside = {folder: os.path.relpath(folder, root) for folder in folders}
    lines = []
    for path, found in examined:
        folder, name = os.path.split(path)
        name = name if inside[folder] == "." else os.path.join(inside[folder], name)
        lines.append(f"{name} {found.size} {found.crc}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]
