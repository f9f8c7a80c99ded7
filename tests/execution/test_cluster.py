import json
import os
import re
import subprocess
import sys
from pathlib import Path

import chunk_work
import pytest
from chunk_work import IMAGES, attempts, processes, stored
from waiting import wait_until

from stronglens.execution import open_executor, run_chunks
from stronglens.parameters import RunError, UsageError

pytestmark = pytest.mark.command

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WAITING = "warning: the Dask scheduler at {} has no workers yet: waiting for workers\n"


class Cluster:
    """A Dask scheduler and its workers, as one starts them by hand."""

    def __init__(self, folder):
        self.folder, self.started = folder, []

    def start(self, *arguments, path=(ROOT, HERE), **environment):
        environment |= {"PYTHONPATH": os.pathsep.join(map(str, path)), "DASK_TEMPORARY_DIRECTORY": str(self.folder)}
        with open(self.folder / "log", "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, arguments)],
                cwd=self.folder,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def start_scheduler(self, **options):
        file = self.folder / "scheduler.json"
        process = self.start("scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}", **options)
        wait_until(lambda: file.exists() and file.read_text(), process)
        self.address = json.loads(file.read_text())["address"]
        return process

    def start_worker(self, **options):
        return self.start("worker", self.address, "--nthreads=2", "--no-dashboard", **options)

    def stop(self):
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A scheduler with one worker of two threads."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.start_scheduler()
    cluster.start_worker()
    yield cluster
    cluster.stop()


def run(work, chunks, address, advance=lambda images: None):
    with open_executor(scheduler=address, describe=chunk_work.describe) as executor:
        run_chunks(work, chunks, executor, advance)


def test_chunks_on_a_cluster(tmp_path, running):
    done = []
    run(chunk_work.Sleep(tmp_path), range(10), running.address, advance=done.append)
    assert done == [IMAGES] * 10
    assert stored(tmp_path) == {chunk: str(chunk * chunk) for chunk in range(10)}
    assert set(attempts(tmp_path).values()) == {1}
    assert os.getpid() not in processes(tmp_path)
    assert {path.read_text().split()[1] for path in tmp_path.glob("attempt-*")} == {"2"}  # threads of a worker


def test_error_on_a_cluster_comes_out_as_itself(tmp_path, running, capfd):
    with pytest.raises(RunError, match=r"^no image accepted in 2 tries$"):
        run(chunk_work.Fail(tmp_path), range(1000), running.address)
    assert attempts(tmp_path)[5] == 1
    assert "Traceback" not in capfd.readouterr().err


def test_worker_with_other_versions(tmp_path, running, monkeypatch):
    monkeypatch.setenv("TEST_JAX", "0.12.0")
    with pytest.raises(RunError, match=r"^worker tcp://\S+ has jax 0.11.2, here 0.12.0: install equal versions"):
        run(chunk_work.Write(tmp_path), range(3), running.address)
    assert not attempts(tmp_path)


def test_worker_with_other_versions_that_joins_late(tmp_path, cluster):
    cluster.start_scheduler()
    cluster.start_worker()
    late = []

    def join(images):
        if not late:
            late.append(cluster.start_worker(TEST_JAX="0.12.0"))

    with pytest.raises(RunError, match=r"^worker tcp://\S+ has jax 0.12.0, here 0.11.2: install equal versions"):
        run(chunk_work.Sleep(tmp_path), range(300), cluster.address, advance=join)
    assert len(processes(tmp_path)) == 1


def test_worker_that_cannot_import_the_project(tmp_path, cluster):
    cluster.start_scheduler()
    cluster.start_worker(path=[])
    with pytest.raises(RunError, match=r"^worker tcp://\S+ cannot import the project .*start it in the project's f"):
        run(chunk_work.Write(tmp_path), range(3), cluster.address)


def test_scheduler_that_cannot_import_the_project(tmp_path, cluster):
    cluster.start_scheduler(path=[])
    cluster.start_worker()
    with pytest.raises(RunError, match=r"^the Dask scheduler cannot import the project"):
        run(chunk_work.Write(tmp_path), range(3), cluster.address)


def test_scheduler_that_dies(tmp_path, cluster, capfd):
    scheduler = cluster.start_scheduler()
    cluster.start_worker()
    with pytest.raises(RunError, match=f"^lost the Dask scheduler at {cluster.address}$"):
        run(chunk_work.Sleep(tmp_path), range(300), cluster.address, advance=lambda images: scheduler.kill())
    assert stored(tmp_path)
    assert capfd.readouterr().err in ("", WAITING.format(cluster.address))


def test_scheduler_without_workers(cluster, monkeypatch, capfd):
    monkeypatch.setattr("stronglens.execution.cluster.WORKERS_TIMEOUT", 1.0)
    cluster.start_scheduler()
    with pytest.raises(RunError, match=r"has no workers after 1 s$"):
        run(None, [], cluster.address)
    assert capfd.readouterr().err == WAITING.format(cluster.address)


def test_scheduler_that_is_not_there(monkeypatch, capfd):
    monkeypatch.setattr("stronglens.execution.cluster.CONNECT_TIMEOUT", 1.0)
    with pytest.raises(RunError, match=r"^no Dask scheduler answers at tcp://127.0.0.1:1$"):
        run(None, [], "tcp://127.0.0.1:1")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("address", ["node7", "node7:8786", "tcp://node7", "gopher://node7:70"])
def test_address_that_is_none(address):
    with pytest.raises(UsageError, match=f"^--scheduler={address}: not an address such as tcp://host:8786$"):
        run(None, [], address)


def test_page_on_slurm_makes_jobs_that_start_workers_in_the_project(tmp_path):
    """The very block of the page, but for its last lines, which submit jobs."""
    page = (ROOT / "docs" / "cluster.md").read_text()
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    start, submit = block.split("    cluster.scale(")
    assert submit.startswith("jobs=")
    program = start + "    print(cluster.scheduler_address)\n"
    environment = os.environ | {"DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    *script, address = done.stdout.splitlines()
    assert {"#SBATCH -p normal", "#SBATCH --cpus-per-task=16", "#SBATCH -t 04:00:00"} < set(script)
    work = script.index("cd /shared/home/me/stronglens")
    assert script[work + 1] == "source .venv/bin/activate"
    assert script[work + 2].startswith(f"python -m distributed.cli.dask_worker {address} ")
    assert "--nthreads 4 " in script[work + 2]
    assert "--nworkers 4 " in script[work + 2]
