"""The batches of a training, in an order that depends only on the seed; read ahead and kept in memory."""
import collections
import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gantut.errors import UserError, printable, say
from gantut.seeding import random_state

MAX_THREADS = 8  # that decode pictures, one batch each; more threads are no faster in Python


class Pictures:
    """The pictures of a training.

    files: their paths, shuffled. loader: a Loader. config: the trainer's flags. step_size: pictures per step. rows: a
    slice, the part of a step's pictures that this process takes. The first files stay in memory once they are read, as
    many as fit into config.cache_mb MiB; the others are read again for each batch. If Part 3's functions use the random
    numbers of np.random, a picture is not read ahead but in its own step, so that it gets the numbers of that step;
    those of other generators are not noticed.
    With config.mirror a batch contains each picture or its mirror image.
    """

    def __init__(self, files, loader, config, step_size, rows=slice(None)):
        self.files, self.loader, self.seed, self.rows = files, loader, config.seed, rows
        self.mirror = config.mirror
        self.numbers = {path: i for i, path in enumerate(files)}
        self.step_size = step_size
        self.batch_idxs = len(files) // step_size
        self.skip_bad = config.skip_bad_images
        self.bad = set()
        self.draws = False  # whether reading a picture has used NumPy's random numbers
        self.threads = min(os.cpu_count() or 1, MAX_THREADS)
        shape = (loader.image_size, loader.image_size, loader.c_dim)
        most = config.cache_mb * 2**20 // (4 * int(np.prod(shape)))
        self.cache = np.empty((min(len(self), most), *shape), np.float32)  # uses memory only as it fills
        self.cached = np.zeros(len(self), bool)
        self.locks = [threading.Lock() for _ in range(64)]
        self.naming = threading.Lock()

    def __len__(self):
        return len(self.files)

    def get(self, path):
        """A picture by its path: float32 [image_size, image_size, c_dim] in [-1, 1]."""
        _, keys, position, *_ = np.random.get_state()
        image = self.load([self.numbers[path]])[0] if path in self.numbers else self.load_other(path)
        _, keys_now, position_now, *_ = np.random.get_state()
        self.draws |= position != position_now or not np.array_equal(keys, keys_now)
        return image

    def order(self, epoch):
        """The files of an epoch, batch by batch; only this process's part of each batch."""
        orders = self.orders(epoch * self.batch_idxs)
        batches = [next(orders) for _ in range(self.batch_idxs)]
        return [self.files[i] for batch in batches for i in batch]

    def batches(self, step=0):
        """Yield the batches without end, as {path: [image_size, image_size, c_dim]}.

        Threads read some batches ahead. An error in a batch is raised when it is the batch's turn; it ends the
        generator. step: how many batches an earlier run has already used.
        """
        orders = self.orders(step)
        with contextlib.ExitStack() as exits:
            pool = ThreadPoolExecutor(self.threads)
            exits.callback(pool.shutdown, cancel_futures=True)
            ahead = collections.deque()
            while True:
                while len(ahead) <= self.threads and not self.draws:
                    numbers = next(orders)
                    ahead.append((numbers, pool.submit(self.load, numbers)))
                numbers, batch = ahead.popleft() if ahead else (next(orders), None)
                images = batch.result() if batch else self.load(numbers)
                if self.mirror:
                    mirrored = self.mirrored(step // self.batch_idxs)[numbers]
                    images[mirrored] = images[mirrored, :, ::-1]
                yield dict(zip([self.files[i] for i in numbers], images))
                step += 1

    def mirrored(self, epoch):
        """Which pictures are mirrored in an epoch, by number: booleans that depend only on (seed, epoch)."""
        return random_state(self.seed, "mirror", epoch).randint(2, size=len(self)).astype(bool)

    def orders(self, step=0):
        """Yield the numbers of each batch's files, arrays [batch_size], without end.

        Each epoch has its own order, which depends on (seed, epoch); files left over after the last full batch are
        not used in that epoch. If there are several processes, each takes its own rows of a step's pictures.
        """
        epoch, first = divmod(step, self.batch_idxs)
        while True:
            order = random_state(self.seed, "epoch", epoch).permutation(len(self))
            for idx in range(first, self.batch_idxs):
                yield order[idx * self.step_size:(idx + 1) * self.step_size][self.rows]
            epoch, first = epoch + 1, 0

    def load(self, numbers):
        """Read some of the files, by number: float32 [len(numbers), image_size, image_size, c_dim] in [-1, 1].

        If a file can no longer be read: with skip_bad it is named on stderr and the next one replaces it, otherwise
        UserError is raised.
        """
        numbers = np.asarray(numbers)
        if self.cached[numbers].all() and not self.draws:
            return self.cache[numbers]
        picture = self.picture_or_next if self.skip_bad else self.picture
        try:
            return np.array([picture(i) for i in numbers])
        except UserError as error:
            raise UserError(f"{error}; restore it, or leave it out with --skip_bad_images") from None

    def load_other(self, path):
        """A picture that is not trained on, of the samples': as load() does."""
        try:
            return self.loader.load(path)
        except UserError as error:
            if not self.skip_bad:
                raise UserError(f"{error}; restore it, or leave it out with --skip_bad_images") from None
            say(f"{error}; another picture replaces it")
            return self.load([0])[0]

    def picture(self, i):
        """File i, float32 [image_size, image_size, c_dim] in [-1, 1]. Raises UserError if it cannot be read."""
        if i >= len(self.cache) or self.draws:
            return self.loader.load(self.files[i])
        with self.locks[i % len(self.locks)]:  # one thread reads it, other threads wait for it
            if not self.cached[i]:
                self.cache[i] = self.loader.load(self.files[i])
                self.cached[i] = True
            return self.cache[i]

    def picture_or_next(self, i):
        """File i, or the next one that can be read; the cache keeps it under its own number."""
        for j in (j % len(self) for j in range(i, i + len(self))):
            if j in self.bad:
                continue
            try:
                return self.picture(j)
            except UserError as error:
                with self.naming:  # only once, even if several threads find it
                    if j not in self.bad:
                        print(printable(f" [!] {error}; another picture replaces it"), file=sys.stderr)
                    self.bad.add(j)
        raise UserError(f"none of the {len(self)} pictures can be read any longer")
