"""The README says what is true: its commands, its variables, its layout."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks_under(heading: str) -> list[str]:
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```\w*\n(.*?)\n```", section, flags=re.DOTALL)


@pytest.mark.parametrize("heading", ["Run", "Test"])
def test_each_set_up_is_one_line_in_the_only_code_block_of_its_section(heading):
    (block,) = blocks_under(heading)

    assert len(block.splitlines()) == 1


def test_ci_runs_the_test_command_of_the_readme():
    assert "/^## Test$/" in (ROOT / ".ci" / "run").read_text()


def test_the_table_of_variables_holds_what_the_code_reads():
    read = set()
    for path in [*(ROOT / "pbxcerts").rglob("*.py"), *(ROOT / "certificates").rglob("*.py")]:
        for name, has_file in re.findall(
            r"\benv\.(?:text|words|flag|number|address|path|optional_path|command|database|broker|(secret))\(\s*\"(\w+)\"",
            path.read_text(),
        ):
            name, has_file = has_file, name
            read.add(f"PBXCERTS_{name}")
            if has_file:
                read.add(f"PBXCERTS_{name}_FILE")
    documented = set(re.findall(r"^\| `(PBXCERTS_\w+)`", README, flags=re.MULTILINE))

    assert read
    assert documented == read
