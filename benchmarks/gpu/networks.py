"""Two networks to train: a small CNN and a ResNet-18."""

from torch import nn


def cnn():
    """Return a network of three convolutions with 32, 64 and 128 channels."""

    def block(n_in, n_out):
        convolution = nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)
        return convolution, nn.MaxPool2d(2), nn.BatchNorm2d(n_out), nn.ReLU()

    blocks = *block(1, 32), *block(32, 64), *block(64, 128)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(128 * 9, 10))


class Residual(nn.Module):
    """The basic block of He et al., "Deep Residual Learning", arXiv:1512.03385."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or n_in != n_out:
            narrowed = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(narrowed, nn.BatchNorm2d(n_out))

    def forward(self, images):
        return nn.functional.relu(self.body(images) + self.shortcut(images))


def resnet18():
    """Return a ResNet-18 for small grayscale images, with a 3x3 stem without stride."""
    stem = nn.Conv2d(1, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()
    blocks, n_in = [], 64
    for n_out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += Residual(n_in, n_out, stride), Residual(n_out, n_out, 1)
        n_in = n_out
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)
    return nn.Sequential(*stem, *blocks, *head)


NETWORKS = {"cnn": cnn, "resnet18": resnet18}
