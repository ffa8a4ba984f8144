"""What is handed in by mistake is told as such, whatever its type: no error of another library comes through."""

import numpy as np
import pytest

from kcnn.errors import KcnnError
from kcnn.explain import core, draw, faithfulness, gallery, maps, methods
from kcnn.explain.callback import ExplainCallback
from kcnn.explain.cam import cam
from kcnn.explain.deconvnet import deconvnet
from kcnn.explain.effective_field import measure
from kcnn.explain.feature_maps import feature_maps
from kcnn.explain.grad_cam import grad_cam
from kcnn.explain.grad_cam_plus import grad_cam_plus
from kcnn.explain.guided_backprop import guided_backprop
from kcnn.explain.integrated_gradients import gap, integrated_gradients
from kcnn.explain.kernels import kernels
from kcnn.explain.layer_cam import layer_cam
from kcnn.explain.maximise import Ascent, maximise
from kcnn.explain.occlusion import occlusion
from kcnn.explain.patches import top_patches
from kcnn.explain.saliency import saliency
from kcnn.explain.sanity import randomised, sanity_check
from kcnn.explain.score_cam import score_cam
from kcnn.explain.smooth_grad import smooth_grad
from tests.explain import nets

ODD = [None, "cat", object(), {}, 1.5, np.array([None, "x"]), [[1], [2, 3]]]
MODEL = nets.twin()
IMAGES = nets.images()
PICTURES = np.zeros((2, 14, 14, 3), "uint8")
MAPS = np.zeros((2, 14, 14))
BY_CLASS = [
    saliency, smooth_grad, integrated_gradients, guided_backprop, deconvnet, grad_cam, grad_cam_plus, layer_cam,
    score_cam, occlusion, cam,
]  # fmt: skip


def with_(value, *values):
    """Return those of `values` that are odd where `value` is asked for."""
    return [one for one in (*ODD, *values) if not any(one is good for good in value)]


