"""A DCGAN in PyTorch that trains as gantut_trainer.py does, with the text's schedule: learning.py compares the two.

  python benchmarks/train_pytorch.py --dataset data/aligned --epoch 20 --out samples

Writes samples of the last weights. It runs by itself, as TensorFlow and PyTorch do not always work in one process.
"""
import os
from importlib.util import find_spec

import machine
from machine import at_least, path_type, power_of_two

import numpy as np
import other_frameworks
from PIL import Image

import gantut_imgfuncs
from gantut.datasets import check_number, find_dataset, list_pictures
from gantut.errors import UserError, check_outside, writing
from gantut.image_loader import Loader
from gantut.images import pixels
from gantut.scripts import argument_parser
from gantut.seeding import random_state

if find_spec("torch"):  # main() asks for it
    import torch


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", type=path_type, required=True)
    parser.add_argument("--out", type=path_type, required=True, help="folder for the samples")
    parser.add_argument("--count", type=at_least(1), default=1000, help="of samples [1000]")
    parser.add_argument("--train_size", type=at_least(1), help="how many pictures [all]")
    parser.add_argument("--c_dim", type=int, choices=[1, 3], default=3, help="as the trainer's [3]")
    parser.add_argument("--image_size", type=power_of_two, default=64, help="as the trainer's [64]")
    for name, default, least in (("batch_size", 64, 1), ("epoch", 20, 1), ("z_dim", 100, 1), ("gf_dim", 64, 1),
                                 ("df_dim", 64, 1), ("seed", 1, 0)):
        parser.add_argument("--" + name, type=at_least(least), default=default, help=f"as the trainer's [{default}]")
    args = parser.parse_args()
    machine.need_torch()
    root = find_dataset(args.dataset)
    files = list_pictures(root)
    check_number(files, root, args.batch_size, args.train_size or np.inf)
    check_outside(args.out, root, "out", files)
    there = list_pictures(args.out, say=False)
    if there:
        raise UserError(f"--out {args.out} has pictures already, {there[0]} for example: give another folder")
    with writing(args.out):
        os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    rng = np.random.RandomState(args.seed)
    random_state(args.seed, "data").shuffle(files)  # as the trainer does
    files = files[:args.train_size]
    pictures = Loader(gantut_imgfuncs, args.image_size, is_crop=True, c_dim=args.c_dim).load_all(files)
    gan = other_frameworks.Torch(args.image_size, args.z_dim, args.gf_dim, args.df_dim, shared=False, c_dim=args.c_dim)
    steps = len(pictures) // args.batch_size
    for epoch in range(args.epoch):
        for rows in rng.permutation(len(pictures))[:steps * args.batch_size].reshape(steps, -1):
            z = rng.uniform(-1, 1, [args.batch_size, args.z_dim])
            d_loss_fake, d_loss_real, g_loss = gan.step(pictures[rows], z.astype(np.float32))
        print(f"epoch {epoch}: d_loss_fake {d_loss_fake:.4f}, d_loss_real {d_loss_real:.4f}, g_loss {g_loss:.4f}",
              flush=True)
    gan.train(False)
    with torch.no_grad():
        z = rng.uniform(-1, 1, [args.count, args.z_dim])
        images = gan.generator(torch.from_numpy(z.astype(np.float32))).permute(0, 2, 3, 1).numpy()
    for i, image in enumerate(pixels(images)):
        Image.fromarray(image.squeeze()).save(os.path.join(args.out, f"{i:04d}.png"))


if __name__ == "__main__":
    machine.run(main, "stopped")
