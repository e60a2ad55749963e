"""A judge of pictures by some of what they should look like: which scores, of how many, beside their floor and ceiling.

The data is divided by chance: one half of what is looked at is what the samples are compared with, the other is what
real pictures reach in the same comparison, the floor. Noise gives the ceiling.
"""
import numpy as np

from gantut import scores
from gantut.dice import random_state
from gantut.errors import UserError

FEWEST = 32  # pictures of each kind: with fewer the scores are those of chance
MOST = 20_000  # pictures of the data in which the nearest is looked for


class Judge(object):
    """What the pictures in data, an array [N, size, size, channels] in 0..255, say of others.

    count: how many are compared, at most half of the data. Raises UserError if that is too few.
    """

    def __init__(self, data, count, seed):
        self.seed = seed
        self.count = min(count, len(data) // 2)
        if self.count < FEWEST:
            raise UserError("{} pictures of the data and {} samples are asked for: the scores need {} of the data and "
                            "{} samples, or more".format(len(data), count, 2 * FEWEST, FEWEST))
        order = random_state(seed, "judge").permutation(len(data))
        self.real, self.other = (np.float32(data[part]) for part in np.split(order, [self.count, 2 * self.count])[:2])
        self.rest = scores.thumbnails(np.float32(data[np.sort(np.append(order[:self.count], order[2 * self.count:]))]))
        self.all = np.concatenate([self.rest, scores.thumbnails(self.other)])

    def scores(self, images, known=None):
        """The scores of self.count pictures like data's: a dict. known: thumbnails in which to look for copies."""
        images = np.float32(images)
        distances = scores.swd(self.real, images, random_state(self.seed, "patches"))
        sizes = [-(-self.real.shape[1] >> level) for level in range(len(distances))]
        points = scores.thumbnails(images)
        return {**{"SWD at {} px".format(size): d for size, d in zip(sizes, distances)},
                "SWD, mean": float(np.mean(distances)),
                "spread": scores.spread(points),
                "nearest other": float(np.median(scores.nearest_other(points))),
                "nearest in the data": float(np.median(scores.nearest(points, self.all if known is None else known)))}

    def floor(self):
        """What real pictures reach that are not among those they are compared with."""
        return self.scores(self.other, self.rest)

    def noise(self):
        """Pictures of nothing, of which each value is equally likely."""
        return random_state(self.seed, "noise").uniform(0, 255, self.real.shape)
