"""Part 2 of the tutorial, the data: gets a well-known set of pictures as a folder for --dataset.

    python data/get_dataset.py lfw                                         # photographs of faces, to be aligned
    python data/get_dataset.py congress --archive congress-images-225x275  # portraits, downloaded by hand
    python data/get_dataset.py celeba --archive img_align_celeba.zip       # downloaded by hand
    python data/get_dataset.py mnist                                       # or fashion_mnist

scikit-learn and Keras download to their own caches; --archive takes a file that you already have. The whole file is
checked before anything is written; if a run was stopped, the same command, run again, continues it.
Photographs that need not be cropped or scaled are copied unchanged; everything else becomes PNGs.
"""
import collections
import contextlib
import gzip
import hashlib
import io
import os
import re
import shlex
import socket
import sys
import tarfile
import time
import warnings
import zipfile
import zlib
from functools import partial

import numpy as np
from PIL import Image
from tqdm import tqdm

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from gantut.errors import UserError, check_outside, is_there, whole
from gantut.images import EXTENSIONS, check_decodes, read, read_idx, reason, to_uint8
from gantut.paths import in_words, new_data
from gantut.scripts import argument_parser, run
from gantut_imgfuncs import center_crop

CROPPED, AS_THEY_ARE = "crop {}, size {}\n", "files as they are\n"  # lines of MARKER
MARKER = "source.txt"  # says what a folder was made from; only such a folder is added to
PART = ".part"  # the file being written, until it is complete
LARGEST = 100_000_000  # bytes of one picture file; one that unpacks to more is refused
IDX = {"x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte",
       "x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte"}

DIGITS = "python gantut_trainer.py --dataset {dataset} --is_crop --image_size 32 --c_dim 1"
ALIGN = "python data/align_faces.py {out} {out}-aligned-64 --size 64"
# names: a pattern of the last two parts of a picture's path, "" for a set of arrays (an .npz, or IDX files in a folder)
# downloaded: download() gets it. folders: what a picture's folder is called says whom or what it shows
Set = collections.namedtuple("Set", "count crop size names licence by_hand archive then downloaded folders",
                             defaults=[True, True])
SETS = {
    "lfw": Set(13233, 0, 0, r"(.+)/\1_\d{4}\.jpg", "none stated; press photographs, for research",
               "lfw-funneled.tgz from https://ndownloader.figshare.com/files/5976015", "lfw-funneled.tgz", ALIGN),
    "congress": Set(879, 0, 0, r"(.*/)?[A-Z]\d{6}\.jpg", "public domain, works of the US Government",
                    "the zip of https://github.com/Hainish/congress-images-225x275 (Code, Download ZIP)",
                    "congress-images-225x275-master.zip", ALIGN + " --format jpg", downloaded=False, folders=False),
    "celeba": Set(202599, 108, 64, r"(.*/)?\d{6}\.jpg", "for non-commercial research only, do not pass it on",
                  "img_align_celeba.zip (1.4 GB) from http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (Google Drive, "
                  "folder Img) or the zip of https://www.kaggle.com/datasets/jessicali9530/celeba-dataset",
                  "img_align_celeba.zip", "python gantut_trainer.py --dataset {dataset}{is_crop}",
                  downloaded=False, folders=False),
    "mnist": Set(70000, 0, 0, "", "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
                 "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz", "mnist.npz", DIGITS),
    "fashion_mnist": Set(70000, 0, 0, "", "MIT, Zalando SE",
                         "the four .gz files of https://github.com/zalandoresearch/fashion-mnist into a folder named "
                         "fashion", "fashion", DIGITS),
}
PUBLISHED = {  # SHA-256 or MD5 of a file: the set, and which of its versions
    "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0": "lfw original",  # in scikit-learn
    "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a": "lfw funneled",  # in scikit-learn
    "68331da3eb755a505a502b5aacb3c201": "lfw deepfunneled",  # of its authors' page, in torchvision
    "07611c53e5622a6ec190c575236a67caaeb1c2455a10bf51dd21f9d00684851a": "lfw deepfunneled",  # the pictures of
    # github.com/umass-vis-lfw/umass-vis-lfw.github.io, packed again
    "d8aa1906cfe412c6c3df8fe3631bbe105b86f6014a26554dbbe92e4d7f670eb5": "congress",  # packed for data/portraits
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1": "mnist",  # mnist.npz, in Keras
    "f68b3c2dcbeaaa9fbdd348bbdeb94873": "mnist", "d53e105ee54ea40749a09fcbcd1e9432": "mnist",  # four, in torchvision
    "9fb629c4189551a2d022fa330f9573f3": "mnist", "ec29112dd5afa0611ce80d1b7f02629c": "mnist",
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d": "fashion_mnist", "25c81989df183df01b3e8a0aad5dffbe": "fashion_mnist",
    "bef4ecab320f06d8554ea6380940ec79": "fashion_mnist", "bb300cfdad3c16e7a12a480ee83cd310": "fashion_mnist",
    "00d2c5bc6d35e252742224ab0c1e8fcb": "celeba",  # img_align_celeba.zip, in torchvision
}


