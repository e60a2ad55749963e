"""Checks during a training: each step's losses, the weights that are saved, samples, an epoch's scores; why it ended.

Numbers that are not finite end a training; a line warns when the discriminator has won or the samples have collapsed.
Errors of TensorFlow, of memory and of the disk become one line. --judge_every: scores are written to TensorBoard and a
table, and the best checkpoint can be kept.
"""
import csv
import os
import re
import sys

import numpy as np
import tensorflow.compat.v1 as tf

from gantut import run_record
from gantut.checkpoints import SafeSaver, newest_checkpoint, written_by_run
from gantut.errors import UserError, is_inside, one_line, say, whole, writing
from gantut.images import pixels
from gantut.metrics import BEST, Judge
from gantut.outputs import optional
from gantut.sampler import Sampler

D_HAS_WON = (0.05, 200)  # d_loss below this (1.39 = undecided) in this many consecutive steps
COLLAPSED = (0.05, 500)  # spread of the samples below this fraction of the pictures' spread, after this many steps
SMALLER = "a smaller --batch_size, --gf_dim, --df_dim or --image_size needs less"
COUNT = 1000  # samples, and as many real pictures, are compared


class Monitor:
    """Checks a training for failures. variables: those of a checkpoint."""

    def __init__(self, sess, variables):
        self.sess = sess
        self.names = [var.op.name for var in variables]
        self.finite = [tf.reduce_all(tf.is_finite(tf.cast(var, tf.float32))) for var in variables]
        self.steps_won = 0
        self.warned = set()

    def check_losses(self, step, every=1, **losses):
        """Raise UserError if a loss is not finite; warn, once, when D has won for a long time.

        every: steps between two calls.
        """
        self.check_finite(step, losses)
        limit, steps = D_HAS_WON
        d_loss = losses["d_loss_real"] + losses["d_loss_fake"]
        self.steps_won = self.steps_won + every if d_loss < limit else 0
        if self.steps_won >= steps:
            g_loss = losses["g_loss"]
            self.warn(f"D has won: its loss has been below {limit} for {steps} steps (now {d_loss:.4f}, g_loss "
                      f"{g_loss:.2f}), so that G learns little; a smaller --df_dim or --learning_rate helps")

    def check_weights(self, step):
        """Raise UserError if a variable of the checkpoint is not finite."""
        self.check_finite(step, dict(zip(self.names, np.where(self.sess.run(self.finite), 0, np.nan))))

    def check_finite(self, step, values):
        """Raise UserError if one of the values, a dict by name, is not finite."""
        for name, value in values.items():
            if not np.isfinite(value):
                raise UserError(f"training has diverged: {name} is not finite at step {step}; the last checkpoint, if "
                                "there is one, was saved before that. A smaller --learning_rate usually helps, or "
                                "another --seed")

    def check_samples(self, step, samples, images):
        """Warn, once, when the samples have collapsed: they hardly differ from one another."""
        fraction, steps = COLLAPSED
        spread, wanted = (np.std(batch, axis=0).mean() for batch in (samples, images))
        if step >= steps and spread < fraction * wanted:
            self.warn(f"the samples have collapsed: their spread is {spread:.4f}, that of the pictures {wanted:.4f}; "
                      "go back to an earlier checkpoint (--max_to_keep keeps several), or try another --seed or a "
                      "smaller --learning_rate")

    def warn(self, message):
        kind = message.split(":")[0]
        if kind not in self.warned:
            self.warned.add(kind)
            print(" [!] " + message, file=sys.stderr, flush=True)


def what_failed(error, run):
    """A UserError for an error in a training, or None if that should be raised unchanged. run: its Run.

    After a failure of memory or of TensorFlow, what has been trained is saved first, if possible.
    """
    if isinstance(error, tf.errors.InvalidArgumentError):  # a histogram raises it for numbers that are not finite
        return not_finite(error, run)
    if isinstance(error, tf.errors.OpError) and run.processes.count > 1:
        return None  # WorkerGroup explains it
    if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)) or (
            isinstance(error, tf.errors.OpError) and "create a memory object" in str(error)):  # oneDNN's words
        return UserError(f"there is not enough memory for this training ({one_line(error)[:200]}): "
                         f"{SMALLER}{saved(run)}")
    folders = [getattr(run.config, name) for name in ("checkpoint_dir", "sample_dir", "logs_dir")]
    path = getattr(error, "filename", None)
    if isinstance(error, OSError) and isinstance(path, str) and any(is_inside(path, folder) for folder in folders):
        return UserError(f"cannot write {path}: {error.strerror}; what was saved before is intact, fix this and run "
                         "the same command again")
    if isinstance(error, tf.errors.OpError):
        return UserError(f"TensorFlow has ended the training ({one_line(error)[:300]}){saved(run)}")
    return None


def not_finite(error, run):
    """A UserError if numbers that are not finite caused the error of a histogram or another operation, else None."""
    histogram = re.search(r"summary histogram for: (\S+)", str(error))
    if not run.counter:
        return None
    try:
        run.monitor.check_weights(run.counter)
        if histogram:
            run.monitor.check_finite(run.counter, {histogram[1].rstrip(","): float("nan")})
    except UserError as diverged:
        return diverged
    return None


