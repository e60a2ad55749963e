"""Draw the loss curves of a training from its TensorBoard logs: python docs/plot_losses.py logs losses.png
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import gantut.quiet  # noqa: F401  (before TensorFlow, which it keeps quiet)

from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantut.errors import UserError, check_writable, writing
from gantut.images import save_figure
from gantut.scripts import argument_parser, run


def draw(logs_dir, path):
    if not os.path.isdir(logs_dir):
        raise UserError(f"no folder {logs_dir}: give the one that a training has written as --logs_dir")
    logs = EventAccumulator(logs_dir, size_guidance={"scalars": 0}).Reload()
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    for tag in ("d_loss", "g_loss"):
        if tag not in logs.Tags()["scalars"]:
            raise UserError(f"no {tag} in {logs_dir}: give the folder that a training has written as --logs_dir")
        losses = {event.step: event.value for event in logs.Scalars(tag)}  # of G's two updates in a step, the second
        axes.plot(list(losses), list(losses.values()), label=tag, linewidth=0.8)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend()
    with writing(path):
        save_figure(figure, path, dpi=100, bbox_inches="tight")


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("logs_dir", type=os.path.expanduser, help="what a training has written for TensorBoard")
    parser.add_argument("picture", type=os.path.expanduser, help="file to write, .png, .pdf, .svg, ...")
    args = parser.parse_args()
    check_writable(args.picture)
    draw(args.logs_dir, args.picture)


if __name__ == "__main__":
    run(main)
