"""The schema of the embedded store, and the migrations that lead to it."""

import sqlite3
from collections.abc import Callable, Iterable

from adapters.sqlite.terms import add_people, rewrite_terms
from domain.browsing import SortBy
from domain.errors import StorageUnavailable
from domain.titles import sort_title

SORT_COLUMNS = {sort: "sort_title" if sort is SortBy.TITLE else sort.value for sort in SortBy}
"""The column by which each order sorts."""

FIRST_SORTS = (
    "popularity",
    "release_date",
    "title",
    "vote_average",
    "average_rating",
    "weighted_rating",
    "ratings_count",
)
"""The orders of the first version."""

_SORT_INDEXES = "".join(
    f"CREATE INDEX movies_by_{sort}_desc ON movies ({column} DESC, id) WHERE listed = 1;\n"
    f"CREATE INDEX movies_by_{sort}_asc ON movies ({column}, id) WHERE listed = 1;\n"
    for sort, column in SORT_COLUMNS.items()
    if sort in FIRST_SORTS
)

Migration = str | Callable[[sqlite3.Connection], None]
"""A script of statements, or a function for what needs more."""


FILLED_FROM = """
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM synclogs WHERE requests > 0 AND inserted + updated + unchanged > 0)
            OR EXISTS (SELECT 1 FROM movies WHERE vote_count IS NOT NULL OR vote_average IS NOT NULL
                OR poster_path IS NOT NULL OR backdrop_path IS NOT NULL) THEN 'tmdb'
        WHEN EXISTS (SELECT 1 FROM movies) OR EXISTS (SELECT 1 FROM genres) THEN 'demo'
    END
"""
"""The source of a catalogue of which it is not stored. The demo sends no requests and has no votes and no
pictures. A catalogue that both have written to is TMDB's: its next syncs complete the movies of the demo.
"""


def add_source(connection: sqlite3.Connection) -> None:
    """A migration: store the source of the catalogue and of each run, and how many problems a run dropped."""
    if "source" not in _columns(connection, "synclogs"):
        connection.execute("ALTER TABLE synclogs ADD COLUMN source TEXT NOT NULL DEFAULT 'tmdb'")
        connection.execute("ALTER TABLE synclogs ADD COLUMN problems_dropped INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE synclogs SET source = 'demo' WHERE requests = 0")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS catalogue (id INTEGER PRIMARY KEY CHECK (id = 1), source TEXT)"
    )
    connection.execute(f"INSERT OR IGNORE INTO catalogue VALUES (1, ({FILLED_FROM}))")


def add_unread(connection: sqlite3.Connection) -> None:
    """A migration: store the numbers of the movies that a run could not read."""
    if "unread" not in _columns(connection, "synclogs"):
        connection.execute("ALTER TABLE synclogs ADD COLUMN unread TEXT NOT NULL DEFAULT '[]'")


def rename_admins(connection: sqlite3.Connection) -> None:
    """A migration: rename the column and the index of active admins."""
    if "is_active_admin" not in _columns(connection, "users"):
        connection.execute("DROP INDEX users_who_run_the_place")
        connection.execute("ALTER TABLE users RENAME COLUMN runs_the_place TO is_active_admin")
        connection.execute(
            "CREATE INDEX users_active_admins ON users (is_active_admin, id) WHERE is_active_admin = 1"
        )


ENTRIES = {
    "ratings": "ratings_changed_at",
    "watchlists": "watchlist_changed_at",
    "viewings": "viewings_changed_at",
}
"""The tables of users' entries, with the columns of `users` that have the times of their last changes."""


def add_changes(connection: sqlite3.Connection) -> None:
    """A migration: number the entries of each user, and store what is needed for the change feed."""
    if "changes" in _columns(connection, "users"):
        return
    connection.execute("ALTER TABLE users ADD COLUMN changes INTEGER NOT NULL DEFAULT 0")
    connection.execute("CREATE TEMP TABLE numbered (row INTEGER PRIMARY KEY, number INTEGER NOT NULL)")
    for table, changed_at in ENTRIES.items():
        connection.execute(f"ALTER TABLE users ADD COLUMN {changed_at} TEXT")
        connection.execute(f"ALTER TABLE {table} ADD COLUMN change_number INTEGER NOT NULL DEFAULT 0")
        connection.execute(
            "INSERT INTO numbered SELECT rowid, row_number() OVER (PARTITION BY user ORDER BY rowid)"
            f" + coalesce((SELECT changes FROM users WHERE id = user), 0) FROM {table}"
        )
        connection.execute(
            f"UPDATE {table} SET change_number = (SELECT number FROM numbered WHERE row = {table}.rowid)"
        )
        connection.execute("DELETE FROM numbered")
        connection.execute(f"CREATE INDEX {table}_by_change_number ON {table} (user, change_number)")
        connection.execute(
            f"UPDATE users SET changes = max(changes, coalesce((SELECT max(change_number) FROM {table}"
            f" WHERE user = users.id), 0)), {changed_at} = (SELECT max(updated_at) FROM {table}"
            " WHERE user = users.id)"
        )
    connection.execute("DROP TABLE numbered")
    connection.execute(
        "CREATE TABLE removals (user TEXT NOT NULL, change_number INTEGER NOT NULL, kind TEXT NOT NULL,"
        " entry TEXT NOT NULL, movie TEXT NOT NULL, removed_at TEXT NOT NULL,"
        " PRIMARY KEY (user, change_number)) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX removals_by_removed_at ON removals (removed_at)")
    renew_changes_epoch(connection)


