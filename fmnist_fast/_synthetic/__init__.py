"""Drawings of garments that stand in for the images of Fashion-MNIST."""
