"""Training loop of all tasks, network files, and the training device."""

from stronglens.network_archive import FLOW

# The device module must come first: it imports Keras's backend without its start-up messages.
from stronglens.training.device import describe_device, import_bayesflow, keras
from stronglens.training.flow import seed_flow
from stronglens.training.loop import fit
from stronglens.training.network_file import load_network, save_network
from stronglens.training.objective import Classification, Density, Regression
from stronglens.training.seeds import spread_seed
from stronglens.training.state import remove_state, state_path

__all__ = [
    "FLOW",
    "Classification",
    "Density",
    "Regression",
    "describe_device",
    "fit",
    "import_bayesflow",
    "keras",
    "load_network",
    "remove_state",
    "save_network",
    "seed_flow",
    "spread_seed",
    "state_path",
]
