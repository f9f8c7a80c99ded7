"""Parameters of ``--explain``, which several tasks have."""

from stronglens.parameters import Parameters, choice, declare, names, number, text


@declare
class Explanation(Parameters):
    """Explanation of a trained network (no training)"""

    explain: tuple[str, ...] = names(
        (), many=True,
        help="images to explain: files as for --predict, or indices of images in the dataset; noise: an image of "
        "noise, as the start of class images and kernels",
    )
    explain_test: int = number(
        0, valid=(0, 10_000), unit="images",
        help="compare the maps with the true effect of each block of pixels, which is replaced by the same image "
        "without source or substructure; number of simulated images (48 are enough). 0: no test",
    )
    method: str = text(
        "all",
        help="all: one figure with all maps; gradient, input-x-gradient, integrated-gradients, smoothgrad, occlusion, "
        "grad-cam, guided-backpropagation, guided-grad-cam: this map; class-image: an image that maximises the "
        "output; deep-dream: an image that activates a layer; kernels: images that activate each kernel of a layer; "
        "activations: the feature maps of the layers",
    )
    output: str | None = text(
        None, help="label or class to explain; by default the first label, or the most probable class"
    )
    patch: int = number(3, unit="pixels", valid=(1, 1024), help="side of the patches of an occlusion")
    stride: int | None = number(
        None, unit="pixels", valid=(1, 1024), help="distance between neighbouring patches; by default their side"
    )
    fill: str = choice(
        "zero", ("zero", "blur", "noise", "twin"),
        help="what replaces a patch. zero: no light; blur: the blurred image; noise; twin: the same image without "
        "source or substructure, for images of a simulated dataset",
    )
    layer: str | None = text(None, help="layer for grad-cam, deep-dream and kernels; by default the last one")
    steps: int = number(
        64, valid=(1, 10_000), help="steps of integrated-gradients, and of class-image, deep-dream and kernels"
    )
    step_size: float = number(
        0.05, valid=(1e-6, 10),
        help="size of a step of class-image, deep-dream and kernels: RMS change of arcsinh(pixel / 10 noise)",
    )
    total_variation: float = number(
        0.3, valid=(0, 1000),
        help="weight of the penalty on differences of neighbouring pixels, for class-image, deep-dream and kernels",
    )
    l2: float = number(1.0, valid=(0, 1000), help="weight of the penalty on differences from the start image")
