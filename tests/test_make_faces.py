"""Tests of data/make_faces.py and of the sample set it drew, data/aligned."""
import hashlib
import os
import subprocess
import sys

import make_faces
import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from gantut.errors import UserError

pytestmark = pytest.mark.quick

SCRIPT = os.path.join(ROOT, "data", "make_faces.py")
ALIGNED = os.path.join(ROOT, "data", "aligned")


def run(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def faces():
    """120 faces of another seed than the shipped ones', float64 [120, 64, 64, 3], 0 to 255."""
    return np.stack([make_faces.draw_face(5, i) for i in range(120)]).astype(np.float64)


def patch(picture, x, y, half=.03):
    """Mean brightness of the square around (x, y), fractions of the picture."""
    left, right, top, bottom = np.int64(np.round(np.array([x - half, x + half, y - half, y + half]) * len(picture)))
    return picture[top:bottom, left:right].mean()


def test_same_seed_same_pixels():
    first, second = make_faces.draw_face(1, 3), make_faces.draw_face(1, 3)
    assert first.dtype == np.uint8 and first.shape == (64, 64, 3)
    assert np.array_equal(first, second)


def test_same_pixels_in_another_process_with_other_random_state():
    code = ("import numpy, hashlib, make_faces; numpy.random.seed(9); make_faces.draw_face(2, 2);"
            "print(hashlib.sha256(make_faces.draw_face(1, 3).tobytes()).hexdigest())")
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.path.dirname(SCRIPT))
    assert other.stdout.strip() == hashlib.sha256(make_faces.draw_face(1, 3).tobytes()).hexdigest(), other.stderr


