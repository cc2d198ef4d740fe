"""Samples of clnn.ops.spatial."""

from clnn.errors import DTypeError, SettingError, ShapeError
from samples import T, bad, sample


def unfold(*args, **kwargs):
    from torch.nn.functional import unfold

    return unfold(*args, **kwargs)


SAMPLES = [
    *[sample("unfold", T(*s), k, oracle=unfold, **kw) for s, k, kw in [
        ((2, 3, 5, 7), 3, {}),
        ((2, 3, 5, 7), (2, 3), {"padding": 1, "stride": 2}),
        ((1, 2, 11, 9), (3, 2), {"dilation": (2, 3), "padding": (4, 0), "stride": (3, 1)}),
        ((1, 1, 1, 1), 1, {}),
        ((1, 1, 2, 3), (5, 4), {"padding": (3, 5), "stride": (2, 3)}),
        ((3, 4, 5), (4, 5), {}),
        ((0, 2, 4, 4), 2, {}),
        ((2, 1, 7, 13), (1, 3), {"stride": 4, "padding": (0, 7), "dilation": 5}),
        ((1, 3, 67, 61), 3, {"padding": 1}),
    ]],
    *[sample("unfold", T(1, 2, 4, 5, dtype=d), 2, 1, 1, 1, oracle=unfold) for d in ("float16", "bfloat16", "float64")],
    *[sample("fold", T(*s), *a, **kw) for s, a, kw in [
        ((2, 27, 15), ((5, 7), 3), {}),
        ((2, 18, 12), ((5, 7), (2, 3)), {"padding": 1, "stride": 2}),
        ((1, 12, 40), ((11, 9), (3, 2)), {"dilation": (2, 3), "padding": (4, 1), "stride": (3, 1)}),
        ((1, 1, 1), (1, 1), {}),
        ((0, 4, 9), ((4, 4), 2), {}),
        ((1, 9, 64 * 63), ((66, 65), 3), {}),
        ((1, 4, 4), ((5, 5), 2), {"stride": 3}),
    ]],
    sample("fold", T(1, 20, 8), (2, 3), (5, 4), padding=(3, 5), stride=(2, 3)),
    sample("fold", T(1, 4, 6, dtype="float16"), (3, 4), 2),
    *[sample("pixel_shuffle", T(*s), r) for s, r in [((2, 12, 3, 5), 2), ((9, 2, 1), 3), ((2, 1, 4, 3, 2), 2), ((1, 3, 2, 2), 1)]],
    *[sample("pixel_unshuffle", T(*s), r) for s, r in [((2, 3, 6, 10), 2), ((1, 6, 3), 3), ((2, 1, 1, 4, 2), 2), ((1, 3, 2, 2), 1)]],
    sample("pixel_shuffle", T(0, 4, 2, 3), 2, oracle=lambda x, r: x.reshape(0, 1, 4, 6)),
    sample("pixel_shuffle", T(1, 8, 3, 4, dtype="int32"), 2),
    *[sample("interpolate", T(*s), **kw) for s, kw in [
        ((2, 3, 5), {"size": 8}), ((2, 3, 5), {"size": (3,)}), ((2, 3, 5), {"scale_factor": 2.5}), ((1, 1, 7), {"scale_factor": 0.3}),
        ((2, 3, 4, 5), {"scale_factor": 2}), ((2, 3, 4, 5), {"size": (7, 3)}), ((1, 2, 5, 3), {"scale_factor": (1.7, 0.9)}),
        ((1, 2, 5, 3), {"scale_factor": (1.7, 0.9), "recompute_scale_factor": True}), ((1, 1, 1, 1), {"size": 3}), ((1, 2, 9, 9), {"size": 1}),
        ((0, 2, 3, 3), {"size": 2}), ((1, 3, 33, 35), {"size": (61, 70)}), ((1, 2, 10, 10), {"scale_factor": 1.3}), ((1, 1, 20, 20), {"scale_factor": 0.7}),
    ]],
    *[sample("interpolate", T(*s), mode="bilinear", **kw) for s, kw in [
        ((2, 3, 4, 5), {"scale_factor": 2}), ((2, 3, 4, 5), {"size": (7, 3)}), ((2, 3, 4, 5), {"size": (7, 3), "align_corners": True}),
        ((1, 2, 5, 3), {"scale_factor": (1.7, 0.9)}), ((1, 2, 5, 3), {"scale_factor": (1.7, 2.9), "align_corners": True}),
        ((1, 2, 5, 3), {"scale_factor": 1.7, "recompute_scale_factor": True, "align_corners": False}), ((1, 1, 1, 1), {"size": (3, 2)}),
        ((1, 2, 9, 9), {"size": 1, "align_corners": True}), ((1, 2, 9, 7), {"size": 2}),
        ((1, 3, 33, 35), {"size": (61, 70)}), ((1, 2, 3, 4), {"size": (3, 4)}),
    ]],
    *[sample("interpolate", T(*s), mode="linear", **kw) for s, kw in [
        ((2, 3, 5), {"size": 8}), ((2, 3, 5), {"size": 8, "align_corners": True}), ((2, 3, 5), {"scale_factor": 0.5}), ((1, 1, 1), {"size": 4})]],
    *[sample("interpolate", T(1, 2, 3, 5, dtype=d), size=(4, 7), mode=m) for d in ("float16", "bfloat16", "float64") for m in ("nearest", "bilinear")],
    sample("interpolate", T(1, 2, 3, 5, dtype="uint8"), size=(4, 7)),
    sample("interpolate", T(1, 1, 31, dtype="float64", grad=False), scale_factor=2.7),  # 81 / 2.7 is 30 in doubles only
]  # fmt: skip

