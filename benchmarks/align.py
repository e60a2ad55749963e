"""Measure the face alignment on 1,000 pictures: pictures/s, memory, and pixels between landmarks and template.

  python benchmarks/align.py --count 1000 --workers 2 --sheet docs/aligned_sheet.png

Makes the pictures from the astronaut of scikit-image and from drawn faces (data/make_faces.py with another seed): each
is turned by up to 25 degrees, scaled, mirrored and pasted into another photograph, 400 to 800 pixels wide. Every tenth
shows no face. With --like_lfw they are 250 x 250, with a face in the middle, 70 to 110 pixels wide, turned by up to 20
degrees. Then runs data/align_faces.py on them, as a process, and reads its memory four times a second. --script names
another version of it.
"""
import csv
import os
import sys
import tempfile
import time

import machine
from machine import ROOT, at_least, file_type, path_type

import align_faces
import make_faces
import numpy as np
from PIL import Image
from skimage import data

from gantut.errors import UserError
from gantut.scripts import argument_parser
from gantut_imgfuncs import merge

PLACES = align_faces.template_places(align_faces.TEMPLATE)
ASTRONAUT = np.array([[203.5, 101], [246.7, 103.3], [202.5, 139.5], [245.5, 141]]) - [100, 20]  # marked by hand


def make_pictures(folder, count, like_lfw):
    """Write the pictures; returns the face's landmarks [4, 2] in each, by file name; None where there is no face."""
    grounds = [getattr(data, name)() for name in ("coffee", "rocket", "chelsea", "hubble_deep_field", "brick", "grass")]
    os.makedirs(folder)
    marks = {}
    for i in range(count):
        rng = np.random.RandomState([3, i])
        w, h = (250, 250) if like_lfw else rng.randint(400, 801, 2)
        ground = grounds[rng.randint(len(grounds))]
        ground = Image.fromarray(np.stack([ground] * 3, -1) if ground.ndim == 2 else ground).resize((w, h))
        name = f"picture_{i:05d}.jpg"
        marks[name] = paste_face(ground, rng, i, like_lfw) if i % 10 else None
        ground.save(os.path.join(folder, name), quality=92)
    return marks


def paste_face(ground, rng, i, like_lfw):
    """Paste a face into a picture, turned, scaled, half of them mirrored; returns its landmarks there, [4, 2]."""
    if i % 2:
        face, points = data.astronaut()[20:260, 100:340], ASTRONAUT
    else:
        traits = make_faces.face_traits(np.random.RandomState([2, i]))
        face = make_faces.draw_face(2, i, 160)
        points = np.array([traits[name] for name in make_faces.TEMPLATE]) * 160
    if i % 4 > 1:
        face = face[:, ::-1]
        points = (points * [-1, 1] + [len(face), 0])[[1, 0, 3, 2]]
    side, scale, angle = len(face), rng.uniform(.8, 1.2 if like_lfw else 1.6), np.deg2rad(rng.uniform(-25, 25))
    angle *= .8 if like_lfw else 1
    turn = scale * np.exp(1j * angle)
    x, y = rng.uniform(113, 137, 2)
    if not like_lfw:
        reach = side * scale / 2 * 1.35
        x, y = (rng.uniform(min(reach, length / 2), max(length - reach, length / 2)) for length in ground.size)
    shift = complex(x, y) - turn * side / 2 * (1 + 1j)
    back = 1 / turn
    numbers = (back.real, -back.imag, (-shift * back).real, back.imag, back.real, (-shift * back).imag)
    moved = Image.fromarray(np.dstack([face, np.full((side, side), 255, np.uint8)])).transform(
        ground.size, Image.Transform.AFFINE, numbers, Image.Resampling.BICUBIC)
    ground.paste(moved.convert("RGB"), mask=moved.getchannel("A"))
    places = points @ [1, 1j] * turn + shift
    return np.stack([places.real, places.imag], axis=1)


def run(script, raw, out, workers):
    """Run the script; returns its seconds, those since its first row, and its processes' memory in MB over time."""
    table = os.path.join(out, "alignment.csv")
    start, first, memory = time.time(), None, []
    with machine.child([sys.executable, script, raw, out, "--workers", str(workers)], stderr=None) as process:
        while process.poll() is None:
            time.sleep(.25)
            if first is None and os.path.exists(table) and os.path.getsize(table) > 300:
                first = time.time()
            if first:
                memory.append(resident(process.pid))
    if process.returncode:
        sys.exit(process.returncode)  # it has said why
    if not first:
        raise UserError("it was done before anything could be measured: give a larger --count")
    return time.time() - start, time.time() - first, memory


def resident(parent):
    """Resident memory in MB of a process and its children."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(pid) == parent or int(fields[1]) == parent:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return total


def main():
    parser = argument_parser((__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=at_least(2), default=1000)
    parser.add_argument("--workers", type=at_least(1), default=os.cpu_count())
    parser.add_argument("--like_lfw", action="store_true", help="pictures like LFW's")
    parser.add_argument("--script", type=path_type, default=os.path.join(ROOT, "data", "align_faces.py"))
    parser.add_argument("--sheet", type=file_type, help="where to write a contact sheet of pictures and crops")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw, out = os.path.join(folder, "raw"), os.path.join(folder, "out")
        marks = make_pictures(raw, args.count, args.like_lfw)
        whole, seconds, memory = run(args.script, raw, out, args.workers)
        with open(os.path.join(out, "alignment.csv"), newline="") as file:
            rows = {row["file"]: row for row in csv.DictReader(file)}
        assert rows.keys() == marks.keys(), "every picture once"
        found = {name for name, row in rows.items() if row["output"]}
        faces = {name for name, points in marks.items() if points is not None}
        if args.sheet and found:
            contact_sheet(raw, out, sorted(found)[:32]).save(args.sheet)
        print(f"{args.count} pictures, {args.workers} workers: {args.count / seconds:.1f} pictures/s "
              f"({args.count / whole:.1f} with the start)")
        quarters = ", ".join(f"{max(part):.0f}" for part in np.array_split(memory, 4) if len(part))
        print(f"memory of all processes, most in each quarter of the run: {quarters} MB")
        print(f"faces: {len(found & faces)} of {len(faces)} found; "
              f"{len(found - faces)} of {args.count - len(faces)} pictures without a face gave one")
        if not found & faces:
            raise UserError("no face was found: give a larger --count, or another --script")
        distances = np.concatenate([distance(rows[name], marks[name]) for name in sorted(found & faces)])
        print("known landmarks from the template, pixels at 64: "
              f"median {np.median(distances):.2f}, 90 % under {np.quantile(distances, .9):.2f}")


def distance(row, marked):
    points = np.array([[row[name + "_x"], row[name + "_y"]] for name in align_faces.POINTS], float)
    a, b = align_faces.similarity(points, PLACES)
    return abs(marked @ [1, 1j] * a + b - PLACES @ [1, 1j]) * 64


def contact_sheet(raw, out, names):
    """Each picture with its crop to its right."""
    tiles = []
    for name in names:
        tiles.append(align_faces.padded(np.array(Image.open(os.path.join(raw, name)).convert("RGB")), 96))
        tiles.append(np.array(Image.open(os.path.join(out, name.replace(".jpg", ".png"))).resize((96, 96))))
    return Image.fromarray(merge(np.array(tiles), [-(-len(names) // 4), 8]).astype(np.uint8))


if __name__ == "__main__":
    machine.run(main, "stopped")
