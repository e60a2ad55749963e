"""The pictures of a training and the order in which it sees them.

Part 4 reads its batches inside the training loop; here they have a room of their own, so that every picture is
looked over before the first step and the order depends on nothing but the seed.
"""
import collections
import hashlib
import os
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

from gantut_console import UserError
from gantut_imgfuncs import FORMATS, center_crop, read, reason, to_uint8, transform

HEAD = 4096  # bytes of each file that its checksum covers: all of a small picture, the beginning of a photograph
MAX_THREADS = 8  # of those that decode: each has a batch in hand, and Python gives more of them no more speed
SCALED = transform(np.arange(256), is_crop=False)  # what each of the 256 values is in [-1, 1], float64
LUMINANCE = [[0.299], [0.587], [0.114]]  # ITU-R 601


def find_dataset(name):
    """Return the folder called name, or else the one of that name under data/. Raises UserError if there is none."""
    data = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    for folder in (os.path.expanduser(name), os.path.join(data, name)):
        if os.path.isdir(folder):
            return folder
    raise UserError("no folder {}, and none of that name under {}: give --dataset a folder of pictures (try "
                    "--dataset aligned)".format(name, data))


def random_state(seed, purpose, *numbers):
    """A NumPy RandomState that depends on its arguments alone, for example random_state(seed, "z", step).

    Drawing from one of these for each step, instead of from one long stream, means that a stopped run can go on
    from the number of its step. RandomState, because NumPy froze its streams for good.
    """
    return np.random.RandomState([seed, zlib.crc32(purpose.encode()), *numbers])


def load_image(path, image_size, is_crop=False, crop_size=0, c_dim=3):
    """Read one picture as the networks want it: float32 [image_size, image_size, c_dim] in [-1, 1].

    With is_crop, the central window of crop_size x crop_size (0: the largest square) is scaled to image_size.
    c_dim 1 takes the luminance (ITU-R 601). Raises UserError that names the file.
    """
    return normalise(decode(path, image_size, is_crop, crop_size), c_dim)


def decode(path, image_size, is_crop=False, crop_size=0):
    """The first half of load_image(): uint8 [image_size, image_size, 3]. Raises UserError that names the file."""
    try:
        image = read(path)
        if is_crop:
            image = center_crop(image, crop_size or min(image.shape[:2]), resize_w=image_size)
        elif image.shape[:2] != (image_size, image_size):
            raise ValueError("is {}x{}, not {}x{}: --is_crop takes the centre and scales it".format(
                image.shape[1], image.shape[0], image_size, image_size))
    except Exception as error:  # whatever a broken file makes Pillow raise
        raise UserError("{}: {}".format(path, reason(error))) from None
    return to_uint8(image)  # rounds 16-bit gray to 8 bits, as the crop does


def normalise(pixels, c_dim=3):
    """The second half: uint8 [..., 3] -> float32 [..., c_dim] in [-1, 1], of one picture or a whole batch."""
    if c_dim == 1:
        return (SCALED.take(pixels) @ LUMINANCE).astype(np.float32)
    return SCALED.astype(np.float32).take(pixels)


def look_over(files, image_size, is_crop=False, crop_size=0, skip_bad=False):
    """Look at the header of every file before the first step.

    Returns (the files that can be trained on, a fingerprint of their names and contents). Pictures that cannot be
    read are listed on stderr and left out if skip_bad; otherwise, and for a picture whose size does not fit, raises
    UserError.
    """
    examine_one = partial(examine, image_size=image_size, is_crop=is_crop, crop_size=crop_size)
    parts = [files[i:i + 256] for i in range(0, len(files), 256)]  # a task for each file takes longer than the file
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as threads, \
            tqdm(desc="looking at the pictures", total=len(files), disable=None, leave=False, unit=" files") as bar:
        for part in threads.map(lambda part: [examine_one(path) for path in part], parts):
            results += part
            bar.update(len(part))
    misfit = next((result.misfit for result in results if result.misfit), None)
    if misfit:
        raise UserError(misfit)
    bad = [(path, result.broken) for path, result in zip(files, results) if result.broken]
    if bad and (skip_bad or len(bad) > 1):
        print("\n".join(" [!] {}: {}".format(*one) for one in bad), file=sys.stderr)
    if bad and not skip_bad:
        raise UserError("{}: {}{}; remove or replace such a file, or leave it out with --skip_bad_images".format(
            *bad[0], " ({} such files, listed above)".format(len(bad)) if len(bad) > 1 else ""))
    good = [(path, result) for path, result in zip(files, results) if not result.broken]
    return [path for path, _ in good], fingerprint(good)


