"""The completion's files: no original is overwritten, no result is lost, every picture gets its own mask."""
import csv
import os
import pathlib
import unicodedata
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
from helpers import run_script, snapshot, the_error, touch, two_at_a_time, write_pictures
from PIL import Image
from test_complete import model  # noqa: F401  (a fixture)

import gantut_complete
import gantut_imgfuncs
from gantut.completion import (
    find_masks,
    make_mask,
    mask_files,
    picture_names,
    put_results_aside,
    read_mask,
    result_names,
    try_to_write,
)
from gantut.errors import UserError, all_whole, locked
from gantut.image_loader import Loader

FEW = ["--n_iter", 3, "--film_every", 0]


def complete(folder, *flags):
    return run_script("gantut_complete.py", *FEW, *flags, cwd=folder)


# originals

ONTO = {  # flags whose results would overwrite what is read, or lie beside it
    "the folder itself": ["--dataset", "faces", "--out_dir", "faces"],
    "a folder in it": ["--dataset", "faces", "--out_dir", "faces/new/out"],
    "by a link": ["--dataset", "faces", "--out_dir", "link"],
    "read by a link": ["--dataset", "link", "--out_dir", "faces/out"],
    "the current folder": ["--dataset", ".", "--out_dir", "out"],
    "one picture onto itself": ["--dataset", "faces/000.png", "--out_dir", "faces"],
    "the masks' folder": ["--dataset", "faces", "--mask", "masks", "--out_dir", "masks"],
    "the mask": ["--dataset", "faces", "--mask", "some/000.png", "--out_dir", "some"],
    "links to the originals": ["--dataset", "faces", "--out_dir", "linked"],
    "hard links to them, among results": ["--dataset", "faces", "--out_dir", "hard"],
    "what a linked folder leads to": ["--dataset", "tree", "--out_dir", "far"],
    "a folder in that": ["--dataset", "tree", "--out_dir", "far/deep/out"],
    "above the pictures in that": ["--dataset", "tree/", "--out_dir", "far/out"],
    "what a linked folder of masks leads to": ["--dataset", "faces", "--mask", "some masks", "--out_dir", "masks/out"],
    "masks that are links": ["--dataset", "faces", "--mask", "mask links", "--out_dir", "masks of links"],
    "somebody's pictures of these names": ["--dataset", "faces", "--out_dir", "other"],
}


def test_nothing_that_is_read_is_overwritten(model, tmp_path, monkeypatch):  # noqa: F811
    for name in ("faces", "other"):
        write_pictures(tmp_path / name, n=3)
    write_pictures(tmp_path / "far" / "deep", n=1)
    for name in ("masks", "some", "linked", "hard", "tree", "some masks", "mask links", "masks of links"):
        (tmp_path / name).mkdir()
    for name in (f"{i:03d}.png" for i in range(3)):
        mask = np.uint8(make_mask("left", 16, None)) * 255
        iio.imwrite(tmp_path / "masks" / name, mask)
        iio.imwrite(tmp_path / "masks of links" / name, mask)
        os.symlink(tmp_path / "faces" / name, tmp_path / "linked" / name)
        os.symlink(tmp_path / "masks of links" / name, tmp_path / "mask links" / name)
        os.link(tmp_path / "faces" / name, tmp_path / "hard" / name)
    iio.imwrite(tmp_path / "some" / "000.png", mask)
    for target, link in [("faces", "link"), ("../far", "tree/far"), ("../masks", "some masks/all")]:
        os.symlink(target, tmp_path / link)
    for name in ("hard", "masks of links"):
        (tmp_path / name / "losses.csv").write_text("picture,iteration,loss,contextual,perceptual\n")
    before = snapshot(tmp_path)
    monkeypatch.chdir(tmp_path)
    for flags in ONTO.values():
        given = dict(zip((flag[2:] for flag in flags[::2]), flags[1::2]))
        config = SimpleNamespace(**{"mask": "center", "is_crop": False, "crop_size": 0, "seed": 1, "count": None,
                                    "checkpoint_dir": str(model / "checkpoint"), **given})
        monkeypatch.setattr(gantut_complete, "FLAGS", config)
        with pytest.raises(UserError, match="--out_dir"):
            gantut_complete.main()  # before anything is computed: config has no flags for that
        assert snapshot(tmp_path) == before
    process = complete(tmp_path, *ONTO["by a link"], "--checkpoint_dir", model / "checkpoint")
    assert "--out_dir link lies in the folder of pictures faces, which is only read" in the_error(process)
    assert snapshot(tmp_path) == before