def test_size():
    assert make_faces.draw_face(1, 0, 32).shape == (32, 32, 3)
    small = make_faces.draw_face(1, 0, 64).astype(float).reshape(32, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(small - make_faces.draw_face(1, 0, 32)).mean() < 4  # the same face, only smaller


def test_seeds_and_indices_give_other_faces(faces):
    other = np.stack([make_faces.draw_face(6, i) for i in range(40)]).astype(np.float64)
    assert np.abs(other - faces[:40]).mean((1, 2, 3)).min() > 8
    nearest = min(np.abs(faces[i] - np.delete(faces, i, 0)).mean((1, 2, 3)).min() for i in range(len(faces)))
    assert nearest > 5


def test_landmarks_lie_around_the_template():
    faces = [make_faces.face_traits(np.random.RandomState([8, i])) for i in range(300)]
    template = {"left_eye": (.28, .15), "right_eye": (.72, .15), "mouth_left": (.31, .635), "mouth_right": (.70, .635)}
    for name, place in template.items():
        points = np.array([face[name] for face in faces])
        assert np.allclose(points.mean(0), place, atol=.004), name
        assert (points.std(0) > .008).all() and (points.std(0) < .02).all(), name


def test_mean_face_is_dark_at_eyes_and_mouth_and_bright_on_the_cheeks(faces):
    mean = faces.mean(0)
    cheeks = patch(mean, .28, .40), patch(mean, .72, .40)
    for place in (.28, .15), (.72, .15), (.505, .65):
        assert patch(mean, *place) < min(cheeks) - 10, place


def test_eyes_are_where_the_landmarks_say():
    """In each large picture the dark pixels near an eye's usual place centre on that face's own landmark."""
    v, u = (np.mgrid[:192, :192] + .5) / 192
    found, said = [], []
    for i in range(40):
        traits = make_faces.face_traits(np.random.RandomState([11, i]))
        grey = make_faces.draw_face(11, i, 192).mean(2)
        for name in ("left_eye", "right_eye") if traits["glasses"] == "none" else ():
            x, y = make_faces.TEMPLATE[name]
            near = (np.abs(u - x) < .09) & (np.abs(v - y) < .06)
            dark = near & (grey <= np.quantile(grey[near], .12))
            found.append((u[dark].mean(), v[dark].mean()))
            said.append(traits[name])
    errors = np.subtract(found, said)
    assert len(errors) > 40
    assert abs(errors[:, 0].mean()) < .005 and -.03 < errors[:, 1].mean() < 0  # lashes and lids lie above the pupil
    assert (errors.std(0) < .015).all()


def test_variety(faces):
    assert faces.std(0).mean() > 40  # of 0 to 255: pixels differ from face to face
    assert faces.mean((1, 2, 3)).std() > 20  # dark and light pictures
    assert faces.std((1, 2, 3)).min() > 12  # and none is flat
    traits = [make_faces.face_traits(np.random.RandomState([5, i])) for i in range(300)]
    assert {t["style"] for t in traits} == {"short", "bald", "fringe", "long", "tied"}
    assert {t["beard"] for t in traits} == {"none", "stubble", "full", "moustache", "goatee"}
    assert {t["glasses"] for t in traits} == {"none", "round", "square"}
    assert .2 < np.mean([t["open"] > 0 for t in traits]) < .8


def test_shipped_set():
    names = sorted(os.listdir(ALIGNED))
    assert names == [f"face_{i:05d}.jpg" for i in range(5000)]
    paths = [os.path.join(ALIGNED, name) for name in names]
    assert sum(map(os.path.getsize, paths)) <= 12_000_000
    for path in paths:
        with Image.open(path) as picture:
            assert picture.size == (64, 64) and picture.mode == "RGB" and picture.format == "JPEG", path


@pytest.mark.parametrize("index", [0, 1, 777, 1999, 4999])
def test_shipped_picture_is_the_drawn_one(index):
    with Image.open(os.path.join(ALIGNED, f"face_{index:05d}.jpg")) as picture:
        shipped = np.asarray(picture).astype(float)
    assert np.abs(shipped - make_faces.draw_face(1, index)).mean() < 4


def test_picture_does_not_depend_on_count(tmp_path):
    for count in (2, 4):
        assert run(tmp_path / str(count), "--count", count, "--seed", 3).returncode == 0
    assert len(os.listdir(tmp_path / "2")) == 2 and len(os.listdir(tmp_path / "4")) == 4
    for name in os.listdir(tmp_path / "2"):
        assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


def test_run_again_and_size_flag(tmp_path):
    (tmp_path / "notes.txt").write_text("kept")
    for _ in range(2):
        done = run(tmp_path, "--count", 2, "--size", 16)
        assert done.returncode == 0 and done.stderr == "", done.stderr
    assert sorted(os.listdir(tmp_path)) == ["face_00000.jpg", "face_00001.jpg", "notes.txt"]
    with Image.open(tmp_path / "face_00001.jpg") as picture:
        assert picture.size == (16, 16)


def one_line(done):
    return done.returncode != 0 and len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_out_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    for out in ("out", "out/below"):
        assert one_line(run(tmp_path / out, "--count", 1))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("flags", [
    ("--count", -1), ("--size", 7), ("--size", 4097), ("--seed", -1), ("--seed", 2 ** 32)])
def test_numbers_out_of_range(tmp_path, flags):
    assert one_line(run(tmp_path / "out", *flags))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["holiday.jpg", "face.PNG", "face_1.jpg", "face_00000.png"])
def test_other_pictures_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"not ours")
    assert one_line(run(tmp_path, "--count", 1))
    assert os.listdir(tmp_path) == [name]


def test_other_pictures_of_the_same_name_are_not_overwritten(tmp_path):
    """A user's own, another seed's, another size's; the same command again continues."""
    out = tmp_path / "out"
    assert run(out, "--count", 2).returncode == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    assert run(out, "--count", 3).returncode == 0
    for wrong in ["--seed", 2], ["--size", 32]:
        done = run(out, "--count", 3, *wrong)
        assert done.returncode == 1 and "face_00000.jpg exists and is another picture" in done.stderr
    assert {path: path.read_bytes() for path in before} == before and len(list(out.iterdir())) == 3


def test_a_picture_that_is_there_keeps_its_bytes(tmp_path):
    """Another version of the library writes the same face in other bytes; an empty file is drawn again."""
    face, path = make_faces.draw_face(1, 0, 64), tmp_path / "face_00000.jpg"
    Image.fromarray(face).save(path, "JPEG", quality=90, subsampling=0)
    before = path.read_bytes()
    make_faces.save(face, str(path))
    assert path.read_bytes() == before
    path.write_bytes(b"cut off")
    with pytest.raises(UserError, match="is another picture"):
        make_faces.save(face, str(path))
    path.write_bytes(b"")
    make_faces.save(face, str(path))
    assert path.stat().st_size > 500
