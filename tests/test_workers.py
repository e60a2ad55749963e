"""gantut/workers.py: trainings in several processes, which start, stop, die and resume; which workers there are."""
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from helpers import free_ports, losses, start, steps_done, the_error, train, variables, wait_until, write_pictures

from gantut.errors import Stopped, UserError
from gantut.run_record import MAY_CHANGE, MUST_MATCH
from gantut.session import processors_arithmetic
from gantut.worker_discovery import check_address, find_workers, why_not_there
from gantut.workers import NOTE, AdamOptimizer, WorkerGroup

FLAGS = ["--batch_size", 4, "--save_every", 4, "--sample_every", 5]  # 24 pictures: 3 steps for two


class Team:
    """Some workers, each a process with a folder of its own: folder/0, folder/1, ..."""

    def __init__(self, folder, n, pictures):
        self.folders = [folder / str(i) for i in range(n)]
        for path in self.folders:
            path.mkdir(parents=True, exist_ok=True)
            if not (path / "pictures").exists():
                shutil.copytree(pictures, path / "pictures")

    def start(self, *flags, pause=0, tf_config=False, **one):
        """Start all, the last one first; one: more flags for worker i as w0=[...], w1=[...]."""
        hosts = [f"127.0.0.1:{port}" for port in free_ports(len(self.folders))]
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:9"}  # as on clusters; it must not matter
        self.processes = []
        for i in reversed(range(len(self.folders))):
            who = ["--worker_hosts", ",".join(hosts), "--task_index", i]
            if tf_config:
                task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}}
                who, environment = [], {**environment, "TF_CONFIG": json.dumps(task)}
            self.processes.insert(0, start(self.folders[i], *FLAGS, *who, *flags, *one.get(f"w{i}", []),
                                           env=environment))
            time.sleep(pause)

    def steps(self, n):
        wait_until(lambda: steps_done(self.folders[0]) >= n, self.processes[0])

    def end(self, seconds=120):
        """Wait for all; returns their exit codes. None printed a traceback."""
        end = time.monotonic() + seconds
        try:
            codes = [process.wait(max(1, end - time.monotonic())) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()
        assert not any("Traceback" in self.stderr(i) for i in range(len(codes))), [self.stderr(i) for i in (0, 1)]
        return codes

    def stderr(self, i):
        return (self.folders[i] / "stderr").read_text()

    def stdout(self, i=0):
        return (self.folders[i] / "stdout").read_text()

    def errors(self):
        """The last line of each worker on stderr."""
        return [(self.stderr(i).splitlines() or [""])[-1] for i in range(len(self.folders))]

    def saved(self):
        """The number of worker 0's newest checkpoint, every variable of which can be read."""
        assert variables(self.folders[0])
        return int(tf.train.latest_checkpoint(str(self.folders[0] / "checkpoint")).rsplit("-", 1)[1])


@pytest.mark.parametrize("stopped, signum", [
    (1, signal.SIGINT), pytest.param(0, signal.SIGTERM, marks=pytest.mark.slow)])
def test_stop_any_worker_and_continue_also_with_another_number(tmp_path, pictures, stopped, signum):
    peace, team = Team(tmp_path / "peace", 2, pictures), Team(tmp_path / "team", 2, pictures)
    peace.start("--epoch", 8)
    assert peace.end() == [0, 0] and peace.saved() == 25

    team.start("--epoch", 8, pause=2)
    team.steps(2)
    team.processes[stopped].send_signal(signum)
    assert team.end() == [128 + signum] * 2
    assert all("stopped and saved; to go on: " in line for line in team.errors())
    before, done = losses(team.stdout()), team.saved()
    assert len(before) == done - 1 < 24

    team.start("--epoch", 8)
    assert team.end() == [0, 0] and team.errors() == ["", ""]
    assert variables(team.folders[0]) == variables(peace.folders[0])
    assert before + losses(team.stdout()) == losses(peace.stdout())
    assert all(line.startswith(" [*] Waiting for worker 0 ") for line in team.stdout(1).splitlines())
    assert sorted(path.name for path in team.folders[1].iterdir()) == ["pictures", "stderr", "stdout"]

    alone = train(team.folders[0], *FLAGS, "--epoch", 10)  # as one process, in the same folder
    assert alone.returncode == 0 and " [*] going on with 1 x 4 pictures a step (it was 2 x 4)" in alone.stdout
    assert [line for line, _ in losses(alone.stdout)] == [
        f"Epoch [{epoch:2d}] [{idx:4d}/{6:4d}]" for epoch in (8, 9) for idx in range(6)]
    team.start("--epoch", 11)
    assert team.end() == [0, 0] and " [*] going on with 2 x 4 pictures a step (it was 1 x 4)" in team.stdout()
    assert [line for line, _ in losses(team.stdout())] == [
        f"Epoch [10] [{idx:4d}/{3:4d}]" for idx in range(3)]
    assert team.saved() == 25 + 12 + 3


@pytest.mark.skipif(not processors_arithmetic(), reason="this processor has no arithmetic for bfloat16")
def test_bfloat16_and_a_recipe_in_two_halves(tmp_path, pictures):
    """The layers are large enough for TensorFlow's rewrite to convert them."""
    flags = ["--fast", "--gf_dim", 16, "--df_dim", 16, "--precision", "bfloat16", "--ema", 0.999, "--augment",
             "--g_updates", 1, "--r1", 1, "--epoch"]
    peace, halves = Team(tmp_path / "peace", 2, pictures), Team(tmp_path / "halves", 2, pictures)
    printed = []
    for team, epoch in (peace, 2), (halves, 1), (halves, 2):
        team.start(*flags, epoch)
        assert team.end() == [0, 0] and team.errors() == ["", ""]
        printed += losses(team.stdout())
    assert printed[:6] == printed[6:] and len(printed) == 12
    assert variables(peace.folders[0]) == variables(halves.folders[0])


def test_another_models_weights_and_mirrored_pictures_in_two_halves(tmp_path, pictures):
    """Worker 0 alone has the other model; both mirror the pictures that one process would."""
    model = train(tmp_path, "--epoch", 1, "--seed", 7, "--learning_rate", 0.01, "--checkpoint_dir", "other")
    assert model.returncode == 0, model.stderr
    flags = ["--init_from", "other", "--mirror", "--ema", 0.9, "--epoch"]
    teams = {name: Team(tmp_path / name, 2, pictures) for name in ("peace", "halves", "nothing")}
    printed = {name: [] for name in teams}
    for name, asked in (("peace", [*flags, 2]), ("halves", [*flags, 1]), ("halves", [*flags, 2]),
                        ("nothing", [*flags[2:], 2])):
        if name == "peace" or asked[-1] == 1:
            shutil.copytree(tmp_path / "other", teams[name].folders[0] / "other")
        teams[name].start(*asked)
        assert teams[name].end() == [0, 0] and teams[name].errors() == ["", ""]
        printed[name] += losses(teams[name].stdout())
        shutil.rmtree(teams[name].folders[0] / "other", ignore_errors=True)
    assert printed["peace"] == printed["halves"] != printed["nothing"] and len(printed["peace"]) == 6
    assert variables(teams["peace"].folders[0]) == variables(teams["halves"].folders[0])
    assert "Beginning with" not in teams["peace"].stdout(1)
    for name, folder in (("peace", "other"), ("nothing", None)):
        said = json.loads((teams[name].folders[0] / "checkpoint" / "run.json").read_text())["init_from"]
        assert said and said["folder"] == folder or said is folder


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_killed_worker_ends_the_others_and_all_continue(tmp_path, pictures, rounds):
    team, rng = Team(tmp_path, 3, pictures), np.random.RandomState(rounds)
    saved = 0
    for i in range(rounds):
        team.start("--epoch", 10000)
        team.steps(rng.randint(6, 12))  # at least one checkpoint
        killed = i % 3
        time.sleep(rng.uniform(0, 0.2))
        at = time.monotonic()
        team.processes[killed].kill()
        codes = team.end(60)
        assert time.monotonic() - at < 60
        assert codes[killed] == -signal.SIGKILL and sorted(codes) == [-signal.SIGKILL, 1, 1]
        for j in {0, 1, 2} - {killed}:
            line, = team.stderr(j).splitlines()
            assert re.fullmatch(r"error: lost .*: start all workers again to continue", line)
            assert f"worker {killed} (" in line  # and perhaps another one that ended because of it
        assert saved < team.saved()
        saved = team.saved()
    if rounds == 1:
        team.start("--epoch", 1 + saved // 2)
        assert team.end() == [0, 0, 0] and "An existing model was found" in team.stdout()


def test_workers_that_do_not_agree(tmp_path, pictures):
    team = Team(tmp_path, 2, pictures)
    write_pictures(team.folders[1] / "pictures", seed=5)
    team.start(w1=["--seed", 7, "--learning_rate", 0.1])
    assert team.end() == [1, 1]
    for line in team.errors():
        assert line.startswith("error: the workers do not agree: --seed of worker 1 is 7, of worker 0 1, ")
        assert "--learning_rate of worker 1 is 0.1" in line and "fingerprint of worker 1" in line
    assert not (team.folders[0] / "checkpoint" / "run.json").exists()


def test_a_bad_picture_on_one_worker_saves_and_ends_all(tmp_path, pictures):
    team = Team(tmp_path, 2, pictures)
    team.start("--epoch", 10000, "--cache_mb", 0)
    team.steps(3)
    shutil.rmtree(team.folders[1] / "pictures")
    assert team.end() == [1, 1]
    of_0, of_1 = team.errors()
    assert re.match(r"error: worker 1 \(127.*\) has ended with an error, see its message; the training is saved", of_0)
    assert "pictures" in of_1 and "No such file" in of_1 and "the training is saved" in of_1
    assert team.saved() == steps_done(team.folders[0]) + 1


def test_no_worker_says_saved_if_worker_0_cannot_save(tmp_path, pictures):
    team = Team(tmp_path, 2, pictures)
    team.start("--epoch", 10000, "--save_every", 100000)
    team.steps(3)
    (team.folders[0] / "checkpoint").rename(team.folders[0] / "moved")
    (team.folders[0] / "checkpoint").write_text("no folder")
    team.processes[1].send_signal(signal.SIGTERM)
    assert team.end() == [1, 1]
    of_0, of_1 = team.errors()
    assert "cannot write" in of_0 and "worker 0 could not save it" in of_1 and "stopped and saved" not in of_1


@pytest.mark.slow
def test_a_worker_that_hangs(tmp_path, pictures):
    team = Team(tmp_path, 2, pictures)
    team.start("--epoch", 10000, "--worker_timeout", 5)
    team.steps(5)
    team.processes[1].send_signal(signal.SIGSTOP)
    assert team.processes[0].wait(60) == 1
    assert team.errors()[0].startswith("error: a step with the other workers failed (Collective has timed out")
    team.processes[1].send_signal(signal.SIGCONT)
    assert team.end(60) == [1, 1] and team.saved()


@pytest.mark.slow
def test_lists_of_different_lengths(tmp_path, pictures):
    team = Team(tmp_path, 3, pictures)
    hosts = [f"127.0.0.1:{port}" for port in free_ports(3)]
    team.start("--worker_hosts", ",".join(hosts), w0=["--worker_hosts", ",".join(hosts[:2])])
    assert team.end() == [1, 1, 1]
    assert any("is joining a group with size" in line for line in team.errors())


def listening(pid):
    """The TCP ports on which a process listens."""
    sockets = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if entry.is_symlink()}
    lines = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/{pid}/net/{name}")]
    return [int(line[1].rsplit(":", 1)[1], 16) for line in lines
            if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]


def test_no_port_is_open_unless_there_are_other_machines(tmp_path, pictures):
    process = start(tmp_path, *FLAGS, "--epoch", 10000, "--num_devices", 2, "--scale_learning_rate")
    wait_until(lambda: steps_done(tmp_path) >= 2, process)
    assert listening(process.pid) == []
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "[   0/   3]" in (tmp_path / "stdout").read_text()  # two batches of 4 a step
    assert json.loads((tmp_path / "checkpoint" / "run.json").read_text())["flags"]["learning_rate"] == "0.0004"

    team = Team(tmp_path / "team", 2, pictures)
    team.start("--epoch", 10000, tf_config=True)
    team.steps(1)
    assert all(len(listening(process.pid)) == 1 for process in team.processes)
    team.processes[0].send_signal(signal.SIGINT)
    assert team.end() == [130, 130]


def test_the_others_do_not_start(tmp_path, pictures):
    ports = free_ports(2)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    process = train(tmp_path, "--worker_hosts", hosts, "--start_timeout", 4)
    assert re.match(rf" \[\*\] Waiting for worker 1 \(127.0.0.1:{ports[1]}\): no process listens there$",
                    process.stdout)
    assert re.match("error: after 4.0 s this worker, 0, is still waiting for worker 1 .*: no process listens there: "
                    "start", the_error(process))


# who the workers are

def workers(monkeypatch, flags=None, **environment):
    for name in [name for name in os.environ if name.startswith("SLURM") or name == "TF_CONFIG"]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))
    return find_workers(SimpleNamespace(**{**dict(worker_hosts=[], task_index=0, kubernetes_label="", num_workers=2,
                                                  start_timeout=0), **(flags or {})}))


