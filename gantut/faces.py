"""The faces in a picture, found by mtcnn, and crops with eyes and mouth at given places.

Pictures are uint8 arrays [height, width, 3]. Places in a picture are (x, y) in pixels, with (0, 0) at the corner of the
first pixel; places in a crop are fractions of it. "left" and "right" are as seen in the picture.
"""
import collections
import math
import sys

import numpy as np
from PIL import Image
from scipy.ndimage import affine_transform

from gantut.images import to_uint8

SMALLEST = 20  # pixels: mtcnn finds no smaller faces, and is not used on smaller pictures
LOOK_AGAIN, UPRIGHT = 160, np.array([[.4, .3], [.6, .3], [.41, .52], [.59, .52]])  # the crop for look_again()
FACE = .22, .11, .77, .66  # left, top, right, bottom of the face in that crop

Face = collections.namedtuple("Face", "box confidence points")  # [x, y, width, height], 0 to 1, [4, 2]


def template_places(template):
    """The places in a template "x,y x,y ...": [n, 2]. Raises ValueError if they are not numbers."""
    return np.array([pair.split(",") for pair in template.split()], float)


def similarity(points, places):
    """The rotation, scale and shift that move `points` [n, 2] nearest to `places` [n, 2], by least squares.

    Returns complex (a, b): with x + iy for a point, its place is a * point + b.
    """
    z, w = points @ [1, 1j], places @ [1, 1j]
    (a, b), *_ = np.linalg.lstsq(np.stack([z, np.ones_like(z)], axis=1), w, rcond=None)
    return a, b


def cut(picture, a, b, size):
    """The crop, uint8 [size, size, 3], in which the point x + iy of the picture lies at the fraction a * (x + iy) + b.

    Beyond its edge the picture is mirrored. Each pixel of the crop is the mean of as many samples as the picture has
    pixels there, to avoid aliasing.
    """
    k = max(1, math.ceil(1 / abs(a) / size))  # pixels of the picture, or samples, along a pixel of the crop
    n = size * k
    turn, shift = 1 / a / n, (.5 + .5j) / a / n - b / a - (.5 + .5j)  # from sample numbers to pixel numbers
    matrix = [[turn.real, turn.imag], [-turn.imag, turn.real]]  # SciPy counts (row, column)
    crop = np.empty((size, size, 3))
    for c in range(3):
        samples = affine_transform(picture[:, :, c], matrix, (shift.imag, shift.real), (n, n), np.float32, order=1,
                                   mode="mirror")
        crop[:, :, c] = samples.reshape(size, k, size, k).mean(axis=(1, 3))
    return to_uint8(crop)


def centre_square(picture, size):
    """The largest centre square, scaled: uint8 [size, size, 3]."""
    h, w = picture.shape[:2]
    side = min(h, w)
    return cut(picture, 1 / side, -complex(w - side, h - side) / 2 / side, size)


def padded(picture, size):
    """The whole picture, scaled and centred on black: uint8 [size, size, 3]."""
    h, w = picture.shape[:2]
    tall, wide = (max(1, round(size * length / max(h, w))) for length in (h, w))
    small = Image.fromarray(picture).resize((wide, tall), Image.Resampling.BOX if max(h, w) > size else
                                            Image.Resampling.BILINEAR)
    square = Image.new("RGB", (size, size))
    square.paste(small, ((size - wide) // 2, (size - tall) // 2))
    return np.array(square)


class Finder:
    """Finds faces with mtcnn, in a copy of the picture scaled down to `look_size` pixels if it is larger.

    Unless all faces are wanted, it first searches a copy that is just large enough to find the smallest allowed face.
    """

    def __init__(self, look_size, min_face, min_confidence, all_faces=False):
        import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

        import tensorflow as tf
        from mtcnn import MTCNN
        tf.keras.config.set_floatx("float32")  # ~/.keras/keras.json may say something else
        tf.keras.config.set_image_data_format("channels_last")
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None  # on Python 3.13 lz4 would complain
        try:
            self.mtcnn = MTCNN()
        finally:
            sys.unraisablehook = hook
        for stage, side in zip(self.mtcnn.stages, (None, 24, 48)):  # a call for each network, not for each layer
            stage._model = tf.function(stage._model, [tf.TensorSpec([None, side, side, 3], tf.float32)])
        self.look_size, self.min_face, self.min_confidence = look_size, min_face, min_confidence
        self.first = 1 if all_faces else min(1, 1.25 * SMALLEST / max(min_face, SMALLEST))

    def __call__(self, picture):
        """The faces in a picture, the largest first; and the reason, if there are none."""
        h, w = picture.shape[:2]
        full = min(1, self.look_size / max(h, w))
        for scale in sorted({min(full, self.first), full}):
            faces, why_not = self.look(picture, scale)
            if faces:
                return [self.look_again(picture, face) for face in faces], ""
        return [], why_not

    def look(self, picture, scale):
        """What __call__() returns, from one search in the picture scaled by `scale`."""
        h, w = picture.shape[:2]
        size = round(w * scale), round(h * scale)
        if min(size) < SMALLEST:
            return [], f"{w}x{h} is too small to look for a face"
        small = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX)) if scale < 1 else picture
        rows = self.mtcnn.detect_faces(small, output_type="numpy", fit_to_image=False, box_format="xywh",
                                       threshold_onet=min(.8, self.min_confidence))
        faces = sorted((as_face(row, scale) for row in rows), key=lambda face: -face.box[2] * face.box[3])
        if not faces:
            return [], "no face found"
        large = [face for face in faces if min(face.box[2:]) >= self.min_face]
        if not large:
            return [], f"the largest face is {min(faces[0].box[2:]):.0f} pixels wide"
        sure = [face for face in large if face.confidence >= self.min_confidence]
        return sure, "" if sure else f"confidence {max(face.confidence for face in large):.3f}"

    def look_again(self, picture, face):
        """The face with its points found again after it is rotated upright: mtcnn misplaces those of a turned head.

        Only mtcnn's last network is used, since it is known where the face is.
        """
        a, b = similarity(face.points, UPRIGHT)
        pixels = (np.float32(cut(picture, a, b, LOOK_AGAIN)) - 127.5) / 128
        rows = self.mtcnn.stages[-1](images_normalized=pixels[np.newaxis], bboxes_batch=np.array(
            [[0, *np.multiply(FACE, LOOK_AGAIN), 1]]), threshold_onet=0)
        z = as_face(rows[0], LOOK_AGAIN).points @ [1, 1j]
        points = (z - b) / a
        return face._replace(points=np.stack([points.real, points.imag], axis=1))


def as_face(row, scale):
    """A row of mtcnn's result (image, box, confidence, five x, five y) in a picture scaled by `scale`, as a Face."""
    points = np.stack([row[6:11], row[11:16]], axis=1)[[0, 1, 3, 4]]  # without the nose
    return Face(row[1:5] / scale, float(row[5]), points / scale)