@pytest.mark.quick
def test_a_kind_of_mask_is_not_the_folder_of_its_name(tmp_path, monkeypatch):
    """--mask center --out_dir center, for the second time."""
    (tmp_path / "center").mkdir()
    monkeypatch.chdir(tmp_path)
    assert mask_files("center", ["faces/000.png"], "faces") == []


def test_two_completions_at_a_time_in_one_folder(model, tmp_path):  # noqa: F811
    write_pictures(tmp_path / "faces", n=2)
    flags = ["--dataset", "faces", "--out_dir", "out", "--checkpoint_dir", model / "checkpoint"]
    with locked(str(tmp_path / "out"), ".run", "--out_dir"):  # as the first one holds it
        before = snapshot(tmp_path)
        line = the_error(complete(tmp_path, *flags))
        assert f"another run uses out: process {os.getpid()} on" in line and "--out_dir" in line
        assert snapshot(tmp_path) == before
    assert complete(tmp_path, *flags).returncode == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "000.png", "000_strip.png", "001.png", "001_strip.png", "losses.csv", "losses.png"]


def test_the_film_of_many_pictures_is_of_the_first(model, tmp_path):  # noqa: F811
    write_pictures(tmp_path / "faces", n=66)
    flags = ["--dataset", "faces", "--checkpoint_dir", model / "checkpoint", "--n_iter", 2, "--film_every", 1]
    for name, more in (("all", ["--batch_size", 40]), ("first", ["--count", 64])):
        assert complete(tmp_path, *flags, *more, "--out_dir", name).returncode == 0
    films = [iio.imread(tmp_path / name / "film.gif") for name in ("all", "first")]
    assert films[0].shape[1:3] == (8 * 16, 8 * 16) and np.array_equal(*films)
    assert len(list((tmp_path / "all").glob("*_strip.png"))) == 66


# names

@pytest.mark.quick
def test_ordinary_names_stay_as_they_are(tmp_path):
    files = ["pics/000.png", "pics/a/x.jpg", "pics/b/x.jpg", "pics/späte Bilder.tif", "pics/at 1.23\u202fPM.png",
             "pics/می\u200cخواهم.png", "pics/写真\u30001.png"]  # spaces of macOS and Japan, a joiner of Persian
    assert result_names(picture_names(files, "pics")) == [
        "000", "a_x", "b_x", "späte Bilder", "at 1.23\u202fPM", "می\u200cخواهم", "写真\u30001"]
    assert result_names(picture_names(["pics/x.jpg", "pics/x.png"], "pics")) == ["x_jpg", "x_png"]
    assert result_names(picture_names(["pics/x.png"], "pics/x.png")) == ["x"]


@pytest.mark.quick
def test_a_numbered_name_is_no_other_pictures():
    assert result_names(["A", "a", "a_2"]) == ["A", "a_3", "a_2"]
    assert result_names(["foo", "foo_strip", "foo_strip_2"]) == ["foo", "foo_strip_3", "foo_strip_2"]
    assert result_names(["losses", "losses_2_strip"]) == ["losses_3", "losses_2_strip"]


STRANGE = [
    ["a/x.jpg", "a/x.png", "b/x.jpg", "b/x.png"],
    ["losses.png", "film.png", "film.gif", "losses.csv.png"],
    ["foo.png", "foo_strip.png", "foo_strip_strip.png", "foo_strip_2.png"],
    ["A.png", "a.png", "a_STRIP.png", "B/c.png", "b/C.png", "B_c.png"],
    ["a_b.png", "a/b.png", "a/b.jpg", "a_b_png.png"],
    ["n" * 251 + ".png", "n" * 250 + ".jpg", "ä" * 120 + ".png", "d" * 200 + "/" + "e" * 200 + ".png"],
    ["caf\udce9.png", "caf_.png", "two\nlines.png", "two_lines.png", "two\tlines.png"],
    ["a_\u00e9.png", "a_e\u0301.png", "A_\u00c9.png"],  # one name, where accents may be encoded in two ways
    ["-rf.png", " .png", "..png", "*.png", "x.png.png"],
]


