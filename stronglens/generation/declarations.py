"""Parameters that only the generation task has."""

from pathlib import Path

from stronglens.parameters import Parameters, choice, declare, names, number, switch, text

LEARNS = "a few numbers that describe an image of any dataset, and new images"


@declare
class GenerationLearning(Parameters):
    """What compresses the images"""

    network: str = choice(
        "vae", ("vae", "autoencoder", "conv-vae", "conv-autoencoder", "pca", "lecture", "gan", "cyclegan"),
        help="vae: variational autoencoder; autoencoder: the same without a prior on the codes; conv-vae and "
        "conv-autoencoder: with convolutions on the pixels; pca: principal components, not trained; lecture: dense "
        "layers with 32 ReLU codes, for comparison; gan: generative adversarial network; "
        "cyclegan: networks that translate images to those of another dataset, and back. vae and autoencoder start as "
        "pca",
    )
    latents: int = number(
        10, shortcut="lat", valid=(1, 256), help="number of codes (latents) that an image is compressed to"
    )
    more_latents: tuple[str, ...] = names(
        (), many=True,
        help="other numbers of codes: the network is also trained with each of them, to compare errors (such as "
        "2,4,6,10)",
    )
    few_labels: str | None = text(
        None,
        help="label (such as einstein-radius) to predict from the codes of 50, 200 and 1000 training images, compared "
        "with principal components and with a network on the pixels",
    )
    spectra: Path | None = text(
        None,
        help="folder of spectra to compress instead of images: SDSS's spec-*.fits, 6dFGS's .fits, or .npz with flux "
        "and wavelength; autoencoders are compared with principal components",
    )
    example: str | None = choice(None, ("iris",), help="iris: compress a textbook table of flowers instead of images")
    components: int = number(
        256, valid=(2, 2048),
        help="number of principal components of the images that are the input of the dense networks",
    )
    gan_space: str = choice(
        "pixels", ("pixels", "latents"), applies=("network", "gan"),
        help="output of the generator of a gan. pixels: images; latents: codes of a vae that is trained first (as "
        "--network=vae --sampler=gan)",
    )
    discriminator_rate: float = number(
        1e-3, valid=(1e-12, 1), applies=("network", ("gan", "cyclegan")),
        help="learning rate of the discriminators; --learning-rate is that of the generators",
    )
    target_dir: Path | None = text(
        None,
        help="with cyclegan: folder of the other dataset; images of --dataset-dir are translated to its images, and "
        "back",
    )
    target_network: Path | None = text(
        None,
        help="with cyclegan: regression network trained on the images of --target-dir, for comparison with "
        "--features-from",
    )
    width: int = number(256, valid=(1, 4096), help="units of each hidden layer; for gan and cyclegan, filters")
    depth: int = number(
        2, valid=(1, 16), help="hidden layers of the encoder and of the decoder; for cyclegan, residual blocks"
    )


@declare
class GenerationSampling(Parameters):
    """New images"""

    sampler: str = choice(
        "flow", ("flow", "flow-matching", "gmm", "gan", "prior", "none"),
        help="distribution of the codes of new images. flow: a normalising flow (BayesFlow), fitted to "
        "the codes of the training images; flow-matching: a flow along straight paths; gmm: a mixture of normal "
        "distributions; gan: generative adversarial network of codes; prior: the prior of a vae, or of a gan; "
        "none: no new images",
    )
    sampler_epochs: int = number(60, valid=(1, 100_000), help="number of epochs in the training of the sampler")
    condition: tuple[str, ...] = names(
        (), many=True,
        help="labels of new images: the sampler (or the generator of a gan) is conditional on them. They are drawn "
        "from the labels of the training images",
    )
    features_from: Path | None = text(
        None,
        help="trained network of another task: precision, recall, density, coverage and kernel distance are measured "
        "on its features of the images, instead of on principal components. With cyclegan: regression network trained "
        "on this dataset; its bias on translated images is measured",
    )
    sample: int = number(
        0, valid=(0, 10_000_000), recorded=False,
        help="number of new images to write, with the trained network in --model-file (no training)",
    )
    sample_dir: Path = text("generated", recorded=False, help="folder of the dataset that --sample writes")
    sample_format: str = choice("pickle", ("pickle", "zarr"), help="storage format of the dataset that --sample writes")
    force: bool = switch(recorded=False, help="replace the dataset in --sample-dir")


OVERRIDES = {
    ("network", "lecture"): {"latents": 32},
    ("network", "gan"): {
        "latents": 32, "width": 64, "batch_size": 64, "epochs": 60, "sampler": "prior",
    },
    ("network", "cyclegan"): {
        "width": 16, "batch_size": 8, "epochs": 12, "learning_rate": 0.003,
        "sampler": "none",
    },
    # The vae that is trained first has its own defaults.
    ("gan_space", "latents"): {
        "latents": 10, "width": 256, "batch_size": 128, "epochs": 100, "sampler": "gan",
    },
}  # fmt: skip

EXAMPLES = {
    "model_and_figures.py": (
        ("compress the images of dataset/ to ten codes", "model_and_figures.py --task=generation"),
        ("write 1000 new images, as a dataset", "model_and_figures.py --task=generation --sample=1000"),
        (
            "error against the number of codes",
            "model_and_figures.py --task=generation --latents=32 --more-latents=2,4,6,10",
        ),
        ("principal components alone", "model_and_figures.py --task=generation --network=pca"),
        ("images of another task", "model_and_figures.py --task=generation --dataset-dir=substructure"),
    ),
}