Examined = collections.namedtuple("Examined", "size crc broken misfit", defaults=[None, None])


def examine(path, image_size, is_crop, crop_size):
    """Look at one file: its size, a checksum of its beginning, and what is broken or does not fit, in words."""
    try:
        with open(path, "rb") as file:
            start = file.read(HEAD)
            found = Examined(os.fstat(file.fileno()).st_size, zlib.crc32(start))
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
    except Exception as error:  # whatever a broken file makes Pillow raise
        return Examined(0, 0, broken=reason(error))
    if not is_crop and (width, height) != (image_size, image_size):
        return found._replace(misfit="{} is {}x{}, but the model wants {}x{}: add --is_crop to take the centre of "
                              "every picture and scale it".format(path, width, height, image_size, image_size))
    if is_crop and min(width, height) < crop_size:
        return found._replace(misfit="{} is {}x{}, smaller than --crop_size {}: use a smaller one, or 0 for the "
                              "largest square of each picture".format(path, width, height, crop_size))
    return found


def fingerprint(examined):
    """A short hash of the names, sizes and beginnings of the files, wherever their folder lies."""
    folders = {os.path.dirname(path) for path, _ in examined}
    root = os.path.commonpath(folders) if folders else ""
    inside = {folder: os.path.relpath(folder, root) for folder in folders}
    lines = []
    for path, found in examined:
        folder, name = os.path.split(path)
        name = name if inside[folder] == "." else os.path.join(inside[folder], name)
        lines.append("{} {} {}".format(name, found.size, found.crc))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def check_number(files, root, batch_size, train_size=np.inf, replicas=1):
    """Raise UserError unless there are pictures, and enough for a batch of each replica. root: where they should be."""
    if not files:
        endings = collections.Counter(
            os.path.splitext(name)[1].lower() or "no ending" for _, _, names in os.walk(root) for name in names)
        found = ", ".join("{} ({})".format(*pair) for pair in endings.most_common(5)) or "no files at all"
        raise UserError("no pictures in {}: files that end in .png, .jpg or .jpeg count, in subfolders too; "
                        "found {}".format(root, found))
    batches = "one batch of {}".format(batch_size) if replicas == 1 else "{} batches of {}".format(replicas, batch_size)
    if train_size < batch_size * replicas:
        raise UserError("--train_size {:g} is less than {}: use --batch_size {:g} or less".format(
            train_size, batches, train_size // replicas))
    if len(files) < batch_size * replicas:
        raise UserError("{} picture(s) in {} are fewer than {}: use --batch_size {} or less, or add "
                        "pictures".format(len(files), root, batches, len(files) // replicas))


class Pictures(object):
    """The pictures of a training: looked over, and in an order that depends on the seed alone.

    files: their paths; dcgan gives their size and the batch's, config (the trainer's flags) the rest.
    The first of them, in this order, stay in memory once they are decoded, as many as config.cache_mb MiB hold;
    the others are decoded anew for each batch. Raises UserError if there are too few, or some that cannot be used.
    """

    def __init__(self, files, dcgan, config):
        files, self.fingerprint = look_over(files, dcgan.image_size, dcgan.is_crop, config.crop_size,
                                            config.skip_bad_images)
        random_state(config.seed, "data").shuffle(files)
        self.files = files[:int(min(len(files), config.train_size))]
        check_number(self.files, config.dataset, dcgan.batch_size, config.train_size, dcgan.replicas)
        self.decode_one = partial(decode, image_size=dcgan.image_size, is_crop=dcgan.is_crop,
                                  crop_size=config.crop_size)
        self.c_dim = dcgan.c_dim
        self.step_size = dcgan.batch_size * dcgan.replicas
        self.share = dcgan.share
        self.seed = config.seed
        self.skip_bad = config.skip_bad_images
        self.bad = set()
        self.threads = min(os.cpu_count() or 1, MAX_THREADS)
        shape = (dcgan.image_size, dcgan.image_size, 3)
        room = config.cache_mb * 2**20 // int(np.prod(shape))
        self.cache = np.empty((min(len(self.files), room), *shape), np.uint8)  # takes memory as it fills
        self.cached = np.zeros(len(self.files), bool)
        self.locks = [threading.Lock() for _ in range(64)]
        self.naming = threading.Lock()

    def batches(self, step=0):
        """Yield batches for ever: float32 [batch_size, image_size, image_size, c_dim] in [-1, 1].

        Threads read some batches ahead. What is wrong with a batch is raised when its turn comes, which ends the
        generator. step: how many batches were taken before, in an earlier run.
        """
        orders = self.orders(step)
        pool = ThreadPoolExecutor(self.threads)
        try:
            ahead = collections.deque(pool.submit(self.load, next(orders)) for _ in range(self.threads))
            while True:
                ahead.append(pool.submit(self.load, next(orders)))
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def orders(self, step=0):
        """Yield the numbers of each batch's files, arrays [batch_size], for ever.

        Each epoch has its own order, which depends on (seed, epoch); what is left over after the last whole batch
        sits that epoch out. Of several processes each takes its own share of a batch for all.
        """
        batch_idxs = len(self.files) // self.step_size
        epoch, first = divmod(step, batch_idxs)
        while True:
            order = random_state(self.seed, "epoch", epoch).permutation(len(self.files))
            for idx in range(first, batch_idxs):
                yield self.share(order[idx * self.step_size:(idx + 1) * self.step_size])
            epoch, first = epoch + 1, 0

    def load(self, numbers):
        """Read some of the files, by number: float32 [len(numbers), image_size, image_size, c_dim] in [-1, 1].

        With skip_bad_images, a file that cannot be read any more is named on stderr and the next one takes its place;
        without, raises UserError.
        """
        numbers = np.asarray(numbers)
        if self.cached[numbers].all():
            return normalise(self.cache[numbers], self.c_dim)
        picture = self.picture_or_next if self.skip_bad else self.picture
        return normalise(np.array([picture(i) for i in numbers]), self.c_dim)

    def picture(self, i):
        """File i, decoded: uint8 [image_size, image_size, 3]. Raises UserError if it cannot be read."""
        if i >= len(self.cache):
            return self.decode_one(self.files[i])
        with self.locks[i % len(self.locks)]:  # one thread decodes it, another that wants it waits
            if not self.cached[i]:
                self.cache[i] = self.decode_one(self.files[i])
                self.cached[i] = True
            return self.cache[i]

    def picture_or_next(self, i):
        """File i, or the next one that can be read; it is cached, if at all, under its own number."""
        for j in (j % len(self.files) for j in range(i, i + len(self.files))):
            if j in self.bad:
                continue
            try:
                return self.picture(j)
            except UserError as error:
                with self.naming:  # once, though several threads may find it
                    if j not in self.bad:
                        print(" [!] {}; another picture takes its place".format(error), file=sys.stderr)
                    self.bad.add(j)
        raise UserError("none of the {} pictures can be read any more".format(len(self.files)))
