"""The page's files: as the server gives them, and as one HTML file that needs nothing beside it."""

import re
from importlib import resources
from pathlib import Path

from kcnn import atomic
from kcnn.errors import ConfigError

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
ENTRY = "main.js"
TITLE = "<title>kcnn explore"  # by which a page of ours is known
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_IMPORT = re.compile(r'^import (?:\{([^}]+)\}|\* as (\w+)) from "\./([\w.]+)";\n', re.M)
_STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.M)


def files() -> dict[str, str]:
    """Return name -> text of every file of the page; nothing else is ever served."""
    folder = resources.files("kcnn.explorer") / "page"
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if Path(entry.name).suffix in TYPES
    }


def single_page() -> str:
    """Return the page as one HTML file: style and modules inside, no request to anywhere.

    Browsers refuse modules from `file://`, so each becomes a function of its own that returns what it exports.
    """
    page = files()["index.html"]
    page = _STYLE.sub(lambda m: f"<style>\n{files()[m[1]]}</style>", page)
    page = page.replace(
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
    )
    head, tag, rest = page.partition(f'<script type="module" src="{ENTRY}"></script>\n')
    if not tag:
        raise ConfigError(f"index.html does not start {ENTRY}; kcnn is not installed whole. Install it again.")
    return (head + rest).replace("</body>", f"<script>\n{bundle()}</script>\n</body>")


def bundle(entry: str = ENTRY) -> str:
    """Return the modules behind `entry` as one script, each after those that it imports.

    Raises:
        ConfigError: a module imports itself through others, or in a form other than those of this page:
            `import { a, b } from "./c.js";` or `import * as a from "./c.js";`, at the start of a line.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ConfigError(f"modules import each other in a circle: {' -> '.join((*above, name))}.")
        if name in done:
            return
        source = files()[name]
        for _, _, other in _IMPORT.findall(source):
            add(other, (*above, name))
        done.add(name)
        parts.append(_as_function(name, source))

    add(entry, ())
    return '"use strict";\nconst modules = {};\n' + "".join(parts)


def _as_function(name: str, source: str) -> str:
    body = _IMPORT.sub(
        lambda m: f"const {m[2] or '{' + m[1].replace(' as ', ': ') + '}'} = modules[{m[3]!r}];\n", source
    )
    exported = [found[1] for found in _EXPORT.findall(body)]
    body = _EXPORT.sub(r"\1 \2", body)
    if left := re.search(r"^(import|export)\b.*", body, re.M):
        raise ConfigError(f"{name} has {left[0]!r}, a form that the single page cannot take in.")
    text = body.replace("</script", "<\\/script")
    return f"modules[{name!r}] = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();\n"


def export(folder: Path) -> Path:
    """Write the single page as `folder/index.html` and return its path.

    Raises:
        ConfigError: `folder` is a file or "", or holds an index.html that this did not write.
    """
    if not str(folder):
        raise ConfigError("--export is empty; name a folder, as in --export=site.")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--export={folder} is a file; name a folder, and index.html is written into it.")
    page = folder / "index.html"
    if page.is_file() and TITLE not in page.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(f"{page} is somebody else's page and would be overwritten; name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "index.html", single_page())
    return folder / "index.html"
