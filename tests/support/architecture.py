"""What imports what in the package, read from its files."""

import ast
import functools
from collections.abc import Collection
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SRC / "hilum"


@functools.cache  # here and below: hundreds of tests ask, and the files stay as they are
def modules() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Every name that a file imports, at the top or inside a function, as dotted module or module.attribute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def files_behind(module: str, without: Collection[str] = ()) -> set[str]:
    """The files that a module imports, directly or through others, and its own: paths below the package.

    without: files whose imports are not followed, and which are left out. Packages' own `__init__` files hold no code.
    Templates count as imported by the files of their folder that name them, other templates among them.
    """
    known = modules()
    todo, seen = [module], set()
    while todo:
        name = todo.pop()
        if name in seen or known[name].relative_to(PACKAGE).as_posix() in without:
            continue
        seen.add(name)
        todo += [other for other in imports_of(known[name]) if other in known]
    paths = {known[name] for name in seen if known[name].name != "__init__.py"}
    named = paths
    while named:
        named = {page for path in named for page in path.parent.glob("*.html") if f'"{page.name}"' in path.read_text()} - paths
        paths |= named
    return {path.relative_to(PACKAGE).as_posix() for path in paths}