def renew_changes_epoch(connection: sqlite3.Connection) -> None:
    """Begin another history of changes, within a transaction: all marks of clients become invalid."""
    connection.execute("INSERT OR REPLACE INTO counters VALUES ('changes_epoch', abs(random() / 4096))")


RENAMED_COLUMNS = (
    ("movies", "listed", "visible"),
    ("movie_terms", "unpopularity", "negative_popularity"),
    ("locks", "ends_at", "expires_at"),
)

RENAMED_INDEXES = {
    "users_by_age": "users_by_created_at ON users (created_at, id)",
    "sessions_by_end": "sessions_by_expires_at ON sessions (expires_at)",
    "invitations_by_age": "invitations_by_created_at ON invitations (created_at DESC, id)",
    "invitations_by_end": "invitations_by_expires_at ON invitations (expires_at)",
    "watchlists_by_age": "watchlists_by_added_at ON watchlists (user, added_at DESC, id)",
    "synclogs_in_order": "synclogs_by_started_at ON synclogs (started_at, id)",
}


def rename_columns(connection: sqlite3.Connection) -> None:
    """A migration: rename columns, indexes and a counter after what they hold."""
    for table, former, name in RENAMED_COLUMNS:
        if former in _columns(connection, table):
            connection.execute(f"ALTER TABLE {table} RENAME COLUMN {former} TO {name}")
    for former, definition in RENAMED_INDEXES.items():
        connection.execute(f"DROP INDEX IF EXISTS {former}")
        connection.execute(f"CREATE INDEX IF NOT EXISTS {definition}")
    connection.execute("UPDATE counters SET name = 'visible_movies' WHERE name = 'listed'")


def add_plan(connection: sqlite3.Connection) -> None:
    """A migration: store the plan of a run, which tells which pages there are."""
    if "plan" not in _columns(connection, "synclogs"):
        connection.execute("ALTER TABLE synclogs ADD COLUMN plan TEXT NOT NULL DEFAULT ''")


