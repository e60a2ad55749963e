"""gantut/devices.py, gantut/workers.py: several devices and several workers train the model that one process would."""
import os
import re
from itertools import islice
from types import SimpleNamespace

import forked
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from cluster_checks import BATCH, BareRun, on, train
from helpers import ROOT, free_ports, traced, write_pictures

import gantut_imgfuncs
from gantut.batches import Pictures
from gantut.devices import find_devices, not_moving
from gantut.errors import UserError
from gantut.fused_step import update_both
from gantut.image_loader import Loader
from gantut.seeding import random_state
from gantut.workers import SingleProcess, WorkerGroup
from gantut_datafuncs import batch_norm
from gantut_gan import dataset_files

SCRIPT = os.path.join(ROOT, "tests", "cluster_checks.py")


def in_processes(folder, workers, devices=1):
    """What train() returns in each worker, a process of its own."""
    folder.mkdir()
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(workers))
    processes = []
    for i in range(workers):
        with open(folder / f"{i}.err", "w") as err:
            processes.append(forked.Process([SCRIPT, hosts, str(i), str(devices), str(folder)], folder, err, err))
    for i, process in enumerate(processes):
        assert process.wait(300) == 0, (folder / f"{i}.err").read_text()
    return [dict(np.load(folder / f"{i}.npz")) for i in range(workers)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return in_processes(tmp_path_factory.mktemp("two") / "workers", 2)


def in_mode(mode, found, *, without=()):
    return {name: value for name, value in found.items()
            if name.startswith(mode + "/") and not any(part in name for part in without)}


def assert_close(found, expected, atol=1e-5):
    assert found.keys() == expected.keys() and len(found) > 20
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=atol, err_msg=name)


def test_all_workers_hold_the_same_bits(two, tmp_path):
    for found in (two, in_processes(tmp_path / "three", 3)):
        for other in found[1:]:
            assert found[0].keys() == other.keys() and len(other) > 100
            assert [name for name in other if other[name].tobytes() != found[0][name].tobytes()] == []


def test_two_workers_match_one_process_with_twice_the_batch(two):
    """With the moving averages a model's gradient is the mean over the pictures, on whichever worker they are."""
    alone = train([], 0, 1, batch=2 * BATCH)
    assert_close(in_mode("averages", two[0]), in_mode("averages", alone))
    moved = [name for name, value in alone.items() if name.endswith("Matrix")
             and np.abs(value - alone[name.replace("averages", "statistics")]).max() > 1e-4]
    assert moved  # 1e-5 is little compared with what the steps change


def test_two_workers_with_two_devices_match_one_process_with_four_batches(tmp_path):
    found = in_processes(tmp_path / "both", 2, devices=2)
    assert all(found[0][name].tobytes() == found[1][name].tobytes() for name in found[0])
    assert_close(in_mode("averages", found[0]), in_mode("averages", train([], 0, 1, batch=4 * BATCH)))


def test_two_devices_match_two_workers(two):
    """Also where each replica normalises by its own batch.

    The gradient of a bias before a batch norm is 0 but for rounding, which Adam enlarges: these biases are left out.
    """
    devices = train([], 0, 2)
    assert_close(in_mode("averages", devices), in_mode("averages", two[0]))
    zero = ("g_h0_lin/bias", "d_h1_conv/biases", "d_h2_conv/biases", "d_h3_conv/biases")
    moving = ("/moving_",)  # averages include these biases
    assert_close(in_mode("statistics", devices, without=zero + moving),
                 in_mode("statistics", two[0], without=zero + moving))


@pytest.mark.quick
def test_batch_norms_move_again_after_an_error():
    plain, changed = batch_norm(name="plain"), batch_norm(name="changed")
    changed.move = own = lambda mean, variance: None
    for bns, error in ([plain, changed], KeyError), ([plain, object()], UserError):
        with pytest.raises(error), not_moving(bns):
            assert changed.move is not own
            raise KeyError
    assert "move" not in vars(plain) and changed.move is own