@pytest.mark.quick
def test_no_other_worker(monkeypatch):
    assert workers(monkeypatch) is None
    assert workers(monkeypatch, SLURM_STEP_NUM_TASKS="1", SLURM_PROCID="0") is None


@pytest.mark.quick
def test_by_flags(monkeypatch):
    assert workers(monkeypatch, dict(worker_hosts=["a:1", "b:2"], task_index=1)) == (["a:1", "b:2"], 1)


@pytest.mark.quick
def test_by_tf_config(monkeypatch):
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    for task, index in (("chief", 0), 0), (("worker", 0), 1), (("worker", 1), 2):
        found = workers(monkeypatch, TF_CONFIG={"cluster": cluster, "task": {"type": task[0], "index": task[1]}})
        assert found == (["a:1", "b:2", "c:3"], index)


@pytest.mark.quick
@pytest.mark.parametrize("nodes, tasks, rank, node, hosts", [
    ("n[01-02]", "1(x2)", 1, "n02", ["n01:8470", "n02:8470"]),
    ("n[01-02]", "2(x2)", 2, "n02", ["n01:8470", "n01:8471", "n02:8470", "n02:8471"]),
    ("a,b7", "1,2", 2, "b7", ["a:8470", "b7:8470", "b7:8471"])])
def test_by_slurm(monkeypatch, nodes, tasks, rank, node, hosts):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert workers(monkeypatch, SLURM_STEP_NUM_TASKS=str(len(hosts)), SLURM_PROCID=str(rank), SLURM_STEP_NODELIST=nodes,
                   SLURM_STEP_TASKS_PER_NODE=tasks, SLURMD_NODENAME=node) == (hosts, rank)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ  # for Slurm itself


