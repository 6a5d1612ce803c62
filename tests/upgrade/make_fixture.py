"""Keep a state of this version, so that every later one can be tried on it: `python -m tests.upgrade.make_fixture NAME`.

The site of the state is in the night of a renewal: the server is to be handed over, and the telephones are being told. It is kept
twice, as it was over SQLite and as it was over PostgreSQL, which must be installed:

    states/NAME/contents.txt           what stands in the database (`contents`), and when it was
    states/NAME/sqlite.tar.gz          the data directory with database, secrets and store
    states/NAME/postgresql.tar.gz      the data directory of the other one: secrets and store
    states/NAME/postgresql.sql.gz      and its database, by pg_dump

Run it before the first change of a version that stores something in another way. NAME is a version and its newest migration, as
in 0.1.0-terminals-0003. A state that was kept is never made anew: an old version cannot be asked again.
"""

import gzip
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.postgresql import cluster, new_database, program, unprivileged_directory
from tests.support.product import Product

STATES = Path(__file__).with_name("states")
TELL = "from tests.upgrade.story import tell; tell()"


def main(name: str) -> None:
    place = STATES / name
    if place.exists():
        sys.exit(f"{place} was kept already.")
    with tempfile.TemporaryDirectory() as directory, unprivileged_directory() as found, cluster(*found) as server:
        made, url = Path(directory) / "made", new_database(server)
        made.mkdir()
        with Product(Path(directory) / "over SQLite") as product:
            told = product.run(TELL)
            _pack(product.data, made / "sqlite.tar.gz")
        with Product(Path(directory) / "over PostgreSQL", PBXCERTS_DATABASE=url) as product:
            assert product.run(TELL) == told, "the two databases do not hold the same"
            _pack(product.data, made / "postgresql.tar.gz")
        _dump(url, made / "postgresql.sql.gz")
        (made / "contents.txt").write_text(told)
        shutil.copytree(made, place)


def _pack(data: Path, archive: Path) -> None:
    with gzip.GzipFile(archive, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as files:
        for path in sorted([data, *data.rglob("*")]):
            files.add(path, path.relative_to(data.parent), recursive=False, filter=_of_nobody)


def _of_nobody(file: tarfile.TarInfo) -> tarfile.TarInfo:
    file.uid = file.gid = file.mtime = 0
    file.uname = file.gname = ""
    return file


def _dump(url: str, archive: Path) -> None:
    """Whoever restores it owns it; the key of psql's restricted mode is not to be another one each time."""
    options = ["--no-owner", "--no-privileges", "--restrict-key=pbxcerts"]
    sql = subprocess.run([program("pg_dump"), *options, url], check=True, capture_output=True).stdout
    archive.write_bytes(gzip.compress(sql, mtime=0))


if __name__ == "__main__":
    [wanted] = sys.argv[1:]
    main(wanted)