def test_moving_averages_move_to_the_mean_over_the_devices():
    """Of the generator's first layer, with NumPy: z times its matrix, as the bias is 0 in the first step."""
    config = tf.ConfigProto()
    Model = on(3, config)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        dcgan = Model(sess, image_size=8, batch_size=BATCH, z_dim=8, gf_dim=4, df_dim=4)
        sess.run(tf.global_variables_initializer())
        z = np.random.RandomState(3).uniform(-1, 1, (3 * BATCH, 8))
        sess.run(dcgan.G, {dcgan.z: z, dcgan.is_training: True})
        averages = tf.global_variables("generator/g_bn0/moving_")
        matrix, (mean, variance) = sess.run([tf.global_variables("generator/g_h0_lin/Matrix")[0], averages])
        hidden = [(part @ matrix).reshape(-1, 4 * 8) for part in np.split(z, 3)]  # [pixels, channels]
        np.testing.assert_allclose(mean, 0.1 * np.mean([part.mean(0) for part in hidden], 0), atol=1e-7)
        np.testing.assert_allclose(variance, 0.9 + 0.1 * np.mean([part.var(0) for part in hidden], 0), atol=1e-7)

        seven = sess.run(dcgan.G, {dcgan.z: z[:7], dcgan.is_training: False})  # parts of 2, 2 and 3
        two = sess.run(dcgan.G, {dcgan.z: z[:2], dcgan.is_training: False})  # parts of 0, 1 and 1
        np.testing.assert_allclose(two, seven[:2], atol=1e-6)
        assert all((before == after).all() for before, after in zip((mean, variance), sess.run(averages)))


@pytest.mark.quick
def test_every_device_has_its_part_of_the_work():
    config = tf.ConfigProto()
    Model = on(2, config)
    with tf.Graph().as_default(), tf.Session(config=config) as sess:
        dcgan = Model(sess, image_size=8, batch_size=BATCH, z_dim=8, gf_dim=4, df_dim=4)
        run = BareRun(dcgan)
        dg_optim, _ = update_both(dcgan, run.d_optim, run.g_optim)
        sess.run(tf.global_variables_initializer())
        devices = traced(sess, dg_optim, {dcgan.images: np.zeros([8, 8, 8, 3]), dcgan.z: np.zeros([8, 8]),
                                          dcgan.is_training: True})
    done = {device.device[-5:]: [node.timeline_label for node in device.node_stats
                                 if re.search(r"= \w*Conv2D\w*\(", node.timeline_label)]
            for device in devices if "CPU:" in device.device}
    assert len(done["CPU:0"]) == len(done["CPU:1"]) > 10, done


@pytest.mark.quick
def test_the_workers_parts_of_an_epoch_are_what_one_process_would_see(tmp_path):
    """Each worker its part of every batch and of its noise, no picture twice."""
    files = dataset_files(write_pictures(tmp_path, n=26))
    config = SimpleNamespace(skip_bad_images=False, seed=3, cache_mb=0, mirror=False)

    def orders(replicas, process, batch_size):
        loader = Loader(gantut_imgfuncs, 16)
        data = Pictures(files, loader, config, batch_size * replicas, process.rows(batch_size))
        return list(islice(data.orders(), 2 * (26 // 12)))

    workers = [object.__new__(WorkerGroup) for _ in range(3)]
    for i, worker in enumerate(workers):
        worker.index = i
    shares = [orders(3, worker, 4) for worker in workers]
    together = [np.concatenate(step) for step in zip(*shares)]
    assert [step.tolist() for step in together] == [step.tolist() for step in orders(1, SingleProcess(), 12)]
    assert len(set(np.concatenate(together[:2]))) == 24

    alone, of_all = (random_state(3, "z", 7).uniform(-1, 1, [4 * n, 5]) for n in (1, 3))
    np.testing.assert_array_equal(of_all[workers[0].rows(4)], alone)  # whatever the number of replicas
    assert len({of_all[workers[i].rows(4)].tobytes() for i in range(3)}) == 3


@pytest.mark.quick
def test_missing_gpus():
    with pytest.raises(UserError, match="--num_gpus 99, but TensorFlow sees"):
        find_devices(SimpleNamespace(num_gpus=99, num_devices=1), tf.ConfigProto())