def saved(run):
    """Save what has been trained, if there is anything new and it is possible; returns the result in words."""
    if not run.chief or not run.counter or run.counter <= (run.dcgan.saver.saved or 1):
        return ""
    try:
        run.dcgan.save(run.config.checkpoint_dir, run.counter)
    except Exception:  # only the first error is reported
        return "; what was saved before is intact"
    return f"; the training is saved, from the middle of step {run.counter}: it continues, not bit for bit"


class EpochJudge:
    """Scores the samples of a run's model after every config.judge_every epochs, without any effect on the training.

    sample_dir/scores.csv gets a row each time; with config.keep_best, checkpoint_dir/best has the checkpoint with the
    best score. counter: where the run starts. Raises UserError if there are too few pictures.
    """

    def __init__(self, run, counter):
        self.run, self.config = run, run.config
        data = run.data
        self.judge = Judge(pixels(data.load(range(min(len(data), 2 * COUNT)))), COUNT, self.config.seed)
        self.sampler = Sampler(run.dcgan, self.config.seed)
        self.z = self.sampler.noise(range(self.judge.count))
        self.path = os.path.join(self.config.sample_dir, "scores.csv")
        self.best = os.path.join(self.config.checkpoint_dir, "best")
        self.saver = SafeSaver(run.dcgan.saver.variables, max_to_keep=1, save_relative_paths=True)
        self.rows = [row for row in self.read() if int(row["step"]) <= counter and not run.samples.of_another]
        self.best_score, self.saver.restored = self.read_best()  # keep() removes that one
        if self.config.keep_best and os.path.isdir(self.best):
            with writing(self.best):
                self.saver.take_over(self.best, run.dcgan.model_name)

    def read(self):
        """The rows of the table, dicts of strings; none if there is no table. Raises UserError for any other file."""
        try:
            with open(self.path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            [(int(row["step"]), float(row[BEST])) for row in rows]
            return rows
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}; move it, or use another "
                            "--sample_dir") from None
        except (ValueError, TypeError, KeyError, csv.Error):
            raise UserError(f"{self.path} exists and is not a table of scores: move it, or use another "
                            "--sample_dir") from None

    def read_best(self):
        """The score of the checkpoint in checkpoint_dir/best, and its path; infinite and None if none can be read.

        The score is in the run.json beside it, since the table may be deleted; without one it is the table's lowest.
        """
        path = os.path.join(self.best, "run.json")
        try:
            checkpoint = newest_checkpoint(self.best)
            best = run_record.read(path).get("score") if checkpoint and os.path.exists(path) else None
        except UserError as error:
            say(f"{error}: the training continues without it")
            return np.inf, None
        if checkpoint and best is None:
            best = min([float(row[BEST]) for row in self.rows], default=np.inf)
        return best if checkpoint else np.inf, checkpoint

    def catch_up(self, epoch, counter):
        """Look, if the table of this run has scores, but none of this epoch."""
        if self.rows and all(row.get("epoch") != str(epoch) for row in self.rows):
            self.look(epoch, counter)

    def look(self, epoch, counter):
        """After an epoch (numbered from 0): compute the scores, if they are due."""
        if (epoch + 1) % self.config.judge_every:
            return
        with self.run.to_draw():
            images = self.sampler.draw_all(self.z, show=False)
        scores = self.judge.scores(pixels(images))
        if self.config.keep_best and scores[BEST] < self.best_score:
            self.keep(counter, float(scores[BEST]))  # before the table says so: catch_up() looks there
        self.rows.append({"epoch": epoch, "step": counter, **{name: f"{x:.6g}" for name, x in scores.items()}})
        self.write(scores, counter)
        self.run.print("[Judge] " + ", ".join(f"{name}: {score:.3f}" for name, score in scores.items()))

    def write(self, scores, counter):
        self.run.writer.add(tf.Summary(value=[
            tf.Summary.Value(tag="judge/" + name, simple_value=score) for name, score in scores.items()]),
            counter - 1)  # the last step, as the losses: a run that continues replaces what was written from counter on
        with optional(self.path):
            os.makedirs(self.config.sample_dir, exist_ok=True)
            with whole(self.path, to_disk=True) as path, open(path, "w", newline="", encoding="utf-8") as file:
                names = dict.fromkeys(name for row in reversed(self.rows) for name in row if name)
                table = csv.DictWriter(file, names, restval="", extrasaction="ignore")
                table.writeheader()
                table.writerows(self.rows)

    def keep(self, counter, score):
        """Save the model as checkpoint_dir/best, a checkpoint folder like the run's own, and remove the one before."""
        with optional(self.best):
            os.makedirs(self.best, exist_ok=True)
            name = f"{self.run.dcgan.model_name}-{counter}"
            both = [*written_by_run(self.best), name]  # so that a kill leaves nothing that no run knows
            before = min(self.best_score, sys.float_info.max)  # JSON has no infinity
            run_record.write(self.best, {**self.run.record, "score": before, "checkpoints": both})
            self.saver.save(self.run.sess, os.path.join(self.best, self.run.dcgan.model_name), global_step=counter)
            run_record.write(self.best, {**self.run.record, "score": score, "checkpoints": [name]})
            self.best_score = score
