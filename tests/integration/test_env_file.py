"""The `.env` file: unreadable files, misspelt names, and copied credentials."""

import os
from pathlib import Path

import msgspec
import pytest

from domain.errors import InvalidFields
from entrypoints.env_file import COMPOSE_VARIABLES, misnamed
from entrypoints.settings import Settings, load
from tests.integration import deployment_files

OURS = {field.encode_name for field in msgspec.structs.fields(Settings)}
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiIxMjM0NSJ9.c2lnbmF0dXJl-_x"
KEY = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("PORT=80\nX=café\n".encode("latin-1"), "line 2 is not UTF-8 text; save the file as UTF-8"),
        ("PORT=80\n".encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        (b"\xfe\xff\x00P", "it is UTF-16 text; save it as UTF-8"),
        (b"PORT=80\n\nHOST=a\0b\n", "line 3 holds a NUL character; save the file as plain UTF-8 text"),
        ("PORT=80\n".encode("utf-16-le"), "line 1 holds a NUL character; save the file as plain UTF-8 text"),
        (
            b'PORT=80\n\n# note\nJWT_SECRET="abc\n',
            "line 4 is not NAME=VALUE; a value with spaces, quotes or # goes into one pair of quotes",
        ),
        (
            b"PORT: 80\nHOST=::1\nset X=1\n",
            "lines 1, 3 are not NAME=VALUE; a value with spaces, quotes or # goes into one pair of quotes",
        ),
    ],
)
def test_a_broken_file_is_the_only_fault_and_is_not_quoted(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(InvalidFields) as raised:
        load({"PORT": "eighty"}, file, required=["MONGODB_URI"])
    assert raised.value.sentences == [f"{file} cannot be read: {reason}"]


def test_an_env_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    (tmp_path / "closed").write_text("PORT=80\n")
    (tmp_path / "closed").chmod(0)
    places = {"directory": "it is a directory", "link": "a link to a file that does not exist"}
    if os.geteuid():  # root can read every file
        places["closed"] = "Permission denied"
    for name, reason in places.items():
        with pytest.raises(InvalidFields, match=reason):
            load({}, tmp_path / name)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("\ufeffPORT=1111\r\nHOST='::1'\r\n".encode())
    assert (load({}, file).port, load({}, file).host) == (1111, "::1")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PROT", "PORT"),
        ("port", "PORT"),
        ("MATINEE_PORT", "PORT"),
        ("MATINEE_LOGLEVEL", "LOG_LEVEL"),
        ("DATADIR", "DATA_DIR"),
        ("DATA_DIRECTORY", "DATA_DIR"),
        ("MONGO_URI", "MONGODB_URI"),
        ("MONGODB_URL", "MONGODB_URI"),
        ("REDIS_URI", "REDIS_URL"),
        ("JWT_SECRET_KEY", "JWT_SECRET"),
        ("JWT-SECRET", "JWT_SECRET"),
        ("TMDB_TOKEN", "TMDB_ACCESS_TOKEN"),
        ("TMDB_READ_ACCESS_TOKEN", "TMDB_ACCESS_TOKEN"),
        ("TMDB_KEY", "TMDB_API_KEY"),
        ("TMDB_APIKEY", "TMDB_API_KEY"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("PUBLIC_CATALOG", "PUBLIC_CATALOGUE"),
    ],
)
def test_a_misspelt_name_is_reported_with_the_nearest_setting(name: str, meant: str) -> None:
    assert list(misnamed([name], OURS)) == [
        f"{name} is not a setting of Matinee and is ignored; did you mean {meant}?"
    ]


def test_an_unknown_name_with_our_prefix_is_reported() -> None:
    for name in ("MATINEE_COLOUR", "matinee_colour", "TMDB_REGION"):
        assert list(misnamed([name], OURS)) == [
            f"{name} is not a setting of Matinee and is ignored; docs/operating.md lists all settings"
        ]


def test_variables_of_other_programs_are_ignored() -> None:
    others = ["PATH", "POSTGRES_PASSWORD", "SMTP_HOST", "DATABASE_URL", "COMPOSE_PROJECT_NAME", "PUID", "TZ"]
    assert list(misnamed([*OURS, *COMPOSE_VARIABLES, *others], OURS)) == []


def test_variables_of_docker_compose_are_known() -> None:
    assert (
        deployment_files.compose_variables() | set(deployment_files.example())
    ) - OURS == COMPOSE_VARIABLES


def test_load_warns_of_each_name_in_the_file_once(tmp_path: Path) -> None:
    file, warnings = tmp_path / ".env", list[str]()
    file.write_text("PROT=1\nPROT=2\nFOO=x\nPORT=3\n")
    assert load({"HOTS": "not in the file"}, file, warn=warnings.append).port == 3
    assert warnings == [f"{file}: PROT is not a setting of Matinee and is ignored; did you mean PORT?"]


@pytest.mark.parametrize("name", ["TMDB_ACCESS_TOKEN", "TMDB_API_KEY"])
@pytest.mark.parametrize("credential", [JWT, KEY, "of-a-proxy"])
@pytest.mark.parametrize(
    "copied",
    ['"{}"', "'{}'", "Bearer {}", "bearer  {}\n", "Authorization: Bearer {}", '"Bearer {}"', "Bearer '{}'",
     " {}\r\n", "\u201c{}\u201d", "\ufeff{}\u200b", "`{}`,", "api_key={}"],
)  # fmt: skip
def test_a_credential_is_extracted_from_copied_text(name: str, credential: str, copied: str) -> None:
    settings = load({name: copied.format(credential)}, None)
    assert getattr(settings, name.lower()) == credential


def test_a_credential_that_was_wrapped_is_joined() -> None:
    assert load({"TMDB_ACCESS_TOKEN": f"{JWT[:30]}\n  {JWT[30:]}"}, None).tmdb_access_token == JWT


def test_empty_quotes_are_no_credential_and_bearer_alone_is_a_fault() -> None:
    assert load({"TMDB_ACCESS_TOKEN": '""'}, None) == Settings()
    with pytest.raises(InvalidFields, match="TMDB_ACCESS_TOKEN holds only the word before a credential"):
        load({"TMDB_ACCESS_TOKEN": "Bearer "}, None)
