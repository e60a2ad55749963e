"""Bad pictures: listed, refused or left out, replaced; and no file, whatever is in it, crashes or hangs a program."""
import io
import os
import signal
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from helpers import examine, load_image, look_over, start, steps_done, the_error, train, wait_until, write_pictures
from PIL import Image

from gantut.errors import UserError

BASE = ["--image_size", 8]
SECONDS, MEGABYTES = 8, 1600  # for one file: seconds of the processor, and 50 megapixels of imread's floats


# a training with bad pictures

def spoil(pictures, *names):
    for name in names:
        with open(os.path.join(pictures, name), "w") as file:
            file.write("no picture")


def cut_off(path):
    """Leave the header and the beginning of a picture."""
    path.write_bytes(path.read_bytes()[:-30])


def test_all_unreadable_pictures_are_listed_and_refused(tmp_path):
    spoil(write_pictures(tmp_path / "pictures", size=8), "003.png", "017.png", "no.jpg")
    process = train(tmp_path, *BASE, "--epoch", 1)
    line = the_error(process)
    assert process.stderr.splitlines() == [f" [!] pictures/{name}: is not a picture" for name in
                                           ("003.png", "017.png", "no.jpg")] + [line]
    assert "3 such files" in line and "--skip_bad_images" in line
    assert "Epoch [" not in process.stdout


def test_with_skip_bad_images_they_are_listed_and_left_out(tmp_path):
    """Three are recognised as broken at once, one only when its body is read."""
    spoil(write_pictures(tmp_path / "pictures", n=28, size=8), "003.png", "017.png", "no.jpg")
    cut_off(tmp_path / "pictures" / "005.png")
    process = train(tmp_path, *BASE, "--epoch", 1, "--skip_bad_images")
    assert process.returncode == 0 and process.stdout.count("Epoch [") == 3
    said = process.stderr.splitlines()
    assert said[:3] == [f" [!] pictures/{name}: is not a picture" for name in ("003.png", "017.png", "no.jpg")]
    assert len(said) == 4 and "pictures/005.png: " in said[3] and "another picture replaces it" in said[3]


