"""The pictures of a training and their order: against Pillow, known answers and what must hold in every epoch."""
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
from conftest import load_image, look_over, write_pictures
from PIL import Image

import gantut_imgfuncs
from gantut.batches import MAX_THREADS, Pictures
from gantut.datasets import check_number
from gantut.errors import UserError
from gantut.image_loader import Loader
from gantut.seeding import random_state
from gantut_gan import dataset_files


def saved(folder, height, width, name="picture.png", seed=0, channels=3):
    """Write a picture of random pixels; returns its path and the pixels."""
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, channels)).astype(np.uint8)
    path = str(folder / name)
    Image.fromarray(pixels.squeeze()).save(path)
    return path, pixels


def cut_off(path):
    """Leave the header and the beginning of a picture."""
    path = Path(path)
    path.write_bytes(path.read_bytes()[:60])


def touch(folder, *names):
    for name in names:
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w"):
            pass


def text_file(folder, name="notes.png"):
    path = folder / name
    path.write_text("no picture")
    return str(path)


def message(function, *args, **kwargs):
    """The message of the UserError that the call must raise, which is one line."""
    with pytest.raises(UserError) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# random_state

ARGUMENTS = [(0, "z", 1), (0, "z", 2), (1, "z", 1), (0, "epoch", 1), (0, "z"), (0, "z", 0), (0, "z", 1, 0),
             (0, "z", 1, 2), (0, "z", 2, 1), (1, "z", 0)]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_random_state_depends_on_its_arguments_alone(arguments):
    first = random_state(*arguments).uniform(size=20)
    np.random.seed(5)
    random_state(3, "other").uniform(size=7)
    np.testing.assert_array_equal(random_state(*arguments).uniform(size=20), first)


def test_random_states_of_different_arguments_draw_differently():
    draws = np.array([random_state(*arguments).uniform(-1, 1, 2000) for arguments in ARGUMENTS])
    correlations = np.corrcoef(draws) - np.eye(len(ARGUMENTS))
    assert np.abs(correlations).max() < 0.1  # 4.5 standard errors


def test_random_state_leaves_numpys_own_stream_alone():
    np.random.seed(5)
    expected = np.random.RandomState(5).uniform(size=3)
    random_state(0, "z", 1).uniform(size=10)
    np.testing.assert_array_equal(np.random.uniform(size=3), expected)


def test_random_state_draws_the_same_in_every_process_and_version():
    crc32_of_123456789 = 0xCBF43926  # the check value that CRC-32 is published with
    expected = np.random.RandomState([7, crc32_of_123456789, 3]).uniform(size=5)
    np.testing.assert_array_equal(random_state(7, "123456789", 3).uniform(size=5), expected)


# load_image

def test_load_image_in_colour(tmp_path):
    path, pixels = saved(tmp_path, 8, 8)
    image = load_image(path, 8)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, pixels / 127.5 - 1, atol=1e-6)


def test_load_image_makes_a_gray_file_colour(tmp_path):
    path, pixels = saved(tmp_path, 8, 8, channels=1)
    np.testing.assert_allclose(load_image(path, 8), np.repeat(pixels / 127.5 - 1, 3, axis=2), atol=1e-6)


def test_load_image_in_gray_is_pillows_luminance(tmp_path):
    path, pixels = saved(tmp_path, 8, 8)
    image = load_image(path, 8, c_dim=1)
    assert image.shape == (8, 8, 1) and image.dtype == np.float32
    np.testing.assert_allclose((image[:, :, 0] + 1) * 127.5, np.asarray(Image.fromarray(pixels).convert("L")), atol=1)


@pytest.mark.parametrize("color, luminance", [("red", 0.299), ("lime", 0.587), ("blue", 0.114), ("white", 1),
                                              ("black", 0)])
def test_load_image_in_gray_weighs_the_colours_by_itu_r_601(tmp_path, color, luminance):
    Image.new("RGB", (4, 4), color).save(tmp_path / "one.png")
    image = load_image(str(tmp_path / "one.png"), 4, c_dim=1)
    np.testing.assert_allclose(image, np.full((4, 4, 1), 2 * luminance - 1), atol=1e-6)


