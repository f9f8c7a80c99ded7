import json

import numpy as np
import pytest
from scipy.stats import kstest

from stronglens.networks import build_backbone
from stronglens.out_of_distribution.features import ImageFeatures, find_middle, measure_texture
from stronglens.out_of_distribution.score import ASPECTS, QUANTILES, MahalanobisScore, OutOfDistribution, RatioScore
from stronglens.parameters import Column, RunError
from stronglens.regression.label_space import LabelSpace
from stronglens.regression.network import build_network
from stronglens.regression.posterior import Posterior, build_posterior
from stronglens.scaling import ImageScaling, fit_image_scaling, fit_label_scaling

SIZES = {"summary": 6, "width": 3, "centre": 2, "texture": 8}


def draw(number, seed, moved=(), by=0.0):
    """Aspects of images: normal numbers, correlated, some of the aspects moved."""
    rng = np.random.default_rng(seed)
    mix = {name: np.random.default_rng(9).normal(size=(size, size)) for name, size in SIZES.items()}
    drawn = {
        name: (rng.normal(size=(number, size)) + by * (name in moved)) @ mix[name] + 3 for name, size in SIZES.items()
    }
    return drawn | {"width": np.exp(drawn["width"])}


@pytest.fixture(scope="module")
def distribution():
    return OutOfDistribution.fit(draw(2000, 0), draw(2000, 1))


def test_distance_is_mahalanobis():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(50_000, 3)) @ np.diag([1.0, 10.0, 0.2]) + [5, -3, 0]
    measure = MahalanobisScore.fit(seen, seen)
    # Two deviations along any axis are 2 in one of three numbers, up to the floor of 0.1 % and the noise of 50,000.
    for axis, deviation in enumerate((1.0, 10.0)):
        place = np.array([[5.0, -3.0, 0.0]])
        place[0, axis] += 2 * deviation
        assert measure.distance(place)[0] == pytest.approx(2 / np.sqrt(3), rel=0.03)
    assert measure.distance(seen.mean(axis=0)[None])[0] < 1e-3


def test_a_width_counts_where_it_is_most_in_excess():
    rng = np.random.default_rng(2)
    usual = np.array([0.1, 1.0, 5.0]) * np.exp(0.01 * rng.normal(size=(2000, 3)))
    measure = RatioScore.fit(usual, usual)
    found = measure.distance(np.array([[0.1, 1.0, 5.0], [0.1, 3.0, 10.0], [0.01, 0.5, 5.0]]))
    np.testing.assert_allclose(found, [1, 3, 1], rtol=0.01)  # narrower ones count for nothing
    assert (measure.score(usual) > 1).sum() == 20  # a hundredth


def test_distance_does_not_depend_on_the_axes_that_are_chosen():
    rng = np.random.default_rng(1)
    seen, others = rng.normal(size=(500, 4)), rng.normal(size=(20, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    here = MahalanobisScore.fit(seen, others).distance(others)
    there = MahalanobisScore.fit(7 * seen @ turn + 2, 7 * others @ turn + 2).distance(7 * others @ turn + 2)
    np.testing.assert_allclose(there, here, rtol=1e-8)


def test_percentiles_of_images_like_the_training_set_are_uniform(distribution):
    found = distribution.percentile(draw(1000, 2))
    # Of 1,000, and of the 2,000 that the scale was made of: p of a right scale is above 0.1 % all but always.
    assert kstest(found / 100, "uniform").pvalue > 1e-3
    # One in a hundred is called unlike: a Poisson number of 10 +- 4.
    assert np.count_nonzero(found > 99) < 23


@pytest.mark.parametrize("aspect", ASPECTS)
def test_what_is_far_in_one_aspect_alone_is_called_unlike_and_says_in_which(distribution, aspect):
    far = draw(200, 3, moved=[aspect], by=10.0)
    assert (distribution.percentile(far) > 99).all()
    said = distribution.judge({name: values[:1] for name, values in far.items()})[0].text
    assert said.startswith("UNLIKE THE TRAINING SET: farther from it than all validation images")
    assert (ASPECTS[aspect] if aspect != "width" else "its posterior is") in said


def test_usual_image_is_described_by_its_percentile(distribution):
    seen = {name: values[:1] for name, values in draw(1, 4).items()}
    percent = distribution.percentile(seen)[0]
    assert (
        distribution.judge(seen)[0].text
        == f"farther from the training set than {percent:.0f} % of the validation images"
    )


@pytest.mark.parametrize("aspect", ASPECTS)
def test_an_odd_image_among_a_few_hundred_blinds_no_aspect(aspect):
    like, odd = draw(200, 1), draw(1, 7, moved=[aspect], by=30.0)
    distribution = OutOfDistribution.fit(
        draw(2000, 0), {name: np.append(like[name], odd[name], axis=0) for name in like}
    )
    assert np.mean(distribution.percentile(draw(200, 3, moved=[aspect], by=10.0)) > 99) > 0.9


def test_a_wide_posterior_is_described_as_one(distribution):
    wide = draw(1, 3)
    wide["width"] *= 1e4
    line = distribution.judge(wide)[0].text
    assert "times as wide as the median, or at the end of the training ranges; there may be no lens" in line


def test_few_images_make_none_unlike():
    few = OutOfDistribution.fit(draw(2000, 0), draw(20, 1))
    line = few.judge({name: values[:1] for name, values in draw(1, 4, moved=ASPECTS, by=9.0).items()})[0].text
    assert "100 % of the validation images, which are too few (20)" in line
    assert "UNLIKE" not in line


def test_record_survives_json(distribution):
    again = OutOfDistribution.from_dict(json.loads(json.dumps(distribution.to_dict())))
    others = draw(50, 5, moved=["centre"], by=1.0)
    np.testing.assert_allclose(again.percentile(others), distribution.percentile(others), atol=0.01)  # of a hundred
    assert again.quantiles.shape == QUANTILES.shape
    # Without a record, or with one of other aspects, nothing can be said.
    assert OutOfDistribution.from_dict(None) is None
    older = {name: value for name, value in distribution.to_dict().items() if name != "version"}
    assert OutOfDistribution.from_dict(older | {"picture": older.pop("width")}) is None
    seen, unseen = draw(500, 0), draw(200, 1)
    del seen["width"], unseen["width"]  # of a network without a posterior
    bare = OutOfDistribution.fit(seen, unseen)
    assert list(OutOfDistribution.from_dict(bare.to_dict()).measures) == ["summary", "centre", "texture"]


def change(record, *path, to):
    record = json.loads(json.dumps(record))
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return record


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("summary",), None),
        (("centre",), None),
        (("quantiles",), [1.0]),
        (("number",), "many"),
        (("centre", "whitening"), [[1.0, 2.0], [3.0]]),
        (("centre", "whitening"), [[1.0]]),
        (("width", "typical"), [1.0, 0.0, 1.0]),
        (("width", "typical"), 1.0),
        (("texture", "mean"), ["high"] * 8),
        (("texture", "usual"), float("nan")),
        (("texture", "far"), 0.0),
    ],
)
def test_damaged_record_is_refused(distribution, path, value):
    with pytest.raises(RunError, match="damaged: train the network again"):
        OutOfDistribution.from_dict(change(distribution.to_dict(), *path, to=value))


