"""The networks that give a class to every pixel; 2012 to 2019."""

from kcnn.models.cards.kinds import Work

WORKS = {
    "sliding_window": Work(
        year=2012,
        title="Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy Images",
        authors="D. C. Ciresan, A. Giusti, L. M. Gambardella, J. Schmidhuber",
        where="NIPS 2012",
        novelty=("A deep network classifies the patch around each pixel; no features made by hand.",),
        advantages=("Any classifier of patches will do.", "Learns from few images: every pixel is an example."),
        disadvantages=(
            "Neighbouring patches share nearly all pixels, and each is computed anew.",
            "Sees no further than the patch.",
        ),
        notes=("kcnn computes all patches at once, with the same results.",),
    ),
    "fcn": Work(
        year=2014,
        title="Fully Convolutional Networks for Semantic Segmentation",
        authors="J. Long, E. Shelhamer, T. Darrell",
        where="arXiv 1411.4038, CVPR 2015",
        novelty=(
            "A classifier's dense layers are convolutions, so it scores a whole image in one pass.",
            "Scores of early levels are added to sharpen those of the last.",
        ),
        advantages=("Begins with a trained classifier.", "Takes images of any size."),
        disadvantages=("Scores at stride 8 at best: thin things vanish.", "VGG's fc6 alone holds 103 M weights."),
    ),
    "deconvnet": Work(
        year=2015,
        title="Learning Deconvolution Network for Semantic Segmentation",
        authors="H. Noh, S. Hong, B. Han",
        where="arXiv 1505.04366, ICCV 2015",
        novelty=("A whole network upwards, of unpooling and transposed convolutions, from one vector to the image.",),
        advantages=("Sees shapes at several scales on the way up.",),
        disadvantages=("252 M weights.", "The one vector at the bottom holds the whole image."),
    ),
    "unet": Work(
        year=2015,
        title="U-Net: Convolutional Networks for Biomedical Image Segmentation",
        authors="O. Ronneberger, P. Fischer, T. Brox",
        where="arXiv 1505.04597, MICCAI 2015",
        novelty=("Maps of each size on the way down are joined to those of the same size on the way up.",),
        advantages=("Sharp borders.", "Learns from some thirty images with strong augmentation."),
        disadvantages=("Maps at full size take most of the time and memory.", "No trained classifier to begin with."),
        notes=("Unpadded as in the paper, 184 pixels go to the border: 572x572 give 388x388.",),
    ),
    "segnet": Work(
        year=2015,
        title="SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation",
        authors="V. Badrinarayanan, A. Kendall, R. Cipolla",
        where="arXiv 1511.00561, PAMI 2017",
        novelty=("The decoder puts values where the encoder's maxima stood, and learns nothing to do so.",),
        advantages=("Positions are two bits each, where U-Net keeps whole maps.", "Borders without extra weights."),
        disadvantages=("As slow upwards as downwards.", "Positions say where a maximum was, not what lay around it."),
    ),
    "deeplab_v3": Work(
        year=2017,
        title="Rethinking Atrous Convolution for Semantic Image Segmentation",
        authors="L.-C. Chen, G. Papandreou, F. Schroff, H. Adam",
        where="arXiv 1706.05587",
        novelty=(
            "Strides of a classifier turn into dilation, with the same weights.",
            "A pyramid of dilated convolutions beside the mean of the whole image.",
        ),
        advantages=("Any trained classifier fits below.", "Sees several scales without resizing the image."),
        disadvantages=("Maps at stride 8 make a ResNet several times as slow.", "Borders are those of stride 8."),
    ),
    "dilated_resnet": Work(
        year=2017,
        title="Dilated Residual Networks",
        authors="F. Yu, V. Koltun, T. Funkhouser",
        where="arXiv 1705.09914, CVPR 2017",
        novelty=(
            "The last two halvings of a residual network become dilation.",
            "Convolutions without shortcuts at the end smooth the raster that dilation leaves.",
        ),
        advantages=("A better classifier than ResNet of equal depth, and a segmenter as it is.",),
        disadvantages=("Maps at stride 8 in all deep levels cost time and memory.",),
        notes=("The counts in the paper are of 1,000 classes: 21,126,584 for DRN-C-26, 31,234,744 for DRN-C-42.",),
    ),
    "deeplab": Work(
        year=2018,
        title="Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation",
        authors="L.-C. Chen, Y. Zhu, G. Papandreou, F. Schroff, H. Adam",
        where="arXiv 1802.02611, ECCV 2018",
        novelty=("DeepLabV3 with a small decoder that joins an early level.", "Separable convolutions throughout."),
        advantages=("Sharper borders than V3's.", "On MobileNets it runs on phones."),
        disadvantages=("Two convolutions at stride 4 are a good part of its time.",),
    ),
    "lraspp": Work(
        year=2019,
        title="Searching for MobileNetV3",
        authors="A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, V. Vasudevan, "
        "Q. V. Le, H. Adam",
        where="arXiv 1905.02244, ICCV 2019",
        novelty=("A pyramid reduced to two 1x1 convolutions, one a gate that sees the whole image.",),
        advantages=("Hardly slower than its classifier.",),
        disadvantages=("Scores at stride 8: thin things vanish.",),
    ),
}