@pytest.mark.quick
@pytest.mark.parametrize("files", STRANGE, ids=lambda files: files[0][:9].encode("ascii", "replace").decode())
def test_all_results_have_names_of_their_own_that_can_be_written(tmp_path, files):
    names = result_names(picture_names(["pics/" + file for file in sorted(files)], "pics"))
    results = [name + end for name in names for end in (".png", "_strip.png")] + ["losses.png", "losses.csv"]
    assert len({unicodedata.normalize("NFD", result.lower()) for result in results}) == 2 * len(files) + 2
    try_to_write(str(tmp_path / "out"), names, [])
    assert not list((tmp_path / "out").iterdir())
    for result in results:
        (tmp_path / "out" / result).write_text(result, encoding="utf-8")
    assert len(list((tmp_path / "out").iterdir())) == len(results)


def test_what_cannot_be_written_is_reported_before_the_work(model, tmp_path):  # noqa: F811
    write_pictures(tmp_path / "pictures", n=2)
    (tmp_path / "out" / "001.png").mkdir(parents=True)
    (tmp_path / "out" / "losses.csv").write_text("picture,iteration,loss,contextual,perceptual\n")
    (tmp_path / "file").write_text("")
    done = two_at_a_time(lambda out: complete(tmp_path, "--dataset", "pictures", "--out_dir", out,
                                              "--checkpoint_dir", model / "checkpoint"), ["out", "file/deeper"])
    for out, process in done.items():
        assert "cannot write " + out in the_error(process)
        assert "completing" not in process.stderr and "Reading checkpoints" not in process.stdout
    assert (tmp_path / "out" / "losses.csv").read_text() == "picture,iteration,loss,contextual,perceptual\n"


@pytest.mark.quick
@pytest.mark.parametrize("content", [b"epoch,loss\n1,2\n", b"picture,size\na.jpg,2\n"])
def test_another_programs_table_is_not_overwritten(tmp_path, content):
    (tmp_path / "losses.csv").write_bytes(content)
    with pytest.raises(UserError, match="losses.csv exists and is not from a completion"):
        try_to_write(str(tmp_path), ["a"], [])
    assert snapshot(tmp_path) == {"losses.csv": content}


