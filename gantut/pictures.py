"""The order in which a training sees its pictures: it depends on the seed alone. Read ahead, and kept in memory."""
import collections
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gantut.dice import random_state
from gantut.errors import UserError, printable
from gantut.finding import check_number

MAX_THREADS = 8  # of those that decode: each has a batch in hand, and Python gives more of them no more speed


class Pictures(object):
    """The pictures of a training: looked over, shuffled by the seed, not more than train_size.

    files: their paths. loader: a Loader. config: the trainer's flags. batch_size, replicas: pictures a batch, and
    batches a step. rows: which of the pictures of a step this process takes, a slice. The first of them, as many as
    config.cache_mb MiB hold, stay in memory once they are decoded; the others are decoded anew for each batch.
    Raises UserError if there are too few, or some that cannot be used.
    """

    def __init__(self, files, loader, config, batch_size, replicas=1, rows=slice(None)):
        files, self.fingerprint = loader.look_over(files, config.skip_bad_images)
        random_state(config.seed, "data").shuffle(files)
        self.files = files[:int(min(len(files), config.train_size))]
        check_number(self.files, config.dataset, batch_size, config.train_size, replicas)
        self.loader, self.seed, self.rows = loader, config.seed, rows
        self.step_size = batch_size * replicas
        self.batch_idxs = len(self.files) // self.step_size
        self.skip_bad = config.skip_bad_images
        self.bad = set()
        self.threads = min(os.cpu_count() or 1, MAX_THREADS)
        shape = (loader.image_size, loader.image_size, 3)
        room = config.cache_mb * 2**20 // int(np.prod(shape))
        self.cache = np.empty((min(len(self), room), *shape), np.uint8)  # takes memory as it fills
        self.cached = np.zeros(len(self), bool)
        self.locks = [threading.Lock() for _ in range(64)]
        self.naming = threading.Lock()

    def __len__(self):
        return len(self.files)

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
        sits that epoch out. Of several processes each takes its own rows of a batch for all.
        """
        epoch, first = divmod(step, self.batch_idxs)
        while True:
            order = random_state(self.seed, "epoch", epoch).permutation(len(self))
            for idx in range(first, self.batch_idxs):
                yield order[idx * self.step_size:(idx + 1) * self.step_size][self.rows]
            epoch, first = epoch + 1, 0

    def load(self, numbers):
        """Read some of the files, by number: float32 [len(numbers), image_size, image_size, c_dim] in [-1, 1].

        With skip_bad, a file that cannot be read any more is named on stderr and the next one takes its place;
        without, raises UserError.
        """
        numbers = np.asarray(numbers)
        if self.cached[numbers].all():
            return self.loader.normalise(self.cache[numbers])
        picture = self.picture_or_next if self.skip_bad else self.picture
        return self.loader.normalise(np.array([picture(i) for i in numbers]))

    def picture(self, i):
        """File i, decoded: uint8 [image_size, image_size, 3]. Raises UserError if it cannot be read."""
        if i >= len(self.cache):
            return self.loader.decode(self.files[i])
        with self.locks[i % len(self.locks)]:  # one thread decodes it, another that wants it waits
            if not self.cached[i]:
                self.cache[i] = self.loader.decode(self.files[i])
                self.cached[i] = True
            return self.cache[i]

    def picture_or_next(self, i):
        """File i, or the next one that can be read; it is cached, if at all, under its own number."""
        for j in (j % len(self) for j in range(i, i + len(self))):
            if j in self.bad:
                continue
            try:
                return self.picture(j)
            except UserError as error:
                with self.naming:  # once, though several threads may find it
                    if j not in self.bad:
                        print(printable(" [!] {}; another picture takes its place".format(error)), file=sys.stderr)
                    self.bad.add(j)
        raise UserError("none of the {} pictures can be read any more".format(len(self)))
