"""The networks after residual learning: dense, light, searched, along one axis, and modern; 2016 to 2022."""

from kcnn.models.cards.kinds import Work

WORKS = {
    "densenet": Work(
        year=2016,
        title="Densely Connected Convolutional Networks",
        authors="G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger",
        where="arXiv 1608.06993, CVPR 2017",
        novelty=("Each layer of a block reads the maps of all layers before it, side by side.",),
        advantages=(
            "Short ways for gradients, which makes training stable.",
            "Features are used again, so few weights suffice.",
        ),
        disadvantages=(
            "Joined maps fill the memory while training.",
            "Many small steps make it slower than its multiply-adds promise.",
        ),
    ),
    "squeezenet": Work(
        year=2016,
        title="SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
        authors="F. N. Iandola, S. Han, M. W. Moskewicz, K. Ashraf, W. J. Dally, K. Keutzer",
        where="arXiv 1602.07360",
        novelty=("Fire modules: squeeze by a 1x1, then expand by 1x1 and 3x3 side by side.",),
        advantages=("AlexNet's accuracy with a fiftieth of its weights.", "No dense layer."),
        disadvantages=("Later small networks are far more accurate.", "Small in weights, less so in activations."),
        notes=("1.1 is the authors' later form: 2.4 times less computation than the paper's 1.0, no less accurate.",),
    ),
    "xception": Work(
        year=2016,
        title="Xception: Deep Learning with Depthwise Separable Convolutions",
        authors="F. Chollet",
        where="arXiv 1610.02357, CVPR 2017",
        novelty=("Inception taken to its limit: places and maps are treated apart, one filter a map, then a 1x1.",),
        advantages=(
            "More accurate than Inception V3 with as many weights.",
            "A simple stack of separable convolutions with shortcuts.",
        ),
        disadvantages=("Depthwise filters read much memory for each multiplication.", "Wants 299x299 images."),
    ),
    "convnet1d": Work(
        year=2016,
        title="Time Series Classification from Scratch with Deep Neural Networks: A Strong Baseline",
        authors="Z. Wang, W. Yan, T. Oates",
        where="arXiv 1611.06455, IJCNN 2017",
        novelty=("Plain convolutions and global pooling on raw sequences, with no features made by hand.",),
        advantages=(
            "Any length, few choices to make, hard to beat.",
            "The average over time tells which stretch spoke for a class.",
        ),
        disadvantages=("Sees 14 steps at a time; the mean is all it knows of longer patterns.",),
    ),
    "wavenet": Work(
        year=2016,
        title="WaveNet: A Generative Model for Raw Audio",
        authors="A. van den Oord, S. Dieleman, H. Zen, K. Simonyan, O. Vinyals, A. Graves, N. Kalchbrenner, A. Senior, "
        "K. Kavukcuoglu",
        where="arXiv 1609.03499",
        novelty=(
            "Dilated causal convolutions: sound sample by sample, each from those before it.",
            "Gated units with residual and skip connections.",
        ),
        advantages=(
            "Ten layers of two taps see 1,024 samples.",
            "All steps train in parallel, unlike a recurrent network.",
        ),
        disadvantages=("Generates one sample at a time, which is slow.", "Wants very much data."),
        notes=("The field grows exponentially with depth only because the dilations double.",),
    ),
    "mobilenet_v1": Work(
        year=2017,
        title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        authors="A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam",
        where="arXiv 1704.04861",
        novelty=(
            "A network of depthwise separable convolutions throughout.",
            "Two dials, width and resolution, that trade accuracy for time.",
        ),
        advantages=("Small and quick enough for phones.", "Very simple."),
        disadvantages=("Low accuracy at small widths.", "No shortcuts, which limits its depth."),
        notes=(
            '"8 to 9 times less" holds for multiply-adds: 8.56 times for the whole network; parameters are 6.9 times '
            "fewer.",
        ),
    ),
    "mobilenet": Work(
        year=2018,
        title="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        authors="M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen",
        where="arXiv 1801.04381, CVPR 2018",
        novelty=(
            "Inverted residuals: shortcuts between thin layers, wide ones inside.",
            "No ReLU where maps are few, for it would lose what they hold.",
        ),
        advantages=("More accurate than MobileNetV1 at half its multiply-adds.", "Quantises well to 8 bits."),
        disadvantages=("The wide inner maps need memory.", "Speed depends on the device's depthwise filters."),
    ),
    "mobilenet_v3": Work(
        year=2019,
        title="Searching for MobileNetV3",
        authors="A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, V. Vasudevan, "
        "Q. V. Le, H. Adam",
        where="arXiv 1905.02244, ICCV 2019",
        novelty=(
            "Searched for a phone's latency, then mended by hand at both ends.",
            "Hard swish and squeeze-excite where they pay.",
        ),
        advantages=("Faster than MobileNetV2 at the same accuracy.", "Two sizes for two kinds of devices."),
        disadvantages=(
            "An irregular table of widths that is hard to change.",
            "Squeeze-excite and hard swish are slow on some accelerators: hence the minimalistic rows.",
        ),
    ),
    "efficientnet": Work(
        year=2019,
        title="EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        authors="M. Tan, Q. V. Le",
        where="arXiv 1905.11946, ICML 2019",
        novelty=(
            "Compound scaling: depth, width and resolution grow together by fixed ratios.",
            "A base network found by search.",
        ),
        advantages=(
            "The best accuracy for its weights and multiply-adds when it appeared.",
            "Eight sizes from one rule.",
        ),
        disadvantages=(
            "Slow to train at large sizes.",
            "Depthwise filters, squeeze-excite and swish keep it below a device's best speed.",
        ),
    ),
    "efficientnet_lite": Work(
        year=2020,
        title="Higher accuracy on vision models with EfficientNet-Lite",
        authors="R. Liu",
        where="TensorFlow blog, March 2020",
        novelty=("EfficientNet for the edge: no squeeze-excite, ReLU6 for swish, stem and head of fixed width.",),
        advantages=("Loses about one point in 8 bits.", "Runs on accelerators that know few operations."),
        disadvantages=("Less accurate than EfficientNet of the same size in float.",),
    ),
    "efficientnet_v2": Work(
        year=2021,
        title="EfficientNetV2: Smaller Models and Faster Training",
        authors="M. Tan, Q. V. Le",
        where="arXiv 2104.00298, ICML 2021",
        novelty=(
            "Search for training speed; full 3x3 convolutions in the early blocks, where depthwise ones are slow.",
            "Images and regularisation grow together in training.",
        ),
        advantages=("Trains several times faster than EfficientNet.", "Fewer weights at the same accuracy."),
        disadvantages=("Its figures need the paper's long training recipe.", "An irregular table of blocks."),
    ),
    "convnext": Work(
        year=2022,
        title="A ConvNet for the 2020s",
        authors="Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie",
        where="arXiv 2201.03545, CVPR 2022",
        novelty=(
            "ResNet changed step by step into what a vision transformer does, with convolutions alone.",
            "7x7 depthwise filters, layer normalisation, GELU, few activations.",
        ),
        advantages=(
            "As accurate as Swin transformers of its size, and simpler.",
            "Any image size, no attention windows.",
        ),
        disadvantages=(
            "Large depthwise filters are slow on some devices.",
            "Needs hundreds of epochs with strong augmentation.",
        ),
    ),
}
