"""How good are pictures? Scores that compare two sets of pictures, or of their features, each with its paper.

Judge computes several of them, also for real pictures and for noise.

Pictures are float32 [N, size, size, channels] in 0..255, features [N, d].
"""
import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from gantut.errors import UserError
from gantut.seeding import random_state

SMALLEST = 16  # pixels: the pyramid's last level, and the size at which whole pictures are compared
PATCHES, WIDTH, DIRECTIONS = 32, 7, 512  # patches per picture, their width in pixels, random projections
KERNEL = np.outer(*[np.array([1, 4, 6, 4, 1], np.float32) / 16] * 2)[np.newaxis, :, :, np.newaxis]
BEST = "SWD, mean"  # the score that decides which model is better; lower is better
FEWEST = 32  # pictures of each kind: with fewer the scores would be too noisy
MOST = 20_000  # pictures of the data among which the nearest is searched


def pyramid(images):
    """The Laplacian pyramid: a list of levels [N, size, size, channels], [N, size / 2, ...], ..., the last one 16 wide.

    Odd sizes are halved and rounded up, 25 to 13, so that the last may be smaller. Each level except the last is the
    detail that the next one does not have (Burt & Adelson 1983; Karras et al. 2018, section 5).
    """
    levels = []
    while images.shape[1] > SMALLEST:
        smaller = ndimage.convolve(images, KERNEL, mode="mirror")[:, ::2, ::2]
        spread = np.zeros_like(images)
        spread[:, ::2, ::2] = 4 * smaller
        levels.append(images - ndimage.convolve(spread, KERNEL, mode="mirror"))
        images = smaller
    return [*levels, images]


def patches(level, rng):
    """Random 7 x 7 patches of a level, 32 of each picture: [32 N, 49 channels].

    Each channel has mean 0 and standard deviation 1.
    """
    n, size, _, channels = level.shape
    width = min(WIDTH, size)
    rows, columns = rng.randint(0, size - width + 1, [2, n * PATCHES, 1, 1])
    window = np.arange(width)
    found = level[np.repeat(np.arange(n), PATCHES)[:, np.newaxis, np.newaxis],
                  rows + window[:, np.newaxis], columns + window]  # [32 N, 7, 7, channels]
    found = (found - found.mean(axis=(0, 1, 2))) / np.maximum(found.std(axis=(0, 1, 2)), 1e-6)
    return found.reshape([n * PATCHES, -1])


def sliced_wasserstein(a, b, rng):
    """Mean over random directions of the Wasserstein distance between a [N, d] and b [N, d] (Rabin et al. 2011)."""
    directions = rng.normal(size=[a.shape[1], DIRECTIONS]).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.mean([np.abs(np.sort(a @ d, axis=0) - np.sort(b @ d, axis=0)).mean()
                          for d in np.split(directions, 8, axis=1)]))


def swd(a, b, rng):
    """The sliced Wasserstein distances of patches, times 1,000, for each level of the pyramid, the finest first.

    a, b: the same number of pictures, of one size. Lower is better (Karras et al. 2018, section 5, arXiv 1710.10196).
    """
    return [1000 * sliced_wasserstein(patches(x, rng), patches(y, rng), rng)
            for x, y in zip(pyramid(a), pyramid(b))]


def thumbnails(images):
    """Pictures as points, 16 x 16 pixels of mean colour: [N, d], between which distances are root mean squares."""
    width = images.shape[1]
    count = min(width, SMALLEST)
    edges = np.arange(count) * width // count  # of blocks that differ by a pixel at most
    sizes = np.diff(edges, append=width).astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(images, edges, axis=1), edges, axis=2)  # [N, 16, 16, channels]
    small = (sums / np.outer(sizes, sizes)[:, :, np.newaxis]).reshape([len(images), -1])
    return small / np.sqrt(small.shape[1])


def spread(points):
    """The root mean square of the distance between two of the points [N, d]."""
    return float(np.sqrt(2 * points.var(axis=0, ddof=1).sum()))


def nearest(points, others):
    """The distance from each of the points [N, d] to the nearest of others [M, d]: [N]."""
    return cdist(points, others).min(axis=1)


