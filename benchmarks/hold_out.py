"""Divide a folder of photographs, a folder for each person: those to learn, and others that no training sees.

  python benchmarks/hold_out.py --dataset lfw-aligned-64 --out lfw-divided --count 512

--out gets the folders learnt and held_out. A picture is held out only if it is its person's only one, so that nobody is
in both. The same ones every time.
"""
import os
import random
import shutil
from collections import Counter

import machine
from machine import at_least, path_type

from gantut.datasets import find_dataset
from gantut.errors import UserError, check_outside
from gantut.scripts import argument_parser
from gantut_gan import dataset_files


def copy_parts(parts, root, folder):
    """Copy pictures that lie in root: parts, {name: files}, into folder/name, each in the folders it has in root."""
    for name, files in parts.items():
        for file in files:
            copy = os.path.join(folder, name, os.path.relpath(file, root))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(file, copy)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", type=path_type, required=True, help="folder of the photographs")
    parser.add_argument("--out", type=path_type, required=True, help="folder to write, which must not be there")
    parser.add_argument("--count", type=at_least(1), default=512, help="how many to hold out [512]")
    args = parser.parse_args()
    root = find_dataset(args.dataset)
    files = dataset_files(root)
    if os.path.lexists(args.out):
        raise UserError(f"--out {args.out} is there already: give another folder")
    check_outside(args.out, root, "out", files)
    pictures = Counter(map(os.path.dirname, files))
    alone = sorted(file for file in files if pictures[os.path.dirname(file)] == 1)
    if len(alone) < args.count:
        raise UserError(f"{len(alone)} of {len(files)} pictures in {root} are alone in their folder: give a smaller "
                        "--count")
    held_out = set(random.Random(1).sample(alone, args.count))
    parts = {"held_out": sorted(held_out), "learnt": [file for file in files if file not in held_out]}
    with machine.new_folder(args.out) as folder:
        copy_parts(parts, root, folder)
    print(f"{args.out}: {len(parts['learnt'])} to learn, {args.count} held out")


if __name__ == "__main__":
    machine.run(main, "stopped; nothing was written")
