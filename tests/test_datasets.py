"""What counts as a picture, and which values: system folders, links, pipes, other kinds, ranges; the messages."""
import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from helpers import (
    as_another_user,
    examine,
    load_image,
    message,
    run_script,
    the_error,
    touch,
    train,
    two_at_a_time,
    write_pictures,
)
from PIL import Image, PngImagePlugin

import gantut_gan
from gantut.datasets import check_number, find_dataset
from gantut.errors import UserError
from gantut.images import EXTENSIONS, FORMATS
from gantut_gan import dataset_files


def found(folder):
    """What dataset_files() finds, below the folder."""
    return [os.path.relpath(path, folder) for path in dataset_files(str(folder))]


# what counts

@pytest.mark.quick
def test_every_format_that_imread_reads_counts_the_tutorials_three_first():
    assert gantut_gan.SUPPORTED_EXTENSIONS[:3] == ["png", "jpg", "jpeg"]
    assert sorted("." + extension for extension in gantut_gan.SUPPORTED_EXTENSIONS) == sorted(EXTENSIONS)
    of_pillow = {extension for extension, name in Image.registered_extensions().items() if name in FORMATS}
    assert set(EXTENSIONS) < of_pillow


SYSTEMS = [".ipynb_checkpoints", "@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "lost+found", ".thumbnails",
           "System Volume Information", "deep/@eaDir", "deep/.git"]


@pytest.mark.quick
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_folders_of_a_system_do_not_count(tmp_path, capsys, name):
    touch(tmp_path, "a.png", "deep/b.webp", name + "/c.png", name + "/deeper/d.png")
    assert found(tmp_path) == ["a.png", "deep/b.webp"]
    assert capsys.readouterr().err == f" [!] 2 pictures in {tmp_path}; left out: 1 hidden or system folder(s)\n"


@pytest.mark.quick
@pytest.mark.parametrize("name", ["@alice", "_b", "eaDir", "recycle", "MACOSX"])
def test_folders_that_look_a_little_like_it_do(tmp_path, capsys, name):
    touch(tmp_path, name + "/a.png")
    assert found(tmp_path) == [name + "/a.png"] and capsys.readouterr().err == ""


@pytest.mark.quick
def test_a_folder_that_is_hidden_itself_may_be_the_data_set(tmp_path):
    touch(tmp_path, ".faces/a.png")
    assert found(tmp_path / ".faces") == ["a.png"]


@pytest.mark.quick
def test_linked_folders_and_files_count_once_and_loops_end(tmp_path):
    touch(tmp_path, "elsewhere/b.png", "elsewhere/deep/c.tif", "pics/real/a.png")
    os.symlink(tmp_path / "elsewhere", tmp_path / "pics" / "linked")
    os.symlink("..", tmp_path / "pics" / "real" / "up")
    os.symlink("real", tmp_path / "pics" / "again")
    os.symlink("itself", tmp_path / "pics" / "itself")
    os.symlink("real/a.png", tmp_path / "pics" / "one.png")
    assert found(tmp_path / "pics") == ["linked/b.png", "linked/deep/c.tif", "one.png", "real/a.png"]
    os.symlink(tmp_path / "pics", tmp_path / "all")
    assert len(found(tmp_path / "all")) == 4