def test_load_image_in_gray_keeps_a_gray_file(tmp_path):
    path, pixels = saved(tmp_path, 8, 8, channels=1)
    np.testing.assert_allclose(load_image(path, 8, c_dim=1), pixels / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize("height, width, crop_size, box", [
    (12, 20, 0, (4, 0, 16, 12)), (20, 12, 0, (0, 4, 12, 16)), (12, 20, 8, (6, 2, 14, 10)), (12, 20, 12, (4, 0, 16, 12)),
    (12, 20, 4, (8, 4, 12, 8)), (8, 8, 0, (0, 0, 8, 8))])
@pytest.mark.parametrize("c_dim", [1, 3])
def test_load_image_crops_the_centre_and_scales_it(tmp_path, height, width, crop_size, box, c_dim):
    path, pixels = saved(tmp_path, height, width)
    window = Image.fromarray(pixels).crop(box).resize((8, 8), Image.Resampling.BILINEAR)
    expected = np.asarray(window) / 127.5 - 1
    if c_dim == 1:
        expected = np.average(expected, axis=2, weights=[0.299, 0.587, 0.114])[:, :, np.newaxis]
    image = load_image(path, 8, is_crop=True, crop_size=crop_size, c_dim=c_dim)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("height, width", [(8, 9), (9, 8), (16, 16)])
def test_load_image_names_a_file_of_the_wrong_size(tmp_path, height, width):
    path, _ = saved(tmp_path, height, width)
    said = message(load_image, path, 8)
    assert path in said and "{}x{}".format(width, height) in said and "8x8" in said


def test_load_image_names_a_file_too_small_for_the_crop(tmp_path):
    path, _ = saved(tmp_path, 8, 9)
    said = message(load_image, path, 8, is_crop=True, crop_size=10)
    assert path in said and "9x8" in said and "10x10" in said


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("is_crop", [False, True])
def test_load_image_names_a_file_that_is_no_picture(tmp_path, content, is_crop):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    assert str(path) in message(load_image, str(path), 8, is_crop=is_crop)


def test_load_image_names_a_picture_that_breaks_off(tmp_path):
    path, _ = saved(tmp_path, 64, 64)
    with open(path, "rb+") as file:
        file.truncate(3000)
    assert path in message(load_image, path, 64)


def test_load_image_names_a_picture_with_a_damaged_part(tmp_path):
    path, _ = saved(tmp_path, 256, 256)
    with open(path, "rb+") as file:
        start, _, rest = file.read().rpartition(b"IDAT")  # of several parts, the last: Pillow raises SyntaxError
        file.seek(0)
        file.write(start + b"I\xc6\xc4T" + rest)
    assert path in message(load_image, path, 256)


def test_load_image_names_a_missing_file(tmp_path):
    assert "missing.png" in message(load_image, str(tmp_path / "missing.png"), 8)


# check_number and look_over

@pytest.mark.parametrize("n", [4, 5])
def test_check_number_is_content_with_one_batch(n):
    check_number(["picture.png"] * n, "folder", 4)


def test_check_number_says_which_endings_it_found_instead(tmp_path):
    touch(tmp_path, "a.GIF", "b.gif", "deep/er/c.gif", "deep/d.txt", "README")
    said = message(check_number, [], str(tmp_path), 4)
    assert str(tmp_path) in said
    assert ".gif (3)" in said and ".txt (1)" in said and "no ending (1)" in said
    assert ".png" in said and ".jpg" in said and ".jpeg" in said


def test_check_number_lists_only_the_most_common_endings(tmp_path):
    touch(tmp_path, *["{}.e{}".format(i, ending) for ending in range(20) for i in range(ending + 1)])
    said = message(check_number, [], str(tmp_path), 4)
    assert ".e19 (20)" in said and ".e0 (1)" not in said


def test_check_number_says_that_a_folder_is_empty(tmp_path):
    os.makedirs(tmp_path / "empty" / "emptier")
    assert "no files at all" in message(check_number, [], str(tmp_path / "empty"), 4)


def test_check_number_says_that_of_a_missing_folder_too(tmp_path):
    assert str(tmp_path / "nowhere") in message(check_number, [], str(tmp_path / "nowhere"), 4)


def test_check_number_says_the_largest_batch_possible():
    said = message(check_number, ["picture.png"] * 3, "folder", 64)
    assert "3 " in said and "folder" in said and "64" in said and "--batch_size 3" in said


@pytest.mark.parametrize("options", [(16, False, 0), (16, True, 0), (64, True, 0), (8, True, 16), (8, True, 4)])
def test_look_over_is_content_with_what_load_image_can_use(pictures, options):
    files = dataset_files(pictures)
    assert look_over(files, *options)[0] == files


def test_look_over_ignores_crop_size_without_is_crop(pictures):
    files = dataset_files(pictures)
    assert look_over(files, 16, False, 100)[0] == files


@pytest.mark.parametrize("height, width", [(16, 20), (20, 16), (32, 32)])
def test_look_over_names_the_first_of_the_wrong_size(pictures, tmp_path, height, width):
    wrong, _ = saved(tmp_path, height, width)
    later, _ = saved(tmp_path, 8, 8, "later.png")
    said = message(look_over, [*dataset_files(pictures), wrong, later], 16, False, 0)
    assert wrong in said and "{}x{}".format(width, height) in said and "16x16" in said and "--is_crop" in said
    assert later not in said


@pytest.mark.parametrize("height, width", [(12, 40), (40, 12), (12, 12)])
def test_look_over_names_the_first_too_small_for_the_crop(pictures, tmp_path, height, width):
    small, _ = saved(tmp_path, height, width)
    said = message(look_over, [*dataset_files(pictures), small], 8, True, 16)
    assert small in said and "{}x{}".format(width, height) in said and "--crop_size 16" in said


@pytest.mark.parametrize("is_crop", [False, True])
def test_look_over_names_a_file_that_is_no_picture(pictures, tmp_path, is_crop):
    path = text_file(tmp_path)
    assert path in message(look_over, [*dataset_files(pictures), path], 16, is_crop, 0)


# Pictures

def pictures_in(folder, batch_size=4, image_size=16, c_dim=3, **changes):
    """The Pictures of a folder, with the trainer's defaults but for the changes."""
    config = SimpleNamespace(**{**dict(skip_bad_images=False, seed=0, cache_mb=1, mirror=False), **changes})
    files = dataset_files(folder)
    random_state(config.seed, "data").shuffle(files)
    return Pictures(files, Loader(gantut_imgfuncs, image_size, c_dim=c_dim), config, batch_size)


class MadeUp(Pictures):
    """n pictures that are not there: a batch holds their numbers instead."""

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
    return [list(batch) for batch in islice(MadeUp(n, batch_size, seed).batches(step), count)]


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def room_for(data, n):
    """Let the pictures keep n of theirs in memory."""
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


def test_pictures_left_over_in_one_epoch_come_in_others():
    seen = first(30, n=7, batch_size=4)  # one batch in each epoch, three pictures left over
    assert set(sum(seen, [])) == set(range(7))


def test_all_pictures_come_equally_often():
    counts = np.bincount(np.ravel(first(2000, n=7, batch_size=4)), minlength=7)
    np.testing.assert_allclose(counts, 2000 * 4 / 7, rtol=0.1)


@pytest.mark.parametrize("n, batch_size", [(10, 3), (12, 3), (4, 4)])
@pytest.mark.parametrize("step", range(12))
def test_batches_from_a_later_step_go_on_with_the_same_sequence(n, batch_size, step):
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
    data = MadeUp(10, 3, seed=0)
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
@pytest.mark.parametrize("room", [0, 10, 24])
@pytest.mark.parametrize("threads", [1, 2, 4, MAX_THREADS])
def test_the_same_bits_in_the_same_order_for_any_threads_and_cache(pictures, threads, room, c_dim):
    data = pictures_in(pictures, batch_size=5, c_dim=c_dim)
    data.threads = threads
    room_for(data, room)
    orders = islice(data.orders(), 20)
    for batch, order in zip(map(stacked, data.batches()), orders):
        expected = np.array([load_image(data.files[i], 16, c_dim=c_dim) for i in order])
        assert batch.dtype == np.float32 and batch.shape == (5, 16, 16, c_dim)
        assert batch.tobytes() == expected.tobytes()


@pytest.mark.parametrize("room", [0, 10, 24])
@pytest.mark.parametrize("step", [1, 4, 5, 11])
def test_batches_of_pictures_go_on_at_any_step(pictures, room, step):
    data = pictures_in(pictures, batch_size=5)
    room_for(data, room)
    whole = list(islice(data.batches(), step + 6))
    again = pictures_in(pictures, batch_size=5)
    room_for(again, room)
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


@pytest.mark.parametrize("room", [0, 24])
def test_what_draws_random_numbers_is_read_in_its_step_with_the_steps_numbers(pictures, room):
    """A reader's mirror by chance: neither a thread nor the memory decides it."""
    data = pictures_in(pictures, batch_size=5)
    room_for(data, room)
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


@pytest.mark.parametrize("room, workers, first, size, is_crop", [
    (24, 1, 0, 16, False), (0, 1, 7, 16, False), (10, 2, 0, 8, True), (24, 2, 5, 16, False)])
def test_a_mirror_that_seed_epoch_and_picture_decide(pictures, room, workers, first, size, is_crop):
    """Which pictures are mirrored is computed with NumPy alone; in memory or not, for any part of a batch."""
    shuffled = pictures_in(pictures, seed=5).files
    plain = {path: load_image(path, size, is_crop) for path in shuffled}
    seen = {path: set() for path in shuffled}
    for worker in range(workers):
        data = pictures_in(pictures, batch_size=6, image_size=size, seed=5, mirror=True)
        data.loader.is_crop = is_crop
        data.rows = slice(worker * 6 // workers, (worker + 1) * 6 // workers)
        room_for(data, room)
        for step, batch in enumerate(islice(data.batches(first), 40), first):
            chances = np.random.RandomState([5, zlib.crc32(b"mirror"), step // 4]).randint(2, size=24)
            assert len(batch) == 6 // workers
            for path, image in batch.items():
                side = chances[shuffled.index(path)]
                np.testing.assert_array_equal(image, plain[path][:, ::-1] if side else plain[path])
                seen[path].add(side)
    assert all(sides == {0, 1} for sides in seen.values())
    np.testing.assert_array_equal(data.get(shuffled[0]), plain[shuffled[0]])  # of the samples' losses: as it is


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
    room_for(data, 10)
    decoded = count_decoded(data)
    data.load(range(24))
    data.load(range(24))
    assert sorted(decoded) == sorted(data.files + data.files[10:])


@pytest.mark.parametrize("cache_mb, room", [(0, 0), (1, 1), (8, 10), (100, 24)])
def test_the_cache_holds_what_fits_into_cache_mb(tmp_path, cache_mb, room):
    folder = write_pictures(tmp_path / "pictures", size=256)  # 786,432 bytes each
    data = pictures_in(folder, image_size=256, cache_mb=cache_mb)
    assert data.cache.shape == (room, 256, 256, 3) and data.cache.dtype == np.float32
    assert data.cache.nbytes <= cache_mb * 2**20


def test_an_error_is_raised_when_its_batch_comes(pictures):
    data = pictures_in(pictures)
    bad = data.files[list(islice(data.orders(), 3))[2][1]]
    text_file(Path(pictures), os.path.basename(bad))
    batches = data.batches()
    assert len(list(islice(batches, 2))) == 2
    assert bad in message(next, batches)


def running():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


@pytest.mark.parametrize("end", ["close", "drop", "error"])
def test_batches_leave_no_thread_behind(pictures, end):
    data = pictures_in(pictures)
    room_for(data, 0)
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
        assert data.files[i] in line and "another picture takes its place" in line
    assert not data.cached[[3, 4, 23]].any()


@pytest.mark.parametrize("room", [0, 10, 24])
def test_replacements_are_the_same_for_any_threads_and_named_once(pictures, room, capsys):
    batches = []
    for threads in (1, 8):
        data = pictures_in(pictures, skip_bad_images=True)
        for i in (3, 4, 23):
            cut_off(data.files[i])
        data.threads = threads
        room_for(data, room)
        batches.append([stacked(batch) for batch in islice(data.batches(), 20)])
        assert capsys.readouterr().err.count("takes its place") == 3
    np.testing.assert_array_equal(*batches)


def test_a_file_that_turns_bad_once_it_is_cached_does_no_harm(pictures):
    data = pictures_in(pictures)
    sound = data.load(range(24))
    shutil.rmtree(pictures)
    np.testing.assert_array_equal(data.load(range(24)), sound)


def test_when_no_file_can_be_read_any_more_that_is_said(pictures):
    data = pictures_in(pictures, skip_bad_images=True)
    shutil.rmtree(pictures)
    assert "none of the 24 pictures" in message(data.load, [0])


def test_the_fingerprint_is_that_of_names_and_contents_wherever_they_lie(pictures, tmp_path):
    here = look_over(dataset_files(pictures), 16)[1]
    assert look_over(dataset_files(write_pictures(tmp_path / "elsewhere" / "deep")), 16)[1] == here
    os.rename(os.path.join(pictures, "003.png"), os.path.join(pictures, "0003.png"))
    assert look_over(dataset_files(pictures), 16)[1] != here


# dataset_files

def test_dataset_files_are_sorted_and_from_all_subfolders(tmp_path):
    names = ["b.png", "a.jpg", "deep/c.jpeg", "deep/er/d.png", "z/a.png"]
    touch(tmp_path, *names)
    assert dataset_files(str(tmp_path)) == sorted(str(tmp_path / name) for name in names)


def test_dataset_files_take_endings_in_any_case(tmp_path):
    names = ["a.PNG", "b.Jpg", "c.JPEG", "d.jpeg"]
    touch(tmp_path, *names)
    assert dataset_files(str(tmp_path)) == [str(tmp_path / name) for name in names]


def test_dataset_files_leave_other_files_out(tmp_path):
    touch(tmp_path, "a.png", "b.svg", "c.txt", "d.png.bak", "epng", "jpg", "png/f.heic")
    assert dataset_files(str(tmp_path)) == [str(tmp_path / "a.png")]


@pytest.mark.parametrize("folder", ["faces [small]", "what?", "all*", "[!a]", "späte Bilder"])
def test_dataset_files_in_folders_with_special_characters(tmp_path, folder):
    touch(tmp_path, folder + "/a.png", folder + "/" + folder + "/b.png", "other/c.png")
    root = str(tmp_path / folder)
    assert dataset_files(root) == sorted([os.path.join(root, "a.png"), os.path.join(root, folder, "b.png")])


def test_dataset_files_ignore_folders_named_like_pictures(tmp_path):
    os.makedirs(tmp_path / "folder.png" / "deeper.jpg")
    touch(tmp_path, "a.png", "folder.png/b.png")
    assert dataset_files(str(tmp_path)) == [str(tmp_path / "a.png"), str(tmp_path / "folder.png" / "b.png")]


@pytest.mark.parametrize("ending", ["", os.sep])
def test_dataset_files_with_and_without_a_slash_at_the_end(tmp_path, ending):
    files = dataset_files(write_pictures(tmp_path / "pictures", n=3) + ending)
    assert [os.path.basename(path) for path in files] == ["000.png", "001.png", "002.png"]


def test_dataset_files_of_an_empty_and_of_a_missing_folder(tmp_path):
    assert dataset_files(str(tmp_path)) == []
    assert dataset_files(str(tmp_path / "nowhere")) == []
