"""Many images: batches of one size, tables without figures, interrupted runs."""

import csv

import numpy as np
import pytest
from small_observations import noise
from test_measured_files import NOISE, mean, measure_images, parameters

from stronglens.measuring import MAX_DETAILED
from stronglens.measuring.figures import MAX_DRAWN

NUMBER = MAX_DETAILED + 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("cutouts")
    for number in range(NUMBER):
        np.save(place / f"{number:04d}.npy", NOISE * noise((64, 64), number) + number)
    np.save(place / "9999.npy", np.full((64, 64), np.nan))
    return place


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_measured_in_batches_of_one_size(folder, tmp_path):
    sizes = []

    def predict(images):
        sizes.append(images.shape)
        return mean(images)

    results = measure_images(parameters(tmp_path, f"-p={folder}"), predict=predict)
    assert set(sizes) == {(64, 64, 64)}  # one compiled program, and the same rounding for each image
    assert len(sizes) == 3  # 1ff4b55 called the network for every file
    assert (results.number, results.measured, results.refused_number) == (NUMBER + 1, NUMBER, 1)
    assert len(results.kept) == MAX_DRAWN  # memory does not grow with the number of images
    rows = rows_of(tmp_path / "measured.csv")
    assert [float(row["einstein-radius"]) for row in rows] == pytest.approx(range(NUMBER), abs=0.01)
    (refused,) = rows_of(tmp_path / "refused.csv")
    assert refused["path"].endswith("9999.npy")


def test_an_interrupted_run_is_resumed(folder, tmp_path):
    measure_images(parameters(tmp_path / "whole", f"-p={folder}"))
    calls = []

    def interrupted(images):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(len(images))
        return mean(images)

    given = parameters(tmp_path / "part", f"-p={folder}")
    with pytest.raises(KeyboardInterrupt):
        measure_images(given, predict=interrupted)
    assert len(rows_of(tmp_path / "part" / "measured.part.csv")) == 128
    calls.clear()
    given = parameters(tmp_path / "part", f"-p={folder}", "--resume")
    assert measure_images(given, predict=interrupted).measured == NUMBER
    assert len(calls) == 1
    whole, part = ((tmp_path / name / "measured.csv").read_bytes() for name in ("whole", "part"))
    assert whole == part
