import functools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from small_datasets import SMALL
from waiting import HANGS, wait_until

import generate_data
from stronglens.dataset import load_dataset, read_image

pytestmark = pytest.mark.command

ROOT = Path(__file__).parent.parent


def run(*arguments):
    return generate_data.main([*SMALL, *map(str, arguments)])


def refused(capsys, *arguments):
    """Run what must be refused; return the exit code and the one line that says why."""
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return caught.value.code, lines[0]


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


LARGER = ["-n=2000", "--seed=3"]
"""Sixteen chunks: enough to interrupt."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a larger dataset that nothing interrupted, by its format."""

    @functools.cache
    def simulate(kept):
        folder = tmp_path_factory.mktemp("whole") / "dataset"
        run(*LARGER, f"--format={kept}", "--dataset-dir", folder, "--quiet")
        return contents(folder)

    return simulate


def start_process(folder, *arguments):
    command = [sys.executable, "generate_data.py", *SMALL, f"--dataset-dir={folder}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_dataset_is_what_was_asked_for(small_dataset):
    dataset = load_dataset(small_dataset, "regression")
    assert dataset.images.shape == (60, 16, 16)
    assert dataset.manifest["parameters"]["lens-model"] == "sie"
    assert dataset.manifest["telescope"]["pixel-scale"] == 0.4
    assert list(dataset.columns) == list(dataset.labels.columns[1:])
    assert dataset.columns["src-redshift"].prior == (1.0, 3.0)
    assert dataset.columns["einstein-radius"].drawn is False
    assert dataset.labels["src-redshift"].between(1, 3).all()
    assert read_image(small_dataset / dataset.labels["file"][0]).dtype == np.float32


def test_command_says_what_it_does(tmp_path, capsys):
    run("-n=3", "--dataset-dir", tmp_path / "d")
    printed = capsys.readouterr()
    assert "Simulating 3 sie lenses, telescope euclid: 16x16 pixels of 0.4 arcsec, seed 0" in printed.out
    for what in ("kB on disk\n", " s, start-up included\n", "Rejected draws", "labels.csv, manifest.json"):
        assert what in printed.out
    assert printed.err == ""


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path, small_dataset):
    run("-n=3", "--dataset-dir", tmp_path / "d", "--quiet")
    for index in range(3):
        name = f"images/{index:06d}.pickle"
        assert (tmp_path / "d" / name).read_bytes() == (small_dataset / name).read_bytes()
    rows = [(folder / "labels.csv").read_text().splitlines()[:4] for folder in (tmp_path / "d", small_dataset)]
    assert rows[0] == rows[1]


def test_dry_run_writes_nothing(tmp_path, capsys):
    run("-n=1000000", "--dataset-dir", tmp_path / "d", "--dry-run")
    printed = capsys.readouterr().out
    assert "GB on disk" in printed
    assert "on this machine" in printed
    assert not (tmp_path / "d").exists()


def test_folder_that_is_not_empty(tmp_path, small_dataset, capsys):
    folder = tmp_path / "d"
    shutil.copytree(small_dataset, folder)
    code, line = refused(capsys, "-n=2", "--dataset-dir", folder)
    assert code == 2
    assert "contains another dataset, complete" in line
    assert "60 images, task regression, lens-model sie, telescope euclid; generated-number was 60, now 2: " in line
    run("-n=2", "--dataset-dir", folder, "--force", "--quiet")
    assert len(load_dataset(folder).images) == 2


def test_resume_with_other_parameters(tmp_path, small_dataset, capsys):
    folder = tmp_path / "d"
    shutil.copytree(small_dataset, folder)
    code, line = refused(capsys, "-n=60", "--dataset-dir", folder, "--resume", "--seed=4", "-sc=0.3")
    assert code == 1
    assert "seed was 0, now 4" in line
    assert "src-center-var was 0.4, now 0.3" in line
    assert contents(folder) == contents(small_dataset)


def test_complete_dataset_is_left_alone_by_resume(tmp_path, small_dataset, capsys):
    folder = tmp_path / "d"
    shutil.copytree(small_dataset, folder)
    run("-n=60", "--dataset-dir", folder, "--resume")
    assert "complete" in capsys.readouterr().out
    assert contents(folder) == contents(small_dataset)


