"""Files that are for their owner alone."""

import threading

from pbxcerts.system import files


def test_two_that_write_a_secret_at_once_write_one(tmp_path):
    """Whoever comes second finds the other's, whole."""
    file, read, start = tmp_path / "secrets" / "list", [], threading.Barrier(8)

    def make(value):
        start.wait()
        files.write_secret(file, value)
        read.append(file.read_text())

    threads = [threading.Thread(target=make, args=[str(number) * 44]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read)) == 1
    assert len(read[0]) == 45
    assert list(file.parent.iterdir()) == [file]


def test_a_secret_and_its_directories_are_for_their_owner_alone(tmp_path):
    file = tmp_path / "data" / "secrets" / "list"
    files.write_secret(file, "a key")
    assert [oct(place.stat().st_mode & 0o777) for place in (file, file.parent, file.parent.parent)] == [
        "0o600",
        "0o700",
        "0o700",
    ]


def test_what_a_restore_has_opened_to_others_is_put_right(tmp_path):
    """A link is not followed: what it leads to is not ours."""
    for place in ("secrets", "secrets/below"):
        (tmp_path / place).mkdir()
        (tmp_path / place).chmod(0o755)
    key, outside = tmp_path / "secrets" / "below" / "key", tmp_path / "outside"
    for file in (key, outside):
        file.write_text("x")
        file.chmod(0o664)
    (tmp_path / "secrets" / "link").symlink_to(outside)
    files.make_private(tmp_path / "secrets")
    files.make_private(tmp_path / "nothing there")

    modes = {path.name: f"{path.lstat().st_mode & 0o777:03o}" for path in tmp_path.rglob("*") if not path.is_symlink()}
    assert modes == {"secrets": "700", "below": "700", "key": "600", "outside": "664"}