def test_the_middle_of_the_light_follows_it_and_a_neighbour():
    y, x = np.mgrid[-20:20, -24:24] + 0.5

    def blob(x_0, y_0):
        return np.exp(-0.02 * ((x - x_0) ** 2 + (y - y_0) ** 2))

    images = np.array([blob(0, 0), blob(4, -3), blob(0, 0) + blob(10, 0), np.full(x.shape, 2.0)])
    found = find_middle(images + 0.3)  # a background changes nothing
    np.testing.assert_allclose(found[[0, 3]], 0, atol=1e-9)
    np.testing.assert_allclose(found[1], [4, -3], atol=0.2)  # the lower quartile is not quite dark
    np.testing.assert_allclose(found[2], [5, 0], atol=0.2)


def test_texture_tells_noise_and_blur_apart_from_what_is_smooth():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-24:24, -24:24] / 10
    galaxy = np.exp(-np.hypot(x, y))[None]
    sharp, noisy = measure_texture(galaxy), measure_texture(galaxy + rng.normal(scale=0.1, size=galaxy.shape))
    flat = measure_texture(np.full((1, 48, 48), 3.0))
    np.testing.assert_allclose(flat, 0, atol=1e-9)
    # The middle half of the differences to the nearest pixels: noise, of which a smooth image has next to none.
    assert noisy[0, 4] - noisy[0, 3] > 5 * (sharp[0, 4] - sharp[0, 3])
    # Turning or mirroring an image changes nothing of that kind.
    np.testing.assert_allclose(measure_texture(galaxy[:, ::-1].swapaxes(1, 2)), sharp, atol=1e-9)


def test_network_sees_noise_that_it_never_saw():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-8:8, -8:8]

    def simulate(number, noise):
        """Blobs of any place, with noise."""
        centre = rng.uniform(-3, 3, (2, number, 1, 1))
        blobs = np.exp(-0.1 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2))
        return (blobs + noise * rng.normal(size=blobs.shape)).astype(np.float32)

    train, labels = simulate(600, 0.02), rng.normal(size=(600, 2))
    network = build_network((16, 16), fit_image_scaling(train), fit_label_scaling(labels, ("a", "b")))  # untrained
    features = ImageFeatures(network)
    distribution = OutOfDistribution.fit(features(train), features(simulate(400, 0.02)))
    assert np.mean(distribution.percentile(features(simulate(200, 0.02))) > 99) < 0.05  # 2 of 200, and noise
    assert np.mean(distribution.percentile(features(simulate(200, 0.06))) > 99) > 0.9


def test_width_is_that_of_the_posterior_in_the_space_of_labels():
    labels = np.random.default_rng(0).normal(3, 2, (1000, 2))
    space = LabelSpace.fit([Column(name, None, "", "", drawn=False) for name in "ab"], labels)
    image, summary = build_backbone("report", (8, 8), ImageScaling(softening=1.0, mean=0.0, variance=1.0), 0)
    network = build_posterior("gaussian", image, summary, 2)
    head = network.get_layer("gaussian")
    # A constant one: zero mean, a triangular factor of diagonal exp(1), 1 of the precision, nothing below it.
    head.set_weights([np.zeros_like(head.kernel), np.array([0, 0, 1, 0, 0, 0, 0, 0], np.float32)])
    posterior = Posterior(network, {"posterior": "gaussian", "label-space": space.to_dict()})
    images = np.zeros((200, 8, 8), np.float32)
    widths = ImageFeatures(network, posterior)(images)["width"]
    assert widths.shape == (200, 2)
    # 20,000 draws of each: known to 0.5 %.
    np.testing.assert_allclose(np.sqrt(np.square(widths).mean(axis=0)), [np.exp(-1), 1], rtol=0.02)
    assert "width" not in ImageFeatures(network)(images)