@pytest.mark.parametrize(
    ("kill", "kept"),
    [
        (signal.SIGKILL, "pickle"),
        pytest.param(signal.SIGKILL, "zarr", marks=pytest.mark.slow),
        (signal.SIGINT, "zarr"),
        pytest.param(signal.SIGTERM, "pickle", marks=pytest.mark.slow),
    ],
)
def test_killed_process_resumes_to_the_same_bytes(tmp_path, whole, kill, kept):
    arguments = [*LARGER, f"--format={kept}"]
    process = start_process(tmp_path / "d", *arguments)
    wait_until((tmp_path / "d" / "progress" / "00001.json").exists, process)
    process.send_signal(kill)
    _, errors = process.communicate(timeout=HANGS)
    if kill != signal.SIGKILL:
        assert process.returncode == 128 + kill
        assert errors == "interrupted: finished work is kept; continue with --resume\n"
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    if not manifest["complete"]:  # the last chunks may have been faster than the signal
        assert (tmp_path / "d" / "progress").is_dir()
    run(*arguments, "--dataset-dir", tmp_path / "d", "--resume", "--quiet")
    assert contents(tmp_path / "d") == whole(kept)


@pytest.mark.slow
def test_worker_that_is_killed_costs_nothing_but_its_chunk(tmp_path, whole):
    arguments = [*LARGER, "--format=zarr"]
    process = start_process(tmp_path / "d", *arguments, "--workers=2")
    wait_until((tmp_path / "d" / "progress" / "00003.json").exists, process)
    workers = [
        child for child in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in str(child.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    out, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 0, errors
    assert all(line.startswith("simulating: ") for line in errors.splitlines()), errors  # a slow machine's progress
    assert "2,000 images in" in out
    assert contents(tmp_path / "d") == whole("zarr")
    assert not psutil.pid_exists(workers[1].pid)


def test_formats_hold_the_same_and_are_converted_to_one_another(tmp_path, capsys):
    arguments = ["-n=130", "--quiet"]
    for kept, other in (("pickle", "zarr"), ("zarr", "pickle")):
        run(*arguments, f"--format={kept}", f"--dataset-dir={tmp_path / kept}")
        command = [f"--convert-from={tmp_path / kept}", f"--format={other}", f"--dataset-dir={tmp_path / 'to'}-{other}"]
        assert generate_data.main(command) == 0
        assert f"130 images of {tmp_path / kept}/ to {other}" in capsys.readouterr().out
    pickled, stored = (load_dataset(tmp_path / kept) for kept in ("pickle", "zarr"))
    np.testing.assert_array_equal(pickled.images[:], stored.images[:])
    assert pickled.manifest["checksums"]["images"] == stored.manifest["checksums"]["images"]
    for kept in ("pickle", "zarr"):
        assert contents(tmp_path / kept) == contents(tmp_path / f"to-{kept}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format=pickle"], "already has the format pickle"),
        (["--format=zarr", "--seed=4"], "give it only --format"),
        (["--format=zarr", "--dataset-dir=ORIGIN", "--force"], "the dataset to convert"),
        (["--format=zarr", "--workers=2", "--scheduler=tcp://x:1", "--dry-run"], "exclude each other"),
        (
            ["--format=zarr", "--convert-from=nowhere"],
            "nowhere contains no dataset; external images are read with --task=",
        ),
    ],
)
def test_conversion_that_makes_no_sense(tmp_path, small_dataset, capsys, arguments, message):
    arguments = [argument.replace("ORIGIN", str(small_dataset)) for argument in arguments]
    before = contents(small_dataset)
    with pytest.raises(SystemExit):
        generate_data.main([f"--convert-from={small_dataset}", f"--dataset-dir={tmp_path / 'd'}", *arguments])
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert message in errors[0]
    assert contents(small_dataset) == before


def test_dry_run_of_a_conversion_changes_nothing(tmp_path, small_dataset, capsys):
    folder = tmp_path / "d"
    shutil.copytree(small_dataset, folder)
    arguments = [f"--convert-from={small_dataset}", "--format=zarr", "--force", "--dry-run", f"--dataset-dir={folder}"]
    assert generate_data.main(arguments) == 0
    assert "on disk" in capsys.readouterr().out
    assert contents(folder) == contents(small_dataset)