@pytest.mark.quick
@pytest.mark.parametrize("flags, environment, message", [
    (dict(worker_hosts=["a"]), {}, ":a is not an address host:port"),
    (dict(worker_hosts=["a:1", ":2"]), {}, ":2 is not an address host:port"),
    (dict(worker_hosts=["a:1", "b:70000"]), {}, "b:70000 is not an address"),
    (dict(worker_hosts=["a:1", "a:1"]), {}, "an address occurs twice: a:1,a:1"),
    (dict(worker_hosts=["a:1", "b:1"], task_index=2), {}, "there is no worker 2 among 2, counted from 0"),
    (dict(task_index=1), {}, "there is no worker 1 among 0"),
    ({}, dict(TF_CONFIG="{nonsense"), "Expecting"),
    ({}, dict(TF_CONFIG={"cluster": {"ps": ["a:1"], "worker": ["b:1"]}}), "TF_CONFIG names ps, worker"),
    ({}, dict(TF_CONFIG={"cluster": {"worker": ["a:1", "b:1"]}}), "task None None is not in its cluster"),
    ({}, dict(SLURM_STEP_NUM_TASKS="2", SLURM_PROCID="0"), "SLURM_STEP_NODELIST not found"),
    ({}, dict(SLURM_STEP_NUM_TASKS="abc", SLURM_PROCID="0"), "SLURM_STEP_NUM_TASKS is abc, not a number"),
    ({}, dict(SLURM_STEP_NUM_TASKS="2", SLURM_PROCID="0", SLURM_STEP_NODELIST="n[9-10]", SLURMD_NODENAME="n9",
              SLURM_STEP_TASKS_PER_NODE="1(x2)"), "Slurm runs task 0 on n9, .* expects it on n10:8470"),
])
def test_workers_that_make_no_sense(monkeypatch, flags, environment, message):
    monkeypatch.delenv("HOST_IP", raising=False)
    with pytest.raises(UserError, match=f"^cannot find the workers by [^\n]*: [^\n]*{message}"):
        workers(monkeypatch, flags, **environment)


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """Kubernetes's API as far as a list of pods goes, for its real client; returns the pods, {name: (ip, phase)}."""
    pytest.importorskip("kubernetes")
    pods, asked = {}, []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            items = [{"metadata": {"name": name}, "status": {"hostIP": ip, "phase": phase}, "spec": {"containers": []}}
                     for name, (ip, phase) in pods.items()]
            body = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()
            self.send_response(403 if "forbidden" in self.path else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
              "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
              "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
              "users": [{"name": "u", "user": {}}]}
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield SimpleNamespace(pods=pods, asked=asked)
    server.shutdown()
    server.server_close()


