"""The DCGAN of PyTorch's own tutorial, with its defaults, on a folder of pictures: photographs.py compares with it.

  python benchmarks/pytorch_tutorial.py --dataset lfw-aligned-64 --epoch 20 --folder torch

Its networks (4 x 4 kernels, no biases, 64 filters), initial values N(0, 0.02), z normal, batches of 128, Adam 0.0002,
beta1 0.5, one update of each network a step (pytorch.org/tutorials/beginner/dcgan_faces_tutorial.html); channels_last
and autocast, as its users set them on such a processor. A last batch that is not full is left out. After every
--judge_every epochs samples are judged, drawn in evaluation mode as ours are (its text draws in training mode), and the
folder's scores.csv gets a row like a training's. The state after the last epoch is in the folder: the same command
continues a stopped training.
"""
import csv
import os
import time
from importlib.util import find_spec

import machine
from machine import at_least, path_type, power_of_two

import numpy as np

import gantut_imgfuncs
from gantut.datasets import check_number, find_dataset, list_pictures
from gantut.errors import UserError, locked, one_line, whole
from gantut.image_loader import Loader
from gantut.images import pixels
from gantut.metrics import Judge
from gantut.scripts import argument_parser
from gantut.seeding import random_state

if find_spec("torch"):  # main() asks for it
    import torch
    from torch import nn

BATCH = 128
STATE, SCORES = "state.pt", "scores.csv"  # what is in the folder; the state is written first
COUNT = 1000  # samples, and real pictures, that are compared


