"""What Rezaei and Liu 2021 print in their tables, to set a run beside.

On the Difficulty of Membership Inference Attacks, https://arxiv.org/abs/2005.13702. In percent, in
their rows and order; their best of all classifiers and samplings, chosen on test data.
"""

_CIFAR_10 = ("CIFAR-10 AlexNet", "CIFAR-10 ResNet", "CIFAR-10 DenseNet")
_CIFAR_100 = ("CIFAR-100 AlexNet", "CIFAR-100 ResNet", "CIFAR-100 DenseNet")
_IMAGENET = ("ImageNet InceptionV3", "ImageNet Xception")


def _rows(names: tuple[str, ...], text: str) -> dict[str, list[str]]:
    lines = [line.split() for line in text.strip().splitlines()]
    return dict(zip(names, lines, strict=True))


PUBLISHED: dict[int, dict[str, list[str]]] = {
    1: _rows(
        _CIFAR_100,
        """
        82.62 91.90 86.92 89.23 74.02 38.89
        79.13 87.3 87.85 87.45 61.70 64.45
        87.74 86.97 98.29 92.26 66.65 65.00
        """,
    ),
    2: _rows(
        tuple(f"CIFAR-100 ResNet, {mix}" for mix in ("5:1", "1:1", "1:5")),
        """
        87.30 87.85 38.18 35.55 61.70 64.45
        57.68 87.42 74.49 35.42 61.22 64.82
        21.41 87.82 93.57 35.73 61.28 64.42
        """,
    ),
    3: _rows(
        ("MNIST LeNet", *_CIFAR_10, *_CIFAR_100, *_IMAGENET),
        """
        99.74 99.05 50.04 50.07
        91.80 77.22 57.43 57.87
        99.43 93.89 54.11 52.56
        100 95.46 56.05 52.45
        92.48 43.87 74.02 70.23
        95.80 74.14 61.70 65.68
        99.98 82.83 66.65 71.97
        87.91 79.98 50.03 54.12
        87.77 80.70 51.18 53.37
        """,
    ),
    4: _rows(
        ("MNIST LeNet", *_CIFAR_10, *_CIFAR_100),
        """
        50.04 50.01 99.61 98.90 49.98 50.21 99.81 99.75 62.30 40.83 77.61 87.09
        57.43 71.4 85.26 72.56 50.54 91.89 90.77 89.57 52.16 5.45 60.17 66.89
        54.11 86.60 98.66 92.74 51.81 91.63 99.08 97.98 60.83 0 66.23 79.71
        56.05 77.05 99.97 94.78 54.0 81.15 99.97 98.77 100 0 - 82.83
        74.02 38.89 84.59 40.58 55.13 83.12 89.9 85.05 55.11 2.01 50.29 60.96
        61.7 64.45 91.14 70.19 53.96 83.7 94.15 90.88 54.37 2.66 57.82 64.3
        66.65 65.0 99.95 79.99 60.58 77.17 99.96 94.67 98.25 0 65.01 67.25
        """,
    ),
    5: _rows(
        ("MNIST LeNet, -1", "MNIST LeNet, -2", *(f"{n}, -1" for n in _CIFAR_10[:2] + _CIFAR_100)),
        """
        47.65 59.55 47.58 59.69 55.45 43.33
        47.96 60.77 47.99 60.65 47.42 69.17
        55.38 47.45 51.34 58.47 55.47 14.49
        53.89 45.1 52.74 47.63 60.75 5.51
        61.34 38.95 55.39 52.46 57.65 29.32
        53.81 47.2 51.46 52.85 52.39 31.2
        64.76 37.35 61.7 43.48 92.02 38.73
        """,
    ),
    6: {},
    7: _rows(
        ("MNIST LeNet", *_CIFAR_10, *_CIFAR_100, *_IMAGENET),
        """
        52.06 53.19 57.84 52.02
        51.94 51.81 61.36 58.69
        52.75 49.88 50.85 50.26
        54.88 54.37 100 100
        57.71 56.65 67.32 59.12
        52.98 54.31 55.4 61.38
        69.7 70.22 98.25 98.25
        49.25 52.1 58.48 50.55
        53.48 53.26 47.89 49.65
        """,
    ),
}
"""Table -> row -> cells. Of table 6 we hold this alone: all balanced accuracies are between 45 and
54, but for groups of hardly any member."""