def nearest_other(points):
    """The distance from each of the points [N, d] to the nearest other one: [N]. 0 for a point that occurs twice."""
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    return distances.min(axis=1)


def frechet(a, b):
    """Fréchet distance between the Gaussians fitted to features a [N, d] and b [M, d], as in Heusel et al. 2017.

    |mean a - mean b|^2 + trace(A + B - 2 (A B)^(1/2)), A and B the covariances ("GANs Trained by a Two Time-Scale
    Update Rule Converge to a Local Nash Equilibrium"). The eigenvalues of A B are real and not negative, as both are
    covariances; the trace of its root is the sum of their roots.
    """
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eigenvalues = np.linalg.eigvals(covariance_a @ covariance_b).real.clip(0)
    difference = a.mean(axis=0) - b.mean(axis=0)
    return float(difference @ difference + np.trace(covariance_a + covariance_b) - 2 * np.sqrt(eigenvalues).sum())


def kid(a, b, rng, subsets=100, size=100):
    """Kernel distance of features, times 1,000: (mean, standard error) over subsets (Binkowski et al. 2018).

    The unbiased estimate of the squared maximum mean discrepancy with the kernel (x y / d + 1)^3; it can be negative.
    """
    size = min(size, len(a), len(b))
    found = []
    for _ in range(subsets):
        x, y = (points[rng.choice(len(points), size, replace=False)] for points in (a, b))
        xx, yy, xy = ((p @ q.T / a.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
        within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (size * (size - 1))
        found.append(1000 * (within - 2 * xy.mean()))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(subsets))


def precision_recall(real, fake, k=3):
    """(Fraction of fake features among the real ones, fraction of real among fake): Kynkäänniemi et al. 2019, k = 3.

    A point is among them if it is at least as near to one of them as that one's k-th neighbour.
    """
    def fraction(points, manifold):
        radii = np.sort(cdist(manifold, manifold), axis=1)[:, k]  # the 0-th is the point itself
        return float((cdist(points, manifold) <= radii).any(axis=1).mean())

    return fraction(fake, real), fraction(real, fake)


def check_enough(pictures, samples):
    """Raise UserError if there are too few for the scores."""
    if min(samples, pictures // 2) < FEWEST:
        raise UserError(f"there are {pictures} pictures of the data and {samples} samples: the scores need at least "
                        f"{2 * FEWEST} of the data and {FEWEST} samples")


class Judge:
    """Compares samples with real pictures. data: an array [N, size, size, channels] in 0..255.

    The data is divided at random: the samples are compared with one half; the other half, real pictures, is compared
    with it in the same way and gives the floor. Noise gives the ceiling.

    count: how many are compared, at most half of the data. Raises UserError if that is too few.
    """

    def __init__(self, data, count, seed):
        self.seed = seed
        check_enough(len(data), count)
        self.count = min(count, len(data) // 2)
        order = random_state(seed, "judge").permutation(len(data))
        self.real, self.other = (np.float32(data[part]) for part in np.split(order, [self.count, 2 * self.count])[:2])
        self.rest = thumbnails(np.float32(data[np.sort(np.append(order[:self.count], order[2 * self.count:]))]))
        self.all = np.concatenate([self.rest, thumbnails(self.other)])

    def scores(self, images, known=None):
        """The scores of self.count pictures of the same form as data, a dict. known: thumbnails to look for copies in.
        """
        images = np.float32(images)
        distances = swd(self.real, images, random_state(self.seed, "patches"))
        sizes = [-(-self.real.shape[1] >> level) for level in range(len(distances))]
        points = thumbnails(images)
        return {**{f"SWD at {size} px": d for size, d in zip(sizes, distances)},
                BEST: float(np.mean(distances)),
                "spread": spread(points),
                "nearest other": float(np.median(nearest_other(points))),
                "nearest in the data": float(np.median(nearest(points, self.all if known is None else known)))}

    def floor(self):
        """The scores of real pictures that are not among those they are compared with."""
        return self.scores(self.other, self.rest)

    def noise(self):
        """Pictures of noise, in which every value is equally likely."""
        return random_state(self.seed, "noise").uniform(0, 255, self.real.shape)
