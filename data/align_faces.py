"""Part 2 of the tutorial, the data: from a folder of photos to aligned faces. Needs pip install '.[faces]'.

    python data/align_faces.py RAW OUT --size 64

It replaces the tutorial's OpenFace align-dlib.py, which can no longer be installed. mtcnn (Zhang et al. 2016, arXiv
1604.02878) finds the faces, their eyes and mouth corners; each face is rotated, scaled and cropped so that these four
points are as near to the template as possible, by least squares. OUT keeps RAW's subfolders; OUT/alignment.csv lists
the result for each picture. RAW is only read. The same command, run again, continues where the last one stopped.
gantut/faces.py finds and crops the faces; this script applies it to a folder.
"""
import collections
import contextlib
import csv
import errno
import importlib.util
import io
import json
import multiprocessing
import os
import pathlib
import re
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker

import numpy as np
from PIL import Image
from tqdm import tqdm

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from gantut.__main__ import usable_cores  # noqa: E402
from gantut.completion import each_once  # noqa: E402
from gantut.datasets import list_pictures  # noqa: E402
from gantut.errors import UserError, is_there, locked, whole, write_whole  # noqa: E402
from gantut.faces import SMALLEST, Finder, centre_square, cut, padded, similarity, template_places  # noqa: E402
from gantut.images import EXTENSIONS, read, reason, to_uint8  # noqa: E402
from gantut.paths import in_words, typed  # noqa: E402
from gantut.scripts import Stop, argument_parser, blocked, run, unblock  # noqa: E402

TEMPLATE = ".28,.15 .72,.15 .31,.635 .70,.635"  # eyes, mouth corners of Figure 2, as in make_faces.py
POINTS = ["left_eye", "right_eye", "mouth_left", "mouth_right"]
COLUMNS = ["file", "output", "reason", "confidence", "box_x", "box_y", "box_width", "box_height",
           *[point + axis for point in POINTS for axis in ("_x", "_y")], "version"]
MAX_PIXELS = 100_000_000  # photographs may have more than gantut_imgfuncs allows; decompression bombs claim even more


def start_worker(args):
    """Prepare a process for one_picture(): it gets the flags, and ends when the main process ends."""
    global work
    work = args
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process gets Ctrl-C, and waits for the current pictures
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    unblock()
    threading.Thread(target=end_with_parent, daemon=True).start()
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")  # each worker uses one core
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # and no GPU: the first would take all of its memory
    if work.mode == "face":
        work.find = Finder(work.look_size, work.min_face, work.min_confidence, work.all_faces)


def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def one_picture(file, name):
    """Process a picture of RAW: write its crops, called `name`, to OUT; returns its rows of the table.

    If a row has no version, the picture is processed again when the same command is run again.
    """
    seen = version(file, work.raw)
    try:
        crops = crops_of(to_uint8(read(os.path.join(work.raw, file))))
    except Exception as error:  # a broken or unusual picture may make Pillow, SciPy or mtcnn raise anything
        return [{"file": file, "reason": reason(error)}]
    if isinstance(crops, str):
        return [{"file": file, "reason": crops, "version": seen}]
    rows = []
    for i, (crop, numbers) in enumerate(crops, 1):
        with writing(work.out):
            output, why_not = write(crop, f"{name}.face{i}" if work.all_faces else name)
        rows.append({**dict(zip(COLUMNS, [file, output, why_not, *numbers])), "version": seen})
    return rows


def crops_of(picture):
    """The crops of a picture, each with its face's numbers for the table; or in words why there are none."""
    if work.mode != "face":
        return [({"crop": centre_square, "pad": padded}[work.mode](picture, work.size), [])]
    faces, why_not = work.find(picture)
    return [(cut(picture, *similarity(face.points, work.places), work.size),
             [round(face.confidence, 4), *(round(float(x), 2) for x in (*face.box, *face.points.ravel()))])
            for face in (faces if work.all_faces else faces[:1])] or why_not


def version(file, raw):
    """The size and time of a picture of RAW, which show whether it has changed."""
    try:
        status = os.stat(os.path.join(raw, file))
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