def test_full_disk_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    from stronglens.dataset import formats

    write_image, written = formats.write_image, []

    def write_until_full(path, image):
        if len(written) == 150:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        return write_image(path, image)

    monkeypatch.setattr(formats, "write_image", write_until_full)
    code, line = refused(capsys, "-n=200", "--dataset-dir", tmp_path / "d", "--quiet")
    assert code == 1
    assert line.startswith("error: No space left on device: ")
    monkeypatch.undo()
    run("-n=200", "--dataset-dir", tmp_path / "d", "--resume", "--quiet")
    run("-n=200", "--dataset-dir", tmp_path / "whole", "--quiet")
    assert contents(tmp_path / "d") == contents(tmp_path / "whole")


def test_disk_that_is_too_small_is_noticed_before_the_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("usage", (), {"free": 1000})())
    code, line = refused(capsys, "-n=200", "--dataset-dir", tmp_path / "d", "--quiet")
    assert code == 1
    assert "needs" in line
    assert "1 kB" in line or "1e+03 bytes" in line or "1000 bytes" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-srs=0.1,0.2"], "must be behind the lens"),
        (["--psf-fits=nowhere.fits"], "nowhere.fits"),
        (["--magnification-min=500", "--tries=2"], "no image accepted in 2 tries"),
        (["--velocity-dispersion-range=1500", "--tries=5"], "ring-outside-field"),
        (["--telescope=none", "--snr-min=5"], "need noise"),
        (["--disk-effect-range=2"], "--disk-effect-range"),
        (["--einstein-radius-range=1", "--velocity-dispersion-range=200"], "--velocity-dispersion-range"),
        (["--grid-size=0"], "--grid-size"),
        (["--lens-redshift-range=0.8,0.2"], "--lens-redshift-range"),
        (["--sed=1"], "--seed"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, capsys, arguments, message):
    code, line = refused(capsys, "-n=2", "--dataset-dir", tmp_path / "d", *arguments)
    assert code in (1, 2)
    assert message in line
    assert not (tmp_path / "d" / "labels.csv").exists()


def test_dataset_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "d").write_text("not a folder")
    code, line = refused(capsys, "-n=2", "--dataset-dir", tmp_path / "d", "--quiet")
    assert code in (1, 2)
    assert str(tmp_path / "d") in line


def test_process_is_quiet_on_standard_error(tmp_path):
    process = start_process(tmp_path / "d", "-n=2")
    out, errors = process.communicate(timeout=HANGS)
    assert process.returncode == 0
    assert errors == ""
    assert out.splitlines()[0].startswith("Simulating 2 sie lenses")


def test_composite_and_hubble(tmp_path):
    arguments = ["--telescope=hst", "--grid-size=24", "--pixel-scale=0.25", "-os=2", "-n=2", "--quiet"]
    wide = ["-seff=0.2,0.4", "-sser=0.8,2"]  # no refined pixels: their program takes longer to compile
    generate_data.main([*arguments, *wide, "--dataset-dir", str(tmp_path / "d")])
    dataset = load_dataset(tmp_path / "d")
    assert dataset.images.shape == (2, 24, 24)
    assert dataset.manifest["telescope"]["zero-point"] == 25.94
    assert {"masslight-ratio", "disk-effect", "halo-kappa"} <= set(dataset.columns)
    assert "velocity-dispersion" not in dataset.columns


def test_settings_file_makes_the_same_dataset(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        run("-n=2", "-sc=0.1", "--print-config")
    assert caught.value.code == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out)
    generate_data.main([f"--config={tmp_path / 'mine.toml'}", f"--dataset-dir={tmp_path / 'a'}", "--quiet"])
    run("-n=2", "-sc=0.1", f"--dataset-dir={tmp_path / 'b'}", "--quiet")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_help_imports_no_large_library():
    program = (
        "import sys, generate_data\n"
        "try:\n    generate_data.main(['--help'])\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "print(sorted({'jax', 'autolens', 'tensorflow', 'keras', 'pandas', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
