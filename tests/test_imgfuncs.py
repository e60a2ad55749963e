"""Part 3, pictures in and out of the network: against files that Pillow wrote, NumPy's arithmetic and known answers."""
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gantut.images import grid_size
from gantut_imgfuncs import center_crop, get_image, imread, imsave, inverse_transform, merge, save_images, transform

pytestmark = pytest.mark.quick

RGB = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)  # 5 high, 7 wide
GRAY = RGB[:, :, 0]


def saved(folder, image, name="picture.png", **options):
    """Write a Pillow image or an array of pixels into folder; returns the file's path as a str."""
    path = str(folder / name)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


def png_16bit(path, pixels, color_type):
    """Write uint16 pixels as a PNG, which Pillow does for gray only. color_type: 2 for RGB, 6 for RGBA."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, color_type, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return str(path)


def three(gray):
    """A gray picture as RGB."""
    return np.stack([gray] * 3, axis=-1)


def smooth(height, width):
    """A colour picture without edges, which JPEG changes little."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return np.stack([50 + 150 * x, 60 + 120 * y, 200 - 100 * x * y], axis=-1).round().astype(np.uint8)


# imread

def test_imread_gives_the_pixels_of_a_png_as_floats(tmp_path):
    picture = imread(saved(tmp_path, RGB))
    assert picture.dtype.kind == "f"
    np.testing.assert_array_equal(picture, RGB)


def test_imread_gives_an_array_that_may_be_written_to(tmp_path):
    picture = imread(saved(tmp_path, RGB))
    picture[0, 0] = -1
    assert picture[0, 0, 0] == -1


@pytest.mark.parametrize("name", ["picture.jpg", "picture.JPEG"])
def test_imread_reads_jpeg(tmp_path, name):
    picture = imread(saved(tmp_path, smooth(24, 40), name, quality=95))
    assert picture.shape == (24, 40, 3)
    np.testing.assert_allclose(picture, smooth(24, 40), atol=8)


def test_imread_goes_by_the_content_not_by_the_extension(tmp_path):
    np.testing.assert_array_equal(imread(saved(tmp_path, RGB, "picture.jpg", format="PNG")), RGB)


def test_imread_makes_gray_rgb(tmp_path):
    np.testing.assert_array_equal(imread(saved(tmp_path, GRAY)), three(GRAY))


def test_imread_makes_a_gray_jpeg_rgb(tmp_path):
    gray = smooth(24, 40)[:, :, 0]
    np.testing.assert_allclose(imread(saved(tmp_path, gray, "picture.jpg", quality=95)), three(gray), atol=4)


def test_imread_makes_one_bit_black_and_white(tmp_path):
    bits = GRAY > 127
    path = saved(tmp_path, Image.fromarray(bits))
    assert Image.open(path).mode == "1"
    np.testing.assert_array_equal(imread(path), three(bits * 255))


def palette_image():
    """A palette picture of red, green and blue, in this order, and the indices of its pixels."""
    indices = np.arange(35).reshape(5, 7) % 3
    image = Image.fromarray(indices.astype(np.uint8)).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return image, indices


PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]])


def test_imread_looks_up_palette_colours(tmp_path):
    image, indices = palette_image()
    path = saved(tmp_path, image)
    assert Image.open(path).mode == "P"
    np.testing.assert_array_equal(imread(path), PALETTE[indices])


def test_imread_lays_a_transparent_palette_colour_over_white(tmp_path):
    image, indices = palette_image()
    expected = PALETTE.copy()
    expected[1] = 255
    np.testing.assert_array_equal(imread(saved(tmp_path, image, transparency=1)), expected[indices])


def test_imread_blends_half_transparent_palette_colours(tmp_path):
    image, indices = palette_image()
    alpha = np.array([[0], [102], [255]]) / 255
    expected = alpha * PALETTE + (1 - alpha) * 255
    picture = imread(saved(tmp_path, image, transparency=bytes([0, 102, 255])))
    np.testing.assert_allclose(picture, expected[indices], atol=1)


@pytest.mark.parametrize("color", [GRAY, RGB], ids=["gray", "colour"])
def test_imread_lays_transparency_over_white(tmp_path, color):
    alpha = np.arange(35).reshape(5, 7) * 255 // 34  # from 0 to 255
    path = saved(tmp_path, np.dstack([color, alpha]).astype(np.uint8))
    assert Image.open(path).mode in ("LA", "RGBA")
    weight = alpha[:, :, np.newaxis] / 255
    expected = weight * np.atleast_3d(color) + (1 - weight) * 255
    picture = imread(path)
    np.testing.assert_allclose(picture, np.broadcast_to(expected, (5, 7, 3)), atol=1)
    np.testing.assert_array_equal(picture[alpha == 0], 255)
    np.testing.assert_array_equal(picture[alpha == 255], np.broadcast_to(np.atleast_3d(color), (5, 7, 3))[alpha == 255])


