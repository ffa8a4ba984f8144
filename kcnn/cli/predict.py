"""Predict with a run, a bundle or a .tflite: JSON lines or CSV on stdout, or pictures or masks in a folder.

A file that cannot be read gets a line that says why; the others are answered all the same, and the exit code is 2.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kcnn.cli.console import Console
from kcnn.errors import ConfigError

if TYPE_CHECKING:
    from kcnn.data.source import Info
    from kcnn.export.answers import Writer
    from kcnn.tasks.task import Task

HELP = "answers for images: JSON lines, CSV, pictures or masks"
SOME_FAILED = 2
FOLDERS = ("pictures", "masks")  # formats of several files
MOST_THREADS = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", help="run folder, bundle, saved_model folder or .tflite file")
    parser.add_argument("files", metavar="FILE", nargs="+", help="image, folder, glob, or - for a list on stdin")
    parser.add_argument(
        "--format", choices=("jsonl", "csv", "pictures", "masks"), default="jsonl", help="of the answers"
    )
    parser.add_argument(
        "--output", metavar="PATH", help="file to write, or folder for pictures and masks (default: stdout)"
    )
    parser.add_argument("--use", metavar="FORMAT", help="which of a bundle: keras, saved_model, fp32, int8 ...")
    parser.add_argument("--threads", type=int, metavar="N", help="of LiteRT (default: its own choice)")


def run(args: argparse.Namespace, console: Console) -> int:
    """Write one answer per file."""
    from kcnn.export.predict import find_files, predict_files
    from kcnn.export.runner import open_model
    from kcnn.tasks import TASKS

    if args.format in FOLDERS and not args.output:
        raise ConfigError(f"--format={args.format} needs --output=FOLDER to put them in.")
    if args.threads is not None and not 1 <= args.threads <= MOST_THREADS:
        raise ConfigError(f"--threads is {args.threads} but must lie in 1..{MOST_THREADS}.")
    check_output(args)
    runner = open_model(args.model, format=args.use, threads=args.threads)
    task = TASKS.get(runner.facts.task)
    count = failed = 0
    with _writer(args, task, runner.facts.info) as writer:
        for answer in predict_files(runner, task, find_files(_names(args.files))):
            writer.write(answer)
            count += 1
            failed += answer.error is not None
    if args.output and count > failed:
        what = args.format if args.format in FOLDERS else "answers"
        console.note(f"{count - failed} {what if count - failed > 1 else what[:-1]}: {args.output}")
    if failed:
        console.warn(f"{failed} of {count} files could not be read; their lines say why.")
    elif not count:
        console.warn("stdin named no file; nothing was predicted.")
    return SOME_FAILED if failed or not count else 0


def check_output(args: argparse.Namespace) -> None:
    """Keep the answers from being written over what they are made of.

    Raises:
        ConfigError: --output is an input, lies in the model's folder, or its folder does not exist.
    """
    if not args.output:
        return
    output, model = Path(args.output).resolve(), Path(args.model).resolve()
    if output == model or model in output.parents or output in [Path(name).resolve() for name in args.files]:
        raise ConfigError(f"--output={args.output} would write over the model or an image; name another place.")
    if args.format in FOLDERS:
        if output.exists() and not output.is_dir():
            raise ConfigError(f"--output={args.output} is a file, but {args.format} need a folder.")
    elif output.is_dir() or not output.parent.is_dir():
        raise ConfigError(f"--output={args.output} must be a file in a folder that exists.")
    elif output.suffix.lower() in (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tflite") and output.exists():
        raise ConfigError(f"--output={args.output} is an image or a model; name a .jsonl or .csv file.")


@contextlib.contextmanager
def _writer(args: argparse.Namespace, task: "Task", info: "Info") -> Iterator["Writer"]:
    from kcnn.export.answers import Csv, JsonLines, Masks, Pictures

    with contextlib.ExitStack() as stack:
        writer: Writer
        if args.format in FOLDERS:
            writer = (Masks if args.format == "masks" else Pictures)(Path(args.output), task, info)
        else:
            out = sys.stdout
            if args.output:
                out = stack.enter_context(open(args.output, "w", encoding="utf-8", errors="replace", newline=""))
            writer = (Csv if args.format == "csv" else JsonLines)(out)
        stack.callback(writer.close)
        yield writer


def _names(files: list[str]) -> Iterator[str]:
    for name in files:
        if name == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield name
