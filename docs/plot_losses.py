"""Draw the loss curves of a training from its TensorBoard logs: python docs/plot_losses.py logs losses.png
"""
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(logs_dir, path):
    logs = EventAccumulator(logs_dir, size_guidance={"scalars": 0}).Reload()
    figure, axes = plt.subplots(figsize=(8, 4))
    for tag in ("d_loss", "g_loss"):
        losses = {event.step: event.value for event in logs.Scalars(tag)}  # of G's two updates in a step, the second
        axes.plot(list(losses), list(losses.values()), label=tag, linewidth=0.8)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.set_yscale("log")
    axes.legend()
    figure.savefig(path, dpi=100, bbox_inches="tight")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python docs/plot_losses.py LOGS_DIR PICTURE.png")
    main(*sys.argv[1:])
