"""Class images, dreams, kernels and feature maps of a network: computed, drawn and written."""

from collections.abc import Mapping

import numpy as np

from stronglens.dataset import holds_dataset, load_dataset
from stronglens.execution import Console
from stronglens.explaining.ascent import Climb, climb, dream_score, kernel_score, noise_start, output_score
from stronglens.explaining.bands import mean_band, noise_of_bands
from stronglens.explaining.figures.animation import write_ascent
from stronglens.explaining.figures.ascents import draw_ascent, draw_feature_maps, draw_kernels
from stronglens.explaining.images import ExplainedImage, background_of
from stronglens.explaining.layers import activations, feature_layers, find_layer, has_activation
from stronglens.explaining.names import NOISE
from stronglens.explaining.outputs import Output
from stronglens.explaining.pages import write_arrays
from stronglens.plotting import save_figure, typeset_minus
from stronglens.training import keras

KERNELS = 8
"""Kernels in a figure."""
EXAMPLES = 4
"""Images of the dataset for each kernel."""
MOST_SEARCHED = 2000
"""Images of the dataset among which examples are searched."""
LAYERS = 6
"""Layers in the figure of feature maps."""


def explain_ascent(parameters, output: Output, one: ExplainedImage, pixel_scale: float, console: Console) -> None:
    """Raise an output (class image) or the feature maps of a layer (deep dream), from noise or from an image.

    Parameters
    ----------
    parameters
        See `run.run_explanation`.
    output : Output
    one : ExplainedImage
        The start.
    pixel_scale : float, arcsec
    console : Console
    """
    is_dream, is_noise = parameters.method == "deep-dream", one.stem == NOISE
    layer = find_layer(output.heads[0], parameters.layer).name
    score = dream_score(output.heads[0], layer) if is_dream else output_score(output.heads)
    with console.progress(parameters.steps, "ascending", "steps") as progress:
        frames, values = climb(
            score, one.image[None], _noise_of(one.image), _settings(parameters), is_noise, progress.advance
        )
    frames, values = frames[:, 0], values[:, 0]
    what = f"activation of {layer}" if is_dream else output.title
    title = f"{'Deep dream' if is_dream else 'Class image'}, {one.name}: what raises the {what}"
    stem = f"{parameters.method}_{one.stem}_{layer if is_dream else output.name}"
    note = (
        f"Pixels stay between -3 times the noise and the larger of 100 times the noise and the start. Weights: "
        f"total variation {parameters.total_variation:g}, L2 {parameters.l2:g}. It is one of many such images, not a "
        "typical one."
    )
    figure = draw_ascent(
        title, mean_band(frames), values, what, pixel_scale, parameters.cmap, is_noise, typeset_minus(note)
    )
    folder = parameters.figures_dir
    path = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    write_ascent(folder / f"{stem}.gif", frames, values, what, parameters.cmap)
    write_arrays(folder / f"{stem}.npz", {"start": frames[0], "image": frames[-1], "values": values})
    console.say(f"{one.name}: {what} {values[0]:.3g} to {values[-1]:.3g} in {parameters.steps} steps")
    console.say(f"Figure: {path}; {stem}.gif, {stem}.npz")


def explain_kernels(
    parameters, record: Mapping, output: Output, one: ExplainedImage, pixel_scale: float, console: Console
) -> None:
    """Raise single feature maps of a layer, and find the images of the dataset that excite them most.

    The kernels are those whose largest response varies most over the dataset, relative to its mean; without a dataset
    the first of the layer.

    Parameters
    ----------
    parameters, record
        See `run.run_explanation`.
    output : Output
    one : ExplainedImage
        The start.
    pixel_scale : float, arcsec
    console : Console
    """
    head, is_noise = output.heads[0], one.stem == NOISE
    layer = find_layer(head, parameters.layer)
    kernels, found = np.arange(min(KERNELS, layer.output.shape[-1])), []
    if holds_dataset(parameters.dataset_dir):
        kernels, found = _find_examples(parameters, record, head, layer, pixel_scale, console)
    start = np.repeat(one.image[None], len(kernels), axis=0)
    if is_noise:
        shape = one.image.shape
        deviation = background_of(record)
        start = np.concatenate([noise_start(shape, deviation, parameters.seed + k) for k in range(len(kernels))])
    score = kernel_score(head, layer.name, kernels)
    with console.progress(parameters.steps, "ascending", "steps") as progress:
        frames, values = climb(score, start, _noise_of(one.image), _settings(parameters), is_noise, progress.advance)
    examples = "; right: images of the dataset with the largest response, and where" if found else ""
    figure = draw_kernels(
        f"Kernels of the layer {layer.name}",
        f"bold: an image that excites the kernel, {one.name}, {parameters.steps} steps{examples}",
        kernels.tolist(), mean_band(frames[-1]), found, pixel_scale, parameters.cmap,
    )  # fmt: skip
    stem, folder = f"kernels_{one.stem}_{layer.name}", parameters.figures_dir
    path = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    write_arrays(folder / f"{stem}.npz", {"kernels": kernels, "images": frames[-1], "values": values})
    console.say(f"Figure: {path}; arrays: {stem}.npz")


