"""The page of one image: maps of one output, and what is known about them."""

from collections.abc import Mapping

import numpy as np

from stronglens.atomic import replacing
from stronglens.execution import Console
from stronglens.explaining.bands import background_noise, mean_band
from stronglens.explaining.fidelity import describe_fidelity
from stronglens.explaining.figures.animation import write_occlusion
from stronglens.explaining.figures.page import draw_page
from stronglens.explaining.images import ExplainedImage
from stronglens.explaining.maps import METHODS, Settings, settings_of, why_refused
from stronglens.explaining.names import chosen_maps
from stronglens.explaining.occlusion import count_patches, make_fill, occlude
from stronglens.explaining.outputs import Output
from stronglens.parameters import RunError
from stronglens.plotting import save_figure, typeset_minus

CAVEATS = (
    "A map shows what this network responds to, not what makes the image what it is; it is no evidence that the answer "
    "is right.",
    "The map of a wrong answer looks as convincing. Pixels are not independent: a white pixel can matter together with "
    "others.",
)


def explain_image(
    parameters, record: Mapping, output: Output, one: ExplainedImage, pixel_scale: float, words: str, console: Console
) -> None:
    """Make the maps of one output for one image; write a figure and arrays, and an animation of an occlusion.

    Parameters
    ----------
    parameters, record
        See `run.run_explanation`.
    output : Output
    one : ExplainedImage
    pixel_scale : float, arcsec
    words : str
        What the twin of the image is, such as ``without the lensed source``.
    console : Console

    Raises
    ------
    RunError
        If there is no map, or a file cannot be written.
    """
    settings, tested = settings_of(parameters), record.get("explained", {}).get(output.name, {})
    twin = None if one.twin is None else one.twin[None]
    maps, lines, refused = {}, {}, {}
    for name in chosen_maps(parameters.method):
        values, reason = None, why_refused(output, name)
        if reason is None:
            values = METHODS[name].make(output, one.image[None], settings, twin)[0]
            reason = None if values.any() else "zero everywhere: every weighted feature map lowers the output"
        if values is None or reason:
            refused[METHODS[name].title] = reason or ""
        else:
            maps[name] = values
            lines[METHODS[name].title] = _write_lines(tested.get("methods", {}), name)
    if not maps:
        raise RunError("; ".join(f"{one.name}, {title}: {reason}" for title, reason in refused.items()))
    drawn, number = {METHODS[name].title: values for name, values in maps.items()}, describe_number(output, one.image)
    outline, subtitle = None, f"{output.title} = {number}"
    if one.effect is not None and twin is not None:
        if parameters.method == "all" and settings.fill != "twin":
            truth = Settings(settings.patch, fill="twin")
            maps["twin"] = METHODS["occlusion"].make(output, one.image[None], truth, twin)[0]
            drawn["truth: replaced by twin"] = maps["twin"]
            lines["truth: replaced by twin"] = [f"twin: {words},", f"with {describe_number(output, twin[0])}"]
        outline = np.abs(mean_band(one.effect)) / background_noise(mean_band(one.image))
        subtitle += "; contours: the light that the twin lacks, 1 and 5 times the noise"
    figure = draw_page(
        f"What the network responds to: {one.name}", subtitle, one.image, drawn, lines, refused,
        (output.negative, output.positive), [*CAVEATS, *_describe_test(tested)], pixel_scale, parameters.cmap, outline,
    )  # fmt: skip
    stem = f"explained_{one.stem}_{output.name}" + ("" if parameters.method == "all" else f"_{parameters.method}")
    folder = parameters.figures_dir
    path = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    write_arrays(folder / f"{stem}.npz", {"image": one.image, "score": output.score(one.image[None])} | maps)
    console.say(f"{one.name}: {output.title} = {number}")
    if "integrated-gradients" in maps:
        total, ends = maps["integrated-gradients"].sum(), output.score(np.stack([one.image, np.zeros_like(one.image)]))
        console.say(
            f"  integrated gradients: their sum is {total:.4g}, the change of the output {ends[0] - ends[1]:.4g}"
        )
    for title, reason in refused.items():
        console.say(f"  {title}: {reason}")
    console.say(f"Figure: {path}; arrays: {stem}.npz")
    if parameters.method == "occlusion":
        filled = make_fill(one.image, settings.fill, one.twin, settings.seed)
        number_of_patches = count_patches(one.image, settings.patch, settings.stride)
        with console.progress(number_of_patches, "replacing patches", "patches") as progress:
            changes, _, corners = occlude(output, one.image, filled, settings.patch, settings.stride, progress.advance)
        animation = folder / f"{stem}.gif"
        write_occlusion(animation, one.image, filled, corners, changes, settings.patch, parameters.cmap)
        console.say(f"Animation: {animation}")


def write_arrays(path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a ``.npz`` file, completely or not at all.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    try:
        with replacing(path) as aside, open(aside, "wb") as file:
            np.savez_compressed(file, **{name.replace("-", "_"): values for name, values in arrays.items()})
    except OSError as error:
        raise RunError(f"{path}: cannot write the arrays ({error.strerror or error})") from error


def describe_number(output: Output, image: np.ndarray) -> str:
    score = float(output.score(image[None])[0])
    if output.is_logit:
        return typeset_minus(f"{score:.2f}") + f", P = {1 / (1 + np.exp(-score)):.3g}"
    return typeset_minus(f"{score:.4g}") + (f" {output.unit}" if output.unit else "")


def _write_lines(tested: Mapping, name: str) -> list[str]:
    """Return what is written beneath a map: the numbers of its test."""
    if name not in tested:
        return ["not tested: --explain-test"]
    return [typeset_minus(line) for line in describe_fidelity(tested, name)]


def _describe_test(tested: Mapping) -> list[str]:
    if not tested:
        return ["Whether these maps are true has not been tested: run --explain-test=48."]
    return [
        f"rho: Spearman's correlation of a map with the change of the output when each block is replaced, "
        f"{tested['images']} images ({tested['words']}). Of brightness: that of the image itself."
    ]