def test_strange_names_are_completed_each_with_its_own_mask(model, tmp_path):  # noqa: F811
    """Pictures of the same names, each with another mask; one of them comes later, and changes nothing else."""
    kinds = {"a/x.png": "left", "a/x.jpg": "center", "b/x.png": "grid", "losses.png": "left", "caf\udce9.png": "center"}
    for i, (name, kind) in enumerate(kinds.items()):
        folder = write_pictures(tmp_path / "one", n=1, seed=i)
        for top in ("pictures", "masks"):
            (tmp_path / top / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(os.path.join(folder, "000.png")).save(tmp_path / "pictures" / name)
        mask = Image.fromarray(np.uint8(make_mask(kind, 16, None)) * 255)
        if name != "a/x.jpg":  # both of this name have one mask
            mask.save(tmp_path / "masks" / name)
    flags = ["--dataset", "pictures", "--mask", "masks", "--out_dir", "out", "--checkpoint_dir", model / "checkpoint"]
    os.rename(tmp_path / "pictures" / "a" / "x.jpg", tmp_path / "later.jpg")
    for n in (4, 5):  # the second time beside the results of the first
        done = complete(tmp_path, *flags)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert f"{n} pictures completed" in done.stdout
        if n == 4:
            os.rename(tmp_path / "later.jpg", tmp_path / "pictures" / "a" / "x.jpg")
    alone, beside = (iio.imread(tmp_path / "out" / name) for name in ("earlier-1/a_x.png", "a_x_png.png"))
    np.testing.assert_allclose(np.int16(alone), beside, atol=1)
    names = {"a/x.png": "a_x_png", "a/x.jpg": "a_x_jpg", "b/x.png": "b_x", "losses.png": "losses_2",
             "caf\udce9.png": "caf_"}
    for name, result in names.items():
        mask = make_mask("left" if name == "a/x.jpg" else kinds[name], 16, None)
        strip = iio.imread(tmp_path / "out" / (result + "_strip.png"))
        assert ((strip[:, 16:32] == 128).all(axis=-1) == ~mask).mean() > 0.99, name
        kept = iio.imread(tmp_path / "out" / (result + ".png"))[mask]
        np.testing.assert_array_equal(kept, gantut_imgfuncs.imread(str(tmp_path / "pictures" / name))[mask])
    with open(tmp_path / "out" / "losses.csv", newline="", encoding="utf-8") as file:
        assert {row["picture"] for row in csv.DictReader(file)} == set(names.values())


# masks

@pytest.mark.quick
def test_a_mask_is_found_by_its_path_and_by_its_name_only_if_that_is_clear(tmp_path):
    touch(tmp_path, "masks/a/x.png", "masks/y.jpg", "masks/deep/z.png", "masks/b/w.png")

    def found(*pictures):
        return [os.path.relpath(path, tmp_path / "masks") for path in mask_files(
            str(tmp_path / "masks"), ["pics/" + picture for picture in pictures], "pics")]
    assert found("a/x.jpg", "y.png", "z.png", "w.gif") == ["a/x.png", "y.jpg", "deep/z.png", "b/w.png"]
    for pictures, words in [(["a/x.png", "b/x.png"], "for pics/b/x.png in .*masks: it needs one called b/x.png"),
                            (["a/y.png", "b/y.png"], "for pics/a/y.png"), (["v.png"], "no mask for pics/v.png")]:
        with pytest.raises(UserError, match=words):
            found(*pictures)
    touch(tmp_path, "masks/y.png")
    with pytest.raises(UserError, match="two masks for pics/y.png: .*y.jpg and .*y.png"):
        found("y.png")
    assert mask_files(str(tmp_path / "masks" / "y.png"), ["pics/a.png"], "pics") == [str(tmp_path / "masks" / "y.png")]


HOLE = np.ones([16, 16], bool)
HOLE[4:9, 6:12] = False


def rgba(alpha, rgb=90):
    return np.dstack([np.full([16, 16, 3], rgb, np.uint8), np.uint8(alpha)])


def palette_with_a_hole():
    image = Image.fromarray(np.uint8(HOLE)).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.info["transparency"] = 0
    return image


UNDERSTOOD = {
    "gray.png": Image.fromarray(np.uint8(HOLE) * 255), "bits.png": Image.fromarray(np.uint8(HOLE) * 255).convert("1"),
    "16bits.png": Image.fromarray(np.uint16(HOLE) * 65535),
    "colour.png": Image.fromarray(np.dstack([np.uint8(HOLE)] * 3) * 255),
    "noisy.jpg": Image.fromarray(np.uint8(HOLE) * 255).convert("RGB"), "hole.png": Image.fromarray(rgba(HOLE * 255)),
    "white hole.png": Image.fromarray(rgba(HOLE * 255, 255)), "palette.png": palette_with_a_hole(),
    "opaque.png": Image.fromarray(np.dstack([np.uint8(HOLE) * 255] * 3 + [np.full([16, 16], 255, np.uint8)])),
    "hole.webp": Image.fromarray(rgba(HOLE * 255)), "gray alpha.png": Image.fromarray(rgba(HOLE * 255)).convert("LA"),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", UNDERSTOOD)
def test_masks_that_are_accepted(tmp_path, name):
    path = str(tmp_path / name)
    UNDERSTOOD[name].save(path, **({"lossless": True, "exact": True} if name.endswith("webp") else {}))
    np.testing.assert_array_equal(read_mask(path, "picture.png", 16), HOLE)


RED = np.zeros([16, 16, 3], np.uint8)
RED[..., 0], RED[..., 1] = 255 * HOLE, 255 * ~HOLE
REFUSED = {
    "ones.png": (np.uint8(HOLE), "keeps no pixel, its brightest value is 1 of 255"),
    "labels.png": (np.uint8(HOLE) * 7, "brightest value is 7"),
    "16bits.png": (np.uint16(HOLE), "cannot be read: is darker than 4096 of 65535"),
    "black.png": (np.zeros([16, 16], np.uint8), "keeps no pixel"),
    "white.png": (np.full([16, 16], 255, np.uint8), "keeps every pixel"),
    "red.png": (RED, "is coloured"), "gray.png": (140 - 100 * np.uint8(HOLE), "is neither black nor white in 100%"),
    "clear.png": (rgba(np.zeros([16, 16])), "keeps no pixel"), "half.png": (rgba(130 - HOLE), "keeps every pixel"),
    "float.tif": (HOLE.astype(np.float32), "floating-point"), "small.png": (np.uint8(HOLE[:8, :8]) * 255, "is 8x8"),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", REFUSED)
def test_masks_that_are_refused_by_name(tmp_path, name):
    values, words = REFUSED[name]
    path = str(tmp_path / name)
    Image.fromarray(values).save(path)
    with pytest.raises(UserError, match=words) as error:
        read_mask(path, "picture.png", 16)
    assert path in str(error.value)


@pytest.mark.quick
@pytest.mark.parametrize("crop_size", [0, 24])
def test_a_mask_of_the_pictures_size_is_cropped_as_it_is(tmp_path, crop_size):
    """The bright window of a picture of 48 x 32 is its mask as well: both are cropped alike."""
    picture = np.zeros([32, 48], np.uint8)
    picture[12:22, 16:30] = 255
    for name in ("picture.png", "mask.png"):
        iio.imwrite(tmp_path / name, picture)
    iio.imwrite(tmp_path / "other.png", picture[:30])
    loader = Loader(gantut_imgfuncs, 16, True, crop_size)
    path = str(tmp_path / "picture.png")
    mask = find_masks(str(tmp_path / "mask.png"), [path], path, 16, 1, loader.crop)[0]
    np.testing.assert_array_equal(mask, loader.load(path)[..., 0] > 127 / 127.5 - 1)
    assert 0 < mask.mean() < 1
    for crop in (None, loader.crop):
        with pytest.raises(UserError, match="other.png is 48x30, but the model's pictures are 16x16"):
            find_masks(str(tmp_path / "other.png"), [path], path, 16, 1, crop)


@pytest.mark.quick
def test_a_fine_pattern_of_the_pictures_size_is_black_and_white(tmp_path):
    """Scaling turns it gray, which is not the mask's fault."""
    dots = np.uint8(np.random.RandomState(0).uniform(size=[64, 64]) > 0.4) * 255
    path = str(tmp_path / "mask.png")
    iio.imwrite(path, dots)
    crop = Loader(gantut_imgfuncs, 16, True).crop
    np.testing.assert_array_equal(read_mask(path, path, 16, crop), crop(dots) > 127)


@pytest.mark.quick
def test_a_kill_leaves_nothing_that_the_next_run_refuses(tmp_path, monkeypatch):
    """Neither the results that are tried to be written, nor those of the first batch."""
    touch(tmp_path, "a.png")
    try_to_write(str(tmp_path), ["a"], [])
    moved = []

    def killed(old, new):
        moved.append(os.path.basename(new))
        raise KeyboardInterrupt
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt), all_whole(str(tmp_path), "losses.csv") as part:
        touch(pathlib.Path(part), "a.png", "losses.csv", "losses.png")
    assert moved == ["losses.csv"]


@pytest.mark.quick
def test_a_table_that_csv_cannot_read_to_its_end(tmp_path):
    header = "picture,iteration,loss,contextual,perceptual\n"
    (tmp_path / "losses.csv").write_text(f"{header}a,0,1,1,1\n{'b' * 200_000},0,1,1,1\n")
    touch(tmp_path, "a.png")
    put_results_aside(str(tmp_path), [])
    assert os.listdir(tmp_path) == ["earlier-1"] and set(snapshot(tmp_path)) == {"earlier-1/losses.csv",
                                                                                 "earlier-1/a.png"}
