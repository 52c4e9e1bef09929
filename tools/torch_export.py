#!/usr/bin/env python3
"""Networks of PyTorch as torch.onnx.export writes them, for tools/onnx_golden.py: FOLDER/jets.onnx and FOLDER/pictures.onnx.

    python3 tools/torch_export.py golden/onnx/exported     # a Python with PyTorch: Debian's python3-torch 1.13 made those in the tree
"""
import sys
from pathlib import Path

import torch
from torch import nn

jets = nn.Sequential(
    nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 5), nn.Softmax(dim=1)
)
pictures = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.LeakyReLU(0.1), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(24, 10), nn.Sigmoid(), nn.Linear(10, 3)
)


def with_statistics(model, shape):
    """Normalizations that have seen something."""
    model.train()
    for _ in range(20):
        model(torch.randn(64, *shape) * 1.5 + 0.2)
    return model.eval()


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    for name, model, shape in (("jets", jets, (16,)), ("pictures", pictures, (1, 10, 10))):
        torch.onnx.export(with_statistics(model, shape), torch.zeros(1, *shape), str(folder / f"{name}.onnx"), opset_version=13)


if __name__ == "__main__":
    main()
