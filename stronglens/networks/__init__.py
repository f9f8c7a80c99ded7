"""Backbones of networks: they compute features of images."""

from stronglens.networks.backbones import build_backbone, head_seeds, open_image, visualised_layers

__all__ = ["build_backbone", "head_seeds", "open_image", "visualised_layers"]
