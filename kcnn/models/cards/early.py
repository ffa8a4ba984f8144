"""The networks from the first digit readers to residual learning, 1989 to 2016."""

from kcnn.models.cards.kinds import Work

WORKS = {
    "mlp": Work(
        year=1998,
        title="Gradient-Based Learning Applied to Document Recognition",
        authors="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner",
        where="Proceedings of the IEEE 86(11), 1998, section III-C.6",
        novelty=("Every unit sees every pixel: what a network knows of images before convolution.",),
        advantages=("Small and quick on small images.", "Makes no assumption about the order of its inputs."),
        disadvantages=(
            "Weights grow with the number of pixels: 64x64x3 values into 500 units are 6,144,000.",
            "A pattern learnt in one place means nothing in another.",
        ),
    ),
    "lenet": Work(
        year=1998,
        title="Gradient-Based Learning Applied to Document Recognition",
        authors="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner",
        where="Proceedings of the IEEE 86(11), 1998",
        novelty=(
            "Convolution and sub-sampling in turn, then a classifier, all trained together by gradient descent.",
            "One small filter shared by all places of a map.",
        ),
        advantages=(
            "Simple, and still enough for digits.",
            "60,000 weights in all, since filters are shared.",
            "Set the pattern that most later networks follow.",
        ),
        disadvantages=(
            "Neither deep nor wide enough for photographs.",
            "tanh saturates, so that depth trains slowly.",
            "Overfits when the data set is small.",
        ),
        notes=(
            "Two dates are in use: the first LeNet read postal digits in 1989 (LeCun, Neural Computation 1(4)); "
            "LeNet-5 is of 1998.",
            "60,000 parameters are those of the paper's form; the usual copy with a full C3 has 61,706.",
        ),
    ),
    "alexnet": Work(
        year=2012,
        title="ImageNet Classification with Deep Convolutional Neural Networks",
        authors="A. Krizhevsky, I. Sutskever, G. E. Hinton",
        where="NIPS 2012",
        novelty=(
            "A deep convolutional network trained on a million photographs, on two GPUs.",
            "Made ReLU, dropout and heavy augmentation common practice.",
        ),
        advantages=(
            "A leap in accuracy on ImageNet that turned the field to learnt features.",
            "ReLU trains several times faster than tanh.",
            "Dropout holds back overfitting in the large dense layers.",
        ),
        disadvantages=(
            "Sixty million weights, nearly all in the dense layers.",
            "Costly in time and memory for what it reaches.",
            "Large first filters and local response normalisation did not last.",
        ),
        notes=(
            "The winning entry of 2012 (15.3 % top-5 error, 26.2 % for the second) is an ensemble.",
            "The paper normalises before it pools; some lecture tables show the other order. Both can be built.",
        ),
    ),
    "alexnet_one_tower": Work(
        year=2014,
        title="One weird trick for parallelizing convolutional neural networks",
        authors="A. Krizhevsky",
        where="arXiv 1404.5997",
        novelty=("AlexNet in one narrower tower without response normalisation, as most libraries carry it.",),
        advantages=("Simpler than two towers, and about as accurate.",),
        disadvantages=("Sixty million weights, nearly all in the dense layers.",),
    ),
    "vgg": Work(
        year=2014,
        title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
        authors="K. Simonyan, A. Zisserman",
        where="arXiv 1409.1556, ICLR 2015",
        novelty=(
            "3x3 filters throughout: three of them see as far as one 7x7 with 55 % of its weights.",
            "Showed by its series of rows that depth pays.",
        ),
        advantages=(
            "Uniform and easy to understand: halve the size, double the maps.",
            "Features that transfer well, which kept it in use for years.",
        ),
        disadvantages=(
            "138 million weights, 89 % of them in three dense layers.",
            "15.5 G multiply-adds an image, and slow training.",
            "Memory: the first layers keep maps of the full image size.",
        ),
        notes=(
            "A lecture figure of 96 MB for one forward pass counts differently: the maps hold 15.24 M values, "
            "61.0 MB in float32.",
        ),
    ),
    "googlenet": Work(
        year=2014,
        title="Going Deeper with Convolutions",
        authors="C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich",
        where="arXiv 1409.4842, CVPR 2015",
        novelty=(
            "The Inception module: 1x1, 3x3, 5x5 and pooling side by side, so that the network chooses the scale.",
            "1x1 convolutions that thin the maps before the costly filters.",
            "Global average pooling in place of dense layers; auxiliary heads while training.",
        ),
        advantages=(
            "Few weights and multiply-adds for its accuracy.",
            "Sees several scales in each layer.",
        ),
        disadvantages=(
            "Many widths to choose by hand in each module.",
            "Hard to change without upsetting the balance of its branches.",
        ),
        notes=(
            '"5 million parameters, 12 times fewer than AlexNet" leaves out the head: 6,998,552 with it (8.7 times '
            "fewer), 5,973,552 without (10.2 times).",
            "6.67 % top-5 error is an ensemble of seven networks with 144 crops.",
        ),
    ),
    "sppnet": Work(
        year=2014,
        title="Spatial Pyramid Pooling in Deep Convolutional Networks for Visual Recognition",
        authors="K. He, X. Zhang, S. Ren, J. Sun",
        where="arXiv 1406.4729, ECCV 2014",
        novelty=("Pooling into a fixed pyramid of cells, whatever the size of the image.",),
        advantages=(
            "One network for every image size and shape; no warping or cropping.",
            "Detection runs the convolutions once an image, not once a region.",
        ),
        disadvantages=(
            "Still ends in large dense layers.",
            "As a detector it trains in stages, and the layers below the pyramid stay fixed.",
        ),
    ),
    "inception": Work(
        year=2015,
        title="Rethinking the Inception Architecture for Computer Vision",
        authors="C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna",
        where="arXiv 1512.00567, CVPR 2016",
        novelty=(
            "Large filters split into small ones, and n x n into 1 x n and n x 1.",
            "Label smoothing; normalisation in the auxiliary head.",
        ),
        advantages=("More accurate than VGG at a third of its multiply-adds.", "Grids shrink without a bottleneck."),
        disadvantages=("Several kinds of modules, each with its own widths.", "Wants 299x299 images."),
    ),
    "plain": Work(
        year=2015,
        title="Deep Residual Learning for Image Recognition",
        authors="K. He, X. Zhang, S. Ren, J. Sun",
        where="arXiv 1512.03385, CVPR 2016",
        novelty=("ResNet without shortcuts: the control that shows what they are for.",),
        advantages=("As simple as VGG, with far fewer weights.",),
        disadvantages=(
            "Degrades with depth: the deeper one has the larger training error, so overfitting is not the cause.",
        ),
    ),
    "resnet": Work(
        year=2015,
        title="Deep Residual Learning for Image Recognition",
        authors="K. He, X. Zhang, S. Ren, J. Sun",
        where="arXiv 1512.03385, CVPR 2016",
        novelty=(
            "Shortcuts: a block learns what to add to its input, H(x) = F(x) + x.",
            "Bottlenecks of 1x1, 3x3, 1x1 that make great depth affordable.",
        ),
        advantages=(
            "A hundred layers and more train without degradation.",
            "Gradients reach the first layers along the shortcuts.",
            "Won the ImageNet and COCO challenges of 2015, and is still the usual baseline.",
        ),
        disadvantages=(
            "The deep rows are costly in time and memory.",
            "Many of its layers change little and can be dropped one at a time.",
        ),
        notes=("3.57 % top-5 error is an ensemble of six networks, not ResNet-152 alone (4.49 % at several scales).",),
    ),
    "resnet_v2": Work(
        year=2016,
        title="Identity Mappings in Deep Residual Networks",
        authors="K. He, X. Zhang, S. Ren, J. Sun",
        where="arXiv 1603.05027, ECCV 2016",
        novelty=("Normalisation and ReLU before each convolution, so that the shortcut is a clean identity.",),
        advantages=("A thousand layers train.", "A little more accurate than the first form when deep."),
        disadvantages=("No gain in shallow networks.", "As costly as the first form."),
    ),
    "wide_resnet": Work(
        year=2016,
        title="Wide Residual Networks",
        authors="S. Zagoruyko, N. Komodakis",
        where="arXiv 1605.07146, BMVC 2016",
        novelty=("Width in place of depth: a few wide blocks do what hundreds of thin ones do.",),
        advantages=(
            "Wide layers keep a GPU busy: WRN-50-2 is faster than ResNet-152 and more accurate.",
            "Trains well with dropout inside the blocks.",
        ),
        disadvantages=("Weights grow with the square of the width: 68.9 M against 25.6 M at depth 50.",),
    ),
    "resnext": Work(
        year=2016,
        title="Aggregated Residual Transformations for Deep Neural Networks",
        authors="S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He",
        where="arXiv 1611.05431, CVPR 2017",
        novelty=("Cardinality: many equal paths in a block, computed as one grouped convolution.",),
        advantages=(
            "More accurate than ResNet at the same multiply-adds and weights.",
            "One number to choose, where Inception has many.",
        ),
        disadvantages=("Grouped convolutions run below a device's best speed.",),
    ),
}
