"""`kcnn summary` of networks that read sequences; images are in test_main.py."""

import json

from kcnn.cli.main import run


def test_a_network_of_sequences_is_summed_up_at_its_length(capsys):
    assert run(["summary", "tiny_convnet1d", "--image_shape=100,1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["input"] == [100, 1]
    assert found["macs"] == 100 * (8 * 8 + 3 * 8 * 16) + 16 * 10
