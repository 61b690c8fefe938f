"""Settings: read from one place, refused in plain words, secrets never repeated."""

from pathlib import Path

import msgspec
import pytest

from assent.config import VARIABLES, Secret, Settings
from assent.core.errors import SettingInvalid


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.from_environment({"HOME": "/home/me", "PORT": "x"}) == Settings()


def test_each_variable_fills_its_field() -> None:
    settings = Settings.from_environment(
        {
            "ASSENT_FOLDER": "/var/lib/assent",
            "ASSENT_DATABASE_URL": "postgresql://me@db/shop",
            "ASSENT_PORT": "9090",
            "ASSENT_TRACKING_PREFIX": "/collect",
        }
    )
    assert settings == Settings(
        folder=Path("/var/lib/assent"),
        database_url=Secret("postgresql://me@db/shop"),
        port=9090,
        tracking_prefix="/collect",
    )


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert Settings.from_environment({"ASSENT_DATABASE_URL": "", "ASSENT_PORT": ""}) == Settings()


def test_every_field_has_a_variable_and_every_variable_a_field_and_a_meaning() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert sorted(variable.field for variable in VARIABLES) == sorted(fields)
    assert all(variable.meaning.endswith(".") for variable in VARIABLES)
    assert all(variable.name == f"ASSENT_{variable.field.upper()}" for variable in VARIABLES)


def test_a_misspelt_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingInvalid, match="ASSENT_DATABSE_URL: no such setting"):
        Settings.from_environment({"ASSENT_DATABSE_URL": "postgresql://me:hunter2@db/shop"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ASSENT_PORT", "0"),
        ("ASSENT_PORT", "65536"),
        ("ASSENT_PORT", "+80"),
        ("ASSENT_PORT", " 80"),
        ("ASSENT_PORT", "8_080"),
        ("ASSENT_PORT", "٨٠٨٠"),
        ("ASSENT_READER_CONNECTIONS", "-1"),
        ("ASSENT_BODY_LIMIT_BYTES", "9" * 5000),
        ("ASSENT_HOST", "a b"),
        ("ASSENT_TRACKING_PREFIX", "collect"),
        ("ASSENT_TRACKING_PREFIX", "/collect/"),
        ("ASSENT_TRACKING_PREFIX", "/{name}"),
    ],
)
def test_a_value_that_is_not_what_it_must_be_is_named_with_what_was_expected(name: str, text: str) -> None:
    with pytest.raises(SettingInvalid, match=f"{name}: expected .*, got"):
        Settings.from_environment({name: text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ASSENT_DATABASE_URL", "mysql://me:hunter2@db/shop"),
        ("ASSENT_DATABASE_URL", "postgresql://me:hunter2@db"),
        ("ASSENT_DATABASE_URL", "postgresql://me:hunter2@[db/shop"),
        ("ASSENT_ROLE_PASSWORD", "hunter2\n"),
        ("ASSENT_ROLE_PASSWORD", "hunter2é"),
    ],
)
def test_a_secret_is_never_repeated_in_an_error(name: str, text: str) -> None:
    with pytest.raises(SettingInvalid, match=f"{name}: expected") as told:
        Settings.from_environment({name: text})
    assert "hunter2" not in str(told.value)


def test_secrets_are_masked_wherever_settings_are_printed() -> None:
    settings = Settings(
        role_password=Secret("hunter2"), database_url=Secret("postgresql://me:hunter2@db/shop")
    )
    assert "hunter2" not in f"{settings!r} {settings} {settings.role_password!s}"
    assert settings.role_password is not None
    assert settings.role_password.reveal() == "hunter2"
