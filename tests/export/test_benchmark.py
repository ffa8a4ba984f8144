"""The benchmark's rows."""

import json
import shutil

import pytest

from kcnn.errors import ConfigError
from kcnn.export.benchmark import benchmark

EXPECTED = [
    ("keras", 0),
    ("saved_model", 0),
    *((name, threads) for name in ("fp32", "fp16", "dynamic", "int8") for threads in (1, 2)),
]


def test_every_format_with_one_and_two_threads(bundle):
    rows = benchmark(bundle.parent, images=100, seconds=0.01)
    assert [(row.format, row.threads) for row in rows] == EXPECTED
    report = json.loads((bundle / "report.json").read_text())["formats"]
    for row in rows:
        assert row.bytes == report[row.format]["bytes"]
        assert 0 < row.p50 <= row.p90
        assert row.images_per_second == pytest.approx(1000 / row.p50)
        assert row.scores == pytest.approx({"accuracy": report[row.format]["accuracy"]})  # the same hundred images
        assert row.difference == pytest.approx(report[row.format]["difference"], rel=0.01, abs=1e-6)
    assert rows[0].p50 > rows[2].p50  # Keras' predict costs more than a LiteRT call


def test_without_the_data_it_reports_what_the_export_measured(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "1")
    recipe = json.loads((copy / "recipe.json").read_text())
    recipe["data"]["source"] = str(tmp_path / "gone")
    (copy / "recipe.json").write_text(json.dumps(recipe))
    warnings = []
    rows = benchmark(copy, seconds=0.01, warn=warnings.append)
    assert "gone" in warnings[0]
    assert "report.json" in warnings[0]
    report = json.loads((copy / "report.json").read_text())["formats"]
    assert [row.scores for row in rows] == [{"accuracy": report[row.format]["accuracy"]} for row in rows]


def test_what_is_no_bundle(run, tmp_path):
    for folder in (run, tmp_path):
        with pytest.raises(ConfigError, match="is not a bundle"):
            benchmark(folder)
