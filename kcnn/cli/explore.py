"""Open a page to play with convolutions, and with a model of yours: kernels, sizes, costs, boxes, what a network sees.

A small server on this machine alone; Ctrl-C ends it. With --export the page becomes one HTML file for any browser.
"""

import argparse
import contextlib
import threading

from kcnn.cli.console import Console
from kcnn.errors import ConfigError

HELP = "a page to play with convolutions and your model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="run, bundle or .tflite for the page's last part")
    parser.add_argument("--port", type=int, default=8460, metavar="N", help="of the server; 0 takes a free one (8460)")
    parser.add_argument("--no_browser", action="store_true", help="print the address, open nothing")
    parser.add_argument("--export", metavar="FOLDER", help="write the page as FOLDER/index.html and end")


def run(args: argparse.Namespace, console: Console) -> int:
    """Serve the page until it is interrupted, or export it."""
    from kcnn.explorer import site
    from kcnn.explorer.model import Opened
    from kcnn.explorer.server import Server

    if args.export is not None:
        if args.model:
            raise ConfigError("--export writes a page without a server, so it cannot show a model; leave out MODEL.")
        page = site.export(args.export)
        console.line(f"{page} ({page.stat().st_size / 1024:.0f} KiB): opens by a double click and on any static host")
        return 0
    if not 0 <= args.port <= 65535:
        raise ConfigError(f"--port is {args.port} but must lie in 0..65535; 0 takes a free one.")
    opened = Opened(args.model)
    with Server(args.port, opened) as server:
        opened.load_aside(console.warn)
        console.line(f"{server.address}  (Ctrl-C ends it)")
        if not args.no_browser:
            import webbrowser

            threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):  # its proper end
            server.serve_forever()
    return 0