def test_a_picture_that_turns_bad_during_a_training_is_replaced_with_skip_bad_images(tmp_path):
    write_pictures(tmp_path / "pictures", size=8)
    process = start(tmp_path, *BASE, "--epoch", 1000, "--cache_mb", 0, "--skip_bad_images")
    wait_until(lambda: steps_done(tmp_path) >= 3, process)
    spoil(tmp_path / "pictures", "011.png")
    cut_off(tmp_path / "pictures" / "012.png")
    wait_until(lambda: (tmp_path / "stderr").read_text().count("\n") == 2, process)
    done = steps_done(tmp_path)
    wait_until(lambda: steps_done(tmp_path) >= done + 6, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    said = (tmp_path / "stderr").read_text().splitlines()
    assert sorted(line.split(": ")[0] for line in said[:2]) == [" [!] pictures/011.png", " [!] pictures/012.png"]
    assert all(line.endswith("another picture replaces it") for line in said[:2])
    assert len(said) == 4  # and the two lines about the signal


def test_a_picture_that_turns_bad_during_a_training_ends_the_run_without(tmp_path):
    write_pictures(tmp_path / "pictures", size=8)
    process = start(tmp_path, *BASE, "--epoch", 1000, "--cache_mb", 0)
    wait_until(lambda: steps_done(tmp_path) >= 3, process)
    cut_off(tmp_path / "pictures" / "012.png")
    assert process.wait(60) == 1
    said = (tmp_path / "stderr").read_text()
    assert said.count("\n") == 1 and said.startswith("error: pictures/012.png: ")
    done = steps_done(tmp_path)
    assert (tmp_path / "checkpoint" / f"DCGAN.model-{done + 1}.index").exists()

    refused = train(tmp_path, *BASE, "--epoch", done // 3 + 2)
    assert "other data" in the_error(refused)
    went_on = train(tmp_path, *BASE, "--epoch", done // 3 + 2, "--skip_bad_images")
    assert went_on.returncode == 0, went_on.stderr
    assert "other data" in went_on.stderr and "pictures/012.png" in went_on.stderr


# files with any content

def encoded(kind, size, mode="RGB"):
    """The bytes of a picture of random pixels."""
    pixels = np.random.RandomState(0).randint(0, 256, (*size, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


SOUND = {kind: encoded(kind, (40, 30)) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")}
SOUND["PNG palette"] = encoded("PNG", (40, 30), "P")
SOUND["PNG transparent"] = encoded("PNG", (40, 30), "RGBA")
SOUND["JPEG CMYK"] = encoded("JPEG", (40, 30), "CMYK")


def fuzzed(rng, data):
    """Damage a file: cut off, bytes changed, a part set to zeros, nothing left, only noise."""
    data = bytearray(data)
    kind = rng.randint(6)
    if kind == 0:
        return bytes(data[:rng.randint(len(data))])
    if kind == 1:
        for i in rng.randint(len(data), size=rng.randint(1, 20)):
            data[i] = rng.randint(256)
    if kind == 2:
        for i in rng.randint(min(len(data), 64), size=rng.randint(1, 5)):  # the header
            data[i] ^= 1 << rng.randint(8)
    if kind == 3:
        first, last = sorted(rng.randint(len(data) + 1, size=2))
        data[first:last] = bytes(last - first)
    if kind == 4:
        return rng.choice([b"", b"\0", b"\0" * 5000, bytes(data[:8]), bytes(data) * 2])
    if kind == 5:
        data[rng.randint(8):] = rng.bytes(500)
    return bytes(data)


def with_size(kind, width, height):
    """A picture whose header claims another size."""
    data = bytearray(SOUND[kind])
    if kind == "PNG":
        data[16:24] = struct.pack(">2I", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at:at + 4] = struct.pack(">2H", height, width)
    if kind == "GIF":
        data[6:10] = struct.pack("<2H", width, height)
        at = data.index(b",\0\0\0\0") + 5
        data[at:at + 4] = struct.pack("<2H", width, height)
    if kind == "BMP":
        data[18:26] = struct.pack("<2i", width, height)
    return bytes(data)


def peak_memory():
    """The most memory that this process has used since forget_the_peak(), in MB; 0 where /proc does not say."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        return 0


def forget_the_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def check_one(path):
    """Neither examine() nor load_image() raises anything but a UserError of one line, takes long or much memory."""
    for is_crop in (False, True):
        forget_the_peak()
        before, start_time = peak_memory(), time.process_time()
        found = examine(path, 16, is_crop, 0)
        assert "\n" not in (found.broken or "") + (found.misfit or "")
        try:
            image = load_image(path, 16, is_crop)
            assert image.shape == (16, 16, 3) and np.isfinite(image).all()
        except UserError as error:
            assert path in str(error) and "\n" not in str(error)
        seconds, megabytes = time.process_time() - start_time, peak_memory() - before
        assert seconds < SECONDS and megabytes < MEGABYTES, (path, seconds, megabytes)


def write_fuzzed(folder, n, seed):
    """Write n fuzzed files, some with the extension of another kind."""
    rng = np.random.RandomState(seed)
    os.makedirs(folder, exist_ok=True)
    for i in range(n):
        extension = rng.choice(["png", "jpg", "jpeg", "PNG"])
        with open(os.path.join(folder, f"fuzzed{i:04d}.{extension}"), "wb") as file:
            file.write(fuzzed(rng, SOUND[rng.choice(list(SOUND))]))


@pytest.mark.quick
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore")
def test_fuzzed_files_are_read_or_named(tmp_path, seed):
    write_fuzzed(tmp_path, 400, seed)
    for path in sorted(tmp_path.iterdir()):
        check_one(str(path))


SIZES = [(0, 0), (1, 1000000), (65535, 65535), (30000, 30000), (12000, 12000), (7200, 7200), (7000, 7000)]


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
@pytest.mark.parametrize("width, height", SIZES)
def test_sizes_that_only_the_header_claims(tmp_path, kind, width, height):
    path = tmp_path / "claims.png"
    if kind in ("JPEG", "GIF"):
        width, height = min(width, 65535), min(height, 65535)
    path.write_bytes(with_size(kind, width, height))
    check_one(str(path))
    if width * height > 50e6:
        assert examine(str(path), 16, True, 0).broken


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_negative_and_odd_sizes_in_the_header(tmp_path, kind):
    path = tmp_path / "claims.png"
    for width, height in [(2**16 - 1, 1), (1, 2**16 - 1), (16, 17)]:
        path.write_bytes(with_size(kind, width, height))
        check_one(str(path))
    data = bytearray(with_size("BMP", 16, 16))
    data[18:26] = struct.pack("<2i", -16, -2**31)
    path.write_bytes(data)
    check_one(str(path))


@pytest.mark.quick
@pytest.mark.parametrize("kind, mode, width", [("PNG", "RGBA", 7000), ("PNG", "I;16", 3500), ("PNG", "RGB", 9400)])
def test_decompression_bombs_that_are_small_on_disk(tmp_path, kind, mode, width):
    path = tmp_path / "bomb.png"
    Image.new(mode, (width, width)).save(path, kind)
    assert path.stat().st_size < 1500000
    check_one(str(path))
    if width == 9400:
        assert examine(str(path), 16, True, 0).broken


def test_a_training_among_200_fuzzed_files_ends_well(tmp_path):
    write_pictures(tmp_path / "pictures")
    write_fuzzed(tmp_path / "pictures", 200, seed=7)
    (tmp_path / "pictures" / "bomb.png").write_bytes(with_size("PNG", 60000, 60000))
    process = train(tmp_path, "--epoch", 1, "--is_crop", "--skip_bad_images")
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    assert process.stdout.count("Epoch [") >= 3
    said = process.stderr.splitlines()
    assert len(said) > 50 and all(line.startswith(" [!] pictures/") for line in said), process.stderr
    assert any("bomb.png" in line for line in said)


# many files

def look_over_many(tmp_path, n):
    """Check n files, hard links to a few; returns the seconds that it took."""
    originals = [os.path.join(write_pictures(tmp_path / "few", n=10, size=64), f"{i:03d}.png") for i in range(10)]
    (tmp_path / "many").mkdir()
    files = [str(tmp_path / "many" / f"{i:06d}.png") for i in range(n)]
    for i, path in enumerate(files):
        os.link(originals[i % 10], path)
    start_time = time.monotonic()
    good, _ = look_over(files, 64)
    assert good == files
    return time.monotonic() - start_time


def test_5_000_files_are_looked_over_in_3_seconds(tmp_path):
    assert look_over_many(tmp_path, 5000) < 3


@pytest.mark.slow
def test_100_000_files_are_looked_over_in_a_minute(tmp_path):
    seconds = look_over_many(tmp_path, 100000)
    warnings.warn(f"100,000 files took {seconds:.1f} s", stacklevel=1)
    assert seconds < 60