def networks(size, filters, z_dim):
    """G and D of the tutorial for pictures of size x size, 64 in the text."""
    depths = [filters * 2 ** i for i in range(size.bit_length() - 3)]  # 64 px: 64, 128, 256, 512
    g = [nn.ConvTranspose2d(z_dim, depths[-1], 4, 1, 0, bias=False), nn.BatchNorm2d(depths[-1]), nn.ReLU(True)]
    for deep, shallow in zip(depths[:0:-1], depths[-2::-1]):
        g += [nn.ConvTranspose2d(deep, shallow, 4, 2, 1, bias=False), nn.BatchNorm2d(shallow), nn.ReLU(True)]
    g += [nn.ConvTranspose2d(filters, 3, 4, 2, 1, bias=False), nn.Tanh()]
    d = [nn.Conv2d(3, filters, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for shallow, deep in zip(depths, depths[1:]):
        d += [nn.Conv2d(shallow, deep, 4, 2, 1, bias=False), nn.BatchNorm2d(deep), nn.LeakyReLU(0.2, True)]
    d += [nn.Conv2d(depths[-1], 1, 4, 1, 0, bias=False), nn.Flatten(0)]
    return nn.Sequential(*g), nn.Sequential(*d)


def initial_values(layer):
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)


class Training:
    """images: [N, size, size, 3] in [-1, 1]."""

    def __init__(self, images, args):
        torch.manual_seed(args.seed)
        self.args, self.z_dim = args, 100
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        self.nets = {name: net.apply(initial_values).to(memory_format=torch.channels_last)
                     for name, net in zip("GD", networks(args.image_size, args.filters, self.z_dim))}
        self.optims = {name: torch.optim.Adam(net.parameters(), 0.0002, betas=(0.5, 0.999))
                       for name, net in self.nets.items()}
        self.flags = {name: value for name, value in vars(args).items() if name not in ("epoch", "folder")}
        self.flags["pictures"] = len(images)
        self.epoch, self.seconds, self.rows = 0, [], []  # so far; the rows of scores.csv
        self.path = os.path.join(args.folder, STATE)
        if os.path.exists(self.path):
            self.restore()

    def draw(self, z):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.precision == "bfloat16"):
            return self.nets["G"](z)

    def loss(self, images, label):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.args.precision == "bfloat16"):
            logits = self.nets["D"](images)
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), torch.full(logits.shape, label))

    def step(self, images):
        self.optims["D"].zero_grad()
        self.loss(images, 1.).backward()
        fakes = self.draw(torch.randn(len(images), self.z_dim, 1, 1))
        self.loss(fakes.detach(), 0.).backward()
        self.optims["D"].step()
        self.optims["G"].zero_grad()
        self.nets["D"].requires_grad_(False)
        self.loss(fakes, 1.).backward()
        self.nets["D"].requires_grad_(True)
        self.optims["G"].step()

    def train(self):
        """One epoch."""
        order = random_state(self.args.seed, "order", self.epoch).permutation(len(self.images))
        for rows in order[:len(order) // BATCH * BATCH].reshape(-1, BATCH):
            start = time.perf_counter()
            self.step(self.images[rows])
            self.seconds.append(time.perf_counter() - start)
        self.epoch += 1

    def samples(self, count):
        """Pictures [count, size, size, 3] in [-1, 1], of the same noise each time."""
        z = torch.from_numpy(np.float32(random_state(self.args.seed, "samples").normal(size=[count, self.z_dim, 1, 1])))
        self.nets["G"].eval()
        with torch.no_grad():
            images = torch.cat([self.draw(part).float() for part in z.split(100)])
        self.nets["G"].train()
        return images.permute(0, 2, 3, 1).numpy()

    def save(self):
        state = {"flags": self.flags, "epoch": self.epoch, "seconds": self.seconds, "rows": self.rows,
                 "random": torch.get_rng_state(),
                 **{name: net.state_dict() for name, net in self.nets.items()},
                 **{name + "_optim": optim.state_dict() for name, optim in self.optims.items()}}
        with whole(self.path, to_disk=True) as part:
            torch.save(state, part)
        self.write_scores()

    def write_scores(self):
        path = os.path.join(self.args.folder, SCORES)
        with whole(path, to_disk=True) as part, open(part, "w", newline="") as file:
            table = csv.DictWriter(file, self.rows[0] if self.rows else ["epoch", "step"])
            table.writeheader()
            table.writerows(self.rows)

    def restore(self):
        try:
            state = torch.load(self.path)
            theirs = dict(state["flags"])
        except Exception as error:  # a damaged file may make torch raise anything
            raise UserError(f"{self.path} is damaged, or of another program ({one_line(error)[:100]}): move it and "
                            f"{SCORES} away to begin again") from None
        other = [name for name, value in self.flags.items() if theirs.get(name) != value]
        if other:
            raise UserError(f"{self.path} was made with other flags ({', '.join(other)}): give another --folder")
        self.epoch, self.seconds, self.rows = state["epoch"], state["seconds"], state["rows"]
        torch.set_rng_state(state["random"])
        for name in self.nets:
            self.nets[name].load_state_dict(state[name])
            self.optims[name].load_state_dict(state[name + "_optim"])
        self.write_scores()  # a run may have ended between the two files


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--dataset", type=path_type, required=True)
    parser.add_argument("--folder", type=path_type, required=True, help="for the state and scores.csv")
    parser.add_argument("--precision", default="bfloat16", choices=["float32", "bfloat16"])
    parser.add_argument("--image_size", type=power_of_two, default=64, help="[64]")
    for name, default, least in (("filters", 64, 1), ("epoch", 20, 1), ("judge_every", 1, 1), ("seed", 1, 0)):
        parser.add_argument("--" + name, type=at_least(least), default=default, help=f"[{default}]")
    args = parser.parse_args()
    machine.need_torch()
    root = find_dataset(args.dataset)
    files = list_pictures(root)
    check_number(files, root)
    if len(files) < BATCH:
        raise UserError(f"{len(files)} picture(s) in {root} are fewer than one batch of {BATCH}: add pictures")
    machine.check_ours(os.path.join(args.folder, STATE), os.path.join(args.folder, SCORES))
    os.makedirs(args.folder, exist_ok=True)
    with locked(args.folder, ".run", "--folder"):
        learn(files, args)


def learn(files, args):
    """Train for the epochs that are not done yet, and judge."""
    random_state(args.seed, "data").shuffle(files)  # as the trainer does: the judge compares with the first ones
    images = Loader(gantut_imgfuncs, args.image_size, is_crop=True, c_dim=3).load_all(files)
    training = Training(images, args)
    judge = Judge(pixels(images[:2 * COUNT]), COUNT, args.seed)
    while training.epoch < args.epoch:
        training.train()
        if training.epoch % args.judge_every == 0:
            scores = judge.scores(pixels(training.samples(judge.count)))
            training.rows.append({"epoch": training.epoch - 1, "step": len(training.seconds), **scores})
        training.save()
        print(f"epoch {training.epoch - 1}: {np.median(training.seconds):.5f} s a step", flush=True)


if __name__ == "__main__":
    machine.run(main)
