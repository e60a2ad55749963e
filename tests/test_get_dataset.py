"""Tests of data/get_dataset.py: all that follows the download, on archives made here; the download, offline."""
import collections
import gzip
import hashlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import urllib.error
import zipfile

import get_dataset
import numpy as np
import pytest
from helpers import run_script, script_command, snapshot, the_error, two_at_a_time, wait_until
from PIL import Image

from gantut.images import check_decodes, read
from gantut.scripts import call
from gantut_gan import dataset_files

SCRIPT = "data/get_dataset.py"
PEOPLE = ["Ann_A/Ann_A_0001.jpg", "Ann_A/Ann_A_0002.jpg", "Bo/Bo_0001.jpg"]
PARTS = {"train": "train", "t10k": "test"}
Result = collections.namedtuple("Result", "error out warnings")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the script in this process: its error (one line, or None), and its lines on stdout and stderr."""
    def run_main(*args):
        monkeypatch.setattr(sys, "argv", [SCRIPT, *map(str, args)])
        error = None
        try:
            call(get_dataset.main)
        except SystemExit as end:
            error = end.code
            assert isinstance(error, str) and error.startswith("error: ") and "\n" not in error, error
        out, err = capsys.readouterr()
        assert all(line.startswith("warning: ") for line in err.splitlines()), err
        return Result(error, out.splitlines(), err.splitlines())
    return run_main


def photograph(height=250, width=250, seed=0, mode="RGB", kind="JPEG", **options):
    """The bytes of a JPEG, or of another kind, of soft random colours."""
    coarse = np.random.RandomState(seed).randint(0, 256, (5, 5, 3)).astype(np.uint8)
    data = io.BytesIO()
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    image.save(data, kind, **options)
    return data.getvalue()


def pixels(file):
    with Image.open(file) as image:
        return np.array(image)


def tgz(path, files):
    """Write {name: bytes} as a .tgz, and a folder and a symbolic link besides; returns path."""
    with tarfile.open(path, "w:gz") as archive:
        for kind, name in (tarfile.DIRTYPE, "lfw_funneled"), (tarfile.SYMTYPE, "lfw_funneled/Ann_A/link.jpg"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/hostname" if kind == tarfile.SYMTYPE else ""
            archive.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def folder(path, files):
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def faces(before=""):
    return {before + name: photograph(seed=i) for i, name in enumerate(PEOPLE)}


def celebrities(before="", n=3):
    return {f"{before}{i:06d}.jpg": photograph(218, 178, seed=i) for i in range(1, n + 1)}


def portraits(before="images/", n=3):
    return {f"{before}{letter}{i:06d}.jpg": photograph(275, 225, seed=i) for i, letter in enumerate("ABC"[:n])}


def digits():
    """What mnist.npz holds, but 12 + 6 pictures of noise."""
    rng = np.random.RandomState(0)
    return {f"{axis}_{part}": rng.randint(0, top, size).astype(np.uint8)
            for part, n in (("train", 12), ("test", 6)) for axis, top, size in (("x", 256, (n, 28, 28)), ("y", 10, n))}


def npz(path, **arrays):
    np.savez_compressed(path, **(arrays or digits()))
    return path


def idx(path, packed=True):
    """Write digits() as MNIST's own four files into the folder path."""
    path.mkdir()
    for name, part in PARTS.items():
        for axis, kind in ("x", "images-idx3"), ("y", "labels-idx1"):
            array = digits()[f"{axis}_{part}"]
            data = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()
            (path / f"{name}-{kind}-ubyte{'.gz' * packed}").write_bytes(gzip.compress(data) if packed else data)
    return path