@contextlib.contextmanager
def writing(out):
    """Turn a failure to write to OUT into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}; run the same command again to "
                        "continue") from None


def write(crop, name):
    """Write a crop to OUT, completely or not at all; returns the file's name and "", or "" and why not."""
    path = os.path.join(work.out, name)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with whole(f"{path}.{work.format}", path + ".tmp") as part:  # no longer than the name itself
            Image.fromarray(crop).save(part, {"png": "PNG", "jpg": "JPEG"}[work.format], quality=95)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return "", "its name is too long"
    return f"{name}.{work.format}", ""


def pictures_in(raw):
    """The picture files in a folder and its subfolders, sorted: [(path below raw, name for its crop), ...]."""
    files = [os.path.relpath(path, raw) for path in list_pictures(raw)]
    stems = collections.Counter(os.path.splitext(file)[0].lower() for file in files)
    names = [stem if stems[stem.lower()] == 1 else stem + extension.replace(".", "_")
             for stem, extension in map(os.path.splitext, files)]
    return list(zip(files, each_once(names, lambda name: [name])))


def still_to_do(jobs, rows, before, all_faces):
    """The jobs whose pictures have no row yet.

    before: the rows that an earlier run has left; a picture that is in them keeps its crop's name. A number is added to
    a name that a crop in the rows already has.
    """
    def names_of(some):
        stems = {row["file"]: os.path.splitext(row["output"])[0] for row in some if row["output"]}
        return {file: re.sub(r"\.face\d+$", "", name) if all_faces else name for file, name in stems.items()}

    done = {row["file"] for row in rows}
    known = names_of(row for row in before if row.get("version") is not None)  # the last: the row is complete
    todo = {file: known.get(file, name) for file, name in jobs if file not in done}
    return list(zip(todo, each_once(list(todo.values()), lambda name: [name], names_of(rows).values())))


def done_before(path):
    """The rows that an earlier run has written.

    A spreadsheet program may have saved the table, with a byte order mark and semicolons. Raises UserError if it is no
    longer such a table.
    """
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        text = file.read()
    if not text:
        return []
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=text.partition("\n")[0].count))
    rows = []
    with contextlib.suppress(csv.Error):  # Python 3.10's, of the zeros that a power cut leaves at the end
        for row in table:
            rows.append(row)
    if not {"file", "output", "reason"} <= set(table.fieldnames or ()):
        raise UserError(f"{path} is not as this script writes it, perhaps another program has saved it: move it away, "
                        "and the same command processes every picture again")
    return rows


def without_lost(rows, files, args):
    """The rows without those of pictures that have to be processed again.

    Those are the last picture, if its rows may be incomplete (as always with --all_faces), the pictures of which a crop
    is missing, or empty as a power cut leaves it, and those without a crop that have changed since.
    """
    lost = {row["file"] for row in rows if not (is_there(os.path.join(args.out, row["output"])) if row["output"] else
            row["file"] not in files or row.get("version") == version(row["file"], args.raw))}
    lost |= {row["file"] for row in rows[-1:] if row.get("version") is None or row["file"] in files and (
        args.all_faces or row["version"] != version(row["file"], args.raw))}
    return [row for row in rows if row["file"] not in lost]