def warn(message):
    print(f"warning: {message}", file=sys.stderr)


@contextlib.contextmanager
def reading(path):
    """Turn any error that a damaged file causes into one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if getattr(error, "errno", None):
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        raise UserError(f"{path} is damaged, or another kind of file ({reason(error)}): delete it and get it "
                        "again") from None


def download(name):
    """Download a set, unless that was done before; returns its file or folder. May raise anything.

    scikit-learn checks the SHA-256 of LFW and Keras that of MNIST, but not of Fashion-MNIST: check_file() does.
    """
    socket.setdefaulttimeout(60)  # seconds; without it both wait forever on a dead connection
    warnings.simplefilter("ignore")  # scikit-learn warns at every attempt
    if name == "lfw":
        from sklearn.datasets import fetch_lfw_people, get_data_home
        with contextlib.suppress(ValueError):  # nobody has 500 pictures: unpacking was interrupted, make() says so
            fetch_lfw_people(min_faces_per_person=500)  # reads only those of one person
        return os.path.join(get_data_home(), "lfw_home", "lfw_funneled")
    import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

    from tensorflow import keras
    with contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile):  # a damaged file: check_file() says which
        getattr(keras.datasets, name).load_data()
    if name == "mnist":  # get_file returns the path of the existing file
        return keras.utils.get_file("mnist.npz", origin="")
    labels = keras.utils.get_file("train-labels-idx1-ubyte.gz", origin="", cache_subdir="datasets/fashion-mnist")
    return os.path.dirname(labels)


def get(name):
    """What download() returns; its failures become one line that says how to get the set by hand."""
    one = SETS[name]
    by_hand = f"with a browser get {one.by_hand}, then: "
    by_hand += in_words(f"python data/get_dataset.py {name} --archive {one.archive}")
    if not one.downloaded:
        raise UserError(f"{name} ({one.licence}) is not downloaded by this program: {by_hand}")
    try:
        return download(name)
    except ModuleNotFoundError as error:
        how = ": pip install '.[faces]'" if (error.name or "").startswith("sklearn") else ""
        raise UserError(in_words(f"{name} needs {error.name}{how}")) from None
    except Exception as error:  # the network and the libraries' checks may raise anything
        raise UserError(f"cannot download {name}: {reason(error)}; try later, or {by_hand}") from None


def check_file(path):
    """Read a whole file; raises if it is empty, a web page or damaged. Returns its entry in PUBLISHED, or ""."""
    if os.path.exists(path) and not os.path.isfile(path):  # reading a pipe or a device may never end
        raise UserError(f"{path} is neither a file nor a folder")
    hashes = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        head = file.read(512)
        file.seek(0)
        for block in iter(partial(file.read, 1 << 20), b""):
            for one in hashes:
                one.update(block)
    known = [PUBLISHED[one.hexdigest()] for one in hashes if one.hexdigest() in PUBLISHED]
    if known:
        return known[0]
    if not head:
        raise UserError(f"{path} is empty: delete it and get it again")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html")):
        raise UserError(f"{path} is a web page: open it in a browser to see what it says, delete it and get the file "
                        "again")
    if head.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
        if bad:
            raise ValueError(f"wrong checksum of {bad}")
    elif head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as file:
            while file.read(1 << 20):  # its length and checksum come at the end
                pass
    else:
        return ""  # unpacked by hand; errors show when it is read
    warn(f"not the published file: {path} has another checksum; it is read anyway")
    return ""


def members(path):
    """Yield (name, function that opens the file) for the files in a folder, zip or tar; links in a tar are left out."""
    if os.path.isdir(path):
        for folder, folders, names in os.walk(path):
            folders.sort()
            for file in sorted(os.path.join(folder, name) for name in names):
                yield os.path.relpath(file, path), partial(open, file, "rb")
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                yield info.filename, partial(archive.open, info)
    else:
        with tarfile.open(path) as archive:
            for info in archive:
                if info.isfile():
                    yield info.name, partial(archive.extractfile, info)


def photographs(path, crop=0, size=0):
    """Yield (name, function that returns the bytes to write) for the pictures in a folder, zip or tar.

    The last two parts of a name are kept, PERSON/NAME. "..", drives and the like are removed, so that no name leads out
    of OUT.
    """
    for name, opener in members(path):
        parts = [part for part in re.split(r"[/\\:]+", name) if part not in ("", ".", "..")]
        stem, extension = os.path.splitext(parts[-1]) if parts else ("", "")
        if extension.lower() in EXTENSIONS and not stem.startswith("."):
            scaled = crop or size
            yield "/".join([*parts[-2:-1], stem + ".png" if scaled else parts[-1]]), (
                partial(scale, opener, crop, size) if scaled else partial(keep, opener))


def keep(opener):
    """The unchanged bytes of a picture file. Raises if it cannot be decoded."""
    data = content(opener)
    check_decodes(data)
    return data


def scale(opener, crop, size):
    return png(read(io.BytesIO(content(opener))), crop, size)


def content(opener):
    with opener() as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"has more than {LARGEST // 1_000_000} MB")
    return data


def digits(path, crop=0, size=0):
    """Yield the same as photographs() for an .npz or a folder of IDX files: LABEL/NUMBER.png, the training set first.
    """
    found, number = arrays(path), 0
    for part in "train", "test":
        x, y = found.get(f"x_{part}", np.zeros((0, 28, 28), np.uint8)), found.get(f"y_{part}")
        if x.dtype != np.uint8 or x.ndim != 3 or (y is not None and y.shape != x.shape[:1]):
            raise ValueError("should be uint8 pictures [N, height, width] and N labels")
        for i in range(len(x)):
            number += 1
            yield ("" if y is None else f"{int(y[i])}/") + f"{number:05d}.png", partial(png, x[i], crop, size)


def arrays(path):
    """Read an .npz, or the IDX files in a folder: a dict with x_train, y_train, x_test, y_test, or some of them."""
    if os.path.isdir(path):
        found = {}
        for key, file in idx_files(path).items():
            with reading(file):
                found[key] = read_idx(file)
        return found
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is neither an .npz nor a folder: of IDX files give the folder that holds "
                        f"{IDX['x_train']}.gz and so on")
    with np.load(path) as file:
        return dict(file)


def idx_files(folder):
    """The paths of the IDX files in a folder, gzipped or not, by their keys in IDX."""
    paths = [(key, os.path.join(folder, name + suffix)) for key, name in IDX.items() for suffix in ("", ".gz")]
    return {key: path for key, path in paths if os.path.isfile(path)}


def check_names(name, path, names):
    """Raise UserError if more photographs in path have names of another set than of this one."""
    like = {other: sum(bool(re.fullmatch(one.names, found)) for found in names) for other, one in SETS.items()}
    other = max(like, key=like.get)
    if like[other] > like[name]:
        wrong_set(name, path, other, f", by the names of its pictures ({names[0]})")


def wrong_set(name, path, other, why=""):
    command = in_words(f"python data/get_dataset.py {other} --archive ...")
    raise UserError(f"{path} is of {other}{why}, not of {name}: use {command}")


def which_lfw(known, path):
    """Which version of LFW it is, in words: by its checksum, otherwise by its name; "" if unknown."""
    if known:
        return known.replace("lfw", "LFW")
    called = re.search("deepfunneled|funneled", f"{os.path.basename(path)}/{next(members(path))[0]}")
    return f"LFW {called[0]}, by its name" if called else ""


def check_output(out, source):
    """Raise UserError unless OUT is new, empty, or was started from this source, the first lines of MARKER."""
    if os.path.exists(out) and not os.path.isdir(out):
        raise UserError(f"{out} exists and is not a folder")
    names = sorted(set(os.listdir(out)) - {PART}) if os.path.isdir(out) else []
    if not names:
        return
    if MARKER not in names:
        raise UserError(f"{out} holds other files ({names[0]}): give an empty or a new folder")
    with open(os.path.join(out, MARKER), errors="surrogateescape") as file:
        found = file.read()
    as_pngs = source.replace(AS_THEY_ARE, CROPPED.format(0, 0))
    if as_pngs != source and found.startswith(as_pngs):
        raise UserError(f"{out} was made as PNGs by an earlier version, and files are now copied unchanged: train on "
                        "it as it is, or delete it, or give another folder")
    if not found.startswith(source):
        raise UserError(f"{out} was not made from {', '.join(source.splitlines())} (see {MARKER} there): delete it, or "
                        "give another folder")


def save(out, name, data):
    """Write the bytes of the file OUT/name, completely or not at all."""
    path = os.path.join(out, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with whole(path, os.path.join(out, PART), to_disk=name == MARKER) as part, open(part, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; the files there are complete, fix this and run the "
                        "same command again") from None


def png(picture, crop, size):
    """A picture as the bytes of a PNG: its centre of crop x crop (0: the largest square), size wide (0: unscaled)."""
    if crop or size:
        crop = crop or min(picture.shape[:2])
        picture = center_crop(picture, crop, resize_w=size or crop)
    data = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(data, "PNG")
    return data.getvalue()


def write(pictures, out, source):
    """Write the pictures that do not exist yet; returns (the names of all that exist, what is wrong with others)."""
    done, bad = set(), []
    for name, encoded in pictures:
        if name in done:
            bad.append(f"{name}: another picture in it has the same name")
            continue
        if not is_there(os.path.join(out, name)):
            try:
                data = encoded()
            except Exception as error:  # a broken picture may make Pillow raise anything
                bad.append(f"{name}: {reason(error)}")
                continue
            if not done and not os.path.exists(os.path.join(out, MARKER)):
                save(out, MARKER, os.fsencode(source))
            save(out, name, data)
        done.add(name)
    return done, bad


def make(name, out, archive, crop, size):
    """Get a set, check it and write it; returns the number of pictures, and the version of LFW, in words."""
    one = SETS[name]
    source = f"set {name}\n" + (CROPPED.format(crop, size) if crop or size or not one.names else AS_THEY_ARE)
    with reading(out):
        check_output(out, source)
    path, known = os.path.abspath(archive or get(name)), ""
    try:
        check_outside(out, path, "out")
    except UserError:
        raise UserError(f"{out} lies in {path}, which is only read: give another folder") from None
    for file in idx_files(path).values() if os.path.isdir(path) else [path]:
        with reading(file):
            known = check_file(file)
        if known and known.split()[0] != name:
            wrong_set(name, file, known.split()[0])
    find = partial(photographs if one.names else digits, path)
    with reading(path):
        names = [found for found, _ in find()]
    if not names:
        raise UserError(f"no pictures of {name} in {path}")
    if one.names:
        check_names(name, path, names)
    if len(names) < one.count:
        how = "" if archive else "; to get the others, delete that and run the same command again"
        warn(f"{len(names):,} pictures in {path}, the whole set has {one.count:,}{how}")
    source += f"from {os.path.basename(path)}\n" + (f"{os.path.getsize(path)} bytes\n" if os.path.isfile(path) else "")
    with reading(out):
        check_output(out, source)
    which = which_lfw(known, path) if name == "lfw" else ""
    source += f"on {time.strftime('%Y-%m-%d')}\nlicence: {one.licence}\n" + (which and f"which: {which}\n")
    pictures = find(crop=crop, size=size)
    if not one.folders:
        pictures = ((os.path.basename(found), encoded) for found, encoded in pictures)
    with reading(path):
        done, bad = write(tqdm(pictures, name, len(names), disable=None, unit=" pictures"), out, source)
    if bad:
        wrong = f"{len(bad):,} of {len(names):,} pictures in {path} cannot be used, the first: {bad[0]}"
        if not done:
            raise UserError(wrong)
        warn(wrong)
    return len(done), which


def main():
    parser = argument_parser("Get a well-known set of pictures as a folder that --dataset takes.")
    parser.add_argument("set", choices=SETS)
    parser.add_argument("out", nargs="?", type=os.path.expanduser,
                        help="folder (default: data/SET, which --dataset SET finds)")
    parser.add_argument("--archive", type=os.path.expanduser,
                        help="use this file or folder instead of downloading; celeba and congress need it")
    parser.add_argument("--crop", type=int, help="width in pixels of the centre to keep, 0 = all (default: 0; celeba: "
                                                 "108)")
    parser.add_argument("--size", type=int, help="width in pixels to scale it to, 0 = unscaled (default: 0; celeba: "
                                                 "64)")
    args = parser.parse_args()
    if "" in (args.out, args.archive):
        parser.error("OUT and --archive must name a file or folder")
    one = SETS[args.set]
    crop, size = one.crop if args.crop is None else args.crop, one.size if args.size is None else args.size
    if not (0 <= crop <= 4096 and 0 <= size <= 4096):
        parser.error("--crop and --size must be 0 to 4096")
    out = args.out or new_data(args.set)
    count, which = make(args.set, out, args.archive, crop, size)
    then = one.then.format(out=shlex.quote(out.rstrip("/")), dataset=shlex.quote(out) if args.out else args.set,
                           is_crop="" if (size or crop) == 64 else " --is_crop")  # the trainer takes 64 x 64
    print(f"{count:,} pictures are in {out}{which and f' ({which})'}; next: {in_words(then)}")


if __name__ == "__main__":
    run(main, "stopped; run the same command again to continue")
