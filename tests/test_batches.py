"""gantut/batches.py: the pictures of a training and their order: what must hold in every epoch, at any step."""
import os
import shutil
import threading
import time
import zlib
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cut_off, load_image, message, text_file, write_pictures
from PIL import Image

import gantut_imgfuncs
from gantut.batches import MAX_THREADS, Pictures
from gantut.errors import UserError
from gantut.image_loader import Loader
from gantut.seeding import random_state
from gantut_gan import dataset_files

pytestmark = pytest.mark.quick


def pictures_in(folder, batch_size=4, image_size=16, c_dim=3, **changes):
    """The Pictures of a folder, with the trainer's defaults but for the changes."""
    config = SimpleNamespace(**{**dict(skip_bad_images=False, seed=0, cache_mb=1, mirror=False), **changes})
    files = dataset_files(folder)
    random_state(config.seed, "data").shuffle(files)
    return Pictures(files, Loader(gantut_imgfuncs, image_size, c_dim=c_dim), config, batch_size)


class Numbered(Pictures):
    """n pictures without files: a batch holds their numbers instead."""

    def __init__(self, n, batch_size, seed):
        self.files = range(n)
        self.step_size, self.seed, self.threads, self.draws = batch_size, seed, 2, False
        self.batch_idxs = n // batch_size
        self.rows, self.mirror = slice(None), False
        self.loaded = []

    def load(self, numbers):
        self.loaded.append(numbers)
        return numbers


def first(count, n=10, batch_size=3, seed=0, step=0):
    """The first batches of n files, as lists of the files' numbers."""
    return [list(batch) for batch in islice(Numbered(n, batch_size, seed).batches(step), count)]


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def set_cache_size(data, n):
    """Let the pictures keep n of them in memory."""
    data.cache = np.empty((n, *data.cache.shape[1:]), np.float32)
    data.cached[:] = False


def count_decoded(data):
    """Returns a list to which every path is appended that data decodes from now on."""
    decoded, decode_one = [], data.loader.load
    data.loader.load = lambda path: decoded.append(path) or decode_one(path)
    return decoded


def stacked(batch):
    """A batch, {path: picture}, as an array."""
    return np.array(list(batch.values()))


def test_batches_of_pictures(pictures):
    batch = stacked(next(pictures_in(pictures).batches()))
    assert batch.shape == (4, 16, 16, 3) and batch.dtype == np.float32
    known = [np.asarray(Image.open(path)) / 127.5 - 1 for path in dataset_files(pictures)]
    for image in batch:
        assert sum(np.allclose(image, picture, atol=1e-6) for picture in known) == 1


def test_pictures_take_their_order_from_the_seed(pictures):
    orders = [pictures_in(pictures, seed=seed).files for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]
    assert [sorted(order) for order in orders] == [dataset_files(pictures)] * 3


@pytest.mark.parametrize("n, batch_size", [(10, 3), (12, 3), (5, 5), (7, 4), (4, 1)])
def test_every_epoch_holds_a_picture_at_most_once_in_whole_batches(n, batch_size):
    steps = n // batch_size
    found = first(5 * steps, n, batch_size)
    assert all(len(batch) == batch_size for batch in found)
    for epoch in range(5):
        seen = sum(found[epoch * steps:(epoch + 1) * steps], [])
        assert len(set(seen)) == len(seen) == steps * batch_size
        assert set(seen) <= set(range(n))


def test_epochs_have_orders_of_their_own():
    epochs = first(8, n=20, batch_size=20)
    assert len({tuple(order) for order in epochs}) == 8
    assert list(range(20)) not in epochs


def test_pictures_left_over_in_one_epoch_are_used_in_others():
    seen = first(30, n=7, batch_size=4)  # one batch in each epoch, three pictures left over
    assert set(sum(seen, [])) == set(range(7))


def test_all_pictures_are_used_equally_often():
    counts = np.bincount(np.ravel(first(2000, n=7, batch_size=4)), minlength=7)
    np.testing.assert_allclose(counts, 2000 * 4 / 7, rtol=0.1)


@pytest.mark.parametrize("n, batch_size", [(10, 3), (12, 3), (4, 4)])
@pytest.mark.parametrize("step", range(12))
def test_batches_from_a_later_step_continue_the_same_sequence(n, batch_size, step):
    assert first(9, n, batch_size, step=step) == first(9 + step, n, batch_size)[step:]


def test_the_same_seed_gives_the_same_order_and_another_seed_another():
    assert first(9, seed=3) == first(9, seed=3)
    assert first(9, seed=3) != first(9, seed=4)


def test_batches_do_not_depend_on_numpys_own_stream():
    np.random.seed(1)
    before = first(9)
    np.random.seed(2)
    assert first(9) == before


