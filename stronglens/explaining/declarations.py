"""Parameters of ``--explain``, which several tasks have."""

from stronglens.parameters import Parameters, choice, declare, names, number, text


@declare
class Explanation(Parameters):
    """Explanation of a trained network (no training)"""

    explain: tuple[str, ...] = names(
        (), many=True,
        help="images to explain: files as for --predict, or indices of images in the dataset; noise: start an ascent "
        "from noise",
    )
    explain_test: int = number(
        0, valid=(0, 10_000), unit="images",
        help="test whether the maps are true, on this number of simulated images (48 are enough): each block is "
        "replaced by that of the same image without what is looked for. 0: no test",
    )
    method: str = text(
        "all",
        help="all, one page of all maps; or gradient, input-x-gradient, integrated-gradients, smoothgrad, occlusion, "
        "grad-cam, guided-backpropagation, guided-grad-cam: one map; class-image: the image that raises the output "
        "most; deep-dream: the image that excites a layer; kernels: images that excite each kernel of a layer; "
        "activations: the feature maps of the layers",
    )
    output: str | None = text(
        None, help="label or class to explain; by default the first label, or the most probable class"
    )
    patch: int = number(3, unit="pixels", valid=(1, 1024), help="side of the patches of an occlusion")
    stride: int | None = number(
        None, unit="pixels", valid=(1, 1024), help="distance of neighbouring patches; by default their side"
    )
    fill: str = choice(
        "zero", ("zero", "blur", "noise", "twin"),
        help="what replaces a patch: no light; the blurred image; noise; the same image without what is looked for, "
        "which needs an image of a simulated dataset",
    )
    layer: str | None = text(None, help="layer of Grad-CAM, of a dream and of kernels; by default the last one")
    steps: int = number(64, valid=(1, 10_000), help="steps of integrated gradients and of an ascent")
    step_size: float = number(
        0.05, valid=(1e-6, 10),
        help="step of an ascent: RMS change of the arcsinh of the pixels in units of ten times the noise",
    )
    total_variation: float = number(
        0.3, valid=(0, 1000), help="weight against differences of neighbouring pixels in an ascent"
    )
    l2: float = number(1.0, valid=(0, 1000), help="weight against changes of the start in an ascent")
