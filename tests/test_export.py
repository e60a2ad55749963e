"""Both networks in other runtimes, TensorFlow alone, ONNX Runtime and LiteRT, against the session and against NumPy."""
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import ROOT, run_script, the_error, two_at_a_time
from reference import Reference
from test_sample import SIZES, config, make_checkpoint, noise, open_sampler

import gantut_sample
from gantut.errors import UserError
from gantut.export import FORMATS

MODELS = {"colour": SIZES, "gray": dict(image_size=32, c_dim=1, gf_dim=2, df_dim=6, z_dim=5)}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request, tmp_path_factory):
    """A checkpoint, its files in every format, and what the session makes of five z: images in [0, 1], judgements."""
    pytest.importorskip("tf2onnx", reason="needs tf2onnx: pip install '.[test]'")
    sizes, folder = MODELS[request.param], tmp_path_factory.mktemp(request.param)
    params, files = make_checkpoint(folder, **sizes), {}
    z = noise(*range(5), z_dim=sizes["z_dim"])
    with open_sampler(folder) as sampler:
        for network in "GD":
            for form, out in FORMATS.items():
                files[form, network] = folder / network / out
                os.makedirs(folder / network, exist_ok=True)
                gantut_sample.export(sampler, export_config(folder, files[form, network], form, network))
        images, dcgan = sampler.draw_all(z), sampler.dcgan
        probability, logits = dcgan.sess.run([dcgan.D, dcgan.D_logits],
                                             {dcgan.images: images, dcgan.is_training: False})
    reference = Reference(dict(params), **sizes)
    return SimpleNamespace(folder=folder, files=files, z=np.float32(z), images=(images + 1) / 2, logits=logits,
                           probability=probability, sizes=sizes,
                           by_numpy=reference.discriminator(images, train=False).x)


colour = pytest.mark.parametrize("model", ["colour"], indirect=True)


def export_config(folder, out, form="saved_model", network="G"):
    return config(out, checkpoint_dir=str(folder / "checkpoint"), mode="export", format=form, network=network)


def check(model, run):
    """Whether run(network, {input: array}) gives what the session gives, for any number of images."""
    assert model.logits.std() > 0.01 and model.images.std() > 0.05  # else the comparison would say little
    np.testing.assert_allclose(model.logits, model.by_numpy, atol=1e-4)
    for n in (5, 1, 2):
        drawn = run("G", {"z": model.z[:n]})
        assert list(drawn) == ["images"] and drawn["images"].dtype == np.float32
        np.testing.assert_allclose(drawn["images"], model.images[:n], rtol=0, atol=1e-4)
        judged = run("D", {"images": drawn["images"]})
        assert sorted(judged) == ["logits", "probability"]
        np.testing.assert_allclose(judged["probability"], model.probability[:n], rtol=0, atol=1e-4)
        np.testing.assert_allclose(judged["logits"], model.logits[:n], rtol=0, atol=1e-4)


# by plain TensorFlow, without this project; a constant folded into a kernel moves the last bits
LOAD = """
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
given = {name: tf.constant(value) for name, value in np.load("given.npz").items()}
np.savez("returned.npz", **{name: tensor.numpy() for name, tensor in model(**given).items()})
print([op.name for op in model.graph.get_operations() if op.type.startswith("Placeholder")])
print([name for name in sys.modules if "gantut" in name])
"""


@colour
def test_saved_models_are_loaded_by_tensorflow_alone(tmp_path, model):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def load(network, given):
        folder = tmp_path / network
        folder.mkdir()
        np.savez(folder / "given.npz", **given)
        process = subprocess.run([sys.executable, "-I", "-c", LOAD, str(model.files["saved_model", network])],
                                 cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr
        assert ROOT not in process.stdout
        name, = given
        assert process.stdout == f"['{name}']\n[]\n"  # one placeholder, no module of the project
        return np.load(folder / "returned.npz")

    images = load("G", {"z": model.z})["images"]
    assert images.dtype == np.float32 and 0 <= images.min() and images.max() <= 1
    np.testing.assert_allclose(images, model.images, rtol=0, atol=3e-6)
    judged = load("D", {"images": images})
    np.testing.assert_allclose(judged["logits"], model.logits, rtol=0, atol=1e-4)
    np.testing.assert_allclose(judged["probability"], model.probability, rtol=0, atol=1e-4)


@pytest.mark.quick
def test_onnx_runtime(model):
    onnxruntime = pytest.importorskip("onnxruntime")
    sessions = {network: onnxruntime.InferenceSession(str(model.files["onnx", network])) for network in "GD"}

    def run(network, given):
        session = sessions[network]
        assert [one.name for one in session.get_inputs()] == list(given)
        return dict(zip([one.name for one in session.get_outputs()], session.run(None, given)))

    check(model, run)
    size, c_dim, z_dim = (model.sizes[name] for name in ("image_size", "c_dim", "z_dim"))
    assert sessions["G"].get_inputs()[0].shape == ["N", z_dim]
    assert sessions["G"].get_outputs()[0].shape == sessions["D"].get_inputs()[0].shape == ["N", size, size, c_dim]


@pytest.mark.quick
def test_litert(model):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    runners = {network: interpreter.Interpreter(str(model.files["tflite", network])).get_signature_runner(
        "serving_default") for network in "GD"}
    check(model, lambda network, given: runners[network](**given))


def test_files_hold_the_networks_weights_once(model):
    """Four bytes a number, and little else."""
    reader = tf.train.load_checkpoint(str(model.folder / "checkpoint"))
    for network, scope in (("G", "generator/"), ("D", "discriminator/")):
        numbers = sum(np.prod(shape, dtype=int) for name, shape in reader.get_variable_to_shape_map().items()
                      if name.startswith(scope) and "Adam" not in name)
        for form in ("onnx", "tflite"):
            assert os.path.getsize(model.files[form, network]) < 4 * numbers + 20_000


@pytest.mark.quick
@colour
def test_nothing_is_lost_when_an_export_fails(tmp_path, model, monkeypatch):
    with open_sampler(model.folder) as sampler:
        with pytest.raises(UserError, match="cannot write .*export.* exists"):
            gantut_sample.export(sampler, export_config(model.folder, model.files["saved_model", "G"]))
        monkeypatch.setitem(sys.modules, "tf2onnx.convert", None)  # as if it were not installed
        (tmp_path / "a.onnx").write_text("from before")
        with pytest.raises(UserError, match=r"^--format onnx needs tf2onnx .*pip install '\.\[export\]'$"):
            gantut_sample.export(sampler, export_config(model.folder, tmp_path / "a.onnx", "onnx"))
        assert (tmp_path / "a.onnx").read_text() == "from before" and os.listdir(tmp_path) == ["a.onnx"]


@colour
def test_the_export_as_a_command(tmp_path, model):
    flags = ["--mode", "export", "--checkpoint_dir", model.folder / "checkpoint"]
    cases = {"--format onnx": "export.onnx", "--format tflite --network D": "export.tflite",
             "--format onnx --out model": "--mode export writes a .onnx file",
             "--out model.onnx": "model.onnx is the name of another format's file: add --format onnx"}
    processes = two_at_a_time(lambda words: run_script("gantut_sample.py", *flags, *words.split(), cwd=tmp_path), cases)
    for words, process in processes.items():
        if cases[words].startswith("export"):
            assert process.returncode == 0 and process.stderr == "", process.stderr
            assert process.stdout.endswith(f"wrote {cases[words]}\n")
        else:
            assert cases[words] in the_error(process)
    assert sorted(os.listdir(tmp_path)) == ["export.onnx", "export.tflite"]
