"""The figures in the documents: each is a constant of the code, or is listed here as measured or external.

`TIED` has phrases of the documents with figures from the code. So a test fails if a constant changes that a
document mentions, and if a document has a new figure without a phrase here.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from adapters.metrics import timings
from adapters.mongo import database as mongo
from adapters.redis import (
    cache,
    cron,
    embedded,
    invalidation,
    leases,
    listener,
    local_cache,
    queue,
    sliding_windows,
    timeouts,
    worker,
    worker_loop,
)
from adapters.security import passwords
from adapters.sqlite import database as sqlite
from adapters.tmdb.budget import MAX_URGENT_WAIT
from adapters.tmdb.client import PING_POLICY, USER_POLICY, RetryPolicy
from adapters.tmdb.payloads import MAX_PAGES
from adapters.tmdb.source import TEXT_RETENTION, TmdbMovieSource
from application import additions, bulk, export_files, import_runner, operations, probes, sync_runner
from application.invitations import DEFAULT_VALIDITY
from application.sync import MAX_COMPLETED
from domain import (
    api_tokens,
    changes,
    emails,
    idempotency,
    invitations,
    people,
    recommendations,
    scrobbles,
    search,
    sessions,
    signing,
    sync,
    texts,
    users,
    viewings,
    watchlist,
)
from domain.imports import rows, uploads
from domain.ports.imports import APPLY_BATCH, UPLOAD_PIECE
from entrypoints import batched_log
from entrypoints.cli import diagnostics
from entrypoints.http import (
    auth,
    body_limits,
    clients,
    connections,
    exports,
    fast_path,
    middleware,
    pagination,
    protocol,
    requests,
    responses,
    server,
    thread_pools,
)
from entrypoints.http.resources import changes as feed
from entrypoints.http.resources import movies, relations
from entrypoints.http.resources.search import SOURCE_PAGE_SIZE, SearchWords
from entrypoints.observability import log_file, logs
from entrypoints.processes import child_process, first_run, metrics_directory, supervisor
from entrypoints.settings import MAX_LANGUAGES, MAX_REFRESH_GRACE, Settings
from entrypoints.web.pages.search import SOURCE_TIMEOUT
from tests.integration.test_docs import DOCUMENTS, name, text

HOLDS = connections.Limits()
TMDB = RetryPolicy()
SET = Settings()
FIRST_RUN = first_run.Timing()
AGAIN = queue.RETRY_DELAYS
GRACE = worker.INTERRUPT_GRACE

UNITS = (
    "%|(?:ms|µs|s|seconds?|minutes?|hours?|days?|months?|years?|bytes?|KiB|MiB|MB|GB|kB|characters|letters|rows"
    "|movies|threads|requests|connections|headers|pages|tries)\\b"
)
FIGURE = re.compile(rf"(?<![\w.,:/-])\d[\d,.]*[ -]?(?:{UNITS})|(?<![\w.,:/-])\d{{1,3}}(?:,\d{{3}})+\b")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def kib(size: int) -> str:
    return f"{size // 2**10} KiB"


def mb(size: int) -> str:
    return f"{size // 2**20} MB"


def minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes"


def spelt(number: float) -> str:
    return "none one two three four five six seven eight nine ten".split()[round(number)]  # noqa: SIM905


def bounds(annotation: Any) -> tuple[int, int]:
    """The minimum and maximum length of a parameter."""
    meta = annotation.__metadata__[0]
    return meta.min_length or 0, meta.max_length


def seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f}"


def made(option: str) -> str:
    """The number that the Makefile sets an option or a variable to."""
    (number,) = re.findall(rf"(?<!-){re.escape(option)}(\d+)", text("Makefile").replace("--cov-", "--cov_"))
    return str(number)


def required_percentage() -> str:
    """The minimum percentage of mutants that tests must detect."""
    (number,) = re.findall(
        r"^REQUIRED_PERCENTAGE = (\d+)\.0$", text("tests/mutation/__main__.py"), re.MULTILINE
    )
    return str(number)


def default_of(package: str, option: str) -> str:
    """The default of an option of a test program."""
    (number,) = re.findall(rf'"{option}", type=\w+, default=([\d_]+)', text(f"tests/{package}/__main__.py"))
    return str(number)


TIED = [
    f"such as `de-DE,fr-FR`; at most {MAX_LANGUAGES} |",
    f"two at a time while each call takes less than {ms(thread_pools.SHORT_CALL)}",
    f"two work at a time while each call takes less than {ms(thread_pools.SHORT_CALL)}",
    f"Of the {thread_pools.REQUEST_THREADS} threads",
    # Films added one by one
    f"expires after {additions.FETCH_LOCK_TTL.seconds} seconds",
    f"tried twice within {USER_POLICY.give_up_after:g} seconds".replace("5", "five"),
    f"for longer than {MAX_URGENT_WAIT:g} seconds".replace("5", "five"),
    f"TMDB has pages of {SOURCE_PAGE_SIZE}, so `limit` stays at {SOURCE_PAGE_SIZE}",
    f"reaches the first {MAX_PAGES},",
    f"TMDB {SOURCE_TIMEOUT} seconds at most",
    f"most popular movies, {MAX_PAGES * SOURCE_PAGE_SIZE:,} at most",
    f"with up to {recommendations.FEW_LIKES} likes".replace("3", "three"),
    # Batches of the log
    f"{ms(batched_log.DELAY)} after its first record",
    f"is written {ms(batched_log.DELAY)} after its first request, at {batched_log.MAX_EVENTS} requests",
    f"by a timer {ms(batched_log.DELAY)} after the first request",
    f"first one after {ms(timings.INTERVAL)} adds to the series",
    f"written {ms(batched_log.DELAY)} later at most",
    f"are in them after {ms(batched_log.DELAY)} at most",
    f"in batches, {ms(batched_log.DELAY)} late at most",
    f"at {batched_log.MAX_EVENTS} records",
    f"of its last {ms(batched_log.DELAY)}",
    f"those of the last {ms(batched_log.DELAY)} of a process that is killed",
    f"parts of {logs.LogStream.max_write:,} bytes at most",
    f"in parts of {kib(log_file.LogFile.max_write)}, each under one lock",
    # Requests and connections
    f"{HOLDS.silent_seconds} seconds, kept-alive ones after {HOLDS.idle_seconds}",
    f"closed after {HOLDS.silent_seconds} seconds; after {HOLDS.idle_seconds}",
    f"| it sends nothing | {HOLDS.silent_seconds} s |",
    f"whole | {HOLDS.request_seconds} s from its first byte",
    f"must within {HOLDS.request_seconds} seconds (408)",
    f"whole within {HOLDS.request_seconds} seconds",
    f"{HOLDS.request_seconds} seconds from its first byte",
    f"**A deadline for the whole request**, {HOLDS.request_seconds} seconds",
    f"{kib(HOLDS.body_bytes)} take longer than {HOLDS.request_seconds} seconds",
    f"| nothing follows the last answer | {HOLDS.idle_seconds} s |",
    f"{kib(HOLDS.stall_bytes)} in {HOLDS.stall_seconds} s",
    f"{kib(HOLDS.stall_bytes)} of its answer in {HOLDS.stall_seconds} seconds",
    f"clients that do not take their answers after {HOLDS.stall_seconds}",
    f"up to {HOLDS.linger_bytes // 2**20} MiB is read and discarded, for {HOLDS.linger_seconds} seconds",
    f"{kib(HOLDS.head_bytes)}, {HOLDS.headers} headers",
    f"at most {kib(HOLDS.head_bytes)} of head",
    f"larger than {kib(HOLDS.head_bytes)} or number more than {HOLDS.headers}",
    f"Heads over {kib(HOLDS.head_bytes)}",
    f"| {HOLDS.waiting_per_address:,} | `too_many_connections` |",
    f"503 if a request had begun, for {spelt(HOLDS.evictions_answered)} in a second",
    f"closed for newer ones, {spelt(HOLDS.evictions_answered)} a second get a response",
    f"all clients share {HOLDS.waiting_per_address:,} places",
    f"of one address {HOLDS.waiting_per_address:,} may wait",
    f"| {HOLDS.waiting_per_address:,} other connections of the address",
    f"| {HOLDS.waiting_per_address:,}: the one that waits longest",
    f"per address ({HOLDS.waiting_per_address:,}), of all that wait ({HOLDS.waiting:,})",
    f"and of all ({HOLDS.open:,},",
    (
        f"{HOLDS.waiting_per_address:,} half-sent requests hold "
        f"{HOLDS.waiting_per_address * (HOLDS.head_bytes + HOLDS.body_bytes) // 2**20} MiB"
    ),
    f"| the same of all addresses | {HOLDS.waiting:,} |",
    f"faster than {HOLDS.waiting:,} connections",
    f"| {HOLDS.open:,}, or what descriptors allow |",
    f"{server.MAX_DESCRIPTORS:,} at most, and keeps {server.RESERVED_DESCRIPTORS} of them",
    f"or half where there are fewer than {2 * server.RESERVED_DESCRIPTORS}",
    f"With `ulimit -n 256` it holds {256 - min(server.RESERVED_DESCRIPTORS, 128)} connections",
    f"The parser gets {protocol.PIECE_BYTES // 1024} KiB at a time",
    f"At most {fast_path.MAX_HEADS:,} heads are kept, of up to {protocol.PIECE_BYTES // 1024} KiB each",
    f"{middleware.MAX_REQUESTS_IN_PROGRESS:,} requests",
    f"beyond {middleware.MAX_REQUESTS_IN_PROGRESS:,} requests in progress the next is refused",
    f"{middleware.MAX_REQUESTS_IN_PROGRESS:,} others are in progress",
    f"held all {middleware.MAX_REQUESTS_IN_PROGRESS:,} places",
    (
        f"| {middleware.MAX_REQUESTS_IN_PROGRESS:,}, health not counted; "
        f"of these {thread_pools.REQUEST_THREADS} in threads"
    ),
    f"in one of {thread_pools.REQUEST_THREADS} threads",
    f"run in a pool of {thread_pools.REQUEST_THREADS} threads",
    f"`MAX_BODY_BYTES`, {SET.max_body_bytes:,} bytes unless set",
    f"Answers over {responses.MIN_COMPRESSED_SIZE:,} bytes",
    f"| parameters of a request | {requests.MAX_PARAMETERS} |",
    # Exports
    f"An answer over {kib(exports.MAX_UNSTREAMED_BYTES)}, before compression",
    f"for {exports.STALL_TIMEOUT:.0f} seconds or is not done after {minutes(exports.EXPORT_TIMEOUT)}",
    f"one process · one user | {exports.MAX_EXPORTS} · {exports.MAX_EXPORTS_PER_USER} |",
    f"A user may run {exports.MAX_EXPORTS_PER_USER} exports at a time",
    f"a process runs {exports.MAX_EXPORTS} (503 `exports_full`)",
    f"A process runs {exports.MAX_EXPORTS} at a time, {exports.MAX_EXPORTS_PER_USER} of one user",
    f"up to {exports.MAX_EXPORTS} exports a process are streamed",
    # Lists, search and texts
    f"first {pagination.MAX_NUMBERED_ROWS:,} rows",
    f"| rows that `page` reaches | {pagination.MAX_NUMBERED_ROWS:,} |",
    f"{users.MAX_PASSWORD_LENGTH} characters, not one of the most common",
    f"Names are 3 to 30 letters, digits, `_`, `.` or `-`; passwords {users.MIN_PASSWORD_LENGTH} to",
    (
        f"at most {emails.MAX_EMAIL_LENGTH} characters,"
        f" {emails.MAX_LOCAL_PART_BYTES} bytes of them before the `@`"
    ),
    f"at most {emails.MAX_LABEL_BYTES} bytes and all at most {emails.MAX_DOMAIN_BYTES} as DNS writes them",
    f"up to {texts.MAX_TEXT_LENGTH:,} characters",
    f"A user has up to {watchlist.MAX_ITEMS:,}",
    f"| {watchlist.MAX_ITEMS:,} items are on it |",
    f"you have {viewings.MAX_VIEWINGS:,} viewings",
    f"A user has at most {viewings.MAX_VIEWINGS:,} viewings",
    f"A user has up to {viewings.MAX_VIEWINGS:,} viewings",
    f"you hide {recommendations.MAX_HIDDEN:,} movies",
    f"a user can hide {recommendations.MAX_HIDDEN:,} movies",
    f"with a rating of {recommendations.LIKED.points:.0f} or more",
    f"the newest {recommendations.MAX_RATINGS} ratings count",
    f"of each movie the newest {recommendations.MAX_RATERS:,}",
    f"the best first, at most {recommendations.MAX_RECOMMENDATIONS}",
    f"it has begun {viewings.LATEST_OFFSET.total_seconds() / 3600:.0f} hours east of UTC",
    f"from {viewings.EARLIEST_DAY.year} on",
    f"`ids` names 1 to {relations.MAX_MOVIES} movies",
    f"all that a user has of up to {relations.MAX_MOVIES} movies",
    f"the {search.MAX_CANDIDATES} most popular movies of each kind",
    f"The {people.MAX_CANDIDATES} most popular movies are found",
    f"errors in names of up to {people.MAX_NEAR_WORDS} words",
    f"among the {people.MAX_NEAR_CANDIDATES} most popular movies",
    f"it has at least {people.PREFIX_LENGTH} letters",
    f"takes the {search.MAX_CANDIDATES} most popular movies",
    f"{search.MAX_CANDIDATES} movies a term query",
    (
        f"none up to {min(n for n in range(99) if search.allowed_distance(n) == 1) - 1} letters,"
        f" one from {min(n for n in range(99) if search.allowed_distance(n) == 1)}"
        f" to {min(n for n in range(99) if search.allowed_distance(n) == 2) - 1},"
        f" two from {min(n for n in range(99) if search.allowed_distance(n) == 2)}"
    ),
    f"has at least {search.MIN_NEAR_LENGTH} letters",
    f"hold fewer than {search.ENOUGH_MATCHES} movies",
    f"bring fewer than {search.ENOUGH_MATCHES} movies",
    f"a word that {search.COMMON_WORD_COUNT} movies or more carry",
    f"from {search.FIRST_YEAR} to {search.LAST_YEAR}, bare or in brackets",
    f"year of release, {search.FIRST_YEAR} to {search.LAST_YEAR}",
    f"(required, {bounds(SearchWords)[0]} to {bounds(SearchWords)[1]} characters",
    "| length of `q` · `genre` · `fields` · `cursor` | "
    + " · ".join(
        f"{bounds(each)[1]:,}"
        for each in (
            SearchWords,
            movies.GenreChoice,
            movies.MovieFields,
            pagination.CursorToken,
        )
    )
    + " characters",
    f"a head of {2 * cache.TOKEN_LENGTH} characters",
    # Accounts
    f"`uses` accounts (1 to {invitations.MAX_USES:,};",
    f"a minute to a year, {DEFAULT_VALIDITY.days} days if left out",
    f"at least {signing.MIN_SECRET_BYTES} bytes that nobody guesses",
    f"at least {signing.MIN_SECRET_BYTES} bytes; unset, one is made",
    f"at most {sessions.MAX_TOKENS} unused refresh tokens",
    f"at the head of `User-Agent`, at most {clients.MAX_PRODUCT_LENGTH} characters",
    f"kept for {changes.RETENTION.days} days, and {spelt(changes.CLOCK_TOLERANCE.days)} more",
    f"the mark `since` is older than {changes.RETENTION.days} days",
    f"`limit` is the largest number of changes, 1 to {feed.MAX_CHANGES} and otherwise {feed.DEFAULT_CHANGES}",
    f"a list of up to {bulk.MAX_ENTRIES}, in a body of up to {body_limits.MAX_BULK_BYTES // 2**20} MiB",
    f"`PUT /me/viewings`, up to {bulk.MAX_ENTRIES}, each",
    f"`Idempotency-Key`, 1 to {idempotency.MAX_KEY_LENGTH} visible characters",
    f"carried out once within {idempotency.RETENTION.total_seconds() / 3600:.0f} hours",
    f"deleted after {idempotency.RETENTION.total_seconds() / 3600:.0f} hours",
    f"A mark is valid for {changes.RETENTION.days} days",
    "with 410 `changes_expired`",
    f"as `payload` or `data`, up to {body_limits.MAX_BULK_BYTES // 2**20} MiB",
    f"that of a player than {body_limits.MAX_BULK_BYTES // 2**20} MiB",
    f"less than {spelt(scrobbles.SAME_PLAY.total_seconds() / 3600)} hours ago",
    f"or within {spelt(scrobbles.SAME_PLAY.total_seconds() / 3600)} hours of the first",
    f"one, {spelt(scrobbles.WATCHED_SHARE * 10)} tenths of it are enough",
    f"`name` has at most {api_tokens.MAX_NAME_LENGTH} characters",
    f"An account has at most {api_tokens.MAX_API_TOKENS}",
    f"the account has {api_tokens.MAX_API_TOKENS} API tokens",
    f"at most {sessions.MAX_TOKENS} of each",
    (
        f"`{SET.refresh_grace}` | how long a used refresh token may be presented again,"
        f" `0s` to `{MAX_REFRESH_GRACE // timedelta(hours=1)}h`"
    ),
    f"`REFRESH_GRACE` ({SET.refresh_grace.removesuffix('s')} s unless set)",
    f"takes {passwords.MEMORY_KIB // 1024} MB for each core",
    f"{passwords.MEMORY_KIB // 1024} MB of memory while they hash",
    f"up to {sliding_windows.MAX_COUNTS:,} counts",
    f"more than {leases.MAX_LEASED:,} requests if that is less",
    f"at most {leases.MAX_LEASED:,} requests, is reserved",
    f"Limits below {2 * leases.LEASE_SHARE}, and all",
    f"limits below {2 * leases.LEASE_SHARE} and",
    f"agree within {100 * leases.CLOCK_MARGIN / leases.LEASE_SECONDS:.1f} % over a second",
    # Imports
    f"At most {mb(uploads.MAX_PACKED_BYTES)}, and {mb(uploads.MAX_UNPACKED_BYTES)} unpacked",
    (
        f"| {mb(uploads.MAX_PACKED_BYTES)}, {mb(uploads.MAX_UNPACKED_BYTES)} unpacked,"
        f" {rows.MAX_ROWS:,} rows, {rows.MAX_ROWS_OF_A_FILM:,} about one film;"
        f" it arrives within {HOLDS.upload_seconds:.0f} seconds, {HOLDS.uploads} at a time"
    ),
    f"or that of an import than {mb(uploads.MAX_PACKED_BYTES)}",
    f"has at most {rows.MAX_ROWS:,} rows, and {rows.MAX_ROWS_OF_A_FILM:,} about one film",
    f"up to {APPLY_BATCH} films and, of several films, up to {import_runner.ROWS_IN_MEMORY:,} rows",
    f"each of at most {export_files.MAX_LETTERBOXD_BYTES // 10**6} MB",
    f"in pieces of {kib(UPLOAD_PIECE)}",
    # The store
    f"after {sqlite.WRITE_TIMEOUT} seconds at most",
    f"wait {sqlite.WRITE_TIMEOUT} seconds",
    (
        f"A call gets {mongo.OPERATION_TIMEOUT} seconds; "
        f"of one process at most {mongo.MAX_CONCURRENT_CALLS} are in progress"
    ),
    f"and the next waits {mongo.POOL_TIMEOUT} seconds",
    f"a call gets {sqlite.WRITE_TIMEOUT} seconds",
    # Redis
    f"waits {ms(timeouts.CALL_TIMEOUT)}",
    f"given up after {ms(timeouts.CALL_TIMEOUT)}",
    f"within {ms(timeouts.CALL_TIMEOUT)}",
    f"{ms(timeouts.CALL_TIMEOUT)} may pass",
    f"more than {ceil((timeouts.CALL_TIMEOUT + timeouts.RETRY_TIMEOUT) * 100) * 10} ms because of it",
    f"for {ms(timeouts.RETRY_TIMEOUT)}",
    f"{round(cache.WAIT_TIMEOUT / cache.POLL_INTERVAL)} times, {ms(cache.POLL_INTERVAL)} apart",
    f"keeps the {cache.MAX_LOCAL_ENTRIES} answers",
    f"more than {invalidation.MAX_MOVIES_SINGLY} movies",
    f"`REDIS_TTL` seconds, {SET.redis_ttl} unless set",
    f"the entry expires, {SET.redis_ttl} seconds unless set",
    f"limited to {embedded.OPTIONS['maxmemory'].removesuffix('mb')} MB",
    f"with {embedded.OPTIONS['maxmemory'].removesuffix('mb')} MB at most",
    f"(some {round(embedded.MAX_SOCKET_PATH_BYTES, -1)} bytes)",
    # Jobs
    f"every {worker_loop.MAX_RETRY_DELAY:.0f} seconds at most",
    f"killed after {GRACE:.0f} to {GRACE + worker.HEARTBEAT_INTERVAL:.0f} seconds",
    f"missed after {worker.HEARTBEAT_TTL} seconds",
    f"and is missed after {worker.HEARTBEAT_TTL}",
    f"after {AGAIN[1]} seconds, {AGAIN[2] // 60}, {AGAIN[3] // 60} and {minutes(AGAIN[4])}",
    f"shows every {worker.HEARTBEAT_INTERVAL} seconds",
    f"come back within {cron.POLL_INTERVAL} seconds",
    f"keeps others away for {seconds(sync_runner.QUEUE_LOCK_TTL)} seconds",
    f"held for the queue, for {seconds(sync_runner.QUEUE_LOCK_TTL)} seconds",
    f"after the {seconds(sync_runner.QUEUE_LOCK_TTL)} seconds it asks the queue",
    f"held; {seconds(sync_runner.QUEUE_LOCK_TTL)} seconds later it asks the queue",
    f"from the queue after {seconds(sync_runner.QUEUE_LOCK_TTL)} seconds",
    f"another takes over within {cron.POLL_INTERVAL + 10} seconds",  # rq-scheduler adds ten to the lock
    f"within some {worker.HEARTBEAT_TTL + worker.MAINTENANCE_INTERVAL + 4} seconds",
    # Syncs
    (
        f"for {seconds(sync_runner.LOCK_TTL)} seconds and renews it "
        f"every {seconds(sync_runner.HEARTBEAT_INTERVAL)}"
    ),
    f"a lock of {seconds(sync_runner.LOCK_TTL)} seconds in the store",
    f"renewed every {seconds(sync_runner.HEARTBEAT_INTERVAL)}",
    f"within {spelt(sync_runner.STORE_DELAY.total_seconds())} seconds",
    f"up to {spelt(sync_runner.STORE_DELAY.total_seconds())} seconds later",
    f"at most {sync_runner.MAX_WAITING_MOVIES} movies",
    f"until they have {sync_runner.MAX_WAITING_MOVIES} movies",
    f"At {SET.tmdb_requests_per_second:.0f} requests a second that is every",
    f"within {seconds(sync_runner.LOCK_TTL)} seconds",
    f"store's lock of {seconds(sync_runner.LOCK_TTL)} seconds",
    f"up to {seconds(sync_runner.LOCK_TTL)} seconds to know",
    f"died keeps others away for {seconds(sync_runner.LOCK_TTL)} seconds",
    f"{sync.RESUME_WINDOW // timedelta(hours=1)} hours",
    f"({TmdbMovieSource.changes_window.days} days, less a margin of half a day)",
    f"({sync.REFRESH_AFTER.days} days)",
    f"{TEXT_RETENTION.days} days",
    f"Up to {sync.MAX_UNREAD:,} such movies are remembered",
    f"up to {MAX_COMPLETED:,} movies a night",
    f"1 to {TmdbMovieSource.max_pages} pages",
    f"the {TmdbMovieSource.max_pages} pages that TMDB lists",
    f"up to {TMDB.attempts} tries",
    f"up to {TMDB.max_backoff:.0f} seconds later",
    f"up to {TMDB.max_retry_after:.0f} seconds, and never shorter",
    # Health
    f"every {spelt(probes.SUCCESS_TTL)} seconds, and every {spelt(probes.FAILURE_TTL)} while it is unhealthy",
    f"asked at most every {spelt(probes.SUCCESS_TTL)} seconds for each process",
    f"within about {spelt(probes.FAILURE_TTL + PING_POLICY.total_timeout)} seconds of somebody asking",
    f"not been refreshed for {spelt(operations.STALE_AFTER.days)} days",
    f"is kept for {spelt(probes.GAUGES_TTL)} seconds in each process",
    f"standard error says so once a {'minute' if log_file.ERROR_INTERVAL == 60 else log_file.ERROR_INTERVAL}",
    f"less than {diagnostics.LOW_FREE_BYTES // 2**30} GB free | less than {mb(diagnostics.MIN_FREE_BYTES)}",
    f"more than {seconds(diagnostics.CLOCK_TOLERANCE)} s off MongoDB's or Redis' clock",
    f"or {seconds(diagnostics.TMDB_CLOCK_TOLERANCE)} s off TMDB's",
    # Copies under a lease
    f"renews the lease for {ms(local_cache.LEASE)} after",
    f"A ping is sent {ms(listener.PING_INTERVAL)} after the one before",
    f"or {ms(listener.MAX_WAIT)} later, when none",
    f"has then waited {ms(listener.MAX_WAIT)} with its two attempts",
    f"known for less than {ms(listener.MAX_WAIT)}",
    f"kept for {auth.CALLER_SECONDS:.0f} seconds at most",
    f"no later than p + {ms(local_cache.LEASE)}",
    f"until P + {ms(listener.MAX_WAIT)}",
    f"flushes: {auth.CALLER_SECONDS:.0f} seconds at most for a caller",
    f"under way for more than {ms(listener.MAX_WAIT - local_cache.LEASE)}",
    f"A change waits up to {ms(listener.MAX_WAIT)} for",
    f"for the one before for at most {ms(invalidation.MAX_SENDING)}",
    f"must have its own {ms(listener.MAX_WAIT)}",
    f"when nobody waits, after {sqlite.MAX_MEMBERS} members, or {ms(sqlite.MAX_AGE)} after the beginning",
    f"for {spelt(listener.REGISTRATION_TTL)} seconds; when it wakes",
    f"within the last {auth.CALLER_SECONDS:.0f} seconds",
    f"It waits up to {ms(listener.MAX_WAIT)} for one that does not respond",
    f"leaves a token valid for up to {auth.CALLER_SECONDS:.0f} seconds",
    # Processes of serve
    f"is started again in {child_process.FIRST_DELAY} s",
    f"up to {child_process.MAX_DELAY:.0f} seconds, and begins anew",
    f"once the process has run for {child_process.STABLE_AFTER:.0f} seconds",
    f"after {child_process.FIRST_DELAY} to {child_process.MAX_DELAY:.0f} seconds",
    f"(or {supervisor.BANNER_TIMEOUT:.0f} seconds have passed)",
    f"not answered within {FIRST_RUN.first_answer:.0f} seconds",
    f"no further page for {FIRST_RUN.progress:.0f}",
    f"after {FIRST_RUN.first_retry:.0f} seconds, {2 * FIRST_RUN.first_retry:.0f},",
    f"and so on up to {minutes(FIRST_RUN.last_retry)}",
    f"after {minutes(FIRST_RUN.partial_retry)}",
    f"with {metrics_directory.MIN_FREE_BYTES // 2**20} MB free",
    f"there are {metrics_directory.MIN_FREE_BYTES // 2**20} MB free",
    f"at {mb(log_file.MAX_FILE_BYTES)}",
    # Commands for contributors
    f"wanted are {required_percentage()} %",
    f"{made('--cov_fail-under=')} % over all",
    f"Branch coverage: {made('--fail-under=')} % of `domain` and `application`",
    f"The coverage of `domain` and `application` is {made('--fail-under=')} %",
    f"lets {made('ATTACK_CLIENTS=')} clients rate and keep diaries for {made('ATTACK_SECONDS=')} seconds",
    f"load of {default_of('outages', '--clients')} clients",
    f"each for {default_of('outages', '--seconds')} seconds",
    f"searches over {int(default_of('benchmarks', '--movies')):,} movies",
    f"a sync of {int(default_of('benchmarks', '--synced')):,},",
]
"""Phrases with figures from the code. Each occurs in a document."""

MEASURED = [
    "(0.15 ms for 20 movies with five languages)",
    "half a microsecond more with several (measured: 9.6 and 10.1 µs for the fast path alone)",
    "from some 5 kB to 60 kB with translations",
    "(7 instead of 3 ms for a word that hundreds of titles have, of 10,000 movies)",
    "A cached response cost about 1 ms of processor time",
    "takes some 220 MB",
    "take some 220 MB",
    "stays at some 31 MB",
    "an idle worker holds some 41 MB",
    "holds some 40 MB more",
    "each holds under 2 MiB",
    "cost some 25 ms of a core",
    "Any other line costs some 35 µs",
    "some 4 µs a line",
    "cost some 2 µs a request, and their batches some 4 µs more",
    "at a time cost more than 100 µs",
    "A line that is not one of a batch costs some 35 µs",
    "with `LOG_FILE` some 100 µs more",
    "with `LOG_FILE` 100 µs more",
    "a cached response costs some 25 µs",
    "at some 2 µs more a figure",
    "A connection costs some 40 µs more",
    "about a minute per 100,000 movies",
    "(0.35 and 0.4 ms)",
    "50 to 70 if 16 requests run at once",
    "has halved (from 1.1 to 0.54 ms)",
    "throughput at 64 connections",
    "With 16 clients that rate",
    "24 pages for each rating instead of 31",
    "So 1,030 connections with half a body",
    "took the API from 60 to 712 MiB",
    "some 160 small messages a second with Redis, which is 2 % of a core",
    "plants some 4,300 faults",
    "with four threads a search that read 200 rows cost three times as much",
    "80 responses | all of them, 630 responses",
    "230 µs for each response | 14 µs",
    "| 52 µs | 13 µs",
]
"""Measured figures."""

OTHERS = [
    "20 movies each",  # rows in a page of TMDB
    "A page of 20 movies",
    "a page of 20 movies, compressed",
    "missed after about 90 seconds",  # RQ
    '`"1,234"`',  # a fault of TMDB
    "`nolan 2010`",
    "with 0 pages",
    "is found again within 15 seconds",  # a sum of the times above
    "A lease of 300 ms and a ping every 100 ms",
    "would have to wait 300 ms, and nothing may wait more than 50 ms",
    "Redis 7, 256 MB",  # docker-compose.yml, which has tests of its own
    "keeps 50 MB of log",
    "at most about 72 characters",  # in the format of a commit message
    "1. movies of the same value",
    "2. movies whose value",
    "3. movies without a value",
]
"""Figures that are not in our code."""

ACCOUNTED = (*TIED, *MEASURED, *OTHERS)

ELSEWHERE = {"0014-dependencies.md", "performance.md"}
"""Documents of measured figures: sizes of installed packages, and what `make bench` prints."""


def plain(path: Path) -> str:
    """The text of a document as one line."""
    return " ".join(path.read_text(encoding="utf-8").split())


def loose(path: Path) -> Iterator[str]:
    """The figures of a document that no phrase explains, with their context."""
    document = " ".join(BLOCK.sub("", path.read_text(encoding="utf-8")).split())
    accounted = [found.span() for words in ACCOUNTED for found in re.finditer(re.escape(words), document)]
    for figure in FIGURE.finditer(document):
        if not any(start <= figure.start() and figure.end() <= end for start, end in accounted):
            yield document[max(0, figure.start() - 60) : figure.end() + 30]


@pytest.mark.parametrize("path", [each for each in DOCUMENTS if each.name not in ELSEWHERE], ids=name)
def test_every_figure_of_a_document_is_compared_with_the_code(path: Path) -> None:
    assert list(loose(path)) == []


def test_no_compared_figure_is_missing_from_the_documents() -> None:
    document = "\n".join(map(plain, DOCUMENTS))
    assert [words for words in ACCOUNTED if words not in document] == []