ERRORS = [
    bad("unfold", T(2, 3), 2, error=ShapeError, match=r"unfold: expected \(N, C, H, W\) or \(C, H, W\)"),
    bad("unfold", T(1, 1, 2, 3), 3, error=ShapeError, match="unfold: expected an image that a window fits into"),
    bad("unfold", T(1, 1, 4, 4), 0, error=SettingError, match="unfold: expected kernel >= 1"),
    bad("unfold", T(1, 1, 4, 4), 2, stride=0, error=SettingError, match="unfold: expected stride >= 1"),
    bad("unfold", T(1, 1, 4, 4), 2, padding=-1, error=SettingError, match="unfold: expected padding >= 0"),
    bad("unfold", T(1, 1, 4, 4), (2, 2, 2), error=ShapeError, match="unfold: expected kernel to be an int or 2 ints"),
    bad("fold", T(2, 9, 4), (4, 4), 2, error=ShapeError, match="fold: expected a multiple of 4 channels and 9 windows"),
    bad("fold", T(2, 8, 8), (4, 4), 2, error=ShapeError, match="fold: expected a multiple of 4 channels and 9 windows"),
    bad("fold", T(8), (4, 4), 2, error=ShapeError, match="fold: expected"),
    bad("pixel_shuffle", T(3, 2, 2), 2, error=ShapeError, match="pixel_shuffle: expected a multiple of 4 channels"),
    bad("pixel_shuffle", T(4, 2), 2, error=ShapeError, match=r"pixel_shuffle: expected \(.., C, H, W\)"),
    bad("pixel_shuffle", T(4, 2, 2), 0, error=SettingError, match="pixel_shuffle: expected a factor >= 1"),
    bad("pixel_unshuffle", T(1, 3, 4), 2, error=ShapeError, match="pixel_unshuffle: expected an image that 2 divides"),
    bad("interpolate", T(1, 1, 4, 4), error=SettingError, match="interpolate: expected either size or scale_factor"),
    bad("interpolate", T(1, 1, 4, 4), size=2, scale_factor=2, error=SettingError, match="either size or scale_factor"),
    bad("interpolate", T(4, 4), size=2, error=ShapeError, match=r"interpolate: expected \(N, C, L\) or \(N, C, H, W\)"),
    bad("interpolate", T(1, 1, 4), size=2, mode="bilinear", error=ShapeError, match="expected an input of 4 axes in mode 'bilinear'"),
    bad("interpolate", T(1, 1, 4, 4), size=2, mode="bicubic", error=SettingError, match="expected mode 'nearest', 'linear' or 'bilinear'"),
    bad("interpolate", T(1, 1, 4, 4), size=2, align_corners=True, error=SettingError, match="expected align_corners with mode"),
    bad("interpolate", T(1, 1, 4, 4), size=(2, 2, 2), error=ShapeError, match="expected size to be an int or 2 ints"),
    bad("interpolate", T(1, 1, 4, 4), size=(2,), error=ShapeError, match="expected size to be an int or 2 ints"),
    bad("interpolate", T(1, 1, 4, 4), size=0, error=ShapeError, match="interpolate: expected sizes >= 1"),
    bad("interpolate", T(1, 1, 4, 4), scale_factor=0.1, error=ShapeError, match="interpolate: expected sizes >= 1"),
    *[bad("interpolate", T(1, 1, 4, 4), scale_factor=f, error=SettingError, match="expected one positive scale_factor or 2") for f in (float("inf"), "2")],
    bad("interpolate", T(1, 1, 4, 4), scale_factor=(1.0, -1.0), error=SettingError, match="expected one positive scale_factor or 2"),
    bad("interpolate", T(1, 1, 4, 4, dtype="int32"), size=2, mode="bilinear", error=DTypeError, match="floating dtype in mode 'bilinear'"),
    bad("unfold", T(1, 4, 4), None, error=DTypeError, match="unfold: expected kernel to be an int or 2 ints, got None"),
]  # fmt: skip