def test_by_kubernetes(kubernetes, monkeypatch):
    flags = dict(kubernetes_label="job-name=gantut", num_workers=2, start_timeout=20)
    kubernetes.pods["gantut-1-x"] = ("10.0.0.2", "Pending")
    threading.Timer(1.5, kubernetes.pods.update, [{"gantut-1-x": ("10.0.0.2", "Running")}]).start()
    threading.Timer(2.5, kubernetes.pods.update, [{"gantut-0-y": ("10.0.0.1", "Running")}]).start()
    assert workers(monkeypatch, flags, HOST_IP="10.0.0.2") == (["10.0.0.1:8470", "10.0.0.2:8470"], 1)
    assert "job-name%3Dgantut" in kubernetes.asked[0]
    with pytest.raises(UserError, match="HOST_IP, 10.0.0.3, is not in 10.0.0.1:8470,10.0.0.2:8470"):
        workers(monkeypatch, flags, HOST_IP="10.0.0.3")
    with pytest.raises(UserError, match="after 0 s there are not enough: 2 of 3 pods with the label job-name=gantut"):
        workers(monkeypatch, {**flags, "num_workers": 3, "start_timeout": 0}, HOST_IP="10.0.0.1")


def test_kubernetes_that_does_not_answer(kubernetes, monkeypatch):
    with pytest.raises(UserError, match="by --kubernetes_label: Kubernetes does not answer: [^\n]*403[^\n]*$"):
        workers(monkeypatch, dict(kubernetes_label="a=forbidden"), HOST_IP="10.0.0.1")