def add_details(connection: sqlite3.Connection) -> None:
    """A migration: store the large facts of movies, and what their details consisted of."""
    if "details_version" not in _columns(connection, "movies"):
        connection.execute("ALTER TABLE movies ADD COLUMN details_version TEXT")
    connection.execute(
        "CREATE INDEX IF NOT EXISTS movies_by_details_version"
        " ON movies (details_version, popularity DESC, tmdb_id) WHERE visible = 1"
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS movie_details (movie INTEGER PRIMARY KEY, tagline TEXT, directors TEXT,"
        " cast TEXT, trailer_url TEXT, collection TEXT, recommended TEXT)"
    )


def add_translations(connection: sqlite3.Connection) -> None:
    """A migration: store titles and overviews in further languages."""
    for table, column in (("movies", "other_titles"), ("movie_details", "translations")):
        if column not in _columns(connection, table):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")


def add_orders(connection: sqlite3.Connection) -> None:
    """A migration: sort titles without articles, and add indexes of votes, runtimes and creation times."""
    connection.create_function("sort_title", 3, sort_title, deterministic=True)
    connection.execute(
        "UPDATE movies SET sort_title = sort_title(title, original_title, original_language)"
        " WHERE sort_title <> sort_title(title, original_title, original_language)"
    )
    connection.execute("DROP INDEX IF EXISTS movies_by_vote_count")
    for column in ("vote_count", "runtime", "created_at"):
        for order, direction in (("desc", " DESC"), ("asc", "")):
            connection.execute(
                f"CREATE INDEX IF NOT EXISTS movies_by_{column}_{order} ON movies ({column}{direction}, id)"
                " WHERE visible = 1"
            )


def add_page_languages(connection: sqlite3.Connection) -> None:
    """A migration: store in which language users want the pages."""
    if "language" not in _columns(connection, "users"):
        connection.execute("ALTER TABLE users ADD COLUMN language TEXT")


def add_session_list(connection: sqlite3.Connection) -> None:
    """A migration: store the programs that log in, and list the sessions of a user, the newest first."""
    if "client" not in _columns(connection, "sessions"):
        connection.execute("ALTER TABLE sessions ADD COLUMN client TEXT")
        connection.execute("DROP INDEX sessions_by_user")
        connection.execute("CREATE INDEX sessions_by_created_at ON sessions (user, created_at DESC, id)")


FILTER_COLUMNS = ("release_date", "vote_count", "runtime", "original_language", "visible")
"""The columns that filters test, but those that every rating changes."""

COVERING_INDEXES = {
    "movies_by_popularity_desc": "popularity DESC",
    "movies_by_release_date_desc": "release_date DESC",
    "movies_by_vote_count_desc": "vote_count DESC",
    "movies_by_runtime_desc": "runtime DESC",
    "movies_by_language": "original_language",
}
"""The indexes of the order that most lists have and of conditions, with the first column of each."""


def cover_filters(connection: sqlite3.Connection) -> None:
    """A migration: filters are tested and matches are counted in an index, without reading the movies.

    Other indexes stay narrow, since each that has the votes is written whenever they change.
    """
    for name, first in COVERING_INDEXES.items():
        connection.execute(f"DROP INDEX IF EXISTS {name}")
        columns = ", ".join((first, "id", *(each for each in FILTER_COLUMNS if each != first.split()[0])))
        connection.execute(f"CREATE INDEX {name} ON movies ({columns}) WHERE visible = 1")


RATED = {
    SortBy.AVERAGE_RATING: "average_rating IS NOT NULL",
    SortBy.WEIGHTED_RATING: "weighted_rating IS NOT NULL",
    SortBy.RATINGS_COUNT: "average_rating IS NOT NULL",
}
"""The orders by ratings, and the condition of their indexes: that a movie has ratings.

A range of the column implies it, or else the query states it. `ratings_count > 0` would not do: SQLite would
search the index for it instead of the range's own bound.
"""

UNRATED = "average_rating IS NULL"


def index_rated_movies_only(connection: sqlite3.Connection) -> None:
    """A migration: the indexes of the orders by ratings have only movies with ratings. Those without, which
    are most, are in one index of their own, and a sync writes a twelfth less.

    It begins with the average, which all its movies lack, so that queries search it rather than scan it.
    """
    for column, rated in RATED.items():
        for order, direction in (("desc", " DESC"), ("asc", "")):
            name = f"movies_by_{column}_{order}"
            connection.execute(f"DROP INDEX IF EXISTS {name}")
            connection.execute(
                f"CREATE INDEX {name} ON movies ({column}{direction}, id) WHERE visible = 1 AND {rated}"
            )
    connection.execute(
        "CREATE INDEX IF NOT EXISTS movies_by_id_unrated ON movies (average_rating, id)"
        f" WHERE visible = 1 AND {UNRATED}"
    )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


MIGRATIONS: tuple[Migration, ...] = (
    f"""
    CREATE TABLE movies (
        tmdb_id INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        imdb_id TEXT,
        title TEXT NOT NULL,
        original_title TEXT NOT NULL,
        original_language TEXT,
        overview TEXT,
        poster_path TEXT,
        backdrop_path TEXT,
        release_date TEXT,
        runtime INTEGER,
        popularity REAL,
        vote_average REAL,
        vote_count INTEGER,
        adult INTEGER NOT NULL,
        genres TEXT NOT NULL,
        detailed INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        synced_at TEXT NOT NULL,
        removed_at TEXT,
        listed INTEGER NOT NULL,
        sort_title TEXT NOT NULL,
        title_key TEXT NOT NULL,
        original_key TEXT NOT NULL,
        tally TEXT,
        ratings_count INTEGER NOT NULL DEFAULT 0,
        average_rating REAL,
        weighted_rating REAL
    );
    {_SORT_INDEXES}
    CREATE INDEX movies_by_imdb_id ON movies (imdb_id) WHERE imdb_id IS NOT NULL;
    CREATE INDEX movies_by_language ON movies (original_language) WHERE listed = 1;
    CREATE INDEX movies_by_vote_count ON movies (vote_count) WHERE listed = 1;
    CREATE INDEX movies_by_synced_at ON movies (synced_at);
    CREATE TABLE movie_genres (
        genre TEXT NOT NULL, movie INTEGER NOT NULL, PRIMARY KEY (genre, movie)
    ) WITHOUT ROWID;
    CREATE TABLE movie_terms (
        term TEXT NOT NULL, unpopularity REAL NOT NULL, movie INTEGER NOT NULL,
        PRIMARY KEY (term, unpopularity, movie)
    ) WITHOUT ROWID;
    CREATE TABLE genres (
        id TEXT PRIMARY KEY,
        tmdb_id INTEGER NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE synclogs (
        id TEXT NOT NULL UNIQUE,
        entity TEXT NOT NULL,
        status TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        pages_total INTEGER NOT NULL,
        pages_done INTEGER NOT NULL,
        pages_failed INTEGER NOT NULL,
        fetched INTEGER NOT NULL,
        inserted INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        unchanged INTEGER NOT NULL,
        skipped INTEGER NOT NULL,
        duplicates INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        error TEXT,
        complete INTEGER NOT NULL,
        last_page INTEGER,
        done TEXT NOT NULL,
        inherited TEXT NOT NULL,
        problems TEXT NOT NULL
    );
    CREATE UNIQUE INDEX synclogs_one_in_progress ON synclogs (entity) WHERE status = 'in-progress';
    CREATE INDEX synclogs_by_entity ON synclogs (entity, started_at);
    CREATE INDEX synclogs_by_start ON synclogs (started_at);
    CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends_at TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counters VALUES ('generation', 1), ('listed', 0);
    """,
    """
    CREATE TABLE users (
        id TEXT PRIMARY KEY,
        username TEXT NOT NULL,
        email TEXT NOT NULL,
        folded_username TEXT NOT NULL UNIQUE,
        folded_email TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        runs_the_place INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX users_by_age ON users (created_at, id);
    CREATE INDEX users_who_run_the_place ON users (runs_the_place, id) WHERE runs_the_place = 1;
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        refresh_hash TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE INDEX sessions_by_end ON sessions (expires_at);
    CREATE TABLE ratings (
        id TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        half_points INTEGER NOT NULL,
        review TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        UNIQUE (user, movie)
    );
    CREATE INDEX ratings_by_created_at ON ratings (user, created_at DESC, id);
    CREATE INDEX ratings_by_updated_at ON ratings (user, updated_at DESC, id);
    CREATE INDEX ratings_by_rating_desc ON ratings (user, half_points DESC, id);
    CREATE INDEX ratings_by_rating_asc ON ratings (user, half_points, id);
    CREATE INDEX ratings_by_movie ON ratings (movie, created_at DESC, id, half_points);
    CREATE INDEX movies_by_tally ON movies (id) WHERE tally IS NOT NULL;
    CREATE TABLE watchlists (
        id TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        is_favorite INTEGER NOT NULL,
        note TEXT,
        added_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        UNIQUE (user, movie)
    );
    CREATE INDEX watchlists_by_age ON watchlists (user, added_at DESC, id);
    CREATE INDEX watchlists_by_favorite ON watchlists (user, is_favorite, added_at DESC, id);
    CREATE INDEX watchlists_by_movie ON watchlists (movie);
    INSERT INTO counters VALUES ('users', 0);
    """,
    rewrite_terms,  # two typing errors, numbers, years, ids, and single letters of unspaced scripts
    """
    DROP INDEX IF EXISTS ratings_by_created_at;
    DROP INDEX IF EXISTS ratings_by_updated_at;
    CREATE INDEX IF NOT EXISTS ratings_by_created_at_desc ON ratings (user, created_at DESC, id);
    CREATE INDEX IF NOT EXISTS ratings_by_created_at_asc ON ratings (user, created_at, id);
    CREATE INDEX IF NOT EXISTS ratings_by_updated_at_desc ON ratings (user, updated_at DESC, id);
    CREATE INDEX IF NOT EXISTS ratings_by_updated_at_asc ON ratings (user, updated_at, id);
    DROP INDEX IF EXISTS synclogs_by_start;
    CREATE INDEX IF NOT EXISTS synclogs_in_order ON synclogs (started_at, id);
    """,
    # Each session's one hash becomes a list of refresh tokens, as `session_row` writes it.
    """
    CREATE TABLE families (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        tokens TEXT NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO families
        SELECT id, user, '[["' || refresh_hash || '", "' || expires_at || '", null]]', created_at, expires_at
        FROM sessions;
    DROP TABLE sessions;
    ALTER TABLE families RENAME TO sessions;
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE INDEX sessions_by_end ON sessions (expires_at);
    """,
    add_source,
    """
    CREATE TABLE IF NOT EXISTS invitations (
        id TEXT PRIMARY KEY,
        code_hash TEXT NOT NULL UNIQUE,
        uses INTEGER NOT NULL,
        remaining INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS invitations_by_age ON invitations (created_at DESC, id);
    CREATE INDEX IF NOT EXISTS invitations_by_end ON invitations (expires_at);
    """,
    add_unread,
    rename_admins,
    rename_columns,
    """
    CREATE TABLE IF NOT EXISTS viewings (
        id TEXT NOT NULL UNIQUE,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        watched_on TEXT,
        rewatch INTEGER NOT NULL,
        note TEXT,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        position TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS viewings_by_position ON viewings (user, position DESC, id);
    CREATE INDEX IF NOT EXISTS viewings_by_movie ON viewings (user, movie, position DESC, id);
    CREATE INDEX IF NOT EXISTS viewings_by_created_at ON viewings (user, created_at DESC, id);
    CREATE INDEX IF NOT EXISTS viewings_of_movie ON viewings (movie);
    """,
    """
    CREATE TABLE IF NOT EXISTS api_tokens (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        name TEXT NOT NULL,
        scope TEXT NOT NULL,
        token_hash TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        expires_at TEXT
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS api_tokens_by_created_at ON api_tokens (user, created_at DESC, id);
    """,
    add_details,
    add_translations,
    add_people,
    add_plan,
    """
    CREATE TABLE IF NOT EXISTS imports (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        created_at TEXT NOT NULL,
        complete INTEGER NOT NULL,
        state TEXT NOT NULL,
        revision INTEGER NOT NULL,
        record TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS imports_by_created_at ON imports (user, complete, created_at DESC, id);
    CREATE TABLE IF NOT EXISTS import_pieces (
        import TEXT NOT NULL,
        number INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (import, number)
    );
    CREATE TABLE IF NOT EXISTS import_rows (
        import TEXT NOT NULL,
        number INTEGER NOT NULL,
        class TEXT,
        record TEXT NOT NULL,
        PRIMARY KEY (import, number)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS import_rows_by_class ON import_rows (import, class, number);
    CREATE TABLE IF NOT EXISTS import_effects (
        import TEXT NOT NULL,
        movie TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (import, movie)
    ) WITHOUT ROWID;
    """,
    add_orders,
    """
    CREATE TABLE IF NOT EXISTS rating_changes (
        mark INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        UNIQUE (user, movie)
    );
    CREATE TABLE IF NOT EXISTS neighbours (movie TEXT PRIMARY KEY, others TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS hidden_movies (
        user TEXT NOT NULL,
        movie TEXT NOT NULL,
        hidden_at TEXT NOT NULL,
        PRIMARY KEY (user, movie)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS hidden_movies_by_hidden_at ON hidden_movies (user, hidden_at DESC, movie);
    INSERT OR IGNORE INTO counters VALUES ('neighbours_rule', 0);
    """,
    add_changes,
    """
    CREATE TABLE IF NOT EXISTS idempotency_keys (
        user TEXT NOT NULL,
        key TEXT NOT NULL,
        attempt TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        began_at TEXT NOT NULL,
        done INTEGER NOT NULL,
        response BLOB,
        PRIMARY KEY (user, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS idempotency_keys_by_began_at ON idempotency_keys (began_at);
    """,
    add_page_languages,
    add_session_list,
    cover_filters,
    index_rated_movies_only,
)
"""Each leads to the next version of the schema. A released one is never changed, only followed by others."""


def apply_migrations(connection: sqlite3.Connection, migrations: Iterable[Migration]) -> None:
    """Apply migrations in order, within the open transaction if there is one."""
    for migration in migrations:
        if isinstance(migration, str):
            for statement in migration.split(";"):
                connection.execute(statement)
        else:
            migration(connection)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a database's schema; 0 if it has none yet."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a schema to the newest version. Raises StorageUnavailable if it is newer than this program."""
    version = version_of(connection)
    if version > len(MIGRATIONS):
        reason = f"its schema has version {version}, this Matinee knows up to {len(MIGRATIONS)}: upgrade"
        raise StorageUnavailable(reason)
    apply_migrations(connection, MIGRATIONS[version:])
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def build(connection: sqlite3.Connection) -> None:
    """Give an empty database the newest schema."""
    connection.execute("BEGIN")
    upgrade(connection)
    connection.execute("COMMIT")
