"""The settings, and the validation of all input."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from domain.discovery import DiscoverFilter
from domain.errors import InvalidFields
from entrypoints.settings import Settings, as_environment, load, redacted
from entrypoints.validation import rule, validate

NOWHERE = Path("/nonexistent/.env")
KEYBOARD = "must not be rows of a keyboard, an alphabet or a text with repetitions: use a random one"
SECRET = "a passphrase of more than 32 bytes for tests"


class Thing(msgspec.Struct):
    size: Annotated[int, rule("must be a whole number from 1 to 3", ge=1, le=3)]
    tag: str | None = None


def test_without_variables_settings_have_their_defaults() -> None:
    assert load({}, NOWHERE) == Settings()


def test_variables_override_the_file_and_options_override_both(tmp_path: Path) -> None:
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
        (
            "SYNC_DISCOVER_FILTERS",
            "year=19&foo=1&min_votes=x",
            (
                "holds filters that are not valid: year must be a year from 1870 to 2100; foo is no filter;"
                " there are year, year_from, year_to, genre, language, min_votes, pages,"
                " exported_min_popularity;"
                " min_votes must be a whole number from 0"
            ),
        ),
        ("SYNC_DISCOVER_CRON", "daily", "must be five fields of cron such as 0 2 * * *, in UTC"),
        ("TMDB_EXPORTS_URL", "files.example", "must be an http or https address"),
        ("TMDB_REQUESTS_PER_SECOND", "0", "must be a number from 0.01 to 10000"),
        ("TMDB_REQUESTS_PER_SECOND", "nan", "must be a number from 0.01 to 10000"),
        ("TMDB_LANGUAGE", "english", "must be a language such as en-US"),
        (
            "TMDB_LANGUAGES",
            "de-DE, german, fr_FR, it",
            "must be languages such as de-DE, with commas between them, not 'german', 'fr_FR'",
        ),
        (
            "TMDB_LANGUAGES",
            ",".join(f"a{letter}" for letter in "abcdefghijklmnopqrstu"),
            "must be at most 20 languages",
        ),
        ("PUBLIC_CATALOGUE", "yes", "must be true or false"),
        ("MONGODB_URI", "localhost", "must begin with mongodb:// or mongodb+srv://"),
        ("LOG_LEVEL", "loud", "must be debug, info, warning or error"),
        ("JWT_SECRET", SECRET[:31], "must be at least 32 bytes long"),
        ("JWT_SECRET", "s" * 40, "must have at least 8 different characters: use a random one"),
        ("JWT_SECRET", "abcdefg" * 9, "must have at least 8 different characters: use a random one"),
        ("JWT_SECRET", "password1" * 4, "must not repeat a text shorter than 16 bytes: use a random one"),
        (
            "JWT_SECRET",
            "change-me-now!!" * 3 + "ch",
            "must not repeat a text shorter than 16 bytes: use a random one",
        ),
        ("JWT_SECRET", "qwertyuiopasdfghjklzxcvbnm123456", KEYBOARD),
        ("JWT_SECRET", "QWERTYUIOP1234567890asdfghjkl_zxcvbnm", KEYBOARD),
        ("JWT_SECRET", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,", KEYBOARD),
        ("JWT_SECRET", "1q2w3e4r5t6y7u8i9o0pazsxdcfvgbhn", KEYBOARD),
        ("JWT_SECRET", "mnbvcxzlkjhgfdsapoiuytrewq0987654321", KEYBOARD),
        ("JWT_SECRET", "0123456789abcdef" * 2, KEYBOARD),
        ("JWT_SECRET", "abcdefghijklmnopqrstuvwxyz0123456789", KEYBOARD),
        ("JWT_SECRET", "aaaabbbbccccddddeeeeffffgggghhhhiiii", KEYBOARD),
        ("JWT_SECRET", "passwordpasswordpasswordpassword1", KEYBOARD),
        ("JWT_SECRET", "secretsecretsecretsecret12345678", KEYBOARD),
        ("JWT_SECRET", "x" + "changeme" * 5 + "!", KEYBOARD),
        ("JWT_EXPIRES_IN", "0m", "must be a duration such as 15m, 12h or 7d"),
        ("JWT_EXPIRES_IN", "7d\n", "must be a duration such as 15m, 12h or 7d"),
        ("JWT_EXPIRES_IN", "604800", "must be a duration such as 15m, 12h or 7d"),
        ("REFRESH_EXPIRES_IN", "1 month", "must be a duration such as 15m, 12h or 7d"),
        ("REFRESH_EXPIRES_IN", "100000d", "must be a duration such as 15m, 12h or 7d"),
        ("JWT_EXPIRES_IN", "0s", "must be a duration such as 15m, 12h or 7d"),
        ("REFRESH_EXPIRES_IN", "0d", "must be a duration such as 15m, 12h or 7d"),
        ("REFRESH_GRACE", "10", "must be a duration from 0s to 1h such as 10s"),
        ("REFRESH_GRACE", "-1s", "must be a duration from 0s to 1h such as 10s"),
        ("REFRESH_GRACE", "3601s", "must be a duration from 0s to 1h such as 10s"),
        ("REFRESH_GRACE", "1d", "must be a duration from 0s to 1h such as 10s"),
        ("MAX_BODY_BYTES", "-1", "must be a whole number of bytes from 1"),
        (
            "REDIS_URL",
            "localhost:6379",
            "must be redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, ports as numbers",
        ),
        (
            "REDIS_URL",
            "rediss://:secret@redis:what/0",
            "must be redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, ports as numbers",
        ),
        (
            "QUEUE_URL",
            "redis+cluster://redis:6379",
            "must be redis://, rediss:// or unix://, its port a number",
        ),
        (
            "QUEUE_URL",
            "redis://redis:99999",
            "must be redis://, rediss:// or unix://, its port a number",
        ),
        ("REDIS_TTL", "0", "must be a whole number of seconds from 1 to 86400"),
        ("API_PROCESSES", "0", "must be auto, or a number of processes from 1 to 64"),
        ("API_PROCESSES", "65", "must be auto, or a number of processes from 1 to 64"),
        ("API_PROCESSES", "many", "must be auto, or a number of processes from 1 to 64"),
        ("SYNC_GENRES_CRON", "hourly", "must be five fields of cron such as 0 2 * * *, in UTC"),
        (
            "SYNC_GENRES_CRON",
            "0 2 31 2 *",
            "must be due on some day; there is no such day in any month it names",
        ),
        (
            "SYNC_MOVIES_CRON",
            "0 2 31 4,6,9,11 *",
            "must be due on some day; there is no such day in any month it names",
        ),
        ("SYNC_MOVIES_CRON", "61 * * * *", "must be five fields of cron such as 0 2 * * *, in UTC"),
        (
            "RATE_LIMIT",
            "100 a minute",
            "must be a number of requests in a time such as 100/minute, 5/second or 1000/day",
        ),
        (
            "AUTH_RATE_LIMIT",
            "0/minute",
            "must be a number of requests in a time such as 100/minute, 5/second or 1000/day",
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, proxy",
            "must be addresses or networks such as 10.0.0.0/8, with commas between them",
        ),
        (
            "TRUSTED_PROXIES",
            " , ",
            "must be addresses or networks such as 10.0.0.0/8, with commas between them",
        ),
        ("TMDB_BASE_URL", "https://api.example/3?api_key=k", "must be an http or https address"),
        ("TMDB_BASE_URL", "https://api.example/3#top", "must be an http or https address"),
        ("TMDB_BASE_URL", "https://api.example:99999/3", "must be an http or https address"),
        ("TMDB_BASE_URL", "https://api.example:0/3", "must be an http or https address"),
        ("TMDB_BASE_URL", "https://:80/3", "must be an http or https address"),
        ("TMDB_BASE_URL", "https://api.example/3\n", "must be an http or https address"),
        ("TMDB_REQUESTS_PER_SECOND", "1e-300", "must be a number from 0.01 to 10000"),
        ("LOG_FORMAT", "xml", "must be json or console"),
    ],
)
def test_a_faulty_variable_is_named_with_its_rule(variable: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        load({"JWT_SECRET": SECRET, variable: value}, NOWHERE)
    assert caught.value.sentences == [f"{variable} {rule}"]


def test_the_number_of_api_processes_may_be_that_of_the_usable_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().number_of_api_processes == 1
    assert load({"API_PROCESSES": "64"}, NOWHERE).number_of_api_processes == 64
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert load({"API_PROCESSES": "auto"}, NOWHERE).number_of_api_processes == 3
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert load({"API_PROCESSES": "auto"}, NOWHERE).number_of_api_processes == 7


def test_derived_settings_are_computed() -> None:
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


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("99999d", timedelta(days=99999)),
    ],
)
def test_durations_are_parsed(text: str, duration: timedelta) -> None:
    settings = load({"JWT_EXPIRES_IN": text, "REFRESH_EXPIRES_IN": text}, NOWHERE)
    assert (settings.access_token_ttl, settings.refresh_token_ttl) == (duration, duration)


def test_by_default_tokens_last_a_week_and_sessions_a_month() -> None:
    assert (Settings().access_token_ttl, Settings().refresh_token_ttl) == (
        timedelta(days=7),
        timedelta(days=30),
    )


@pytest.mark.parametrize(
    ("text", "grace"),
    [
        ("0s", timedelta(0)),
        ("0m", timedelta(0)),
        ("10s", timedelta(seconds=10)),
        ("60m", timedelta(hours=1)),
        ("1h", timedelta(hours=1)),
    ],
)
def test_the_grace_period_of_refresh_tokens_may_be_0(text: str, grace: timedelta) -> None:
    assert load({"REFRESH_GRACE": text}, NOWHERE).reuse_grace == grace
    assert Settings().reuse_grace == timedelta(seconds=10)


def test_an_access_token_never_outlives_its_session() -> None:
    settings = load({"JWT_EXPIRES_IN": "7d", "REFRESH_EXPIRES_IN": "1h"}, NOWHERE)
    assert settings.access_token_ttl == timedelta(hours=1)


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 29 2 1", "0 0 31 1 *", "0 0 30 4,2 *"])
def test_valid_cron_entries_are_accepted(cron: str) -> None:
    assert load({"SYNC_MOVIES_CRON": cron}, NOWHERE).sync_movies_cron == cron


@pytest.mark.parametrize(
    "secret",
    [
        "éàèùâêîô" * 2,
        "31415926535897932384626433832795",
        "correct horse battery staple hash",
        "9f86d081884c7d659a2feaa0c55ad015",
        "LS0tLS1zZWNyZXQtc2VjcmV0LS0tLS0=",
    ],
)
def test_a_varied_secret_is_accepted(secret: str) -> None:
    assert load({"JWT_SECRET": secret}, NOWHERE).jwt_secret == secret


def test_the_secret_is_required_for_several_hosts() -> None:
    mongo = {"MONGODB_URI": "mongodb://h/x"}
    with pytest.raises(InvalidFields) as caught:
        load({**mongo, "PORT": "0"}, NOWHERE)
    assert [sentence.split()[0] for sentence in caught.value.sentences] == ["PORT", "JWT_SECRET"]
    with pytest.raises(InvalidFields, match="JWT_SECRET is required with MONGODB_URI"):
        load(mongo, NOWHERE)
    assert not load({**mongo, "JWT_SECRET": SECRET}, NOWHERE).embedded
    assert load({}, NOWHERE).embedded


def test_the_length_of_a_secret_is_counted_in_bytes() -> None:
    assert load({"JWT_SECRET": "éàèùâêîô" * 2}, NOWHERE).jwt_secret == "éàèùâêîô" * 2
    with pytest.raises(InvalidFields):
        load({"JWT_SECRET": "éàèùâêîôûéàèùâê"}, NOWHERE)


def test_a_faulty_secret_is_not_shown() -> None:
    with pytest.raises(InvalidFields) as caught:
        load({"JWT_SECRET": "hush"}, NOWHERE)
    assert "hush" not in str(caught.value)


def test_secrets_are_masked() -> None:
    settings = load(
        {
            "TMDB_ACCESS_TOKEN": "secret",
            "MONGODB_URI": "mongodb://u:secret@h/x",
            "JWT_SECRET": "secret" + SECRET,
        },
        NOWHERE,
    )
    assert "secret" not in str(redacted(settings))
    assert "secret" not in repr(settings)
    assert redacted(settings)["TMDB_ACCESS_TOKEN"] == "***"


def test_invalid_settings_are_refused_with_all_faults() -> None:
    with pytest.raises(InvalidFields) as caught:
        validate(Thing, {"size": 4, "tag": 1, "colour": "red"})
    assert caught.value.sentences[:2] == [
        "colour is not a known field",
        "size must be a whole number from 1 to 3",
    ]
    assert caught.value.sentences[2].startswith("tag is wrong: Expected")
    with pytest.raises(InvalidFields, match="size is required"):
        validate(Thing, {})


def test_texts_are_converted_to_numbers_only_if_that_is_allowed() -> None:
    assert validate(Thing, {"size": "2"}, strict=False).size == 2
    with pytest.raises(InvalidFields):
        validate(Thing, {"size": "2"})


def test_redis_with_several_servers_needs_a_separate_queue_url() -> None:
    with pytest.raises(InvalidFields, match="QUEUE_URL is required"):
        load({"REDIS_URL": "redis+cluster://redis:6379"}, NOWHERE)


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert load({"TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,"}, NOWHERE).proxies == [
        "127.0.0.1/32",
        "10.0.0.0/8",
    ]


def test_a_network_may_be_named_by_any_address_in_it() -> None:
    assert load({"TRUSTED_PROXIES": "10.0.0.5/8, fd00::7/64"}, NOWHERE).proxies == ["10.0.0.0/8", "fd00::/64"]


@pytest.mark.parametrize(
    ("variables", "for_people"),
    [({}, False), ({"LOG_FORMAT": "console"}, True), ({"ENVIRONMENT": "development"}, True)],
)
def test_logs_are_json_except_on_a_terminal(variables: dict[str, str], *, for_people: bool) -> None:
    assert load(variables, NOWHERE).logs_for_people is for_people


def test_settings_can_be_passed_on_whatever_the_env_file_says(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    settings = load({"PORT": "1234", "JWT_SECRET": SECRET, "TMDB_REQUESTS_PER_SECOND": "0.5"}, file)
    file.write_text("TMDB_API_KEY=later\nHOST=later.example\nPUBLIC_CATALOGUE=true\n")
    assert load(as_environment(settings), file) == settings


def test_variables_required_by_a_command_are_named_with_other_faults() -> None:
    with pytest.raises(InvalidFields) as caught:
        load({"PORT": "0", "MONGODB_URI": "mongodb://m/x"}, NOWHERE, required=("JWT_SECRET", "REDIS_URL"))
    assert caught.value.sentences == [
        "PORT must be a port number from 1 to 65535",
        "JWT_SECRET is required for this command",
        "REDIS_URL is required for this command",
    ]


def test_the_ports_of_several_servers_are_validated() -> None:
    sound = "redis+sentinel://:secret@a:26379,[::1]:26380,c/mymaster"
    assert load({"REDIS_URL": sound, "QUEUE_URL": "redis://[::1]:6379"}, NOWHERE).redis_url == sound
    with pytest.raises(InvalidFields, match="REDIS_URL must be"):
        load({"REDIS_URL": "redis+sentinel://a:26379,b:what", "QUEUE_URL": "redis://c"}, NOWHERE)


def test_mongodb_without_its_driver_is_a_fault_of_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.settings.find_spec", lambda _: None)
    variables = {"MONGODB_URI": "mongodb://h/x", "JWT_SECRET": "s" * 32}
    with pytest.raises(InvalidFields, match=r"pip install 'matinee\[mongo\]'"):
        load(variables, Path("/nowhere/.env"))
    assert load({}, Path("/nowhere/.env")).embedded


@pytest.mark.parametrize(
    ("main", "further", "others"),
    [
        ("en-US", "", ()),
        ("en-US", " de-DE , fr,,de-DE", ("de-DE", "fr")),
        ("de-DE", "en-US,de-DE", ("en-US",)),
    ],
)
def test_further_languages_are_each_once_and_without_that_of_the_catalogue(
    main: str, further: str, others: tuple[str, ...]
) -> None:
    languages = load({"TMDB_LANGUAGE": main, "TMDB_LANGUAGES": further}, NOWHERE).languages
    assert (languages.main, languages.others) == (main, others)
    assert languages.all == (main, *others)


def test_the_filters_of_the_regular_sync_are_read() -> None:
    settings = load({"SYNC_DISCOVER_FILTERS": "year_from=1990&min_votes=100"}, NOWHERE)
    assert settings.discover_filter == DiscoverFilter(year_from=1990, min_votes=100)
    assert Settings().discover_filter == DiscoverFilter()
