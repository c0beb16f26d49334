"""The settings, and the check that all typed input goes through."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from entrypoints.checking import Faults, checked, rule
from entrypoints.settings import Settings, load, shown

NOWHERE = Path("/nonexistent/.env")


class Thing(msgspec.Struct):
    size: Annotated[int, rule("must be a whole number from 1 to 3", ge=1, le=3)]
    tag: str | None = None


def test_without_any_variable_everything_has_its_default() -> None:
    assert load({}, NOWHERE) == Settings()


def test_variables_go_before_the_file_and_the_command_line_before_both(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=1111\nHOST=file.example\nTMDB_LANGUAGE=de-DE\n")
    settings = load({"PORT": "2222", "HOST": "variable.example"}, file, {"port": 3333, "host": None})
    assert (settings.port, settings.host, settings.tmdb_language) == (3333, "variable.example", "de-DE")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"TMDB_ACCESS_TOKEN": "", "PORT": ""}, NOWHERE) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("PORT", "0", "must be a port number from 1 to 65535"),
        ("PORT", "eighty", "must be a port number from 1 to 65535"),
        ("ENVIRONMENT", "test", "must be production or development"),
        ("TMDB_BASE_URL", "api.example", "must be an http or https address"),
        ("TMDB_SYNC_PAGES", "501", "must be a whole number from 1 to 500"),
        ("TMDB_REQUESTS_PER_SECOND", "0", "must be a number above 0, at most 1000"),
        ("TMDB_REQUESTS_PER_SECOND", "nan", "must be a number above 0, at most 1000"),
        ("TMDB_LANGUAGE", "english", "must be a language such as en-US"),
        ("PUBLIC_CATALOGUE", "yes", "must be true or false"),
        ("MONGODB_URI", "localhost", "must begin with mongodb:// or mongodb+srv://"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("MAX_BODY_BYTES", "-1", "must be a whole number of bytes from 1"),
    ],
)
def test_a_faulty_variable_is_named_with_its_rule(variable: str, value: str, rule: str) -> None:
    with pytest.raises(Faults) as caught:
        load({variable: value}, NOWHERE)
    assert caught.value.sentences == [f"{variable} {rule}"]


def test_settings_answer_what_is_asked_of_them() -> None:
    settings = load(
        {
            "ENVIRONMENT": "development", "PUBLIC_CATALOGUE": "true", "CORS_ORIGINS": "https://a.example, ,https://b.example",
            "TMDB_API_KEY": "k", "DATA_DIR": "~/films",
        },
        NOWHERE,
    )  # fmt: skip
    assert settings.development
    assert settings.catalogue_is_public
    assert settings.has_tmdb_credential
    assert settings.allowed_origins == ["https://a.example", "https://b.example"]
    assert settings.data_path == Path.home() / "films"


def test_secrets_are_masked() -> None:
    settings = load({"TMDB_ACCESS_TOKEN": "secret", "MONGODB_URI": "mongodb://u:secret@h/x"}, NOWHERE)
    assert "secret" not in str(shown(settings))
    assert "secret" not in repr(settings)
    assert shown(settings)["TMDB_ACCESS_TOKEN"] == "***"


def test_input_is_refused_with_every_fault() -> None:
    with pytest.raises(Faults) as caught:
        checked(Thing, {"size": 4, "tag": 1, "colour": "red"})
    assert caught.value.sentences[:2] == [
        "colour is not a known field",
        "size must be a whole number from 1 to 3",
    ]
    assert caught.value.sentences[2].startswith("tag is wrong: Expected")
    with pytest.raises(Faults, match="size is required"):
        checked(Thing, {})


def test_texts_are_numbers_only_where_that_is_allowed() -> None:
    assert checked(Thing, {"size": "2"}, strict=False).size == 2
    with pytest.raises(Faults):
        checked(Thing, {"size": "2"})
