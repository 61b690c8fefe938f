"""`sql/` and `policies/` are found in a checkout and in an installed wheel alike."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assent.resources import policies_folder, sql_folder

CHECKOUT = Path(__file__).resolve().parents[2]
SHOW = (
    "from assent import resources as r; print(r.__file__); print(r.sql_folder()); print(r.policies_folder())"
)


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_checkout_uses_its_own_folders() -> None:
    assert (sql_folder(), policies_folder()) == (CHECKOUT / "sql", CHECKOUT / "policies")
    assert list((sql_folder() / "migrations").glob("*.sql"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = place.glob("*.whl")
    return path


def test_an_installed_wheel_carries_both_folders_whole(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    # -I: neither the checkout nor the environment's own installation is looked at before the target.
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    said = subprocess.run(
        [sys.executable, "-I", "-c", path + SHOW], cwd="/", capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert said[:3] == [str(tmp_path / "assent" / place) for place in ("resources.py", "_sql", "_policies")]
    assert below(tmp_path / "assent" / "_sql") == below(CHECKOUT / "sql")
    assert below(tmp_path / "assent" / "_policies") == below(CHECKOUT / "policies")
