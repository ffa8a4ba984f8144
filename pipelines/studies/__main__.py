"""Run case studies: `python -m pipelines.studies NAME ... [--cifar10=FOLDER] [--epochs=N]`.

    shifts       a convolutional against a fully connected network of equal size, on digits and on shifted digits
    degradation  plain-20 and plain-56 against ResNet-20 and ResNet-56 on CIFAR-10
    separable    MobileNet against its twin with full convolutions
    stacks       three 3x3 convolutions against one 7x7
    inception    the naive Inception module against the one with 1x1 reductions

Each prints what its source says beside what it measures here. `degradation` needs CIFAR-10 and the better part of an
hour on two cores; the others need no data but the digits inside scikit-learn, and a minute or two.
"""

import argparse
import importlib

STUDIES = ("shifts", "degradation", "separable", "stacks", "inception")


def main() -> None:
    """Run the studies that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=STUDIES, metavar="NAME", help=", ".join(STUDIES))
    parser.add_argument("--cifar10", default="cifar10", help="a source of CIFAR-10, such as a folder of .npz files")
    parser.add_argument("--epochs", type=int, default=0, help="of each training; 0 is the study's own")
    args = parser.parse_args()
    for name in args.names:
        importlib.import_module(f".{name}", __package__).run(args)


if __name__ == "__main__":
    main()