def damaged(path, at, by=b"\xff\xff\xff\xff"):
    """Overwrite bytes of a file; at: where, as a fraction of it."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start:start + len(by)] = by
    path.write_bytes(data)
    return path


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 3])
    return path


@pytest.mark.quick
@pytest.mark.parametrize("which, make", [
    (" (LFW funneled, by its name)", lambda path: tgz(path / "a.tgz", faces("lfw_funneled/"))),
    ("", lambda path: folder(path, {"a.tar": gzip.decompress(tgz(path / "a", faces("lfw/")).read_bytes())}) / "a.tar"),
    (" (LFW deepfunneled, by its name)", lambda path: zipped(path / "a.zip", faces(2 * "lfw-deepfunneled/"))),
    (" (LFW funneled, by its name)", lambda path: folder(path / "lfw_funneled", faces())),
], ids=["tgz", "tar", "zip", "folder"])
def test_lfw(tmp_path, run, which, make):
    done = run("lfw", tmp_path / "out", "--archive", make(tmp_path))
    assert done.error is None
    assert done.out == [f"3 pictures are in {tmp_path}/out{which}; next: python data/align_faces.py {tmp_path}/out "
                        f"{tmp_path}/out-aligned-64 --size 64"]
    assert "3 pictures" in done.warnings[-1] and "13,233" in done.warnings[-1]
    files = dataset_files(tmp_path / "out")
    assert files == [str(tmp_path / "out" / name) for name in PEOPLE]
    source = (tmp_path / "out" / "source.txt").read_text()
    assert source.startswith("set lfw\n") and "licence: none stated" in source
    assert snapshot(tmp_path / "out") == {**faces(), "source.txt": source.encode()}


@pytest.mark.quick
@pytest.mark.parametrize("which", ["original", "funneled", "deepfunneled"])
def test_lfw_by_its_checksum(tmp_path, run, monkeypatch, which):
    archive = tgz(tmp_path / "a.tgz", faces("lfw_funneled/"))
    monkeypatch.setattr(get_dataset, "PUBLISHED", {hashlib.sha256(archive.read_bytes()).hexdigest(): f"lfw {which}"})
    done = run("lfw", tmp_path / "out", "--archive", archive)
    assert f" (LFW {which}); next" in done.out[0] and len(done.warnings) == 1
    assert f"which: LFW {which}\n" in (tmp_path / "out" / "source.txt").read_text()


@pytest.mark.quick
def test_congress(tmp_path, run):
    archive = zipped(tmp_path / "c.zip", {"c-master/README.md": b"", **portraits("c-master/images/")})
    done = run("congress", tmp_path / "out", "--archive", archive)
    assert done.error is None and "879" in done.warnings[1]
    assert done.out[0].endswith("-aligned-64 --size 64 --format jpg")
    after = snapshot(tmp_path / "out")
    assert b"licence: public domain" in after.pop("source.txt")
    assert after == portraits("")


KINDS = {
    "a.jpg": {}, "progressive.JPG": {"progressive": True}, "gray.jpeg": {"mode": "L"}, "cmyk.jpg": {"mode": "CMYK"},
    "turned.jpg": {"exif": b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"}, "a.png": {"kind": "PNG"},
    "a.gif": {"mode": "P", "kind": "GIF"}, "a.bmp": {"kind": "BMP"}, "a.webp": {"kind": "WEBP"},
    "a.tif": {"kind": "TIFF"},
}


@pytest.mark.quick
@pytest.mark.parametrize("name, flags", [("lfw", []), ("congress", []), ("celeba", ["--crop", 0, "--size", 0])])
def test_files_stay_as_they_are(tmp_path, run, name, flags):
    """Of whatever kind, under their own names; what a training cannot read is left out nevertheless."""
    files = {file: photograph(60, 50, **options) for file, options in KINDS.items()}
    cut = {"cut_" + file: data[:len(data) // 2] for file, data in files.items() if file != "a.bmp"}
    done = run(name, tmp_path / "out", *flags, "--archive", zipped(tmp_path / "a.zip", {**files, **cut}))
    assert f"{len(cut)} of {len(files) + len(cut)} pictures" in done.warnings[-1]
    after = snapshot(tmp_path / "out")
    assert after.pop("source.txt").startswith(f"set {name}\nfiles as they are\n".encode())
    assert after == files


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_check_decodes_can_be_read(kind):
    """check_decodes() looks at a JPEG at an eighth of its size, and finds what read() finds."""
    data = photograph(90, 70, **KINDS[kind])

    def raises(function, data):
        try:
            function(data)
        except Exception:
            return True
        return False

    found = [[raises(function, data[:len(data) * i // 40]) for function in (
        check_decodes, lambda x: read(io.BytesIO(x)))] for i in range(41)]
    assert all(ours == reads for ours, reads in found) and found[0] == [True, True] and found[40] == [False, False]


@pytest.mark.quick
def test_a_folder_of_pngs_from_before(tmp_path, run):
    """As an earlier version made it from the same archive: one line, and no picture is there twice."""
    archive = tgz(tmp_path / "a.tgz", faces())
    source = f"set lfw\ncrop 0, size 0\nfrom a.tgz\n{archive.stat().st_size} bytes\non 2026-01-01\nlicence: none\n"
    folder(tmp_path / "out", {"Bo/Bo_0001.png": photograph(kind="PNG"), "source.txt": source.encode()})
    before = snapshot(tmp_path)
    error = run("lfw", tmp_path / "out", "--archive", archive).error
    assert f"{tmp_path}/out was made as PNGs by an earlier version" in error and "give another folder" in error
    assert snapshot(tmp_path) == before


@pytest.mark.quick
@pytest.mark.parametrize("before, more", [
    ("img_align_celeba/", {}),
    ("img_align_celeba/img_align_celeba/", {"list_attr_celeba.csv": b"1", "__MACOSX/img/._000001.jpg": b"mac"}),
], ids=["the authors'", "Kaggle's"])
def test_celeba(tmp_path, run, before, more):
    done = run("celeba", tmp_path / "out", "--archive", zipped(tmp_path / "c.zip", {**celebrities(before), **more}))
    assert done.error is None and done.out[0].endswith(f"python gantut_trainer.py --dataset {tmp_path}/out")
    assert len(done.warnings) == 2 and "not the published file" in done.warnings[0] and "202,599" in done.warnings[1]
    files = dataset_files(tmp_path / "out")
    assert [os.path.basename(file) for file in files] == ["000001.png", "000002.png", "000003.png"]
    for file, jpeg in zip(files, celebrities().values()):
        with Image.open(io.BytesIO(jpeg)) as image:  # as Pillow alone crops it
            expected = image.crop((35, 55, 143, 163)).resize((64, 64), Image.Resampling.BILINEAR)
        assert np.array_equal(pixels(file), np.array(expected))


@pytest.mark.quick
def test_crop_and_size(tmp_path, run):
    archive = zipped(tmp_path / "c.zip", celebrities(n=1))
    for i, (flags, size) in enumerate({("--crop", 0): (64, 64), ("--size", 0): (108, 108),
                                       ("--crop", 160, "--size", 32): (32, 32), ("--crop", 64, "--size", 0): (64, 64),
                                       ("--crop", 0, "--size", 0): (178, 218)}.items()):
        done = run("celeba", tmp_path / str(i), "--archive", archive, *flags)
        assert done.error is None
        picture, = (tmp_path / str(i)).glob("000001.*")
        with Image.open(picture) as image:
            assert image.size == size
        trained = "" if size == (64, 64) else " --is_crop"  # the trainer's default size
        assert done.out[0].endswith(f"python gantut_trainer.py --dataset {tmp_path / str(i)}{trained}")


@pytest.mark.quick
@pytest.mark.parametrize("name, make", [
    ("mnist", lambda path: npz(path / "mnist.npz")),
    ("mnist", lambda path: idx(path / "raw", packed=False)),
    ("fashion_mnist", lambda path: idx(path / "gz")),
], ids=["npz", "idx", "idx.gz"])
def test_mnist(tmp_path, run, name, make):
    done = run(name, tmp_path / "out", "--archive", make(tmp_path))
    assert done.error is None and "--is_crop --image_size 32 --c_dim 1" in done.out[0]
    data = digits()
    x, y = (np.concatenate([data[f"{axis}_train"], data[f"{axis}_test"]]) for axis in "xy")
    files = dataset_files(tmp_path / "out")
    assert len(files) == 18
    for i in range(18):
        written = pixels(tmp_path / "out" / str(y[i]) / f"{i + 1:05d}.png")
        assert written.dtype == np.uint8 and np.array_equal(written, x[i])


@pytest.mark.quick
def test_mnist_without_labels(tmp_path, run):
    archive = npz(tmp_path / "x.npz", x_train=digits()["x_train"])
    assert run("mnist", tmp_path / "out", "--archive", archive, "--size", 14).error is None
    files = dataset_files(tmp_path / "out")
    assert [os.path.relpath(file, tmp_path / "out") for file in files[::11]] == ["00001.png", "00012.png"]
    assert pixels(files[0]).shape == (14, 14)


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_no_warning_of_the_published_file(tmp_path, run, monkeypatch, kind):
    archive = npz(tmp_path / "mnist.npz")
    monkeypatch.setattr(get_dataset, "PUBLISHED", {hashlib.new(kind, archive.read_bytes()).hexdigest(): "mnist"})
    monkeypatch.setitem(get_dataset.SETS, "mnist", get_dataset.SETS["mnist"]._replace(count=18))
    done = run("mnist", tmp_path / "out", "--archive", archive)
    assert done.error is None and done.warnings == []


@pytest.mark.quick
def test_checksums_are_those_of_the_libraries():
    lfw = pytest.importorskip("sklearn.datasets._lfw")
    assert get_dataset.PUBLISHED[lfw.ARCHIVE.checksum] == "lfw original"
    assert get_dataset.PUBLISHED[lfw.FUNNELED_ARCHIVE.checksum] == "lfw funneled"
    from keras.src.datasets import mnist
    with open(mnist.__file__) as file:
        code = file.read()
    assert any(checksum in code for checksum, known in get_dataset.PUBLISHED.items() if known == "mnist")


PAGE = b"\xef\xbb\xbf\n <!DOCTYPE html><title>Google Drive - Virus scan warning</title>" + b" " * 9999
REFUSED = {
    "nothing there": ("celeba", lambda path: path / "c.zip", "No such file"),
    "empty": ("celeba", lambda path: zipped(path / "c.zip", {}), "no pictures"),
    "0 bytes": ("celeba", lambda path: folder(path, {"c.zip": b""}) / "c.zip", "is empty"),
    "a device": ("lfw", lambda path: os.symlink("/dev/null", path / "a.tgz") or path / "a.tgz", "neither a file nor a"),
    "an empty folder": ("lfw", lambda path: path, "no pictures"),
    "a web page": ("celeba", lambda path: folder(path, {"c.zip": PAGE}) / "c.zip", "is a web page"),
    "a web page for .tgz": ("lfw", lambda path: folder(path, {"a.tgz": b"<HTML>"}) / "a.tgz", "is a web page"),
    "a web page for .gz": ("mnist", lambda path: folder(idx(path / "i"), {"train-labels-idx1-ubyte.gz": PAGE}),
                           "train-labels-idx1-ubyte.gz is a web page"),
    "no archive": ("lfw", lambda path: folder(path, {"a.tgz": b"\1\2\3" * 999}) / "a.tgz", "damaged"),
    "zip cut short": ("celeba", lambda path: cut_short(zipped(path / "c.zip", celebrities())), "damaged"),
    "zip with a wrong CRC": ("celeba", lambda path: damaged(zipped(path / "c.zip", celebrities()), .5),
                             "wrong checksum of 000002.jpg"),
    "tgz cut short": ("lfw", lambda path: cut_short(tgz(path / "a.tgz", faces())), "damaged"),
    "tgz with a wrong CRC": ("lfw", lambda path: damaged(tgz(path / "a.tgz", faces()), .9999), "damaged"),
    "tar cut short": ("lfw", lambda path: cut_short(folder(path, {"a.tar": gzip.decompress(tgz(
        path / "a.tgz", faces()).read_bytes())[:20480]}) / "a.tar"), "damaged"),
    "npz cut short": ("mnist", lambda path: cut_short(npz(path / "m.npz")), "damaged"),
    "gz cut short": ("mnist", lambda path: cut_short(idx(path / "i") / "t10k-images-idx3-ubyte.gz").parent,
                     "t10k-images-idx3-ubyte.gz is damaged"),
    "idx cut short": ("mnist", lambda path: cut_short(idx(path / "i", False) / "t10k-images-idx3-ubyte").parent,
                      "t10k-images-idx3-ubyte is damaged"),
    "no pictures": ("lfw", lambda path: tgz(path / "a.tgz", {"readme.txt": b"hello"}), "no pictures"),
    "mnist for celeba": ("celeba", lambda path: npz(path / "m.npz"), "no pictures"),
    "celeba for mnist": ("mnist", lambda path: zipped(path / "c.zip", celebrities()), "no pictures"),
    "lfw for mnist": ("mnist", lambda path: tgz(path / "a.tgz", faces()), "neither an .npz nor"),
    "congress for lfw": ("lfw", lambda path: tgz(path / "a.tgz", portraits()), "is of congress, by the names"),
    "lfw for congress": ("congress", lambda path: zipped(path / "a.zip", faces("lfw/")), "get_dataset.py lfw "),
    "lfw for celeba": ("celeba", lambda path: folder(path / "lfw", faces()), "is of lfw, by the names"),
    "celeba for lfw": ("lfw", lambda path: zipped(path / "c.zip", celebrities("img/")), "is of celeba, by the names"),
    "celeba for congress": ("congress", lambda path: folder(path / "c", celebrities()), "is of celeba, by the names"),
    "a cut portrait": ("congress", lambda path: zipped(path / "c.zip", {"A000001.jpg": photograph()[:999]}),
                       "A000001.jpg: image file is truncated"),
    "no digits": ("mnist", lambda path: npz(path / "m.npz", x_train=np.zeros((0, 28, 28), np.uint8)), "no pictures"),
    "floats": ("mnist", lambda path: npz(path / "m.npz", x_train=np.zeros((2, 28, 28))), "should be uint8"),
    "too few labels": ("mnist", lambda path: npz(path / "m.npz", x_train=digits()["x_train"], y_train=np.zeros(5)),
                       "N labels"),
    "pickled": ("mnist", lambda path: npz(path / "m.npz", x_train=np.array([{}])), "allow_pickle"),
    "broken pictures only": ("lfw", lambda path: tgz(path / "a.tgz", {"A/a.jpg": b"no", "A/b.jpg": photograph()[:999]}),
                             "2 of 2 pictures"),
    "small pictures only": ("celeba", lambda path: zipped(path / "c.zip", {"a.jpg": photograph(99, 99)}), "too small"),
}


@pytest.mark.quick
@pytest.mark.parametrize("name, make, words", REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path, run, name, make, words):
    (tmp_path / "in").mkdir()
    given = make(tmp_path / "in")
    before = snapshot(tmp_path)
    done = run(name, tmp_path / "out", "--archive", given)
    assert done.error and words in done.error and str(given) in done.error
    assert snapshot(tmp_path) == before and not (tmp_path / "out").exists()


@pytest.mark.quick
def test_another_set_by_its_checksum(tmp_path, run, monkeypatch):
    """MNIST's files and Fashion-MNIST's have the same names."""
    file = idx(tmp_path / "in") / "train-images-idx3-ubyte.gz"
    monkeypatch.setattr(get_dataset, "PUBLISHED", {hashlib.md5(file.read_bytes()).hexdigest(): "fashion_mnist"})
    error = run("mnist", tmp_path / "out", "--archive", tmp_path / "in").error
    assert error.startswith(f"error: {file} is of fashion_mnist, not of mnist: ") and not (tmp_path / "out").exists()


@pytest.mark.quick
def test_broken_pictures_are_left_out(tmp_path, run):
    archive = zipped(tmp_path / "c.zip", {**celebrities(), "000002.jpg": b"no picture", "000004.jpg": photograph(9, 9)})
    done = run("celeba", tmp_path / "out", "--archive", archive)
    assert done.error is None and done.out[0].startswith("2 pictures are in ")
    assert "2 of 4 pictures" in done.warnings[-1] and "000002.png: is not a picture" in done.warnings[-1]
    assert sorted(snapshot(tmp_path / "out")) == ["000001.png", "000003.png", "source.txt"]


@pytest.mark.quick
@pytest.mark.parametrize("make", [zipped, tgz], ids=["zip", "tgz"])
def test_no_name_leads_out_of_the_folder(tmp_path, run, make):
    names = ["../../up.jpg", "../up/up.jpg", f"{tmp_path}/root.jpg", "A/../../b.jpg", "..\\..\\c.jpg", "C:\\d.jpg",
             "/e.jpg", "//f/../g.jpg", "..jpg/.jpg"]
    (tmp_path / "a" / "b").mkdir(parents=True)
    archive = make(tmp_path / "a" / "x", {name: photograph(9, 9) for name in names})
    outside = snapshot(tmp_path)
    assert run("lfw", tmp_path / "a" / "b" / "out", "--archive", archive).error is None
    after = snapshot(tmp_path)
    inside = {name for name in after if name.startswith("a/b/out/")}
    assert {name: data for name, data in after.items() if name not in inside} == outside
    assert len(inside) == len(names)  # the last one is not a picture, but source.txt is there


@pytest.mark.quick
def test_a_folder_with_other_files_is_refused(tmp_path, run):
    archive = tgz(tmp_path / "a.tgz", faces())
    (tmp_path / "file").write_text("mine")
    folder(tmp_path / "other", {"holiday.png": b"mine"})
    folder(tmp_path / "odd", {"source.txt": b"mine", "a.png": b"mine"})
    folder(tmp_path / "strange", {"source.txt/a": b"mine"})
    assert run("lfw", tmp_path / "made", "--archive", archive).error is None
    before = snapshot(tmp_path)
    assert "not a folder" in run("lfw", tmp_path / "file", "--archive", archive).error
    assert "cannot write" in run("lfw", tmp_path / "file" / "below", "--archive", archive).error
    assert "holiday.png" in run("lfw", tmp_path / "other", "--archive", archive).error
    assert "delete it" in run("lfw", tmp_path / "odd", "--archive", archive).error
    assert "cannot read" in run("lfw", tmp_path / "strange", "--archive", archive).error
    assert "set celeba" in run("celeba", tmp_path / "made", "--archive", archive).error
    assert "size 32" in run("lfw", tmp_path / "made", "--archive", archive, "--size", 32).error
    assert snapshot(tmp_path) == before
    tgz(archive, faces("lfw/") | {"lfw/C/c.jpg": photograph()})
    before = snapshot(tmp_path)
    assert "bytes" in run("lfw", tmp_path / "made", "--archive", archive).error
    assert snapshot(tmp_path) == before


@pytest.mark.quick
def test_again(tmp_path, run):
    """A second run writes only what is missing; an empty folder, or one from a run that just started, is accepted."""
    folder(tmp_path / "out", {".part": b"half a pict"})
    archive = zipped(tmp_path / "c.zip", celebrities())
    assert run("celeba", tmp_path / "out", "--archive", archive).error is None
    before = {path: path.stat() for path in (tmp_path / "out").iterdir()}
    contents = snapshot(tmp_path / "out")
    assert len(before) == 4
    for name in ("000002.png", "000003.png"):
        (tmp_path / "out" / name).write_bytes(b"")  # as a power cut may leave it
    os.remove(tmp_path / "out" / "000002.png")
    done = run("celeba", tmp_path / "out", "--archive", archive)
    assert done.error is None and done.out[0].startswith("3 pictures")
    assert snapshot(tmp_path / "out") == contents
    for path, stat in before.items():
        if path.name not in ("000002.png", "000003.png"):
            assert (path.stat().st_mtime_ns, path.stat().st_ino) == (stat.st_mtime_ns, stat.st_ino)


@pytest.mark.parametrize("signum, code", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_stopped_and_run_again(tmp_path, run, signum, code):
    some = [photograph(99, 99, i) for i in range(10)]
    archive = tgz(tmp_path / "a.tgz", {f"A/{i:04d}.jpg": some[i % 10] for i in range(800)})
    with open(tmp_path / "stderr", "w") as err:
        process = subprocess.Popen(script_command(SCRIPT, "lfw", tmp_path / "out", "--archive", archive), stderr=err)
    wait_until((tmp_path / "out" / "A" / "0008.jpg").exists, process)
    process.send_signal(signum)
    assert process.wait(60) == code
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert lines[2:] == (["stopped; run the same command again to continue"] if signum == signal.SIGINT else [])
    early = list((tmp_path / "out").rglob("*.jpg"))
    assert 9 <= len(early) < 800 and (tmp_path / "out" / "source.txt").exists()
    for file in early:
        assert pixels(file).shape == (99, 99, 3)
    contents = snapshot(tmp_path / "out")
    assert run("lfw", tmp_path / "out", "--archive", archive).out[0].startswith("800 pictures")
    after = snapshot(tmp_path / "out")
    assert len(after) == 801 and ".part" not in after
    assert {name: after[name] for name in contents if name != ".part"} == {
        name: data for name, data in contents.items() if name != ".part"}
    assert run("lfw", tmp_path / "straight", "--archive", archive).error is None
    assert snapshot(tmp_path / "straight") == after


def test_disk_full(tmp_path):
    """One line, and no half picture; here no file may grow beyond 20 kB."""
    archive = zipped(tmp_path / "c.zip", {"1.jpg": photograph(20, 20), "2.jpg": photograph(2000, 2000)})
    done = run_script(SCRIPT, "celeba", "out", "--archive", archive, "--crop", 0, "--size", 0, cwd=tmp_path,
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)))
    assert "cannot write out/2.jpg" in the_error(done)
    assert [os.path.basename(file) for file in dataset_files(tmp_path / "out")] == ["1.jpg"]


@pytest.mark.quick
@pytest.mark.parametrize("name, make, then", [
    ("lfw", lambda path: folder(path / "lfw_funneled", faces()), "data/align_faces.py lfw lfw-aligned-64 --size 64"),
    ("mnist", lambda path: npz(path / "mnist.npz"), "gantut_trainer.py --dataset mnist --is_crop --image_size 32"),
    ("fashion_mnist", lambda path: idx(path / "fashion-mnist"), "gantut_trainer.py --dataset fashion_mnist --is_crop"),
])
def test_after_the_download(tmp_path, run, monkeypatch, name, make, then):
    """What download() returns becomes the folder that new_data() names, here one in tmp_path."""
    (tmp_path / "cache").mkdir()
    came = make(tmp_path / "cache")
    monkeypatch.setattr(get_dataset, "download", lambda asked: str(came) if asked == name else None)
    monkeypatch.setattr(get_dataset, "new_data", str)
    monkeypatch.chdir(tmp_path)
    done = run(name)
    assert done.error is None and then in done.out[0]
    assert len(dataset_files(tmp_path / name)) == (3 if name == "lfw" else 18)
    assert "delete that and run" in done.warnings[-1]  # of a download, nothing should be missing


@pytest.mark.quick
@pytest.mark.parametrize("error", [
    urllib.error.URLError("timed out"), urllib.error.HTTPError("http://x", 503, "Busy", {}, None), TimeoutError(),
    OSError("lfw-funneled.tgz has an SHA256 checksum (0) differing\nfrom expected (1)"),
    Exception("URL fetch\nfailure"), PermissionError(13, "Permission denied", "/somewhere/x")])
@pytest.mark.parametrize("name", ["lfw", "mnist", "fashion_mnist"])
def test_download_fails(tmp_path, run, monkeypatch, name, error):
    def download(_):
        raise error
    monkeypatch.setattr(get_dataset, "download", download)
    done = run(name, tmp_path / "out")
    assert f"cannot download {name}: " in done.error and f"get_dataset.py {name} --archive " in done.error
    assert os.listdir(tmp_path) == []


@pytest.mark.quick
def test_no_scikit_learn(tmp_path, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "sklearn" in run("lfw", tmp_path / "out").error
    assert "pip install '.[faces]'" in run("lfw", tmp_path / "out").error


@pytest.mark.quick
def test_congress_says_how_to_get_it_by_hand(run):
    error = run("congress").error
    assert "https://github.com/Hainish/congress-images-225x275" in error
    assert error.endswith("python data/get_dataset.py congress --archive congress-images-225x275-master.zip")


@pytest.mark.quick
def test_celeba_says_how_to_get_it_by_hand(run):
    error = run("celeba").error
    assert "mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in error and "kaggle.com" in error
    assert error.endswith("python data/get_dataset.py celeba --archive img_align_celeba.zip")


@pytest.mark.quick
def test_occupied_out_is_refused_before_the_download(tmp_path, run, monkeypatch):
    monkeypatch.setattr(get_dataset, "download", lambda name: pytest.fail("downloaded"))
    folder(tmp_path, {"mine.txt": b"mine"})
    assert "mine.txt" in run("lfw", tmp_path).error


@pytest.mark.quick
@pytest.mark.parametrize("args", [(), ("cifar",), ("mnist", "a", "b"), ("mnist", "--archive"), ("mnist", "--sizes", 1),
                                  ("mnist", "--size", -1), ("mnist", "--crop", "x"), ("mnist", "--crop", 5000),
                                  ("mnist", ""), ("mnist", "--archive", "")])
def test_arguments(run, monkeypatch, args):
    monkeypatch.setattr(get_dataset, "download", lambda name: pytest.fail("downloaded"))
    assert "see --help" in run(*args).error


def offline(tmp_path):
    """An environment without a network, and with caches of its own."""
    dead = "http://127.0.0.1:9"
    return {**os.environ, "HTTPS_PROXY": dead, "HTTP_PROXY": dead, "https_proxy": dead, "http_proxy": dead,
            "HOME": str(tmp_path), "KERAS_HOME": str(tmp_path / "keras"), "SCIKIT_LEARN_DATA": str(tmp_path / "sk")}


def test_no_network(tmp_path):
    """As processes: one line on stderr, and no folder; also after a download that was interrupted."""
    pytest.importorskip("sklearn")
    cache = tmp_path / "keras" / "datasets" / "fashion-mnist"
    cache.parent.mkdir(parents=True)
    cut_short(idx(cache) / "t10k-images-idx3-ubyte.gz")

    def get(name):
        return run_script(SCRIPT, name, tmp_path / "out" / name, cwd=tmp_path, env=offline(tmp_path))

    done = two_at_a_time(get, ["lfw", "mnist", "fashion_mnist"])
    for name in "lfw", "mnist":
        assert len(done[name].stderr.splitlines()) == 1
        assert the_error(done[name]).startswith(f"error: cannot download {name}: ")
        assert f"python data/get_dataset.py {name} --archive" in the_error(done[name])
    assert f"{cache}/t10k-images-idx3-ubyte.gz is damaged" in the_error(done["fashion_mnist"])
    assert not (tmp_path / "out").exists()


def test_libraries_caches(tmp_path):
    """The real download() finds what the libraries have downloaded; LFW's is not completely unpacked."""
    pytest.importorskip("sklearn")
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    idx(tmp_path / "keras" / "datasets" / "fashion-mnist")
    home = folder(tmp_path / "sk" / "lfw_home", faces("lfw_funneled/"))
    for name in "pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt":
        (home / name).write_text("")

    def get(name):
        return run_script(SCRIPT, name, tmp_path / "out" / name, cwd=tmp_path, env=offline(tmp_path))

    done = two_at_a_time(get, ["lfw", "fashion_mnist"])
    assert [done[name].returncode for name in done] == [0, 0], done
    assert done["lfw"].stdout.startswith("3 pictures are in") and done["fashion_mnist"].stdout.startswith("18 pictures")
    warning = f"warning: 3 pictures in {home}/lfw_funneled, the whole set has 13,233; to get the others, delete that " \
              "and run the same command again\n"
    assert done["lfw"].stderr == warning
    shutil.rmtree(home / "lfw_funneled")
    folder(home, {f"lfw_funneled/G/{i}.jpg": photograph(9, 9) for i in range(500)} | faces("lfw_funneled/"))
    done = get("lfw")
    assert done.returncode == 0 and done.stdout.startswith("503 pictures")


@pytest.mark.quick
def test_nothing_is_written_into_the_folder_that_is_read(tmp_path, run):
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(photograph(20, 20))
    os.symlink("photos", tmp_path / "link")
    before = snapshot(tmp_path / "photos")
    for out in (tmp_path / "photos" / "out", tmp_path / "link" / "new" / "out"):
        done = run("celeba", out, "--archive", tmp_path / "photos", "--crop", 0)
        assert "is only read" in done.error
        assert snapshot(tmp_path / "photos") == before