CALLS = [
    *((f"{one.__name__} model", lambda odd, one=one: one(odd, IMAGES, 1), ODD) for one in BY_CLASS),
    *((f"{one.__name__} images", lambda odd, one=one: one(MODEL, odd, 1), ODD) for one in BY_CLASS),
    *((f"{one.__name__} no images", lambda odd, one=one: one(MODEL, odd, 1), [IMAGES[:0]]) for one in BY_CLASS),
    *((f"{one.__name__} target", lambda odd, one=one: one(MODEL, IMAGES, odd), with_([None], True))
      for one in BY_CLASS),
    *((f"{one.__name__} layer", lambda odd, one=one: one(MODEL, IMAGES, 1, layer=odd), with_([None], True))
      for one in (saliency, grad_cam, score_cam)),
    ("batch_size", lambda odd: saliency(MODEL, IMAGES, 1, batch_size=odd), [*ODD, True, 0]),
    ("noise", lambda odd: smooth_grad(MODEL, IMAGES, 1, noise=odd), with_(ODD[4:5], np.nan, True)),
    ("seed", lambda odd: smooth_grad(MODEL, IMAGES, 1, seed=odd), [*ODD, -1]),
    ("baseline", lambda odd: integrated_gradients(MODEL, IMAGES, 1, baseline=odd), with_(ODD[4:5], np.nan)),
    ("attributions", lambda odd: gap(MODEL, IMAGES, odd, 1), ODD),
    ("fill", lambda odd: occlusion(MODEL, IMAGES, 1, window=4, stride=2, fill=odd), with_(ODD[4:5], np.inf)),
    ("window", lambda odd: occlusion(MODEL, IMAGES, 1, window=odd), [*ODD, True, (2, "x")]),
    ("layers", lambda odd: feature_maps(MODEL, IMAGES, odd), with_([None], True)),
    ("kernels", lambda odd: kernels(MODEL, odd), with_([None], True)),
    ("kernels model", lambda odd: kernels(odd, "0"), ODD),
    ("with_softmax", core.with_softmax, ODD),
    ("output_of", lambda odd: core.output_of(MODEL, odd), ODD),
    ("patches data", lambda odd: top_patches(MODEL, odd, "1"), ODD),
    ("patches channels", lambda odd: top_patches(MODEL, IMAGES, "1", channels=odd), with_([None])),
    ("patches prepare", lambda odd: top_patches(MODEL, IMAGES, "1", prepare=odd), with_([None])),
    ("maximise model", lambda odd: maximise(odd, 1), ODD),
    ("maximise target", lambda odd: maximise(MODEL, odd), [*ODD, True, []]),
    ("maximise ascent", lambda odd: maximise(MODEL, 1, ascent=odd), with_([None])),
    ("maximise shape", lambda odd: maximise(MODEL, 1, image_shape=odd), with_([None], (14, 14), (14, 14, "x"))),
    ("rate", lambda odd: Ascent(rate=odd), with_(ODD[4:5], np.nan, True)),
    ("low", lambda odd: Ascent(low=odd), ODD),
    ("ascent seed", lambda odd: Ascent(seed=odd), [*ODD, -1]),
    ("field unit", lambda odd: measure(MODEL, "1", odd), with_([None])),
    ("field layer", lambda odd: measure(MODEL, odd), ODD),
    ("field images", lambda odd: measure(MODEL, "1", images=odd), with_([None], np.full((1, 14, 14, 3), np.nan))),
    ("field size", lambda odd: measure(MODEL, "1", image_size=odd), with_([None])),
    ("deletion maps", lambda odd: faithfulness.deletion(MODEL, IMAGES, odd, 1), ODD),
    ("deletion fill", lambda odd: faithfulness.insertion(MODEL, IMAGES, MAPS, 1, fill=odd), with_(ODD[4:5])),
    ("pointing maps", lambda odd: faithfulness.points_inside(odd, [[]], (8, 8)), ODD),
    ("pointing boxes", lambda odd: faithfulness.points_inside(MAPS, odd, (14, 14)), ODD),
    ("pointing size", lambda odd: faithfulness.chance_inside([[]], odd), ODD),
    ("sanity method", lambda odd: sanity_check(odd, MODEL, IMAGES, 1), ODD),
    ("sanity result", lambda odd: sanity_check(lambda *_: odd, MODEL, IMAGES, 1), ODD),
    ("randomised", randomised, ODD),
    ("per_pixel", maps.per_pixel, ODD),
    ("enlarge", lambda odd: maps.enlarge(odd, (4, 4)), ODD),
    ("enlarge size", lambda odd: maps.enlarge(MAPS, odd), [*ODD, (4, -1)]),
    ("unit_range", maps.unit_range, [*ODD, np.zeros((0, 2, 2))]),
    ("method", methods.method, ODD),
    ("apply", lambda odd: methods.apply("occlusion", MODEL, odd, 1), ODD),
    ("pixels", draw.pixels, ODD),
    ("heat", draw.heat, [*ODD, MAPS + np.nan]),
    ("overlay", lambda odd: draw.overlay(PICTURES, odd), [*ODD, MAPS + np.nan]),
    ("strength", lambda odd: draw.overlay(PICTURES, MAPS, odd), [*ODD, np.nan, True]),
    ("signed", draw.signed, [*ODD, IMAGES + np.nan]),
    ("grid", draw.grid, ODD),
    ("gap between tiles", lambda odd: draw.grid(MAPS, gap=odd), [*ODD, -1]),
    ("maps drawn", draw.feature_maps, ODD),
    ("kernels drawn", draw.kernels, ODD),
    ("sheet", lambda odd: draw.sheet(odd, [], []), [[], [[]]]),
    ("callback images", lambda odd: ExplainCallback("x", odd, PICTURES), ODD),
    ("callback pictures", lambda odd: ExplainCallback("x", IMAGES, odd), ODD),
    ("exhibit pictures", lambda odd: gallery.exhibit(MODEL, odd, "1", prepare=np.asarray), ODD),
    ("exhibit prepare", lambda odd: gallery.exhibit(MODEL, IMAGES, "1", prepare=odd), ODD),
    ("gallery", lambda odd: gallery.write("nowhere", "title", odd), [[], ()]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "values"), [pytest.param(call, values, id=name) for name, call, values in CALLS])
def test_what_cannot_be_meant_is_told(call, values):
    for odd in values:
        with pytest.raises(KcnnError) as caught:
            call(odd)
        assert str(caught.value), odd
