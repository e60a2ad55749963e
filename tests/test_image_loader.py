"""gantut/image_loader.py: one picture against Pillow and known answers; checking all pictures before the first step."""
import errno
import os

import numpy as np
import pytest
from helpers import load_image, look_over, message, saved, text_file, write_pictures
from PIL import Image

import gantut_imgfuncs
from gantut.image_loader import Loader
from gantut_gan import dataset_files

pytestmark = pytest.mark.quick


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
def test_load_image_in_gray_weights_the_colours_by_itu_r_601(tmp_path, color, luminance):
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
    assert path in said and f"{width}x{height}" in said and "8x8" in said


def test_load_image_names_a_file_too_small_for_the_crop(tmp_path):
    path, _ = saved(tmp_path, 8, 9)
    said = message(load_image, path, 8, is_crop=True, crop_size=10)
    assert path in said and "9x8" in said and "10x10" in said


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
@pytest.mark.parametrize("is_crop", [False, True])
def test_load_image_names_a_file_that_is_not_a_picture(tmp_path, content, is_crop):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    assert str(path) in message(load_image, str(path), 8, is_crop=is_crop)


def test_load_image_names_a_truncated_picture(tmp_path):
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


@pytest.mark.parametrize("times", [1, 2])
def test_an_error_of_the_moment_is_tried_again(tmp_path, monkeypatch, times):
    """As a network's file system raises: once is no error, twice is one that says that it was reading."""
    path, pixels = saved(tmp_path, 8, 8)
    imread, left = gantut_imgfuncs.imread, [OSError(errno.ESTALE, "Stale file handle", path)] * times

    def failing(*args):
        if left:
            raise left.pop()
        return imread(*args)

    monkeypatch.setattr(gantut_imgfuncs, "imread", failing)
    if times == 1:
        np.testing.assert_allclose(load_image(path, 8), pixels / 127.5 - 1, atol=1e-6)
    else:
        assert message(load_image, path, 8) == f"{path} cannot be read: Stale file handle"


@pytest.mark.parametrize("options", [(16, False, 0), (16, True, 0), (64, True, 0), (8, True, 16), (8, True, 4)])
def test_look_over_accepts_what_load_image_can_use(pictures, options):
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
    assert wrong in said and f"{width}x{height}" in said and "16x16" in said and "--is_crop" in said
    assert later not in said


@pytest.mark.parametrize("height, width", [(12, 40), (40, 12), (12, 12)])
def test_look_over_names_the_first_too_small_for_the_crop(pictures, tmp_path, height, width):
    small, _ = saved(tmp_path, height, width)
    said = message(look_over, [*dataset_files(pictures), small], 8, True, 16)
    assert small in said and f"{width}x{height}" in said and "--crop_size 16" in said


@pytest.mark.parametrize("is_crop", [False, True])
def test_look_over_names_a_file_that_is_not_a_picture(pictures, tmp_path, is_crop):
    path = text_file(tmp_path)
    assert path in message(look_over, [*dataset_files(pictures), path], 16, is_crop, 0)


def test_the_fingerprint_is_that_of_names_and_contents_wherever_they_lie(pictures, tmp_path):
    here = look_over(dataset_files(pictures), 16)[1]
    assert look_over(dataset_files(write_pictures(tmp_path / "elsewhere" / "deep")), 16)[1] == here
    os.rename(os.path.join(pictures, "003.png"), os.path.join(pictures, "0003.png"))
    assert look_over(dataset_files(pictures), 16)[1] != here


def test_too_little_memory_is_not_a_broken_picture(tmp_path, monkeypatch):
    path, _ = saved(tmp_path, 8, 8)

    def read(_):
        raise MemoryError
    monkeypatch.setattr("gantut.image_loader.read", read)
    monkeypatch.setattr(gantut_imgfuncs, "imread", read)
    with pytest.raises(MemoryError):
        Loader(gantut_imgfuncs, 8, is_crop=True, c_dim=3).load(path)