def test_batches_load_as_many_ahead_as_there_are_threads():
    data = Numbered(10, 3, seed=0)
    batches = data.batches()
    assert not data.loaded
    for step in range(1, 6):
        next(batches)
        wait_for(lambda step=step: len(data.loaded) == step + 2)


def test_batches_pass_on_what_load_raises(tmp_path):
    folder = write_pictures(tmp_path / "pictures", n=1)
    data = pictures_in(folder, batch_size=1)
    path = text_file(tmp_path / "pictures", "000.png")
    assert path in message(next, data.batches())


@pytest.mark.parametrize("c_dim", [1, 3])
@pytest.mark.parametrize("kept", [0, 10, 24])
@pytest.mark.parametrize("threads", [1, 2, 4, MAX_THREADS])
def test_the_same_bits_in_the_same_order_for_any_threads_and_cache(pictures, threads, kept, c_dim):
    data = pictures_in(pictures, batch_size=5, c_dim=c_dim)
    data.threads = threads
    set_cache_size(data, kept)
    orders = islice(data.orders(), 20)
    for batch, order in zip(map(stacked, data.batches()), orders):
        expected = np.array([load_image(data.files[i], 16, c_dim=c_dim) for i in order])
        assert batch.dtype == np.float32 and batch.shape == (5, 16, 16, c_dim)
        assert batch.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kept", [0, 10, 24])
@pytest.mark.parametrize("step", [1, 4, 5, 11])
def test_batches_of_pictures_continue_at_any_step(pictures, kept, step):
    data = pictures_in(pictures, batch_size=5)
    set_cache_size(data, kept)
    whole = list(islice(data.batches(), step + 6))
    again = pictures_in(pictures, batch_size=5)
    set_cache_size(again, kept)
    for batch, expected in zip(islice(again.batches(step), 6), whole[step:]):
        assert list(batch) == list(expected)
        np.testing.assert_array_equal(stacked(batch), stacked(expected))


def test_the_order_of_an_epoch_is_that_of_its_batches(pictures):
    data = pictures_in(pictures, batch_size=5)
    batches = list(islice(data.batches(), 12))
    for epoch in range(3):
        assert data.order(epoch) == [path for batch in batches[4 * epoch:4 * epoch + 4] for path in batch]


def test_every_value_is_scaled_as_part_3_does(tmp_path):
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    Image.fromarray(pixels).save(tmp_path / "all.png")
    image = Loader(gantut_imgfuncs, 16).load(str(tmp_path / "all.png"))
    assert image.tobytes() == (pixels / 127.5 - 1).astype(np.float32).tobytes()


@pytest.mark.parametrize("kept", [0, 24])
def test_a_reader_that_draws_random_numbers_is_called_in_its_step(pictures, kept):
    """A reader's mirror at random: neither the threads nor the cache change what it draws."""
    data = pictures_in(pictures, batch_size=5)
    set_cache_size(data, kept)
    read = data.loader.load
    data.loader.load = lambda path: read(path)[:, ::np.random.choice([1, -1])]
    for path in data.files[:5]:
        data.get(path)
    assert data.draws
    found = []
    for _ in range(2):
        batches = data.batches()
        for step in range(6):
            np.random.seed(step)
            found.append(stacked(next(batches)))
    np.testing.assert_array_equal(found[:6], found[6:])
    np.random.seed(5)
    sides = [np.random.choice([1, -1]) for _ in range(5)]
    expected = [read(path)[:, ::side] for path, side in zip(data.order(1)[5:], sides)]
    np.testing.assert_array_equal(found[5], expected)
    assert len(set(sides)) == 2


@pytest.mark.parametrize("kept, workers, first, size, is_crop", [
    (24, 1, 0, 16, False), (0, 1, 7, 16, False), (10, 2, 0, 8, True), (24, 2, 5, 16, False)])
