"""The fit loop with a classifier: batch normalisation, momentum descent, warm-up and augmentation together."""

import numpy as np
import pytest
from interrupted import ctrl_c_after
from test_loop import saved_epochs

from stronglens.parameters import RunError, UsageError
from stronglens.scaling import fit_image_scaling, stretch_images
from stronglens.training import Classification, fit, keras, load_network
from stronglens.training.batches import StoredBatches
from stronglens.training.precision import copy_network

RECIPE = {"epochs": 4, "learning_rate": 0.05, "learning_schedule": "cosine", "warm_up": 1, "optimizer": "sgd",
          "weight_decay": 5e-4, "augment": True, "batch_size": 20, "seed": 1,
          "objective": Classification(3, 0.1), "quiet": True}  # fmt: skip


def make_stripes(count, seed=0):
    """Noise with nothing, a spot or a stripe in it, and the class; all flips and turns are of the same class."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(3, size=count)
    images = rng.normal(size=(count, 16, 16)).astype(np.float32)
    images[classes == 1, 5:11, 5:11] += 2
    images[classes == 2, :, 4] += 4
    return images, classes[:, np.newaxis].astype(float)


def make_classifier(images):
    image = keras.Input(images.shape[1:], name="image")
    flow = stretch_images(image, fit_image_scaling(images))
    flow = keras.layers.Reshape((*images.shape[1:], 1), name="channel")(flow)
    for order, filters in enumerate((8, 16)):
        kernels = keras.initializers.HeNormal(seed=order)
        flow = keras.layers.Conv2D(
            filters, 3, 2, use_bias=False, kernel_initializer=kernels, name=f"convolution_{order}"
        )(flow)
        flow = keras.layers.BatchNormalization(momentum=0.9, name=f"normalised_{order}")(flow)
        flow = keras.layers.ReLU()(flow)
    flow = keras.layers.GlobalAveragePooling2D()(flow)
    logits = keras.layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=9), name="logits")(flow)
    return keras.Model(image, keras.layers.Softmax()(logits))


def train(folder, name="network.keras", count=121, devices=None, **settings):
    images, labels = make_stripes(count + 60)
    network = make_classifier(images[:count])
    split = (images[:count], labels[:count]), (images[count:], labels[count:])
    history = fit(network, *split, label_names=["class"], model_file=folder / name, devices=devices,
                  **RECIPE | settings)  # fmt: skip
    return network, history


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_learns_to_tell_classes_apart(tmp_path, mixed_precision):
    network, history = train(tmp_path, count=600, epochs=6, mixed_precision=mixed_precision)
    assert {name: len(numbers) for name, numbers in history.items()} == dict.fromkeys(
        ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"], 6
    )
    images, labels = make_stripes(200, seed=7)
    found = network.predict(images, verbose=0)
    # By chance a third: 67 of 200, with a deviation of 7.
    assert np.mean(found.argmax(axis=1) == labels[:, 0]) > 0.8
    loaded, record = load_network(tmp_path / "network.keras")
    assert np.array_equal(loaded.predict(images, verbose=0), found)
    assert record["training"]["best_epoch"] == np.argmin(history["val_loss"]) + 1
    assert {layer.compute_dtype for layer in loaded.layers if hasattr(layer, "compute_dtype")} == {"float32"}


def test_resumed_training_is_the_uninterrupted_one_to_the_bit(tmp_path):
    straight, expected = train(tmp_path, name="straight.keras")
    with ctrl_c_after(2):
        train(tmp_path)
    assert saved_epochs(tmp_path / "network.keras") == 2
    resumed, history = train(tmp_path, resume=True)
    assert history == expected
    weights = straight.get_weights(), resumed.get_weights()
    assert len(weights[0]) == 2 * 5 + 2  # moving means and variances among them
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))
    # The first is that of the first epoch's end: the warm-up is over.
    assert history["learning_rate"][0] == pytest.approx(0.05)
    assert history["learning_rate"][-1] == 0


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted")
    with ctrl_c_after(1):
        train(folder)
    return folder


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"optimizer": "adam"}, "--optimizer was sgd and is now adam"),
        ({"momentum": 0.5}, "--momentum was 0.9 and is now 0.5"),
        ({"weight_decay": 0.0}, r"--weight-decay was 0\.0005 and is now 0\.0"),
        ({"warm_up": 2}, "--warm-up was 1 and is now 2"),
        ({"augment": False}, "--augment was True and is now False"),
        ({"objective": Classification(3)}, r"--label-smoothing was 0\.1 and is now 0\.0"),
    ],
)
def test_resume_with_another_recipe_is_refused(interrupted, other, said):
    with pytest.raises(RunError, match=said):
        train(interrupted, resume=True, **other)


def test_augmentation_weight_decay_and_label_smoothing_each_act(tmp_path):
    losses = [
        train(tmp_path, epochs=2, **change)[1]["loss"][-1]
        for change in ({}, {"augment": False}, {"weight_decay": 0.1}, {"objective": Classification(3)})
    ]
    assert len(set(losses)) == 4


def test_no_batch_is_a_small_one():
    images, labels = make_stripes(121)
    # Batches of 20 at most would leave one image over, which batch normalisation knows nothing about.
    batches = StoredBatches(images, labels, make_classifier(images), ["class"], "training", 20, seed=0,
                            objective=Classification(3))  # fmt: skip
    assert sorted(len(batches[index][0]) for index in range(len(batches))) == [17] * 5 + [18] * 2


def test_classes_out_of_range_are_refused_before_training(tmp_path):
    images, labels = make_stripes(40)
    labels[7] = 3
    with pytest.raises(RunError, match="the validation labels have the value 3 in row 7"):
        fit(make_classifier(images), make_stripes(40), (images, labels), label_names=["class"],
            model_file=tmp_path / "n.keras", **RECIPE)  # fmt: skip


def test_warm_up_must_end_before_the_training(tmp_path):
    with pytest.raises(UsageError, match="--warm-up 4 must be less than --epochs 4"):
        train(tmp_path, warm_up=4)


def test_divergence_of_momentum_descent_stops_with_its_cause(tmp_path):
    with pytest.raises(RunError, match=r"--learning-rate 1e\+38 is too high; try 0\.01"):
        train(tmp_path, learning_rate=1e38, warm_up=0)


def test_progress_shows_the_accuracy(tmp_path, capsys):
    train(tmp_path, quiet=False, epochs=2)
    for line in capsys.readouterr().err.splitlines():
        words = [word.split()[0] for word in line.split("  ")]
        assert words[1:5] == ["loss", "accuracy", "val_loss", "val_accuracy"]


def test_what_must_be_exact_stays_in_32_bits():
    images, _ = make_stripes(30)
    copied = copy_network(make_classifier(images), "mixed_bfloat16")
    exact = {layer.__class__.__name__ for layer in copied.layers if getattr(layer, "compute_dtype", "") == "float32"}
    assert exact == {"InputLayer", "Rescaling", "Normalization", "Dense", "Softmax"}
