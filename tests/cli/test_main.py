"""The program as a user meets it: help, exit codes, did-you-mean, silence of libraries."""

import json
import subprocess
import sys
import time

import pytest

from kcnn.cli import VERBS
from kcnn.cli.console import Console
from kcnn.cli.main import parse, run
from kcnn.errors import ResourceError


def kcnn(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "kcnn", *words], check=False, capture_output=True, text=True, **options
    )


def test_help_names_every_verb_and_imports_no_tensorflow():
    code = "import sys\nfrom kcnn.cli.main import parse\ntry: parse(['--help'])\nexcept SystemExit: pass\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print('tensorflow' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert all(verb in done.stdout for verb in VERBS)
    assert done.stdout.strip().endswith("False")


def test_help_is_quick():
    # The bar is 0.5 s on an idle machine (tools/figures prints it); here the best of five, with room for a busy one.
    def seconds():
        start = time.perf_counter()
        assert kcnn("--help").returncode == 0
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 1.0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    done = kcnn(verb, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: kcnn {verb}")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sumary", "lenet5"], 2, "Did you mean 'summary'"),
        (["summary", "lenet"], 2, "Did you mean 'lenet5'"),
        (["summary", "lenet5", "--jsn"], 2, "Did you mean '--json'"),
        (["summary"], 2, "MODEL"),
        (["summary", "lenet5", "--image_shape=28"], 2, "height,width,channels"),
        (["summary", "lenet5", "--image_shape=8,8,1"], 2, "at least 12x12"),
        (["summary", "lenet5", "--num_classes=ten"], 2, "invalid int value"),
        (["list", "model"], 2, "Did you mean 'models'"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(words, code, message, capsys):
    assert run(words) == code
    output = capsys.readouterr()
    assert message in output.err
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    assert output.out == ""


def test_debug_adds_the_traceback(capsys):
    assert run(["summary", "lenet", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_surroundings_and_interrupts_have_their_own_codes(monkeypatch, capfd):
    def raising(error):
        def verb(args, console):
            raise error

        monkeypatch.setattr("kcnn.cli.list.run", verb)
        return run(["list"])

    assert raising(ResourceError("the disk is full")) == 3
    assert raising(PermissionError(13, "Permission denied", "there")) == 3
    assert raising(FileNotFoundError(2, "No such file or directory", "nowhere")) == 2
    assert raising(KeyboardInterrupt()) == 130
    assert raising(ZeroDivisionError("division by zero")) == 1
    errors = capfd.readouterr().err
    assert "(nowhere)" in errors
    assert "fault of kcnn" in errors


def test_summary_prints_the_ledger_and_nothing_of_tensorflow():
    done = kcnn("summary", "lenet5")
    assert done.returncode == 0
    assert "61,706" in done.stdout
    assert "416,520" in done.stdout  # 28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10
    assert done.stderr == ""


def test_summary_as_json():
    found = json.loads(kcnn("summary", "tiny_mobilenet_v2", "--json").stdout)
    assert found["params"] == sum(row["params"] for row in found["layers"])
    assert found["input"] == [224, 224, 3]


def test_list_names_models_tasks_sources_and_recipes():
    done = kcnn("list", "--json")
    found = json.loads(done.stdout)
    assert "mobilenet_v2" in found["models"]
    assert "classification" in found["tasks"]
    assert "digits" in found["sources"]
    assert "digits_lenet5" in found["recipes"]
    assert all(line for names in found.values() for line in names.values())


def test_list_needs_no_tensorflow():
    code = "import sys\nfrom kcnn.cli.main import run\nrun(['list'])\nprint('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")


def test_a_reader_that_leaves_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m kcnn summary mobilenet_v2 | head -n 2",
        check=False,
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_noise_goes_to_the_log_and_our_lines_do_not(tmp_path):
    code = (
        "import os, pathlib, sys\nfrom kcnn.cli.console import Console\nconsole = Console()\n"
        "with console.quiet():\n"
        "    os.write(2, b'early noise\\n')\n"
        "    console.log_to(pathlib.Path(sys.argv[1]))\n"
        "    os.write(2, b'late noise\\n')\n"
        "    console.note('our note')\n"
        "os.write(2, b'after\\n')\n"
    )
    log = tmp_path / "kcnn.log"
    done = subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True)
    assert done.stderr == "our note\nafter\n"
    assert log.read_text() == "early noise\nlate noise\n"


def test_tables_align_numbers_and_keep_brackets(capsys):
    Console().table("t", ("name", "count"), [("[red]a[/]", "1,000"), ("b", "7")])
    printed = capsys.readouterr().out
    assert "[red]a[/]" in printed
    assert "    7 " in printed


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--data=my photos/", "--model=lenet5", "--name=flowers"], "flowers"),
        (["--data=my photos/", "--model=lenet5"], "my_photos_lenet5"),
        (["--data=tfds:tf_flowers", "--model=lenet5"], "tf_flowers_lenet5"),
        (["--data=..", "--model=lenet5", "--name=up"], "up"),
        (["digits_lenet5", "--smoke"], "digits_lenet5_smoke"),
        (["digits_lenet5", "--smoke", "--name=mine"], "mine"),
    ],
)
def test_a_run_has_a_name_that_can_be_a_folder(words, name):
    from kcnn.cli.train import recipe_of

    assert recipe_of(parse(["train", *words])).name == name
