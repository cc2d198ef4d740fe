"""MNIST, CIFAR10 and CIFAR100."""

from ..datasets import CIFAR10 as CIFAR10
from ..datasets import CIFAR100 as CIFAR100
from ..datasets import MNIST as MNIST
