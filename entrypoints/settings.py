"""The settings: environment variables, which override a `.env` file, which overrides defaults.

All are validated at once, and secrets are never shown.
"""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from crontab import CronTab

from domain.errors import Fault, FaultCode, Invalid, InvalidFields
from domain.invitations import Registration
from domain.languages import Language, Languages
from domain.ports import QueueUnavailable
from domain.signing import weakness
from entrypoints.durations import parse_duration
from entrypoints.env_file import EnvFileUnreadable, misnamed, read_env_file
from entrypoints.origins import InvalidOrigins, parse_origins
from entrypoints.validation import InvalidValue, rule, validate

if TYPE_CHECKING:
    from domain.discovery import DiscoverFilter

SECRETS = frozenset(
    {"JWT_SECRET", "MONGODB_URI", "QUEUE_URL", "REDIS_URL", "TMDB_ACCESS_TOKEN", "TMDB_API_KEY"}
)
"""Variables whose values are never shown: secrets, and URLs that may contain passwords."""

SHARED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable, not a setting, that names the directory in which several processes share their metrics."""

MULTI_SERVER_SCHEMES = ("redis+sentinel://", "redis+cluster://")
"""The schemes of Redis URLs that name several servers, which cannot be used for the job queue."""

TMDB_CREDENTIALS = ("TMDB_ACCESS_TOKEN", "TMDB_API_KEY")

INVISIBLE_CHARACTERS = re.compile("[\u200b-\u200f\u2060\ufeff]")

AROUND_CREDENTIAL = re.compile(
    r"""
      ^[\s"'`\u2018-\u201f\u00ab\u00bb]+
    | [\s"'`\u2018-\u201f\u00ab\u00bb,;]+$
    | ^(?:authorization\s*:|bearer(?:[\s:]|$)|api_key\s*=)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Text around a credential that was copied from a page, a header or a shell."""

CREDENTIAL = re.compile(r"[0-9a-fA-F]{32}|eyJ[\w-]+\.[\w-]+\.[\w-]+")
"""A v3 key or a v4 token of TMDB."""

LANGUAGE = r"^[a-z]{2}(-[A-Z]{2})?\Z"
"""A language as TMDB names it."""

MAX_LANGUAGES = 20
"""Further languages: each makes every movie larger, and every search look at more titles."""

MAX_REFRESH_GRACE = timedelta(hours=1)


def _check_secret(secret: str) -> None:
    """Raises InvalidValue for a secret that is too weak to sign tokens."""
    if rule_broken := weakness(os.fsencode(secret)):
        raise InvalidValue(rule_broken)


def _check_cron(text: str) -> None:
    """Raises ValueError for text that is not a cron entry, InvalidValue for a date that does not exist."""
    if CronTab(text).next(default_utc=True) is None:  # the library that the scheduler uses
        raise InvalidValue("must be due on some day; there is no such day in any month it names")


def _parse_discover_filters(text: str) -> "DiscoverFilter":
    from domain.discovery import DiscoverFilter  # noqa: PLC0415  it imports half the domain; few processes need it

    return DiscoverFilter.parse(text)


def _check_discover_filters(text: str) -> None:
    """Raises InvalidValue with every fault of the filters."""
    try:
        _parse_discover_filters(text)
    except Invalid as error:
        raise InvalidValue(f"holds filters that are not valid: {error}") from None


def _check_grace(text: str) -> None:
    if parse_duration(text) > MAX_REFRESH_GRACE:
        raise ValueError(text)


def _check_directory(path: str) -> None:
    """Raises ValueError for a path that no file system accepts, and InvalidValue for an unknown ~user."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        raise InvalidValue(f"names the home directory of a user that does not exist: {path}") from None
    if "\0" in path:
        raise ValueError(path)


def _check_networks(text: str) -> None:
    """Raises ValueError for text that is neither an address nor a network."""
    for part in split_list(text) or [text]:
        ip_network(part, strict=False)


def _check_languages(text: str) -> None:
    """Raises InvalidValue for text that is not a list of languages, naming those that are none."""
    languages = split_list(text)
    wrong = [each for each in languages if not re.match(LANGUAGE, each)]
    if wrong:
        rule_broken = "must be languages such as de-DE, with commas between them, not"
        raise InvalidValue(f"{rule_broken} {', '.join(map(repr, wrong))}")
    if len(set(languages)) > MAX_LANGUAGES:
        raise InvalidValue(f"must be at most {MAX_LANGUAGES} languages")


def _check_base_url(text: str) -> None:
    """Raises ValueError for a URL to which no path can be appended."""
    parts = urlsplit(text)
    if not parts.hostname or parts.port == 0 or "?" in text or "#" in text:
        raise ValueError(text)


def _check_ports(url: str) -> None:
    """Raises ValueError for a URL with an invalid port; it may name several servers."""
    for server in urlsplit(url).netloc.rpartition("@")[2].split(","):
        _ = urlsplit(f"//{server}").port


def _check_origins(text: str) -> None:
    """Raises InvalidValue for text that is not a list of origins."""
    try:
        parse_origins(text)
    except InvalidOrigins as error:
        raise InvalidValue(str(error)) from None


def split_list(text: str) -> list[str]:
    """The parts of a comma-separated list, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


Port = Annotated[int, rule("must be a port number from 1 to 65535", ge=1, le=65535)]
Bytes = Annotated[int, rule("must be a whole number of bytes from 1", ge=1, le=2**31)]
Rate = Annotated[float, rule("must be a number from 0.01 to 10000", ge=0.01, le=10_000)]
Processes = Annotated[
    str,
    rule("must be auto, or a number of processes from 1 to 64", pattern=r"^(auto|[1-9]|[1-5]\d|6[0-4])\Z"),
]
Pages = Annotated[int, rule("must be a whole number from 1 to 500", ge=1, le=500)]
Text = Annotated[str, rule("must not be empty", min_length=1)]
Directory = Annotated[str, rule("must be the path of a directory", min_length=1, validator=_check_directory)]
Secret = Annotated[str, rule("must be a text", validator=_check_secret)]
Url = Annotated[
    str,
    rule("must be an http or https address", pattern=r"^https?://[^\s/]+\S*\Z", validator=_check_base_url),
]
MongoUri = Annotated[
    str, rule("must begin with mongodb:// or mongodb+srv://", pattern=r"^mongodb(\+srv)?://\S+$")
]
RedisUrl = Annotated[
    str,
    rule(
        "must be redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, ports as numbers",
        pattern=r"^(rediss?|unix|redis\+(sentinel|cluster))://\S+$",
        validator=_check_ports,
    ),
]
QueueUrl = Annotated[
    str,
    rule(
        "must be redis://, rediss:// or unix://, its port a number",
        pattern=r"^(rediss?|unix)://\S+$",
        validator=_check_ports,
    ),
]
Seconds = Annotated[int, rule("must be a whole number of seconds from 1 to 86400", ge=1, le=86400)]
Cron = Annotated[
    str,
    rule(
        "must be five fields of cron such as 0 2 * * *, in UTC",
        pattern=r"^\S+( \S+){4}\Z",
        validator=_check_cron,
    ),
]
DiscoverFilters = Annotated[
    str,
    rule(
        "must be filters such as year_from=1990&min_votes=100, with & between them",
        validator=_check_discover_filters,
    ),
]
Limit = Annotated[
    str,
    rule(
        "must be a number of requests in a time such as 100/minute, 5/second or 1000/day",
        pattern=r"^[1-9]\d{0,8}/(second|minute|hour|day)\Z",
    ),
]
Networks = Annotated[
    str,
    rule(
        "must be addresses or networks such as 10.0.0.0/8, with commas between them",
        validator=_check_networks,
    ),
]
LanguageTag = Annotated[str, rule("must be a language such as en-US", pattern=LANGUAGE)]
LanguageTags = Annotated[str, rule("must be languages such as de-DE", validator=_check_languages)]
Duration = Annotated[str, rule("must be a duration such as 15m, 12h or 7d", pattern=r"^[1-9]\d{0,4}[smhd]\Z")]
Grace = Annotated[
    str,
    rule(
        "must be a duration from 0s to 1h such as 10s",
        pattern=r"^(0|[1-9]\d{0,4})[smhd]\Z",
        validator=_check_grace,
    ),
]
Origins = Annotated[
    str,
    rule("must be origins such as https://films.example, with commas between them", validator=_check_origins),
]
RegistrationMode = Annotated[Literal["open", "invite", "closed"], rule("must be open, invite or closed")]
ImageMode = Annotated[Literal["proxy", "direct", "off"], rule("must be proxy, direct or off")]
Megabytes = Annotated[int, rule("must be a whole number of megabytes from 1 to 1000000", ge=1, le=1_000_000)]
Boolean = Annotated[Literal["true", "false"], rule("must be true or false")]
Environment = Annotated[Literal["production", "development"], rule("must be production or development")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], rule("must be debug, info, warning or error")
]
LogFormat = Annotated[Literal["json", "console"], rule("must be json or console")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """The settings of an operator. Each field is set by the variable of the same name in capitals."""

    environment: Environment = "production"
    host: Text = "127.0.0.1"
    port: Port = 8080
    data_dir: Directory = "./matinee-data"
    api_processes: Processes = "1"
    mongodb_uri: MongoUri | None = None
    redis_url: RedisUrl | None = None
    queue_url: QueueUrl | None = None
    redis_ttl: Seconds = 120
    jwt_secret: Secret | None = None
    jwt_expires_in: Duration = "7d"
    refresh_expires_in: Duration = "30d"
    refresh_grace: Grace = "10s"
    tmdb_access_token: Text | None = None
    tmdb_api_key: Text | None = None
    tmdb_base_url: Url = "https://api.themoviedb.org/3"
    tmdb_exports_url: Url = "https://files.tmdb.org/p/exports"
    tmdb_language: LanguageTag = "en-US"
    tmdb_languages: LanguageTags = ""
    tmdb_sync_pages: Pages = 50
    tmdb_requests_per_second: Rate = 20.0
    sync_genres_cron: Cron = "0 1 * * *"
    sync_movies_cron: Cron = "0 2 * * *"
    sync_discover_cron: Cron | None = None
    sync_discover_filters: DiscoverFilters = ""
    rate_limit: Limit = "100/minute"
    auth_rate_limit: Limit = "10/minute"
    registration: RegistrationMode = "open"
    public_catalogue: Boolean = "false"
    cors_origins: Origins = ""
    trusted_proxies: Networks = ""
    max_body_bytes: Bytes = 65536
    web: Boolean = "true"
    images: ImageMode = "proxy"
    images_mb: Megabytes = 512
    log_level: LogLevel = "info"
    log_format: LogFormat | None = None
    log_file: Text | None = None

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value}' for name, value in redacted(self).items())})"

    @property
    def data_path(self) -> Path:
        """The data directory."""
        return Path(self.data_dir).expanduser()

    @property
    def number_of_api_processes(self) -> int:
        """How many API processes `serve` runs."""
        return _cores() if self.api_processes == "auto" else int(self.api_processes)

    @property
    def development(self) -> bool:
        """Whether responses of status 500 may show the error."""
        return self.environment == "development"

    @property
    def embedded(self) -> bool:
        """Whether the store is the embedded one, in the data directory."""
        return self.mongodb_uri is None

    @property
    def access_token_ttl(self) -> timedelta:
        """How long an access token is valid: never longer than its session."""
        return min(parse_duration(self.jwt_expires_in), self.refresh_token_ttl)

    @property
    def refresh_token_ttl(self) -> timedelta:
        """How long a refresh token is valid."""
        return parse_duration(self.refresh_expires_in)

    @property
    def reuse_grace(self) -> timedelta:
        """How long a used refresh token is still accepted."""
        return parse_duration(self.refresh_grace)

    @property
    def who_may_register(self) -> Registration:
        """Who may create an account through the API."""
        return Registration(self.registration)

    @property
    def catalogue_is_public(self) -> bool:
        """Whether movies and genres can be read without an access token."""
        return self.public_catalogue == "true"

    @property
    def discover_filter(self) -> "DiscoverFilter":
        """Which movies a sync of /discover/movie reads; all of them unless something is set."""
        return _parse_discover_filters(self.sync_discover_filters)

    @property
    def has_pages(self) -> bool:
        """Whether the pages for people are served beside the API."""
        return self.web == "true"

    @property
    def has_tmdb_credential(self) -> bool:
        """Whether there is a credential for TMDB; without one, movies come from the demo catalogue."""
        return bool(self.tmdb_access_token or self.tmdb_api_key)

    def require_queue_url(self) -> str:
        """The URL of the job queue's Redis. Raises QueueUnavailable if none is configured."""
        url = self.queue_url or self.redis_url
        if url is None:
            raise QueueUnavailable("none is configured; set REDIS_URL")
        return url

    def without_tmdb(self) -> "Settings":
        """A copy without a TMDB credential."""
        return msgspec.structs.replace(self, tmdb_access_token=None, tmdb_api_key=None)

    @property
    def languages(self) -> Languages:
        """The languages of titles and overviews: that of the catalogue, and the further ones."""
        further = dict.fromkeys(split_list(self.tmdb_languages))
        main = Language(self.tmdb_language)
        return Languages(main, tuple(Language(each) for each in further if each != main))

    @property
    def allowed_origins(self) -> list[str]:
        """The origins whose pages may call the API from a browser, as browsers send them."""
        return parse_origins(self.cors_origins)

    @property
    def proxies(self) -> list[str]:
        """The addresses and networks whose `X-Forwarded-For` is trusted, without host bits: uvicorn takes
        10.0.0.5/8 for a host name.
        """
        return [str(ip_network(part, strict=False)) for part in split_list(self.trusted_proxies)]

    @property
    def logs_for_people(self) -> bool:
        """Whether the log is text for people instead of JSON; by default in development and on a terminal."""
        log_format = self.log_format or ("console" if self.development or sys.stderr.isatty() else "json")
        return log_format == "console"


def load(
    environ: Mapping[str, str] = os.environ,
    env_file: Path | None = Path(".env"),
    overrides: Mapping[str, object] | None = None,
    required: Collection[str] = (),
    *,
    warn: Callable[[str], object] = lambda _: None,
) -> Settings:
    """Read and validate the settings. An empty variable counts as not set; `overrides` (command line) win.

    `warn` is called with a sentence for each name in the file that looks like a mistyped variable. Raises
    InvalidFields with every fault by variable, including required variables that are not set. If the file
    cannot be read, that is the only fault.
    """
    known = {field.encode_name for field in msgspec.structs.fields(Settings)}
    try:
        file_values = read_env_file(env_file) if env_file else {}
    except EnvFileUnreadable as error:
        raise InvalidFields([Fault("", FaultCode.MALFORMED, str(error))]) from None
    for sentence in misnamed(file_values, known):
        warn(f"{env_file}: {sentence}")
    merged = {**file_values, **environ}
    raw: dict[str, object] = {name: value for name in known if (value := _clean(name, merged.get(name)))}
    raw |= {name.upper(): str(value) for name, value in (overrides or {}).items() if value is not None}
    joint = [*_joint_faults(raw, required), *_empty_credentials(merged, raw)]
    try:
        settings = validate(Settings, raw, strict=False, noun="variable")
    except InvalidFields as error:
        raise InvalidFields([*error.faults, *joint]) from None
    if joint:
        raise InvalidFields(joint)
    return settings


def redacted(settings: Settings) -> dict[str, str]:
    """Every variable with its value; that of a secret is `***`."""
    values = {field.encode_name: getattr(settings, field.name) for field in msgspec.structs.fields(Settings)}
    return {name: "***" if name in SECRETS and value else str(value) for name, value in values.items()}


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment from which `load` reads the same settings, regardless of a `.env` file."""
    values = {field.encode_name: getattr(settings, field.name) for field in msgspec.structs.fields(Settings)}
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _cores() -> int:
    """The number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _clean(name: str, value: str | None) -> str | None:
    """The value of a variable; a credential without the text that was copied with it."""
    return _bare_credential(value) if value and name in TMDB_CREDENTIALS else value


def _bare_credential(text: str) -> str:
    """A TMDB credential without quotes, `Bearer` and line breaks; empty if nothing is left."""
    text = INVISIBLE_CHARACTERS.sub("", text)
    while (shorter := AROUND_CREDENTIAL.sub("", text)) != text:
        text = shorter
    joined = "".join(text.split())
    return joined if CREDENTIAL.fullmatch(joined) else text


def _joint_faults(raw: Mapping[str, object], required: Collection[str]) -> Iterator[Fault]:
    """Faults that concern several variables."""
    for name in required:
        if name not in raw:
            yield Fault(name, FaultCode.REQUIRED, "is required for this command")
    if "MONGODB_URI" in raw and "JWT_SECRET" not in raw and "JWT_SECRET" not in required:
        message = "is required with MONGODB_URI: the same on every host, at least 32 bytes"
        yield Fault("JWT_SECRET", FaultCode.REQUIRED, message)
    if "MONGODB_URI" in raw and find_spec("pymongo") is None:
        message = "needs the MongoDB driver, which is not installed: pip install 'matinee[mongo]'"
        yield Fault("MONGODB_URI", FaultCode.CONFLICTING, message)
    if str(raw.get("REDIS_URL")).startswith(MULTI_SERVER_SCHEMES) and "QUEUE_URL" not in raw:
        message = "is required where REDIS_URL names a Sentinel or a Cluster: a plain Redis for jobs"
        yield Fault("QUEUE_URL", FaultCode.REQUIRED, message)


def _empty_credentials(merged: Mapping[str, str | None], raw: Mapping[str, object]) -> Iterator[Fault]:
    """Credentials of which only surrounding text was copied; empty quotes count as not set."""
    for name in TMDB_CREDENTIALS:
        if name not in raw and any(map(str.isalnum, merged.get(name) or "")):
            message = "holds only the word before a credential, such as Bearer, and no credential"
            yield Fault(name, FaultCode.MALFORMED, message)
