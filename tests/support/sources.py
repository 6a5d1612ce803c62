"""The code of the product, read and parsed once for all tests that look at it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def syntax_trees() -> dict[str, ast.Module]:
    """Of every file, migrations included, by its path from the root of the repository."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text())
        for package in ("pbxcerts", "certificates", "terminals")
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@cache
def without_migrations() -> dict[str, ast.Module]:
    return {name: tree for name, tree in syntax_trees().items() if "migrations" not in Path(name).parts}
