"""The simulator of lensed galaxies: images, sources, and what is written about them."""

import numpy as np
import pytest
from small_sources import SMALL, simulation, simulator

from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.parameters import RunError, UsageError
from stronglens.reconstruction.batches import LENS_PAIRS
from stronglens.reconstruction.galaxies import draw_galaxies
from stronglens.reconstruction.operator import Operator, pixel_rays, trace_rays
from stronglens.reconstruction.scene import FINER, RADIUS_BINS, derive_components
from stronglens.training.augmentation import SYMMETRIES, move_images, move_labels

SIDE, SOURCE, FIELD = SMALL["grid_size"], SMALL["source_grid_size"], 1.5
NUMBER = 24


@pytest.fixture(scope="module")
def made():
    return simulator()


@pytest.fixture(scope="module")
def simulated(made):
    return made.simulate(range(NUMBER))


def lenses_of(labels):
    """Return the lens models (N, 7) of some labels: they lie at the image's centre."""
    zero = np.zeros(len(labels["shear-1"]))
    return np.stack([labels.get(name, zero) for name in LENS_COLUMNS], axis=1).astype(np.float32)


def test_an_image_depends_on_seed_and_index_alone(made, simulated):
    images, labels, _, others = simulated
    rows = [17, 2, 5]
    again = made.simulate(rows)
    np.testing.assert_array_equal(again[0], images[rows])
    np.testing.assert_array_equal(again[3]["sources"], others["sources"][rows])
    for name, values in again[1].items():
        np.testing.assert_array_equal(values, labels[name][rows])
    other = simulator(seed=1).simulate([2])
    assert np.abs(other[0] - images[2]).max() > 0.1


def test_several_threads_make_the_same_images(simulated):
    from stronglens.reconstruction.scene import ReconstructionSimulator

    images = ReconstructionSimulator(simulation(), threads=3).simulate(range(6))[0]
    np.testing.assert_array_equal(images, simulated[0][:6])


def test_columns_are_those_that_are_declared(made, simulated):
    images, labels, _, others = simulated
    assert list(labels) == list(made.columns)
    assert images.shape == (NUMBER, SIDE, SIDE)
    assert others["sources"].shape == (NUMBER, SOURCE, SOURCE)
    assert images.dtype == others["sources"].dtype == np.float32
    assert np.isfinite(list(labels.values())).all()


def test_truth_is_the_mean_of_the_rendered_source(made, simulated):
    galaxies = draw_galaxies(0, range(NUMBER), made.photographs, 0.5, FINER * SOURCE)
    blocks = galaxies.images.reshape(NUMBER, SOURCE, FINER, SOURCE, FINER).mean(axis=(2, 4))
    np.testing.assert_allclose(simulated[3]["sources"], blocks, atol=1e-6)
    is_photograph = simulated[1]["src-photograph"] > 0
    np.testing.assert_array_equal(is_photograph, galaxies.kinds == "photograph")
    assert 0 < is_photograph.sum() < NUMBER


def test_magnified_too_little_is_drawn_again(simulated):
    images, labels, rejected, others = simulated
    flux = others["sources"].sum(axis=(1, 2)) * (FIELD / SOURCE) ** 2
    np.testing.assert_allclose(labels["magnification"], images.sum(axis=(1, 2)) * 0.24**2 / flux, rtol=1e-4)
    assert labels["magnification"].min() >= 3
    assert all(reason.startswith("magnification-min at Einstein radius") for reason in rejected)


def test_refusals_are_counted_by_einstein_radius():
    first = simulator(magnification_min=0.0, real_share=0.0).simulate(range(40))[1]
    rejected = simulator(magnification_min=6.0, real_share=0.0).simulate(range(40))[2]
    edges, radii = (0, *RADIUS_BINS, np.inf), first["einstein-radius-sie"][first["magnification"] < 6]
    # The first draws that are rejected, and some of the later ones.
    wanted = dict(zip(["0-0.4", "0.4-0.7", "0.7-1", "1-2", "above 2"], np.histogram(radii, edges)[0], strict=True))
    counted = {reason.split("Einstein radius ")[1].rstrip('"'): count for reason, count in rejected.items()}
    assert counted.keys() <= wanted.keys()
    assert all(counted.get(name, 0) >= number for name, number in wanted.items())
    assert sum(counted.values()) < 2 * len(radii)
    with pytest.raises(RunError, match=r"no image accepted in 3 tries: .*Einstein radius 0-0.4"):
        simulator(einstein_radius_range=(0.1, 0.2), magnification_min=9.0, tries=3).simulate(range(4))


def test_error_of_the_operator_is_that_of_the_networks(simulated):
    images, labels, _, others = simulated
    identity = np.eye(SIDE, dtype=np.float32)[None, None]
    traced = trace_rays(lenses_of(labels), pixel_rays(SIDE, SMALL["pixel_scale"]))
    mask = np.ones((NUMBER, SIDE, SIDE), np.float32)
    again = np.asarray(Operator(traced, SOURCE, FIELD, identity, identity, mask).forward(others["sources"]))
    error = np.sqrt(np.mean((again - images) ** 2, axis=(1, 2)))
    np.testing.assert_allclose(labels["operator-error"], error, rtol=0.01)
    assert error.min() > 1e-4  # no inverse crime


@pytest.mark.parametrize("symmetry", range(SYMMETRIES))
def test_the_turned_lens_gives_the_turned_image(made, simulated, symmetry):
    _, labels, _, others = simulated
    row, moves = 3, np.array([symmetry])
    lens = {name: values[row] for name, values in labels.items()}
    moved = dict(
        lens, **dict(zip(LENS_COLUMNS, move_labels(lenses_of(labels)[[row]], moves, LENS_PAIRS)[0], strict=True))
    )
    source = others["sources"][[row]]
    image = made.render(lens, source[0])
    turned = made.render(moved, move_images(source, moves)[0])
    np.testing.assert_allclose(turned, move_images(image[None], moves)[0], atol=2e-4)  # of a peak of 1
    if symmetry:
        assert np.abs(turned - image).max() > 0.1


def test_angles_become_components():
    draws = {"lens-flattening": [0.2, 0.5], "lens-angle": [30.0, 90.0], "shear": [0.1, 0.2], "shear-angle": [45.0, 0.0]}
    found = derive_components({name: np.array(values) for name, values in draws.items()})
    q = 1 - np.array(draws["lens-flattening"])
    ellipticity = (1 - q) / (1 + q)
    np.testing.assert_allclose(found["lens-ellip-x"], ellipticity * [0.5, -1], atol=1e-12)
    np.testing.assert_allclose(found["lens-ellip-y"], ellipticity * [np.sqrt(0.75), 0], atol=1e-12)
    np.testing.assert_allclose(found["shear-1"], [0, 0.2], atol=1e-12)
    np.testing.assert_allclose(found["shear-2"], [0.1, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source_grid_size": 18}, "--source-grid-size=18 must be a multiple of 4"),
        ({"src_radius_range": (0.1, 0.5)}, "do not fit"),
        ({"source_field": 0.5}, "do not fit"),
    ],
)
def test_parameters_that_contradict_one_another(changes, message):
    with pytest.raises(UsageError, match=message):
        simulator(**changes)


def test_photographs_are_needed(tmp_path):
    with pytest.raises(RunError, match="no galaxy in"):
        simulator(source_images=tmp_path).describe()
    assert simulator(source_images=tmp_path, real_share=0.0).describe()["photographs"] == 0
