"""Parameters that only the generation task has."""

from stronglens.parameters import Parameters, choice, declare, number


@declare
class GenerationLearning(Parameters):
    """What compresses the images"""

    network: str = choice(
        "vae", ("vae", "autoencoder", "pca", "lecture"),
        help="vae: variational autoencoder; autoencoder: without its prior on the codes; pca: principal components, "
        "not trained; lecture: dense layers with 32 ReLU codes, for comparison. vae and autoencoder begin as pca",
    )
    latents: int = number(
        10, shortcut="lat", valid=(1, 256), help="number of codes (latents) that an image is compressed to"
    )
    components: int = number(
        256, valid=(2, 2048),
        help="number of principal components of the images that the dense networks work on",
    )
    width: int = number(256, valid=(1, 4096), help="units of each hidden layer")
    depth: int = number(2, valid=(1, 16), help="hidden layers of the encoder and of the decoder")


OVERRIDES = {("network", "lecture"): {"latents": 32}}

EXAMPLES = {
    "model_and_figures.py": (
        ("compress the images of dataset/ to ten codes", "model_and_figures.py --task=generation"),
        ("principal components alone", "model_and_figures.py --task=generation --network=pca"),
        ("images of another task", "model_and_figures.py --task=generation --dataset-dir=substructure"),
    ),
}
