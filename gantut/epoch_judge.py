"""The judge in a training, --judge_every: scores go to TensorBoard and a table, the best checkpoint aside."""
import csv
import os

import numpy as np
import tensorflow.compat.v1 as tf

from gantut import record
from gantut.checkpoints import newest_checkpoint
from gantut.dice import sample_z
from gantut.errors import UserError, whole
from gantut.images import pixels
from gantut.judge import Judge
from gantut.keeping import optional

COUNT = 1000  # samples, and real pictures, that are compared
BATCH = 64
BEST = "SWD, mean"  # the score that decides, the less the better


class EpochJudge(object):
    """Judges the samples of a run's model after every config.judge_every epochs; it changes nothing of the training.

    sample_dir/scores.csv holds a row for each time, checkpoint_dir/best the checkpoint of the best one if
    config.keep_best. counter: where the run begins. Raises UserError if there are too few pictures.
    """

    def __init__(self, run, counter):
        self.run, self.config = run, run.config
        data = run.data
        self.judge = Judge(pixels(data.load(range(min(len(data), 2 * COUNT)))), COUNT, self.config.seed)
        self.z = sample_z(self.config.seed, range(self.judge.count), run.dcgan.z_dim)
        self.path = os.path.join(self.config.sample_dir, "scores.csv")
        self.best = os.path.join(self.config.checkpoint_dir, "best")
        self.saver = tf.train.Saver(run.dcgan.saver.variables, max_to_keep=1, save_relative_paths=True)
        self.rows = [row for row in self.read() if int(row["step"]) <= counter]
        self.best_score = self.read_best()

    def read(self):
        """The rows of the table, dicts of strings; none if there is none. Raises UserError if it is another's."""
        try:
            with open(self.path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            [(int(row["step"]), float(row[BEST])) for row in rows]
            return rows
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError, csv.Error):
            raise UserError("{} is there, and no table of the judge's: move it, or use another --sample_dir".format(
                self.path)) from None

    def read_best(self):
        """The score of the checkpoint in checkpoint_dir/best; infinite if there is none.

        It stands beside it, as the samples and their table may go; runs of before 1.2 have it in the table alone.
        """
        path = os.path.join(self.best, "run.json")
        if not newest_checkpoint(self.best):
            return np.inf
        best = record.read(path).get("score") if os.path.exists(path) else None
        return best if best is not None else min([float(row[BEST]) for row in self.rows], default=np.inf)

    def look(self, epoch, counter):
        """After an epoch, with its number from 0: judge, if it is time."""
        if (epoch + 1) % self.config.judge_every:
            return
        dcgan, sess = self.run.dcgan, self.run.sess
        with self.run.to_draw():
            images = [sess.run(dcgan.G, {dcgan.z: self.z[i:i + BATCH], dcgan.is_training: False})
                      for i in range(0, len(self.z), BATCH)]
        scores = self.judge.scores(pixels(np.concatenate(images)))
        self.rows.append({"epoch": epoch, "step": counter, **{name: "{:.6g}".format(x) for name, x in scores.items()}})
        self.write(scores, counter)
        self.run.print("[Judge] " + ", ".join("{}: {:.3f}".format(*score) for score in scores.items()))
        if self.config.keep_best and scores[BEST] < self.best_score:
            self.keep(counter, float(scores[BEST]))

    def write(self, scores, counter):
        self.run.writer.add(tf.Summary(value=[
            tf.Summary.Value(tag="judge/" + name, simple_value=score) for name, score in scores.items()]), counter)
        with optional(self.path):
            os.makedirs(self.config.sample_dir, exist_ok=True)
            with whole(self.path) as path, open(path, "w", newline="", encoding="utf-8") as file:
                table = csv.DictWriter(file, self.rows[-1], restval="")
                table.writeheader()
                table.writerows(self.rows)

    def keep(self, counter, score):
        """Save the model as checkpoint_dir/best, a checkpoint folder like the run's own, and remove the one before."""
        with optional(self.best):
            os.makedirs(self.best, exist_ok=True)
            self.saver.save(self.run.sess, os.path.join(self.best, self.run.dcgan.model_name), global_step=counter)
            record.write(self.best, {**self.run.record, "score": score, "checkpoints": ["{}-{}".format(
                self.run.dcgan.model_name, counter)]})
            self.best_score = score
