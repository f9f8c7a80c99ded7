"""Trunks of networks: images in, features out."""

from stronglens.networks.backbones import build_backbone, head_seeds, visualised_layers

__all__ = ["build_backbone", "head_seeds", "visualised_layers"]
