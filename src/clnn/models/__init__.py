"""Networks for images, built from clnn's layers: architectures, and names of weights, are torchvision's.

So `model.load_state_dict(...)` takes the weights that torchvision publishes for the same architecture.
"""

from .mobilenet import MobileNetV2 as MobileNetV2
from .mobilenet import mobilenet_v2 as mobilenet_v2
from .resnet import ResNet as ResNet
from .resnet import resnet18 as resnet18
from .resnet import resnet50 as resnet50
from .vgg import VGG as VGG
from .vgg import vgg16 as vgg16
from .vgg import vgg16_bn as vgg16_bn
