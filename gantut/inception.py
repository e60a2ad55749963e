"""Features from Keras' InceptionV3 for gantut_judge.py, in a separate process, because Keras needs eager execution.

The weights are Keras' own for ImageNet. The literature's FID uses others (the network of 2015 that torch-fidelity and
clean-fid load), so its numbers differ.
"""
import os
import subprocess
import sys
import threading
import time

import numpy as np

from gantut.errors import UserError, temporary_folder
from gantut.scripts import set_environment

SIZE = 299  # pixels, what the network was trained on
BATCH = 50


def check_weights(weights):
    """Raise UserError if weights, if given, are neither a file nor imagenet."""
    if weights and weights != "imagenet" and not os.path.isfile(weights):
        raise UserError(f"--inception {weights}: there is no such file; give one, or imagenet")


def features_of(images, weights):
    """Features of images [N, size, size, 1 or 3] in 0..255: float32 [N, 2048]. weights: a file, or imagenet.

    Raises UserError if Keras cannot compute them.
    """
    with temporary_folder() as folder:
        given, found = os.path.join(folder, "images.npy"), os.path.join(folder, "features.npy")
        np.save(given, images)
        variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3",
                     "CUDA_VISIBLE_DEVICES": "-1"}  # this process may have taken the GPU's memory
        set_environment(variables)
        process = subprocess.run([sys.executable, "-m", "gantut.inception", given, found,
                                  weights if weights == "imagenet" else os.path.abspath(weights), str(os.getpid())],
                                 cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                 env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if process.returncode:
            ended = f"its process ended with exit code {process.returncode}"  # -9: killed, as for memory
            error = (process.stderr.strip().splitlines() or [ended])[-1]
            raise UserError(f"--inception {weights}: Keras gives no features ({error})")
        return np.load(found)


def end_with(parent):
    """End this process as soon as its parent has ended, perhaps by a signal while features are computed."""
    while os.getppid() == parent or os.name != "posix":  # a virtual environment's python.exe is another process
        time.sleep(0.2)
    os._exit(1)


def main(given, found, weights, parent):
    threading.Thread(target=end_with, args=[int(parent)], daemon=True).start()
    import tensorflow as tf
    tf.keras.config.set_floatx("float32")  # ~/.keras/keras.json may say something else
    tf.keras.config.set_image_data_format("channels_last")
    from tensorflow.keras.applications import inception_v3
    network = inception_v3.InceptionV3(include_top=False, pooling="avg", weights=weights)
    images = np.load(given)
    features = []
    for i in range(0, len(images), BATCH):
        batch = tf.image.resize(np.float32(images[i:i + BATCH]), [SIZE, SIZE], "bilinear")
        batch = tf.image.grayscale_to_rgb(batch) if batch.shape[-1] == 1 else batch
        features.append(network(inception_v3.preprocess_input(batch), training=False).numpy())
    np.save(found, np.concatenate(features))


if __name__ == "__main__":
    main(*sys.argv[1:])