def test_an_address_that_is_taken_or_elsewhere():
    with pytest.raises(UserError, match="worker 1 cannot listen at 192.0.2.1:8470: Cannot assign requested address;"):
        check_address("192.0.2.1:8470", 1)
    port, = free_ports(1)
    check_address(f"localhost:{port}", 0)
    server = tf.train.Server(tf.train.ClusterSpec({"worker": [f"127.0.0.1:{port}"]}), "worker", 0)
    with pytest.raises(UserError, match=f"worker 0 cannot listen at 127.0.0.1:{port}: Address already in use"):
        check_address(f"127.0.0.1:{port}", 0)
    del server


@pytest.mark.quick
def test_a_port_that_is_taken_after_it_was_looked_at(monkeypatch):
    """By a second worker of the same number, started at the same time."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    monkeypatch.setattr("gantut.workers.check_address", lambda *_: None)
    with socket.socket() as listener:  # which does not share its port
        listener.bind(("127.0.0.1", int(hosts[0].split(":")[1])))
        listener.listen()
        with pytest.raises(UserError, match=f"worker 0 cannot listen at {hosts[0]}: .*another --task_index"):
            WorkerGroup(hosts, 0, tf.ConfigProto(), 1, 1)


@pytest.mark.quick
def test_a_worker_that_listens_a_moment_longer_than_its_connections_last():
    """The kernel closes a killed process's sockets one by one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        group = object.__new__(WorkerGroup)
        group.hosts, group.index = ["127.0.0.1:1", f"127.0.0.1:{listener.getsockname()[1]}"], 0
        reset = OSError("Connection reset")
        assert str(group.explain(reset)).startswith("a step with the other workers failed (Connection reset)")
        threading.Timer(0.7, listener.close).start()
        message = str(group.explain(reset))
    assert message.startswith("lost worker 1 (127.0.0.1:") and "no process listens there" in message