@pytest.mark.parametrize("picture, key", [(GRAY, 7), (RGB, (7, 8, 9))], ids=["gray", "colour"])
def test_imread_makes_the_transparent_colour_white(tmp_path, picture, key):
    picture = picture.copy()
    picture[2, 3] = key
    expected = three(picture) if picture.ndim == 2 else picture.copy()
    expected[(np.atleast_3d(picture) == key).all(axis=-1)] = 255
    assert expected[2, 3].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(imread(saved(tmp_path, picture, transparency=key)), expected)


@pytest.mark.parametrize("ink, rgb", [((0, 0, 0, 0), (255, 255, 255)), ((0, 0, 0, 255), (0, 0, 0)),
                                      ((0, 255, 255, 0), (255, 0, 0)), ((255, 0, 0, 0), (0, 255, 255)),
                                      ((0, 0, 0, 100), (155, 155, 155))])
def test_imread_makes_a_cmyk_jpeg_rgb(tmp_path, ink, rgb):
    path = saved(tmp_path, Image.new("CMYK", (8, 6), ink), "picture.jpg")
    assert Image.open(path).mode == "CMYK"
    np.testing.assert_allclose(imread(path), np.broadcast_to(rgb, (6, 8, 3)), atol=3)


def test_imread_scales_16_bit_gray(tmp_path):
    gray = np.array([[0, 1, 257, 300], [1000, 25700, 40000, 65535]], np.uint16)
    picture = imread(saved(tmp_path, gray))
    assert picture.dtype.kind == "f"
    np.testing.assert_allclose(picture, three(gray / 257), rtol=1e-12)
    assert picture[1, 3].tolist() == [255, 255, 255]


def test_imread_scales_16_bit_rgb(tmp_path):
    colors = np.random.RandomState(1).randint(0, 65536, (5, 7, 3))
    np.testing.assert_allclose(imread(png_16bit(tmp_path / "rgb.png", colors, 2)), colors / 257, atol=1)


def test_imread_lays_16_bit_transparency_over_white(tmp_path):
    pixels = np.random.RandomState(2).randint(0, 65536, (5, 7, 4))
    alpha = pixels[:, :, 3:] / 65535
    expected = alpha * pixels[:, :, :3] / 257 + (1 - alpha) * 255
    np.testing.assert_allclose(imread(png_16bit(tmp_path / "rgba.png", pixels, 6)), expected, atol=2)


UPRIGHT = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
           5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, -1),
           7: lambda x: np.rot90(x, 2).swapaxes(0, 1), 8: np.rot90}  # EXIF: how to turn what the file holds


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_imread_applies_the_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(imread(saved(tmp_path, RGB, exif=exif)), UPRIGHT[orientation](RGB))


@pytest.mark.parametrize("orientation", [3, 6])
def test_imread_applies_the_exif_orientation_of_a_jpeg(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = imread(saved(tmp_path, smooth(24, 40), "picture.jpg", exif=exif, quality=95))
    np.testing.assert_allclose(picture, UPRIGHT[orientation](smooth(24, 40)), atol=8)


def test_imread_turns_a_16_bit_picture_upright_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    gray = (np.arange(6) * 10000).reshape(2, 3).astype(np.uint16)
    np.testing.assert_allclose(imread(saved(tmp_path, gray, exif=exif)), three(np.rot90(gray, -1) / 257), rtol=1e-12)


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "cut"])
def test_imread_raises_for_a_file_that_is_not_a_picture(tmp_path, content):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(OSError):
        imread(str(path))


def test_imread_raises_for_a_truncated_picture(tmp_path):
    path = saved(tmp_path, np.random.RandomState(0).randint(0, 256, (64, 64, 3)).astype(np.uint8))
    with open(path, "rb+") as file:
        file.truncate(3000)
    with pytest.raises(OSError):
        imread(path)


def test_imread_raises_for_a_missing_file_and_for_a_folder(tmp_path):
    with pytest.raises(OSError):
        imread(str(tmp_path / "missing.png"))
    with pytest.raises(OSError):
        imread(str(tmp_path))


def test_imread_refuses_an_absurdly_large_picture(tmp_path):
    path = png_16bit(tmp_path / "bomb.png", np.zeros((1, 1, 3)), 2)
    data = bytearray((tmp_path / "bomb.png").read_bytes())
    data[16:24] = struct.pack(">2I", 100000, 100000)  # width and height in the header, and its checksum
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(Image.DecompressionBombError):
        imread(path)


# transform, center_crop, get_image

