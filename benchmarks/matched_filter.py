"""Scalar baseline and matched-filter upper limit for several settings of the substructure."""

import numpy as np

import params_and_cli as panel
from stronglens.dataset import CHUNK_SIZE
from stronglens.evaluation import classification_metrics
from stronglens.evaluation.baseline import scalar_baseline, scalar_features
from stronglens.simulation.chunks import simulator_of
from stronglens.substructure.ceiling import matched_filter_auc
from stronglens.substructure.class_folders import CLASSES
from stronglens.substructure.effects import EffectMeasurement
from stronglens.substructure.simulator import make_simulator

PUBLIC = {"substructure_preset": "public"}
RECIPES = {
    "matched": {},
    "matched, truncated NFW halos": {"subhalo_profile": "nfw"},
    "matched, radii left as they fall": {"match_einstein_radius": "off"},
    "public": PUBLIC,
    "public, radii matched": PUBLIC | {"match_einstein_radius": "on"},
    "public, 25 halos of m^-1.9": PUBLIC | {"subhalo_mass_slope": -1.9},
    "public, all halos of m^-1.9": PUBLIC | {"subhalo_mass_slope": -1.9, "subhalo_number": 0},
}
IMAGES = 3072
"""Number of images for each setting; the scalar baseline is trained on two thirds and tested on the rest."""

FILTERED = 180
"""Number of images for the matched filter, a third of each class."""


def measure(seconds: float) -> dict:
    """Simulate images for each setting, train the scalar baseline, and apply the matched filter to some images."""
    report = {}
    print(f"{'':<34}{'scalar baseline':^27}{'matched filter against no: sphere':^36}{'vortex':^18}")
    print(f"{'setting':<34}{'accuracy':>17}{'AUC':>8}  {'known':>16}{'refitted':>16}  {'known':>10}{'refitted':>10}")
    for name, values in RECIPES.items():
        parameters = panel.SubstructureSimulation.of(panel.OVERRIDES, **values)
        simulator = simulator_of(make_simulator, parameters)
        features, kinds = [], []
        for start in range(0, IMAGES, CHUNK_SIZE):
            images, labels, _ = simulator.simulate(range(start, start + CHUNK_SIZE))
            features.append(scalar_features(images, parameters.pixel_scale)[0])
            kinds.append(labels["substructure"].astype(int))
        features, kinds, train = np.concatenate(features), np.concatenate(kinds), IMAGES * 2 // 3
        guessed = scalar_baseline(features[:train], kinds[:train], features[train:], CLASSES, 0)
        scalars = classification_metrics(kinds[train:], guessed, CLASSES, seed=0)
        report[name] = {
            "scalars": {key: scalars[key] for key in ("accuracy", "macro_auc", "auc_against_no")},
            "filter": _filter(simulator, parameters),
        }
        _print(name, report[name])
    return report


def _filter(simulator, parameters) -> dict:
    measure_effects = EffectMeasurement(parameters)
    significance = {name: {"known": [], "refitted": []} for name in CLASSES[1:]}
    for start in range(0, FILTERED, 60):
        indices = np.arange(start, start + 60)
        _, labels, _ = simulator.simulate(indices)
        effects = measure_effects((indices, labels))
        for kind, name in enumerate(CLASSES[1:], start=1):
            for key, of_all in (("known", effects.known), ("refitted", effects.refitted)):
                significance[name][key].extend(of_all[labels["substructure"] == kind])
    return {
        name: {
            key: matched_filter_auc(d, 0) | {"median_significance": float(np.median(d))} for key, d in of_class.items()
        }
        for name, of_class in significance.items()
    }


def _print(name: str, found: dict) -> None:
    accuracy, area = found["scalars"]["accuracy"], found["scalars"]["macro_auc"]
    line = f"{name:<34}{accuracy['value']:>6.3f} ({accuracy['low']:.3f}-{accuracy['high']:.3f}){area['value']:>7.3f}  "
    for kind in CLASSES[1:]:
        for key in ("known", "refitted"):
            entry = found["filter"][kind][key]
            line += f"  {entry['value']:.3f} (d={entry['median_significance']:.0f})".rjust(15)
    print(line, flush=True)
