"""The checks of Part 3's functions, against NumPy and Pillow. They do not need TensorFlow, and so are quick."""
import numpy as np
from PIL import Image

from .judging import attempt, compare, load, need


def picture(h, w, seed=0):
    return np.random.RandomState(seed).randint(0, 256, [h, w, 3]).astype(np.float64)


def center_crop(_):
    crop = load("gantut_imgfuncs").center_crop
    x = picture(10, 16)
    call = "center_crop(x, 4, resize_w=4) of a picture [10, 16, 3]"
    compare(call, attempt(call, crop, x, 4, resize_w=4), x[3:7, 6:10], [
        ("rows and columns are exchanged: x is [height, width, channels]", x[6:10, 3:7].reshape(-1, 4, 3)),
        ("this is the upper left corner, not the centre", x[:4, :4]),
        ("it begins in the middle: half the crop must lie before it", x[5:9, 8:12])], 0.01)
    call = "center_crop(x, 6, 8, resize_w=4) of a picture [10, 16, 3]"
    window = Image.fromarray(x[2:8, 4:12].astype(np.uint8))
    compare(call, attempt(call, crop, x, 6, 8, resize_w=4), window.resize((4, 4), Image.Resampling.BILINEAR), [
        ("it is cropped, but not resized to resize_w", x[2:8, 4:12]),
        ("crop_w is ignored: the window is square", Image.fromarray(x[2:8, 5:11].astype(np.uint8)).resize(
            (4, 4), Image.Resampling.BILINEAR))], 0.02)
    x = picture(12, 16)  # margins of 3.5 and 5.5, which Python 2 rounds as Python 3 does
    call = "center_crop(x, 5, resize_w=5) of a picture [12, 16, 3]"
    words = "the position is truncated, not rounded, as int(round(...)) does"
    compare(call, attempt(call, crop, x, 5, resize_w=5), x[4:9, 6:11], [
        (words, x[j:j + 5, i:i + 5]) for j, i in ((3, 5), (4, 5), (3, 6))], 0.01)
    need(refuses_small_pictures(crop) or "ValueError" not in (crop.__doc__ or ""), "a picture that is too small for "
         "the crop does not raise ValueError, as the docstring says: its corners would be taken as the centre")


def refuses_small_pictures(crop):
    """Whether center_crop() raises ValueError if the picture is lower or narrower than the window."""
    return all(raises_value_error(crop, picture(*shape), 8, 8, resize_w=8) for shape in ((5, 12), (12, 5), (7, 7)))


def raises_value_error(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except ValueError:
        return True
    except Exception:  # another error, or one that the other checks name
        return False
    return False


def transform(_):
    function = load("gantut_imgfuncs").transform
    x = picture(8, 8)
    call = "transform(image, is_crop=False) of a picture in 0..255"
    compare(call, attempt(call, function, x, is_crop=False), x / 127.5 - 1, [
        ("/127.5 is there, but not the - 1: values lie in [0, 2]", x / 127.5),
        ("values lie in [0, 1]: the network wants [-1, 1]", x / 255),
        ("values lie in [-0.5, 0.5]: the network wants [-1, 1]", x / 255 - 0.5),
        ("the picture is unchanged: no values are scaled", x)])
    x = picture(70, 80)
    call = "transform(image, npx=64) of a picture [70, 80, 3]"
    compare(call, attempt(call, function, x, 64), x[3:67, 8:72] / 127.5 - 1, [
        ("is_crop is True, but nothing is cropped", x / 127.5 - 1),
        ("the cropped picture is not scaled", x[3:67, 8:72])], 0.02)


def merge(_):
    function = load("gantut_imgfuncs").merge
    x = picture(6 * 2, 3).reshape(6, 2, 3, 3)
    rows = [np.concatenate(x[i:i + 3], axis=1) for i in (0, 3)]
    columns = [np.concatenate(x[i::2], axis=1) for i in (0, 1)]
    call = "merge(images, [2, 3]) of six images [2, 3, 3]"
    compare(call, attempt(call, function, x, [2, 3]), np.concatenate(rows), [
        ("the grid is filled column by column: the second image belongs to the right of the first",
         np.concatenate(columns)),
        ("rows and columns of the grid are exchanged: size is [rows, columns]", np.concatenate(
            [np.concatenate(x[i:i + 2], axis=1) for i in (0, 2, 4)])),
        ("the grid is empty", np.zeros([4, 9, 3])), ("the images are in the reverse order", np.concatenate(
                [np.concatenate(x[::-1][i:i + 3], axis=1) for i in (0, 3)]))])
    call = "merge(images, [2, 3]) of five images"
    compare(call, attempt(call, function, x[:5], [2, 3]), np.concatenate(
        [rows[0], np.concatenate([x[3], x[4], 0 * x[0]], axis=1)]))
    need(raises_value_error(function, picture(7 * 2, 3).reshape(7, 2, 3, 3), [2, 3]), "merge(images, [2, 3]) of seven "
         "images does not raise ValueError: the last one would be left out silently")