def test_two_workers_of_one_number(tmp_path, pictures):
    """One of them, or both, say so in a line; one that continues waits for the other number until its timeout."""
    team = Team(tmp_path, 2, pictures)
    hosts = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    team.processes = [start(folder, *FLAGS, "--worker_hosts", hosts, "--task_index", 0, "--start_timeout", 5)
                      for folder in team.folders]
    assert team.end() == [1, 1]
    lines = team.errors()
    assert any("cannot listen at" in line for line in lines), lines
    assert all(line.startswith("error: ") for line in lines), lines
    assert [team.stderr(i).count("\n") for i in (0, 1)] == [1, 1]


@pytest.mark.quick
def test_a_name_that_is_unknown_for_a_moment_is_no_lost_worker(monkeypatch):
    tried, there = [], socket.create_connection

    def hiccup(address, *args):
        tried.append(address)
        if time.monotonic() < known:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return there(address, *args)
    monkeypatch.setattr(socket, "create_connection", hiccup)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        team = object.__new__(WorkerGroup)
        team.hosts, team.index = [f"127.0.0.1:{listener.getsockname()[1]}"] * 3, 0
        known = time.monotonic() + 0.5
        assert team.gone(0.3, 3) == []
        known, before = np.inf, time.monotonic()
        assert [line.split(": ")[1] for line in team.gone(0.1, 3)] == ["Temporary failure in name resolution"] * 2
        assert 0.2 <= time.monotonic() - before < 0.5  # not longer for two, and not after the last try
        tried.clear()
        known = 0
    assert [line.split(": ")[1] for line in team.gone(5, 3)] == ["no process listens there"] * 2 and len(tried) == 2