def open_table(path, rows):
    """Write the table again with these rows; returns the open file, and a writer for more rows.

    Columns that somebody has added stay, but for a picture that is done again.
    """
    columns = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row if name)]))
    with whole(path, to_disk=True) as part, open(part, "w", newline="", encoding="utf-8",
                                                 errors="surrogateescape") as table:
        writer = csv.DictWriter(table, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    table = open(path, "a", newline="", encoding="utf-8", errors="surrogateescape")
    return table, csv.DictWriter(table, columns)


@contextlib.contextmanager
def closing(table, out):
    """Close the table at the end, which tries again to write what a full disk has not taken."""
    try:
        yield
    finally:
        with writing(out):
            table.close()


def check_not_others(args, jobs):
    """Raise UserError if OUT holds pictures with the names of crops that this script has not made."""
    names = {name.split("/")[0] for _, name in jobs}
    if not os.path.exists(os.path.join(args.out, "alignment.json")):
        for path in sorted(os.listdir(args.out)):
            if path in names or re.sub(r"(\.face\d+)?\.(png|jpg)$", "", path) in names:
                raise UserError(f"{args.out} holds {path}, which this script has not made: give an empty or a new OUT")


def check_links(args, jobs):
    """Raise UserError if OUT lies in a folder that RAW links to, or such a folder in OUT: crops would be pictures."""
    out = os.path.realpath(args.out) + os.sep
    for folder in sorted({str(folder) for file, _ in jobs for folder in pathlib.PurePath(file).parents}):
        path = os.path.join(args.raw, folder)
        linked = os.path.realpath(path) + os.sep
        if out.startswith(linked) or linked.startswith(out):
            raise UserError(f"OUT must not lie in a folder that RAW links to, nor such a folder in OUT: {args.out}, "
                            f"{path}")


def check_settings(path, args):
    """Raise UserError if OUT was made with other flags, so that all its crops are alike; otherwise record the flags."""
    wanted = {name: getattr(args, name) for name in ("mode", "size", "template", "margin", "all_faces", "min_face",
                                                     "min_confidence", "look_size", "format")}
    wanted["raw"] = os.path.realpath(args.raw)
    try:
        with open(path) as file:
            made = json.load(file)
    except FileNotFoundError:
        with writing(args.out):
            write_whole(path, json.dumps(wanted, indent=1), to_disk=True)
        return
    except ValueError:
        made = None
    if not isinstance(made, dict):
        raise UserError(f"{path} is damaged: restore it from a copy, or give another OUT")
    other = [f"{name} {made.get(name)}, not {value}" for name, value in wanted.items() if made.get(name) != value]
    if other:
        raise UserError(f"{args.out} was made with {'; '.join(other)}: give another OUT, or the same flags to continue")


def in_order(pool, jobs, ahead):
    """The results of one_picture() in the order of the jobs, of which at most `ahead` are in the pool at a time."""
    running = collections.deque()
    for job in jobs:
        with blocked():  # a new process is ready for signals only after start_worker()
            running.append(pool.submit(one_picture, *job))
        if len(running) >= ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def align(args):
    """Align the pictures that are not done yet; returns the signal that stopped it, or 0."""
    jobs = pictures_in(args.raw)
    if not jobs:
        raise UserError(f"no pictures in {args.raw}: files that end in {' '.join(EXTENSIONS)} count, in subfolders too")
    check_links(args, jobs)
    with writing(args.out):
        os.makedirs(args.out, exist_ok=True)
    with locked(args.out, ".alignment", "OUT"):  # two would replace each other's table
        return align_all(args, jobs)


def align_all(args, jobs):
    """Align the pictures of the jobs that are not done yet; returns as align() does."""
    check_not_others(args, jobs)
    check_settings(os.path.join(args.out, "alignment.json"), args)
    csv_path = os.path.join(args.out, "alignment.csv")
    before = done_before(csv_path)
    rows = without_lost(before, {file for file, _ in jobs}, args)
    todo = still_to_do(jobs, rows, before, args.all_faces)
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with blocked():
        resource_tracker.ensure_running()  # a process of multiprocessing, which should run longer than the workers
    with writing(args.out):
        table, writer = open_table(csv_path, rows)
    with closing(table, args.out), Stop() as stop, \
            ProcessPoolExecutor(args.workers, context, start_worker, (args,)) as pool, \
            tqdm(initial=len(jobs) - len(todo), total=len(jobs), unit=" pictures", disable=None) as bar:
        try:
            for answer in in_order(pool, todo, 4 * args.workers):
                with writing(args.out):
                    writer.writerows(answer)
                    table.flush()
                rows += answer
                bar.update()
                if stop.signum:
                    pool.shutdown(cancel_futures=True)
                    break
        except BrokenProcessPool:
            time.sleep(.5)
            if not stop.signum:  # otherwise the same signal, sent to the process group, has ended a worker
                raise UserError(why_died(pool)) from None
    report(args, rows, len(jobs))
    return stop.signum or 0


def why_died(pool):
    """Why a worker has died, as far as its exit code shows."""
    codes = [process.exitcode for process in (pool._processes or {}).values()]
    if -signal.SIGKILL in codes:
        return ("a worker was killed, as the system does when memory runs out (1 GB each): try fewer --workers; run "
                "the same command again to continue")
    return f"a worker has died (exit codes {codes}); run the same command again to continue"


def report(args, rows, total):
    """Print a summary."""
    done = len({row["file"] for row in rows})
    crops = sum(bool(row.get("output")) for row in rows)
    without = sum(not row.get("output") for row in rows)
    table = os.path.join(args.out, "alignment.csv")
    print(f"{done} of {total} pictures done: {crops} crops in {args.out}, {without} pictures without (why: {table})")


def parse():
    """The flags, checked; args.places: the places of the template, [4, 2], with the margin."""
    parser = argument_parser((__doc__ or "").split("\n\n")[0])
    parser.add_argument("raw", type=os.path.expanduser, help="the folder of photos; subfolders too")
    parser.add_argument("out", type=os.path.expanduser, help="the folder for the crops")
    parser.add_argument("--size", type=int, default=64,
                        help="width and height of a crop in pixels, 8 to 4096 (default: 64)")
    parser.add_argument("--mode", choices=["face", "crop", "pad"], default="face",
                        help="face: find and align faces; crop: the centre square of each picture; pad: each whole "
                             "picture, on black (default: face)")
    parser.add_argument("--template", default=TEMPLATE, metavar='"X,Y X,Y X,Y X,Y"',
                        help=f'left eye, right eye, mouth corners as fractions of the crop (default: "{TEMPLATE}")')
    parser.add_argument("--margin", type=float, default=0., help="extra margin on each side, as a fraction of the "
                                                                 "template: 0.25 shows hair and chin (default: 0)")
    parser.add_argument("--all_faces", action="store_true", help="every face of a picture, not just the largest")
    parser.add_argument("--min_face", type=float, default=40, help="width in pixels of the smallest face to take "
                                                                   "(default: 40)")
    parser.add_argument("--min_confidence", type=float, default=.9, help="0 to 1: how sure mtcnn must be "
                                                                         "(default: 0.9)")
    parser.add_argument("--look_size", type=int, default=640,
                        help="larger pictures are scaled down to this size to find faces; a face of less than "
                             f"{SMALLEST} pixels is then not found (default: 640)")
    parser.add_argument("--format", choices=["png", "jpg"], default="png", help="(default: png)")
    parser.add_argument("--workers", type=int, default=min(usable_cores(), 256),
                        help="number of processes, which use about 1 GB each (default: the number of cores)")
    args = parser.parse_args()
    check(args, parser.error)
    return args


def check(args, error):
    """Call error(message) if a flag makes no sense; set args.places."""
    raw, out = (os.path.realpath(folder) + os.sep for folder in (args.raw, args.out))
    if not os.path.isdir(args.raw):
        error(f"{args.raw} is not a folder")
    if out.startswith(raw) or raw.startswith(out):
        error(f"OUT must not lie in RAW, nor RAW in OUT: {args.out}, {args.raw}")
    if not 8 <= args.size <= 4096:
        error("--size must be 8 to 4096")
    if args.workers > 256:
        error("--workers must be 256 or less")
    for name, least in (("workers", 1), ("min_face", 0), ("look_size", SMALLEST)):
        if not getattr(args, name) >= least:
            error(f"--{name} must be {least} or more")
    if not 0 <= args.min_confidence <= 1:
        error("--min_confidence must be between 0 and 1")
    if not 0 <= args.margin < 10:
        error("--margin must be between 0 and 10")
    try:
        template = template_places(args.template)
    except ValueError:
        template = np.empty(0)
    if template.shape != (4, 2) or not np.isfinite(template).all() or len(np.unique(template, axis=0)) < 4:
        error(f'--template must be four different places "x,y x,y x,y x,y", not "{args.template}"')
    args.places = (template + args.margin) / (1 + 2 * args.margin)
    if args.mode == "face" and importlib.util.find_spec("mtcnn") is None:
        error(in_words("finding faces needs mtcnn: pip install '.[faces]', or take the pictures as they are with "
                       "--mode crop"))


def main():
    signum = align(parse())
    if signum:
        print(f"stopped; to go on: {typed()}", file=sys.stderr)
        sys.exit(128 + signum)


def command():
    """What gantut-align calls."""
    run(main, "stopped; run the same command again to continue")


if __name__ == "__main__":
    command()
