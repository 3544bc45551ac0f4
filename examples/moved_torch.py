"""Train a small convolutional network on Fashion-MNIST with PyTorch.

The program has the usual form of such examples: options, a network, a function that
trains for an epoch, a function that tests, and a schedule of learning rates.
"""

import argparse

import torch
from torch import nn, optim
from torch.nn import functional as F
from torch.optim.lr_scheduler import StepLR

import fmnist_fast as ff
from fmnist_fast.frameworks.torch import TorchLoader


class Net(nn.Module):
    """Two convolutions and two linear layers."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 32, 3), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3), nn.ReLU()),
            *(nn.MaxPool2d(2), nn.Dropout(0.25)),
        )
        self.classifier = nn.Sequential(
            *(nn.Flatten(), nn.Linear(64 * 12 * 12, 128), nn.ReLU()),
            *(nn.Dropout(0.5), nn.Linear(128, 10)),
        )

    def forward(self, images):
        return self.classifier(self.features(images))


def train(model, device, loader, optimizer, epoch, options):
    model.train()
    for step, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % options.log_interval == 0:
            print(f"epoch {epoch}, step {step} of {len(loader)}: loss {loss:.3f}")


@torch.inference_mode()
def test(model, device, loader):
    model.eval()
    total_loss = n_correct = n = 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        scores = model(images)
        total_loss += F.cross_entropy(scores, labels, reduction="sum").item()
        n_correct += (scores.argmax(1) == labels).sum().item()
        n += len(labels)
    print(f"test: loss {total_loss / n:.3f}, accuracy {n_correct / n:.2%}")


def main():
    parser = argparse.ArgumentParser(description="Train on Fashion-MNIST.")
    parser.add_argument("--data", default="data", help="folder of the files")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--test-batch-size", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--lr", type=float, default=1.0, help="first learning rate")
    parser.add_argument("--gamma", type=float, default=0.7, help="its factor per epoch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-interval", type=int, default=100, help="in steps")
    parser.add_argument("--save", metavar="FILE", help="write the weights to a file")
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_set = ff.load("train", options.data, download=True)
    test_set = ff.load("test", options.data, download=True)
    train_loader = TorchLoader(
        train_set, options.batch_size, shuffle=True, seed=options.seed, device=device
    )
    test_loader = TorchLoader(test_set, options.test_batch_size, device=device)

    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=options.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=options.gamma)
    for epoch in range(1, options.epochs + 1):
        train(model, device, train_loader, optimizer, epoch, options)
        test(model, device, test_loader)
        scheduler.step()
    if options.save:
        torch.save(model.state_dict(), options.save)


if __name__ == "__main__":
    main()