@pytest.mark.quick
def test_an_unknown_host_name_is_reported(capsys, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # not looked up: a network may answer with any address
    with pytest.raises(UserError, match="worker 0 cannot listen at nod01:8470: Name or service not known"):
        check_address("nod01:8470", 0, 5)
    assert capsys.readouterr().out == " [*] Waiting until this worker's own name is known here: nod01\n"


@pytest.mark.quick
@pytest.mark.parametrize("host", ["node2..lan", ".lan", 64 * "n"])
def test_a_name_that_no_host_can_have(host):
    with pytest.raises(UserError, match=f"worker 0 cannot listen at {re.escape(host)}:8470: .*(label|name)"):
        check_address(host + ":8470", 0)
    assert re.search("label|name", why_not_there(host + ":8470", 1))


@pytest.mark.quick
def test_workers_named_by_the_environment_are_reported(monkeypatch, capsys):
    """As under srun --pty, where the others never start."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    step = dict(SLURM_STEP_NUM_TASKS="4", SLURM_STEP_NODELIST="n1", SLURM_STEP_TASKS_PER_NODE="4", SLURMD_NODENAME="n1")
    assert workers(monkeypatch, SLURM_PROCID="0", **step)[1] == 0
    assert capsys.readouterr().out == (" [*] 4 workers, by Slurm's variables; to train in this process alone: unset "
                                       "SLURM_STEP_NUM_TASKS\n")
    assert workers(monkeypatch, SLURM_PROCID="1", **step)[1] == 1 and capsys.readouterr().out == ""


# what they tell each other, without processes

class FakeSession:
    """Answers as if there were workers with these notes or numbers."""

    def __init__(self, others):
        self.others = others

    def run(self, _, feed):
        (mine,) = feed.values()
        if isinstance(self.others[0], int):
            return [max(mine[0], *self.others)]
        return np.concatenate([np.frombuffer(json.dumps({**json.loads(bytes(mine)), **other}).encode().ljust(NOTE),
                                             np.uint8) for other in self.others]).astype(np.int32)


def worker(index, hosts=3):
    one = object.__new__(WorkerGroup)
    one.hosts, one.index, one.chief = [f"h:{i}" for i in range(hosts)], index, index == 0
    one.note, one.notes, one.number, one.largest = "abcd"
    one.leave = lambda _: None
    return one


def run():
    return {"flags": dict.fromkeys(MUST_MATCH + MAY_CHANGE, "1"), "replicas": 3, "ahead": 0,
            "versions": {"tensorflow": "2.21.0", "numpy": "2.0"}, "data": {"pictures": 9, "fingerprint": "f"}}


@pytest.mark.quick
@pytest.mark.parametrize("other, message", [
    ({"tensorflow": "2.20.0"}, "tensorflow of worker 2 is 2.20.0, of worker 0 2.21.0"),
    ({"--batch_size": "8"}, "--batch_size of worker 2 is 8, of worker 0 1"),
    ({"pictures": 8, "fingerprint": "g"}, "pictures of worker 2 is 8, of worker 0 9, fingerprint of worker 2 is g"),
    ({"workers": 2}, "workers of worker 2 is 2, of worker 0 3"),
    ({"replicas": 4}, "replicas of worker 2 is 4, of worker 0 3")])
def test_what_differs_is_named(other, message):
    worker(1).compare(FakeSession([{}, {}, {}]), run())
    with pytest.raises(UserError, match=f"^the workers do not agree: {message}"):
        worker(1).compare(FakeSession([{}, {}, other]), run())


@pytest.mark.quick
def test_a_class_without_batch_norm_or_with_an_unused_variable():
    assert worker(0).average_moving("update", []) == "update"
    with tf.Graph().as_default():
        used, unused = (tf.get_variable(name, [2]) for name in ("used", "unused"))
        adam = AdamOptimizer(SimpleNamespace(average=lambda x: 2 * x), [], 0.1)
        (gradient, _), (nothing, _) = adam.compute_gradients(tf.reduce_sum(3 * used), [used, unused])
        assert nothing is None
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            assert sess.run(gradient).tolist() == [6, 6]


@pytest.mark.quick
def test_threads_may_differ():
    for name in ("--threads", "--skip_bad_images"):
        worker(1).compare(FakeSession([{}, {}, {name: "x"}]), run())


@pytest.mark.quick
def test_what_ends_one_ends_all():
    assert worker(0).agree(FakeSession([0, 0]), None) is None
    assert worker(0).agree(FakeSession([0, 15]), None).args == (15,)
    own = UserError("mine")
    assert worker(1).agree(FakeSession([0, 2]), own) is own
    assert "worker 2 (h:2) has ended with an error" in str(worker(0).agree(FakeSession([0, 1002]), Stopped(2)))
