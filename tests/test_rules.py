"""Every rule of the READMEs is kept by some code, and every reference in the code leads to a rule."""

import re
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READMES = [ROOT / folder / "README.md" for folder in ("certificates", "terminals", "pbxcerts")]
SOURCES = sorted(
    path
    for folder in ("certificates", "pbxcerts", "terminals", "tests")
    for pattern in ("*.py", "*.html", "*.txt", "*.cfg")
    for path in (ROOT / folder).rglob(pattern)
    # This file only talks of references.
    if path != Path(__file__).resolve()
)
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "pyproject.toml", ROOT / ".ci" / "run", *READMES]
NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
# At the end of a line a reference may go on in the next one.
REFERENCE = re.compile(rf"\(rules?\s+({NAME}(?:,\s+{NAME})*)\)")


def text_of(path):
    return path.read_text(encoding="utf-8")


def defined():
    """The names of all rules, as often as they are defined."""
    return Counter(
        name for readme in READMES for name in re.findall(rf"^\*\*`({NAME})`\*\* ", text_of(readme), flags=re.MULTILINE)
    )


def referred_to(paths):
    """Each name that these files refer to, with the files that do."""
    found = defaultdict(set)
    for path in paths:
        for names in REFERENCE.findall(text_of(path)):
            for name in re.split(r",\s+", names):
                found[name].add(str(path.relative_to(ROOT)))
    return found


def test_each_rule_is_defined_once():
    assert defined()
    assert [name for name, times in defined().items() if times > 1] == []


def test_every_reference_leads_to_a_rule():
    unknown = {name: files for name, files in referred_to([*SOURCES, *DOCUMENTS]).items() if name not in defined()}

    assert unknown == {}


def test_what_looks_like_a_reference_is_one():
    """One that is written otherwise would be found by no search."""
    otherwise = [
        f"{path.relative_to(ROOT)}: {text_of(path)[begin.start() :][:60]!r}"
        for path in [*SOURCES, *DOCUMENTS]
        for begin in re.finditer(r"\(rules?\b", text_of(path))
        if not REFERENCE.match(text_of(path), begin.start())
    ]

    assert otherwise == []


def test_every_rule_is_named_where_it_is_kept():
    """`pyproject.toml` keeps the rule about dependencies."""
    kept = referred_to([*SOURCES, ROOT / "pyproject.toml"])

    assert sorted(defined().keys() - kept.keys()) == []


def test_no_reference_leads_out_of_the_repository():
    """The page from which the product was built is none of its files."""
    assert [
        str(path.relative_to(ROOT)) for path in [*SOURCES, *DOCUMENTS] if re.search(r"\bDESIGN\b", text_of(path))
    ] == []