@pytest.mark.parametrize("pixel, value", [(0, -1), (51, -0.6), (127.5, 0), (204, 0.6), (255, 1)])
def test_transform_scales_to_minus_one_and_one(pixel, value):
    image = np.full((4, 6, 3), float(pixel))
    np.testing.assert_allclose(transform(image, is_crop=False), np.full((4, 6, 3), value), atol=1e-12)


def test_transform_does_not_change_its_argument():
    image = RGB.astype(float)
    transform(image, is_crop=False)
    transform(image, npx=4)
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize("options, npx", [({}, 64), ({"npx": 64}, 64), ({"npx": 32}, 32), ({"npx": 10}, 10)])
def test_transform_with_is_crop_takes_the_central_window(options, npx):
    image = np.random.RandomState(0).randint(0, 256, (70, 90, 3)).astype(float)
    top, left = (70 - npx) // 2, (90 - npx) // 2
    window = image[top:top + npx, left:left + npx]
    np.testing.assert_allclose(transform(image, **options), window / 127.5 - 1, atol=1e-12)


@pytest.mark.parametrize("height, width, top, left", [
    (4, 4, 0, 0), (6, 8, 1, 2), (8, 6, 2, 1), (4, 10, 0, 3),  # even margins
    (5, 7, 0, 2), (7, 5, 2, 0), (9, 11, 2, 4), (11, 9, 4, 2),  # odd margins: half a pixel goes to the even one
])
def test_center_crop_takes_the_central_window(height, width, top, left):
    image = np.random.RandomState(0).randint(0, 256, (height, width, 3))
    window = center_crop(image.astype(float), 4, resize_w=4)
    assert window.dtype == np.uint8
    np.testing.assert_array_equal(window, image[top:top + 4, left:left + 4])