def test_seed_epoch_and_picture_decide_what_is_mirrored(pictures, kept, workers, first, size, is_crop):
    """Which pictures are mirrored is computed with NumPy alone; cached or not, for any part of a batch."""
    shuffled = pictures_in(pictures, seed=5).files
    plain = {path: load_image(path, size, is_crop) for path in shuffled}
    seen = {path: set() for path in shuffled}
    for worker in range(workers):
        data = pictures_in(pictures, batch_size=6, image_size=size, seed=5, mirror=True)
        data.loader.is_crop = is_crop
        data.rows = slice(worker * 6 // workers, (worker + 1) * 6 // workers)
        set_cache_size(data, kept)
        for step, batch in enumerate(islice(data.batches(first), 40), first):
            chances = np.random.RandomState([5, zlib.crc32(b"mirror"), step // 4]).randint(2, size=24)
            assert len(batch) == 6 // workers
            for path, image in batch.items():
                side = chances[shuffled.index(path)]
                np.testing.assert_array_equal(image, plain[path][:, ::-1] if side else plain[path])
                seen[path].add(side)
    assert all(sides == {0, 1} for sides in seen.values())
    np.testing.assert_array_equal(data.get(shuffled[0]), plain[shuffled[0]])  # for the samples' losses: not mirrored


@pytest.mark.parametrize("threads", [1, 8])
def test_what_fits_is_decoded_once(pictures, threads):
    data = pictures_in(pictures)
    data.threads = threads
    decoded = count_decoded(data)
    data.load(range(5))
    list(islice(data.batches(), 30))
    assert sorted(decoded) == sorted(data.files)


def test_what_does_not_fit_is_decoded_for_each_batch(pictures):
    data = pictures_in(pictures)
    set_cache_size(data, 10)
    decoded = count_decoded(data)
    data.load(range(24))
    data.load(range(24))
    assert sorted(decoded) == sorted(data.files + data.files[10:])


@pytest.mark.parametrize("cache_mb, kept", [(0, 0), (1, 1), (8, 10), (100, 24)])
def test_the_cache_holds_what_fits_into_cache_mb(tmp_path, cache_mb, kept):
    folder = write_pictures(tmp_path / "pictures", size=256)  # 786,432 bytes each
    data = pictures_in(folder, image_size=256, cache_mb=cache_mb)
    assert data.cache.shape == (kept, 256, 256, 3) and data.cache.dtype == np.float32
    assert data.cache.nbytes <= cache_mb * 2**20


def test_an_error_is_raised_with_its_batch(pictures):
    data = pictures_in(pictures)
    bad = data.files[list(islice(data.orders(), 3))[2][1]]
    text_file(Path(pictures), os.path.basename(bad))
    batches = data.batches()
    assert len(list(islice(batches, 2))) == 2
    assert bad in message(next, batches)


def running():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


@pytest.mark.parametrize("end", ["close", "drop", "error"])
def test_batches_leave_no_threads(pictures, end):
    data = pictures_in(pictures)
    set_cache_size(data, 0)
    before = running()
    batches = data.batches()
    next(batches)
    assert len(running()) > len(before)
    if end == "close":
        batches.close()
    if end == "drop":
        del batches
    if end == "error":
        shutil.rmtree(pictures)
        with pytest.raises(UserError):
            list(batches)
    assert running() == before


def test_a_file_that_turns_bad_is_replaced_by_the_next_and_named_once(pictures, capsys):
    sound = pictures_in(pictures).load(range(24))
    data = pictures_in(pictures, skip_bad_images=True)
    for i in (3, 4, 23):
        text_file(Path(pictures), os.path.basename(data.files[i]))
    for _ in range(2):
        np.testing.assert_array_equal(data.load([2, 3, 4, 23]), sound[[2, 5, 5, 0]])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    for i, line in zip((3, 4, 23), said):
        assert data.files[i] in line and "another picture replaces it" in line
    assert not data.cached[[3, 4, 23]].any()


def test_a_bad_picture_that_is_only_a_samples(pictures, capsys):
    """With --train_size the sample pictures may be others than those that are trained on."""
    every = pictures_in(pictures).files
    cut_off(every[20])
    for skip in (False, True):
        data = pictures_in(pictures, skip_bad_images=skip)
        data.numbers = {path: i for i, path in enumerate(every[:8])}
        if skip:
            np.testing.assert_array_equal(data.get(every[20]), data.get(every[0]))
            assert "another picture replaces it" in capsys.readouterr().err
        else:
            assert "leave it out with --skip_bad_images" in message(data.get, every[20])


@pytest.mark.parametrize("kept", [0, 10, 24])
def test_replacements_are_the_same_for_any_threads_and_named_once(pictures, kept, capsys):
    batches = []
    for threads in (1, 8):
        data = pictures_in(pictures, skip_bad_images=True)
        for i in (3, 4, 23):
            cut_off(data.files[i])
        data.threads = threads
        set_cache_size(data, kept)
        batches.append([stacked(batch) for batch in islice(data.batches(), 20)])
        assert capsys.readouterr().err.count("replaces it") == 3
    np.testing.assert_array_equal(*batches)


def test_a_file_that_turns_bad_once_it_is_cached_does_no_harm(pictures):
    data = pictures_in(pictures)
    sound = data.load(range(24))
    shutil.rmtree(pictures)
    np.testing.assert_array_equal(data.load(range(24)), sound)


def test_an_error_says_that_no_file_can_be_read_any_more(pictures):
    data = pictures_in(pictures, skip_bad_images=True)
    shutil.rmtree(pictures)
    assert "none of the 24 pictures" in message(data.load, [0])
