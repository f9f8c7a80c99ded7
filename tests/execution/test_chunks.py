import os
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import chunk_work
import pytest
from chunk_work import IMAGES, attempts, processes, stored
from waiting import HANGS, wait_until

from stronglens.execution import available_threads, open_executor, run_chunks
from stronglens.parameters import RunError, UsageError

pytestmark = pytest.mark.command

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=[0, 2], ids=["threads", "processes"])
def executor(request):
    with open_executor(request.param) as executor:
        executor.is_elsewhere = request.param > 0
        yield executor


def run(work, chunks, executor):
    done = []
    run_chunks(work, chunks, executor, done.append)
    return done


def start_process(work, folder, workers):
    """Run 100 chunks in a process of its own, in a session of its own."""
    (folder / "scratch").mkdir()
    program = (
        "import sys\nfrom pathlib import Path\nimport chunk_work\n"
        "from stronglens.execution import exit_codes, open_executor, run_chunks\n"
        "folder, work, workers = sys.argv[1:]\n"
        "with exit_codes(), open_executor(int(workers)) as executor:\n"
        "    run_chunks(getattr(chunk_work, work)(Path(folder)), range(100), executor, lambda images: None)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), work, str(workers)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))), "TMPDIR": str(folder / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_attempts(folder, number, process):
    wait_until(lambda: len(attempts(folder)) >= number, process)


def left_behind(process):
    """The processes of a session that do not end after its first process."""
    end = time.monotonic() + HANGS
    while True:
        listed = subprocess.run(["ps", "-eo", "sid,stat,args"], capture_output=True, text=True, check=True).stdout
        lines = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
        left = [line for line in lines if line[0] == str(process.pid) and not line[1].startswith("Z")]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def test_each_chunk_is_done_once_wherever_it_runs(tmp_path, executor):
    done = run(chunk_work.Sleep(tmp_path), iter(range(3, 23)), executor)
    assert done == [IMAGES] * 20
    assert stored(tmp_path) == {chunk: str(chunk * chunk) for chunk in range(3, 23)}
    assert set(attempts(tmp_path).values()) == {1}
    found = processes(tmp_path)
    assert len(found) == (2 if executor.is_elsewhere else 1)
    assert (os.getpid() in found) != executor.is_elsewhere
    threads = {int(path.read_text().split()[1]) for path in tmp_path.glob("attempt-*")}
    assert threads == {available_threads() // 2 + 1 if executor.is_elsewhere else available_threads()}


def test_no_chunks(executor):
    assert run(None, [], executor) == []


def test_few_chunks_are_in_memory_at_a_time(monkeypatch):
    given, done, alive = [], [], weakref.WeakSet()

    def chunks():
        for chunk in range(10_000):
            given.append(chunk)
            yield chunk

    def advance(images):
        done.append(images)
        assert len(given) - len(done) <= 4 * executor.threads
        assert len(alive) <= 4 * executor.threads + 1

    with open_executor() as executor:
        submit = executor.submit

        def remember(work, chunk):
            future = submit(work, chunk)
            alive.add(future)
            return future

        monkeypatch.setattr(executor, "submit", remember)
        run_chunks(lambda chunk: 1, chunks(), executor, advance)
    assert len(done) == 10_000


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (chunk_work.Fail, RunError, "^no image accepted in 2 tries$"),
        (chunk_work.FillDisk, OSError, "No space left on device"),
        (chunk_work.Break, ZeroDivisionError, "division by zero"),
    ],
)
def test_first_error_comes_out_as_itself(tmp_path, work, error, message, executor):
    with pytest.raises(error, match=message):
        run(work(tmp_path), range(10_000), executor)
    assert attempts(tmp_path)[5] == 1
    assert len(attempts(tmp_path)) < 1000


def test_killed_worker_is_replaced_and_its_chunk_done_again(tmp_path, capfd):
    with open_executor(2) as executor:
        assert run(chunk_work.KillOnce(tmp_path), range(20), executor) == [IMAGES] * 20
    assert stored(tmp_path).keys() == set(range(20))
    assert attempts(tmp_path)[5] == 2
    assert capfd.readouterr().err == ""


def test_chunk_that_kills_every_worker(tmp_path, capfd):
    # Chunk 5, or one that a process had begun beside it each time.
    said = r"^the process that computed chunk \d+ was killed 4 times"
    with open_executor(2) as executor, pytest.raises(RunError, match=said):
        run(chunk_work.Kill(tmp_path), range(20), executor)
    assert attempts(tmp_path)[5] == 4
    assert capfd.readouterr().err == ""


def test_workers_and_scheduler_exclude_each_other():
    with pytest.raises(UsageError, match="--workers and --scheduler"), open_executor(2, "tcp://127.0.0.1:8786"):
        pass


@pytest.mark.parametrize(
    ("work", "sent"),
    [
        pytest.param("Sleep", signal.SIGINT, marks=pytest.mark.slow),
        ("Sleep", signal.SIGTERM),
        ("Sleep", signal.SIGKILL),
        ("SleepLong", signal.SIGINT),
        pytest.param("SleepLong", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("SleepLong", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_no_process_outlives_an_interrupt(tmp_path, work, sent):
    process = start_process(work, tmp_path, 2)
    wait_for_attempts(tmp_path, 2, process)
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    _, errors = process.communicate(timeout=HANGS)
    if work == "SleepLong":
        assert not stored(tmp_path)  # it waited for no chunk
    assert left_behind(process) == []
    if sent != signal.SIGKILL:
        assert process.returncode == 128 + sent
        assert errors == "interrupted: finished work is kept; continue with --resume\n"
        assert [path.name for path in (tmp_path / "scratch").iterdir()] == []


def test_interrupted_threads_finish_what_they_began(tmp_path):
    process = start_process("Sleep", tmp_path, 0)
    wait_for_attempts(tmp_path, 4, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert errors == "interrupted: finished work is kept; continue with --resume\n"
    assert stored(tmp_path).keys() == attempts(tmp_path).keys()
    assert len(stored(tmp_path)) < 100


def test_dask_is_not_imported_for_threads():
    program = (
        "import sys\nfrom stronglens.execution import available_threads, open_executor, run_chunks\n"
        "with open_executor() as executor:\n    run_chunks(lambda chunk: available_threads(), [1], executor, print)\n"
        "print(sorted({'dask', 'distributed', 'tornado', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
