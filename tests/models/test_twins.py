"""Every network that torchvision or timm has too, against what theirs gave (tools/regen_goldens.py twins)."""

import pytest

from tests.models import twins


@pytest.mark.slow
@pytest.mark.spread
@pytest.mark.parametrize("name", sorted(path.stem for path in twins.GOLDENS.glob("*.json")))
def test_equals_recorded_output(name):
    twins.assert_equals_torch(name)