@pytest.mark.quick
def test_what_is_not_a_regular_file_is_never_opened(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink("/dev/zero", tmp_path / "zero.png")
    os.symlink("nowhere", tmp_path / "broken.png")
    touch(tmp_path, "a.png")
    assert found(tmp_path) == ["a.png"]
    assert "left out: 3 that are not regular files" in capsys.readouterr().err


@pytest.mark.quick
def test_one_line_says_how_many_are_left_out_and_why(tmp_path, capsys):
    touch(tmp_path, "a.png", "b.GIF", "notes.txt", "more.txt", "c.heic", "README", ".hidden.png", ".DS_Store")
    assert found(tmp_path) == ["a.png", "b.GIF"]
    assert capsys.readouterr().err == (f" [!] 2 pictures in {tmp_path}; left out: 2 hidden file(s), 4 of other kinds: "
                                       ".txt (2), no extension (1), .heic (1)\n")


@pytest.mark.quick
def test_a_folder_that_cannot_be_read_is_named():
    with as_another_user() as (folder, become):
        touch(folder, "a.png", "closed/b.png")
        (folder / "closed").chmod(0)
        become()
        with pytest.raises(UserError, match="cannot read the folder .*closed: Permission denied"):
            dataset_files(str(folder))


def test_a_training_on_pictures_of_every_kind(tmp_path):
    """Eight formats, a linked folder, a pipe: a real training, and a newline in a name stays in one line."""
    write_pictures(tmp_path / "few", n=16)
    for i, extension in enumerate(EXTENSIONS):
        with Image.open(tmp_path / "few" / f"{i:03d}.png") as picture:
            (tmp_path / "pictures").mkdir(exist_ok=True)
            picture.save(tmp_path / "pictures" / f"picture{extension}")
    os.symlink(tmp_path / "few", tmp_path / "pictures" / "few")
    os.mkfifo(tmp_path / "pictures" / "pipe.png")
    (tmp_path / "pictures" / "two\nlines.png").write_text("no picture")
    (tmp_path / "pictures" / "other\nlines.png").write_text("no picture")
    done = train(tmp_path, "--epoch", 1, "--skip_bad_images")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Epoch [") == 3  # 24 pictures
    assert done.stderr.splitlines() == [
        " [!] 26 pictures in pictures; left out: 1 that are not regular files (pipes, broken links)",
        " [!] pictures/other\\nlines.png: is not a picture", " [!] pictures/two\\nlines.png: is not a picture"]


@pytest.mark.quick
def test_text_in_a_picture_does_no_harm(tmp_path):
    """As programs write their settings into a PNG, compressed; but not the endless text of a decompression bomb."""
    for megabytes, said in [(3, None), (70, "has more than 64 MB of text in it: save it without the text")]:
        text = PngImagePlugin.PngInfo()
        text.add_text("settings", "x" * megabytes * 10**6, zip=True)
        path = str(tmp_path / f"{megabytes}.png")
        Image.new("RGB", (16, 16), "red").save(path, pnginfo=text)
        assert examine(path, 16).broken == said
        if said:
            with pytest.raises(UserError, match=said):
                load_image(path, 16)
        else:
            assert load_image(path, 16)[0, 0].tolist() == [1, -1, -1]


@pytest.mark.quick
def test_copies_kept_by_a_nas_do_not_count(tmp_path):
    write_pictures(tmp_path / "pictures", n=2)
    for name in ("#snapshot", "~snapshot", "@Recently-Snapshot", "@ShareSnap", ".snapshot", ".zfs"):
        write_pictures(tmp_path / "pictures" / name / "GMT-2026.01.01", n=3)
    assert len(dataset_files(str(tmp_path / "pictures"))) == 2


# values without a defined range

def gray(maximum, dtype):
    return np.linspace(0, maximum, 256).reshape(16, 16).astype(dtype)


RANGES = {  # file: its values, and what is said of it, None if it is fine
    "float.tif": (gray(1, np.float32), "floating-point"),
    "float255.tiff": (gray(255, np.float32), "floating-point"),
    "int32.tif": (gray(2**31 - 1, np.int32), "32-bit"),
    "10bits.png": (gray(1023, np.uint16), "4096 of 65535"),
    "12bits.png": (gray(4095, np.uint16), "4096 of 65535"),
    "12bits.tif": (gray(4095, np.uint16), "4096 of 65535"),
    "8bits.tif": (gray(255, np.uint16), "4096 of 65535"),
    "16bits.png": (gray(65535, np.uint16), None),
    "16bits.tif": (gray(65535, np.uint16), None),
    "black.png": (gray(0, np.uint16), None),
    "dark.png": (gray(5, np.uint8), None),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", RANGES)
def test_values_without_a_defined_range_are_refused_by_name(tmp_path, name):
    values, said = RANGES[name]
    path = str(tmp_path / name)
    Image.fromarray(values).save(path)
    broken = examine(path, 16).broken
    if said is None:
        assert broken is None
        scale = 257 if values.dtype == np.uint16 else 1
        expected = np.floor(values / scale + 0.5) / 127.5 - 1
        np.testing.assert_allclose(load_image(path, 16)[:, :, 0], expected, atol=1e-6)
    else:
        assert said in broken
        with pytest.raises(UserError, match=said) as error:
            load_image(path, 16)
        assert path in str(error.value)


def write_tiff(path, values, photometric, sample_format=1):
    """Write a gray TIFF, uncompressed and little-endian, by the specification (Adobe 1992); Pillow cannot write all."""
    bits = values.itemsize * 8
    tags = [(256, 4, values.shape[1]), (257, 4, values.shape[0]), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
            (273, 4, 8), (277, 3, 1), (278, 4, values.shape[0]), (279, 4, values.nbytes), (339, 3, sample_format)]
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries
                     + bytes(4))


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_in_which_white_is_zero(tmp_path, dtype):
    """And one in which white is zero in 12 bits of 16, which has no range either."""
    maximum = np.iinfo(dtype).max
    values = gray(maximum, dtype)
    for photometric, expected in [(1, values), (0, maximum - values)]:
        write_tiff(tmp_path / "gray.tif", values, photometric)
        expected = np.floor(expected / (maximum / 255) + 0.5) / 127.5 - 1
        assert examine(str(tmp_path / "gray.tif"), 16).broken is None
        np.testing.assert_allclose(load_image(str(tmp_path / "gray.tif"), 16)[:, :, 0], expected, atol=1e-6)
    write_tiff(tmp_path / "12bits.tif", gray(4095, np.uint16), 0)
    assert "4096 of 65535" in examine(str(tmp_path / "12bits.tif"), 16).broken


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_signed_numbers_are_called_that(tmp_path, dtype):
    write_tiff(tmp_path / "gray.tif", gray(np.iinfo(dtype).max, dtype), 1, sample_format=2)
    said = f"signed {np.iinfo(dtype).bits}-bit numbers"
    assert said in examine(str(tmp_path / "gray.tif"), 16).broken
    with pytest.raises(UserError, match=said):
        load_image(str(tmp_path / "gray.tif"), 16)


@pytest.mark.quick
def test_12_bits_in_16_of_each_colour_are_refused(tmp_path):
    full = (np.random.RandomState(0).randint(0, 65536, [16, 16, 3])).astype(np.uint16)
    write_png16(tmp_path / "full.png", full)
    write_png16(tmp_path / "dark.png", full // 16)
    assert examine(str(tmp_path / "full.png"), 16).broken is None
    np.testing.assert_allclose(load_image(str(tmp_path / "full.png"), 16), full // 256 / 127.5 - 1, atol=1e-6)
    assert "4096 of 65535" in examine(str(tmp_path / "dark.png"), 16).broken


def write_png16(path, values):
    """Write a PNG with 16 bits of each colour, which Pillow cannot."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">2I5B", values.shape[1], values.shape[0], 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


# words

def test_what_is_not_a_folder_of_pictures_is_told_apart(tmp_path):
    write_pictures(tmp_path / "pictures", n=8)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as file:
        file.write(tmp_path / "pictures" / "000.png", "000.png")
    (tmp_path / "empty").mkdir()
    Image.new("RGB", (8200, 6200)).save(tmp_path / "empty" / "photo.jpg")
    cases = {"faces.zip": ["--dataset faces.zip is a file: unpack it"],
             "pictures/000.png": ["--dataset pictures/000.png is one picture; give a folder"],
             "nowhere": ["no folder nowhere", "try --dataset aligned"],
             "empty": ["photo.jpg", "50 megapixels", "align_faces.py --mode crop"]}
    ended = two_at_a_time(lambda case: train(tmp_path, "--dataset", case, "--is_crop", "--batch_size", 1), cases)
    for case, words in cases.items():
        assert all(word in the_error(ended[case]) for word in words), ended[case].stderr
        assert ended[case].stderr.count("\n") == 1
    cropped = run_script("data/align_faces.py", "empty", "cropped", "--mode", "crop", cwd=tmp_path)
    assert cropped.returncode == 0 and len(dataset_files(str(tmp_path / "cropped"))) == 1, cropped.stderr


@pytest.mark.quick
def test_aligned_is_not_advised_where_it_is_not(tmp_path, monkeypatch):
    """As in an installation without the data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gantut.datasets.DATA", str(tmp_path / "data"))
    with pytest.raises(UserError) as error:
        find_dataset("aligned")
    assert "try" not in str(error.value)


@pytest.mark.quick
def test_what_is_advised_is_a_data_set_and_only_for_its_flag(tmp_path, monkeypatch):
    """An installed copy of data/ has folders of Python's beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gantut.datasets.DATA", str(tmp_path / "data"))
    touch(tmp_path, "data/__pycache__/a.pyc", "data/.cache/a", "data/aligned/a.png", "one.png")
    assert message(find_dataset, "nowhere").endswith("give --dataset a folder of pictures (try --dataset aligned)")
    assert message(find_dataset, "nowhere", "pictures").endswith("give --pictures a folder of pictures")
    assert message(find_dataset, "one.png", "pictures").startswith("--pictures one.png is one picture")


# check_number

@pytest.mark.quick
@pytest.mark.parametrize("n", [4, 5])
def test_check_number_accepts_one_batch(n):
    check_number(["picture.png"] * n, "folder", 4)


@pytest.mark.quick
def test_check_number_says_which_extensions_it_found_instead(tmp_path):
    touch(tmp_path, "a.GIF", "b.gif", "deep/er/c.gif", "deep/d.txt", "README")
    said = message(check_number, [], str(tmp_path), 4)
    assert str(tmp_path) in said
    assert ".gif (3)" in said and ".txt (1)" in said and "no extension (1)" in said
    assert ".png" in said and ".jpg" in said and ".jpeg" in said


@pytest.mark.quick
def test_check_number_lists_only_the_most_common_extensions(tmp_path):
    touch(tmp_path, *[f"{i}.e{kind}" for kind in range(20) for i in range(kind + 1)])
    said = message(check_number, [], str(tmp_path), 4)
    assert ".e19 (20)" in said and ".e0 (1)" not in said


@pytest.mark.quick
def test_check_number_says_that_a_folder_is_empty(tmp_path):
    os.makedirs(tmp_path / "empty" / "emptier")
    assert "no files at all" in message(check_number, [], str(tmp_path / "empty"), 4)


@pytest.mark.quick
def test_check_number_says_that_a_folder_is_missing(tmp_path):
    assert str(tmp_path / "nowhere") in message(check_number, [], str(tmp_path / "nowhere"), 4)


@pytest.mark.quick
def test_check_number_says_the_largest_batch_possible():
    said = message(check_number, ["picture.png"] * 3, "folder", 64)
    assert "3 " in said and "folder" in said and "64" in said and "--batch_size 3" in said
    for train_size in (1, np.inf):
        said = message(check_number, ["picture.png"] * 3, "folder", 1, train_size, replicas=4)
        assert "4 devices or workers need at least one picture each: 3 in folder" in said


# dataset_files, in and below a folder

@pytest.mark.quick
def test_dataset_files_are_sorted_and_from_all_subfolders(tmp_path):
    names = ["b.png", "a.jpg", "deep/c.jpeg", "deep/er/d.png", "z/a.png"]
    touch(tmp_path, *names)
    assert dataset_files(str(tmp_path)) == sorted(str(tmp_path / name) for name in names)


@pytest.mark.quick
def test_dataset_files_take_extensions_in_any_case(tmp_path):
    names = ["a.PNG", "b.Jpg", "c.JPEG", "d.jpeg"]
    touch(tmp_path, *names)
    assert dataset_files(str(tmp_path)) == [str(tmp_path / name) for name in names]


@pytest.mark.quick
def test_dataset_files_leave_other_files_out(tmp_path):
    touch(tmp_path, "a.png", "b.svg", "c.txt", "d.png.bak", "epng", "jpg", "png/f.heic")
    assert dataset_files(str(tmp_path)) == [str(tmp_path / "a.png")]


@pytest.mark.quick
@pytest.mark.parametrize("folder", ["faces [small]", "what?", "all*", "[!a]", "späte Bilder"])
def test_dataset_files_in_folders_with_special_characters(tmp_path, folder):
    touch(tmp_path, folder + "/a.png", folder + "/" + folder + "/b.png", "other/c.png")
    root = str(tmp_path / folder)
    assert dataset_files(root) == sorted([os.path.join(root, "a.png"), os.path.join(root, folder, "b.png")])


@pytest.mark.quick
def test_dataset_files_ignore_folders_named_like_pictures(tmp_path):
    os.makedirs(tmp_path / "folder.png" / "deeper.jpg")
    touch(tmp_path, "a.png", "folder.png/b.png")
    assert dataset_files(str(tmp_path)) == [str(tmp_path / "a.png"), str(tmp_path / "folder.png" / "b.png")]


@pytest.mark.quick
@pytest.mark.parametrize("slash", ["", os.sep])
def test_dataset_files_with_and_without_a_slash_at_the_end(tmp_path, slash):
    files = dataset_files(write_pictures(tmp_path / "pictures", n=3) + slash)
    assert [os.path.basename(path) for path in files] == ["000.png", "001.png", "002.png"]


@pytest.mark.quick
def test_dataset_files_of_an_empty_and_of_a_missing_folder(tmp_path):
    assert dataset_files(str(tmp_path)) == []
    assert dataset_files(str(tmp_path / "nowhere")) == []
