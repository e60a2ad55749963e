"""What starts the workers, docs/cluster.md: its files for Kubernetes by the published schemas, its script with Ray."""
import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers import ROOT, SMALL, free_ports, start, variables, wait_until

PAGE = Path(ROOT, "docs", "cluster.md").read_text(encoding="utf-8")
KUBERNETES = "1.34"  # since which podReplacementPolicy is stable


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def objects():
    """The page's Kubernetes objects, {kind: object}."""
    yaml = pytest.importorskip("yaml")
    return {found["kind"]: found for text in blocks("yaml") for found in yaml.safe_load_all(text)}


def valid(found):
    """Whether an object of Kubernetes's own kinds has the published schema, and no field besides."""
    validate = pytest.importorskip("kubernetes_validate")
    try:
        return bool(validate.validate(found, KUBERNETES, strict=True))
    except validate.ValidationError:
        return False


def valid_job_set(found):
    """Whether a JobSet has the published schema, from which its models are made; an unknown field would be left out."""
    models = pytest.importorskip("kubeflow_trainer_api.models")
    try:
        return models.JobsetV1alpha2JobSet.from_dict(copy.deepcopy(found)).to_dict() == found
    except ValueError:
        return False


def jobs_of(job_set):
    return [{"apiVersion": "batch/v1", "kind": "Job", **replicated["template"]}
            for replicated in job_set["spec"]["replicatedJobs"]]


def with_value(found, value, *path):
    """A copy of an object with another value at a path."""
    changed = inner = copy.deepcopy(found)
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.mark.quick
def test_the_files_for_kubernetes_have_the_published_schemas(objects):
    assert sorted(objects) == ["Job", "JobSet", "Service"]
    assert valid(objects["Service"]) and valid(objects["Job"])
    assert valid_job_set(objects["JobSet"]) and all(map(valid, jobs_of(objects["JobSet"])))


@pytest.mark.quick
@pytest.mark.parametrize("value, path", [
    ("Failed", ["spec", "podReplacmentPolicy"]),
    ("100", ["spec", "backoffLimit"]),
    ([{"name": "data"}], ["spec", "template", "spec", "containers", 0, "volumeMounts"])])
def test_a_slip_in_a_job_is_found(objects, value, path):
    assert not valid(with_value(objects["Job"], value, *path))


@pytest.mark.quick
@pytest.mark.parametrize("value, path", [
    (100, ["spec", "failurePolicy", "maxRestart"]),
    ("100", ["spec", "failurePolicy", "maxRestarts"]),
    (None, ["spec", "replicatedJobs", 0, "template"]),
    (2, ["spec", "replicatedJobs", 0, "template", "spec", "completion"])])
def test_a_slip_in_a_job_set_is_found(objects, value, path):
    assert not valid_job_set(with_value(objects["JobSet"], value, *path))


@pytest.mark.quick
def test_the_files_for_kubernetes_restart_what_they_should_and_name_their_pods(objects):
    """What the schemas leave open: the words of an enumeration, and names that Kubernetes makes of names."""
    job, job_set = objects["Job"], objects["JobSet"]
    inner, = jobs_of(job_set)
    assert job["spec"]["podReplacementPolicy"] == "Failed" and job["spec"]["backoffLimit"] > 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert job_set["spec"]["failurePolicy"]["maxRestarts"] > 0
    assert inner["spec"]["backoffLimit"] == 0 and inner["spec"]["template"]["spec"]["restartPolicy"] == "Never"

    service, name = objects["Service"], job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    pods = job_set["metadata"]["name"], job_set["spec"]["replicatedJobs"][0]["name"]
    for spec, pod, subdomain in ((job["spec"], name, service["metadata"]["name"]),
                                 (inner["spec"], "{}-{}-0".format(*pods), pods[0])):
        assert spec["completionMode"] == "Indexed" and spec["completions"] == spec["parallelism"]
        hosts = ",".join(f"{pod}-{i}.{subdomain}:8470" for i in range(spec["completions"]))
        command = spec["template"]["spec"]["containers"][0]["command"][-1]
        assert f" --worker_hosts {hosts} --task_index $JOB_COMPLETION_INDEX" in command


FLAGS = ["--batch_size", 4, "--save_every", 4, "--threads", 1, "--epoch", 30]  # 24 pictures: 90 steps for two


@pytest.fixture
def ray_folder():
    """For Ray's own files; the path is short, since it is a part of its sockets' names."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        yield folder


def start_ray(folder, ray_folder):
    """Start the page's script with other paths and more flags; its output goes to folder/launch.log."""
    text, = blocks("python")
    for old, new in (("/gantut/", ROOT + "/"), ("/data/faces", f"{folder}/pictures"), ("/run/", f"{folder}/"),
                     ('"--dataset"', ", ".join(f'"{flag}"' for flag in (*SMALL, *FLAGS, "--dataset")))):
        assert old in text
        text = text.replace(old, new)
    here = f"import ray\nray.init('local', num_cpus=2, include_dashboard=False, _temp_dir={ray_folder!r})\n"
    (folder / "launch.py").write_text(here + text)
    with open(folder / "launch.log", "w") as log:
        return subprocess.Popen([sys.executable, "launch.py"], cwd=folder, stdout=log, stderr=log,
                                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"})


def trainer_in(folder, index):
    """The number of the process that trains as this worker and saves in folder, None if there is none."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words, settings = ((entry / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
        except OSError:  # it has ended, or is another user's
            continue
        if f"{folder}/checkpoint".encode() in words and any(
                json.loads(word[10:])["task"]["index"] == index for word in settings if word.startswith(b"TF_CONFIG=")):
            return int(entry.name)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("killed", [None, 0, 1])
def test_ray_train_gives_the_run_that_the_flags_give(tmp_path, pictures, ray_folder, killed):
    """Also if one of its workers dies: Ray starts both again, and they continue."""
    pytest.importorskip("ray.train", reason="Ray is not installed: pip install '.[ray]'")
    launcher = start_ray(tmp_path, ray_folder)
    try:
        if killed is not None:
            wait_until((tmp_path / "checkpoint" / "checkpoint").exists, launcher, 600)  # Ray starts slowly
            os.kill(trainer_in(tmp_path, killed), signal.SIGKILL)
        code = launcher.wait(600)
    finally:
        launcher.kill()
    said = (tmp_path / "launch.log").read_text()
    assert code == 0, said
    assert ("died with <Signals.SIGKILL: 9>" in said) == ("An existing model was found" in said) == (killed is not None)

    folders = [tmp_path / "by_flags" / str(i) for i in (0, 1)]
    for folder in folders:
        shutil.copytree(pictures, folder / "pictures")
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    processes = [start(folder, *FLAGS, "--worker_hosts", hosts, "--task_index", i) for i, folder in enumerate(folders)]
    try:
        assert [process.wait(300) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    assert variables(tmp_path) == variables(folders[0])
