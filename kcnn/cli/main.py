"""The program `kcnn`: finds the verb, reads its flags, turns typed errors into one line and an exit code.

Exit codes: 0 done, 1 a fault in kcnn, 2 your call can be mended, 3 the surroundings must change, 130 and 143
interrupted (SIGINT, SIGTERM).
"""

import argparse
import contextlib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from absl import app, flags
from absl.flags import argparse_flags

import kcnn
from kcnn.cli import VERBS, stop
from kcnn.cli.console import Console
from kcnn.cli.stop import Terminated
from kcnn.errors import ConfigError, KcnnError, ResourceError, UnknownNameError

DESCRIPTION = "Build, train, explain and ship convolutional networks with Keras."
EPILOG = (
    "kcnn VERB --help explains a verb. Exit codes: 0 done, 2 the call is wrong, 3 the surroundings are, "
    "130 or 143 stopped by Ctrl-C or SIGTERM."
)


class Parser(argparse_flags.ArgumentParser):
    """argparse whose mistakes are typed errors, so that they read like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise the mistake instead of printing the usage."""
        raise ConfigError(f"{message}. Usage: {' '.join(self.format_usage().split())[len('usage: ') :]}")


def parser(wanted: Sequence[str] = VERBS) -> Parser:
    """Return the parser of these verbs; no verb's module imports TensorFlow."""
    top = Parser(prog="kcnn", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"kcnn {kcnn.__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in wanted:
        module = importlib.import_module(f"kcnn.cli.{name}")
        sub = verbs.add_parser(name, help=module.HELP, description=module.__doc__, allow_abbrev=False)
        sub.add_argument("--debug", action="store_true", help="print the traceback of an error")
        module.add_arguments(sub)
        sub.set_defaults(run=module.run, flags=[f for action in sub._actions for f in action.option_strings])
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line, without the program's name.

    Raises:
        UnknownNameError: an unknown verb or flag; the nearest is named.
        ConfigError: an argument is missing or has the wrong form.
    """
    verb = next((word for word in argv if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        raise UnknownNameError("verb", verb, VERBS)
    args, extra = parser([verb] if verb else VERBS).parse_known_args(argv or ["--help"])
    if extra:
        flag = extra[0].partition("=")[0]
        if flag.startswith("-"):
            raise UnknownNameError("flag", flag, args.flags, f"See: kcnn {args.verb} --help.")
        raise ConfigError(f"argument {extra[0]!r} is one too many. See: kcnn {args.verb} --help.")
    return args


def run(argv: Sequence[str], console: Console | None = None) -> int:
    """Run one command line and return its exit code; errors become one line on stderr."""
    console = console or Console()
    debug = "--debug" in argv
    try:
        args = parse(argv)
        with console.quiet():
            try:
                return int(args.run(args, console) or 0)
            except (KcnnError, OSError, KeyboardInterrupt):
                raise
            except Exception as error:  # a fault of ours: say so in one line, keep the rest for --debug
                return _fault(error, debug, console)
    except KcnnError as error:
        return _explain(str(error), error.exit_code, debug, console)
    except Terminated:
        return _explain("terminated (SIGTERM); what was finished is kept", 143, debug, console)
    except KeyboardInterrupt:
        return _explain("interrupted; what was finished is kept", 130, debug, console)
    except BrokenPipeError:  # `kcnn ... | head`: the reader has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        code = 2 if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR) else 3
        where = f" ({error.filename})" if error.filename else ""
        return _explain(f"{error.strerror or error}{where}", code, debug, console)


def _explain(message: str, code: int, debug: bool, console: Console) -> int:
    if debug:
        traceback.print_exc()
    tell = console.note if code in (130, 143) else console.error  # being stopped is no mistake
    tell(" ".join(message.split()))
    return code


def _fault(error: Exception, debug: bool, console: Console) -> int:
    if debug:
        console.note(traceback.format_exc())
        console.note(console.noise().decode("utf-8", "replace")[-4000:])
    if "No space left on device" in str(error):
        console.error("no space is left on the disk. Free some room and run the same command again.")
        return ResourceError.exit_code
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        console.error(
            "this does not fit into memory. Choose a smaller image size, batch size or number of classes "
            "(preprocess.size, train.batch_size, model.num_classes)."
        )
        return ResourceError.exit_code
    first = str(error).strip().splitlines()[:1]
    console.error(
        f"kcnn failed: {type(error).__name__}: {first[0] if first else ''} "
        "This is a fault of kcnn or of a library below it; --debug shows where."
    )
    return 1


def _open_streams() -> None:
    """Lead closed streams nowhere: else the next files that are opened get their numbers, and libraries' messages."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def _speak_utf8() -> None:
    """Start again in Python's UTF-8 mode where the locale knows ASCII alone: TensorFlow takes no other paths."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def main() -> None:
    """Console script `kcnn`."""
    _speak_utf8()
    _open_streams()
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    flags.FLAGS.mark_as_parsed()

    def program(argv: Any) -> int:
        stop.listen()
        code = run(argv[1:])
        if "--debug" not in argv:  # libraries still talk while the process ends
            sys.stderr.flush()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        return code

    app.run(program, argv=sys.argv, flags_parser=lambda argv: argv)