def explain_feature_maps(parameters, output: Output, one: ExplainedImage, pixel_scale: float, console: Console) -> None:
    """Draw the strongest feature maps of some layers for an image.

    Parameters
    ----------
    parameters
        See `run.run_explanation`.
    output : Output
    one : ExplainedImage
    pixel_scale : float, arcsec
    console : Console
    """
    head = output.heads[0]
    layers = feature_layers(head)
    layers = [layer for layer in layers if has_activation(layer)] or layers
    if parameters.layer is not None:
        layers = [find_layer(head, parameters.layer)]
    chosen = [layers[k] for k in np.unique(np.linspace(0, len(layers) - 1, LAYERS).round().astype(int))]
    maps = [(layer.name, activations(head, layer, one.image[None])[0]) for layer in chosen]
    figure = draw_feature_maps(
        f"Feature maps: {one.name}",
        "the strongest of each layer, each with its own scale; blue: above 0, red: below 0", maps, pixel_scale,
    )  # fmt: skip
    stem, folder = f"activations_{one.stem}", parameters.figures_dir
    path = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    write_arrays(folder / f"{stem}.npz", dict(maps))
    console.say(f"Figure: {path}; arrays: {stem}.npz")


def _noise_of(image: np.ndarray) -> np.ndarray:
    return np.maximum(noise_of_bands(image), 1e-3 * np.abs(image).max() or 1.0)  # for noise-free images


def _settings(parameters) -> Climb:
    return Climb(parameters.steps, parameters.step_size, parameters.total_variation, parameters.l2, parameters.seed)


def _find_examples(parameters, record, head, layer, pixel_scale, console):
    """Return kernels (K,), and for each the images of the dataset with the largest response."""
    dataset = load_dataset(parameters.dataset_dir, parameters.task, in_memory=False)
    if list(dataset.images.shape[1:]) != list(record["image-shape"]):
        return np.arange(min(KERNELS, layer.output.shape[-1])), []
    number = min(MOST_SEARCHED, len(dataset.images))
    maps, best, where = keras.Model(head.inputs, layer.output), [], []
    with console.progress(number, "searching the dataset") as progress:
        for begin in range(0, number, 256):
            seen = maps.predict(dataset.images[np.arange(begin, min(begin + 256, number))], verbose=0)
            points = seen.reshape(len(seen), -1, seen.shape[-1])
            best.append(points.max(axis=1))
            where.append(points.argmax(axis=1))
            progress.advance(len(seen))
    responses, places = np.concatenate(best), np.concatenate(where)
    spread = responses.std(axis=0) / (np.abs(responses).mean(axis=0) + 1e-12)
    is_used = (responses > 0).mean(axis=0) > 0.02  # others respond to single images
    kernels = np.sort(np.argsort(-np.where(is_used, spread, -1))[:KERNELS])
    rows, columns = layer.output.shape[1:3]
    height, width = (side * pixel_scale for side in dataset.images.shape[1:3])
    found = []
    for kernel in kernels:
        strongest = np.argsort(-responses[:, kernel])[:EXAMPLES]
        examples = []
        for index in strongest:
            row, column = divmod(int(places[index, kernel]), columns)
            at = ((column + 0.5) / columns - 0.5) * width, (0.5 - (row + 0.5) / rows) * height
            examples.append((mean_band(dataset.images[int(index)]), at, f"#{index}"))
        found.append(examples)
    return kernels, found