@pytest.mark.parametrize("crop_h, crop_w", [(20, None), (20, 12), (12, 20), (7, 31), (25, 31)])
@pytest.mark.parametrize("resize_w", [8, 20, 40])
def test_center_crop_resizes_as_pillow_does(crop_h, crop_w, resize_w):
    image = np.random.RandomState(0).randint(0, 256, (25, 31, 3)).astype(np.uint8)
    width = crop_w or crop_h
    top, left = round((25 - crop_h) / 2), round((31 - width) / 2)
    box = (left, top, left + width, top + crop_h)
    expected = Image.fromarray(image).crop(box).resize((resize_w, resize_w), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(center_crop(image.astype(float), crop_h, crop_w, resize_w), np.asarray(expected))


def test_center_crop_resizes_to_64_unless_told():
    assert center_crop(np.zeros((20, 20, 3)), 10).shape == (64, 64, 3)


def test_center_crop_takes_nothing_from_outside_the_window():
    image = np.zeros((20, 30, 3))
    image[6:14, 8:22] = 200
    assert (center_crop(image, 8, 14, resize_w=16) == 200).all()


def test_center_crop_averages_when_it_shrinks():
    stripes = np.zeros((32, 32, 3))
    stripes[:, ::2] = 200  # bilinear without smoothing would keep stripes, or lose them
    np.testing.assert_allclose(center_crop(stripes, 32, resize_w=8)[:, 1:-1], 100, atol=15)


def test_center_crop_interpolates_when_it_enlarges():
    image = np.array([[0.0, 100.0], [0.0, 100.0]])
    np.testing.assert_array_equal(center_crop(image, 2, resize_w=4), [[0, 25, 75, 100]] * 4)


@pytest.mark.parametrize("resize_w", [6, 9])
def test_center_crop_keeps_the_shape_of_gray(resize_w):
    gray = np.random.RandomState(0).randint(0, 256, (8, 10)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(gray[1:7, 2:8]).resize((resize_w, resize_w), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(center_crop(gray.astype(float), 6, resize_w=resize_w), expected)
    np.testing.assert_array_equal(center_crop(gray[:, :, np.newaxis].astype(float), 6, resize_w=resize_w),
                                  expected[:, :, np.newaxis])


@pytest.mark.parametrize("height, width, crop_h, crop_w", [
    (5, 9, 6, None), (9, 5, 6, None), (9, 8, 4, 10), (8, 9, 10, 4),
])
def test_center_crop_raises_for_a_picture_that_is_too_small(height, width, crop_h, crop_w):
    with pytest.raises(ValueError, match=f"{width}x{height}"):
        center_crop(np.zeros((height, width, 3)), crop_h, crop_w)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("resize_w", [5, 13, 40])
def test_center_crop_keeps_a_constant_picture_constant(value, resize_w):
    cropped = center_crop(np.full((20, 17, 3), float(value)), 13, resize_w=resize_w)
    np.testing.assert_array_equal(cropped, np.full((resize_w, resize_w, 3), value))


def test_center_crop_rounds_and_clips_to_8_bits():
    image = np.array([[99.4, 99.6], [-20.0, 300.0]])
    np.testing.assert_array_equal(center_crop(image, 2, resize_w=2), [[99, 100], [0, 255]])


def test_get_image_reads_and_scales(tmp_path):
    path = saved(tmp_path, RGB)
    np.testing.assert_allclose(get_image(path, 64, is_crop=False), RGB / 127.5 - 1, atol=1e-12)
    np.testing.assert_allclose(get_image(path, 5), RGB[:, 1:6] / 127.5 - 1, atol=1e-12)


def test_get_image_raises_for_a_picture_that_is_too_small(tmp_path):
    with pytest.raises(ValueError):
        get_image(saved(tmp_path, RGB), 64)


# inverse_transform, merge, imsave, save_images, grid_size

def test_inverse_transform_scales_to_zero_and_one():
    np.testing.assert_allclose(inverse_transform(np.array([-1, -0.5, 0, 1])), [0, 0.25, 0.5, 1])


@pytest.mark.parametrize("channels", [1, 3])
def test_merge_lays_images_out_row_by_row(channels):
    images = np.random.RandomState(0).rand(6, 4, 5, channels)
    grid = merge(images, [2, 3])
    expected = np.concatenate([np.concatenate(list(row), axis=1) for row in images.reshape(2, 3, 4, 5, channels)])
    assert grid.shape == (8, 15, channels)
    np.testing.assert_array_equal(grid, expected)


def test_merge_leaves_empty_cells_black():
    grid = merge(np.ones((4, 2, 2, 3)), [2, 3])
    assert grid[:2].all() and grid[2:, :2].all()
    assert not grid[2:, 2:].any()


def test_merge_raises_for_too_many_images():
    with pytest.raises(ValueError, match="7"):
        merge(np.zeros((7, 2, 2, 3)), [2, 3])


def test_imsave_rounds_to_the_nearest_and_clips(tmp_path):
    values = np.array([0, 100.4, 100.6, 255, -30, 300]) / 255
    path = str(tmp_path / "row.png")
    imsave(values.reshape(6, 1, 1, 1), [1, 6], path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), [[0, 100, 101, 255, 0, 255]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_imsave_keeps_every_gray_level(tmp_path, dtype):
    levels = np.arange(256).reshape(16, 16)
    path = str(tmp_path / "levels.png")
    imsave((levels / 255).astype(dtype).reshape(1, 16, 16, 1), [1, 1], path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), levels)


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_imsave_does_not_stretch_the_contrast(tmp_path, channels, mode):
    path = str(tmp_path / "flat.png")
    imsave(np.full((4, 3, 3, channels), 0.4), [2, 2], path)
    image = Image.open(path)
    assert (image.mode, image.size) == (mode, (6, 6))
    assert (np.asarray(image) == 102).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_images_writes_the_pixels_back(tmp_path, channels, dtype):
    pixels = np.random.RandomState(0).randint(0, 256, (4, 8, 8, channels))
    path = str(tmp_path / "grid.png")
    save_images((pixels / 127.5 - 1).astype(dtype), [2, 2], path)
    expected = np.vstack([np.hstack(pixels[:2]), np.hstack(pixels[2:])])
    np.testing.assert_array_equal(np.atleast_3d(np.asarray(Image.open(path))), expected)


def test_save_images_clips_what_lies_outside(tmp_path):
    path = str(tmp_path / "grid.png")
    save_images(np.array([-1.5, 1.5]).reshape(2, 1, 1, 1), [1, 2], path)
    assert np.asarray(Image.open(path)).tolist() == [[0, 255]]


def test_save_images_writes_jpeg_too(tmp_path):
    path = str(tmp_path / "grid.jpg")
    save_images(np.zeros((1, 16, 16, 3)), [1, 1], path)
    assert Image.open(path).format == "JPEG"
    np.testing.assert_allclose(np.asarray(Image.open(path)), 128, atol=1)


@pytest.mark.parametrize("n, size", [(1, [1, 1]), (2, [1, 2]), (3, [2, 2]), (4, [2, 2]), (5, [2, 3]), (7, [3, 3]),
                                     (12, [3, 4]), (60, [8, 8]), (64, [8, 8]), (65, [8, 9])])
def test_grid_size_of_some_numbers(n, size):
    assert grid_size(n) == size


@pytest.mark.parametrize("n", range(1, 150, 7))
def test_grid_size_holds_all_with_no_row_too_many(n):
    rows, columns = grid_size(n)
    assert (rows - 1) * columns < n <= rows * columns
    assert 0 <= columns - rows <= 1
