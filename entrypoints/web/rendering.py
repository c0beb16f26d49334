"""Rendering of templates, with what all pages share: the texts, the viewer, and the policy of the browser."""

from functools import cache
from typing import Any

import jinja2
from litestar.types import Scope

from domain.invitations import Registration
from domain.languages import Language
from domain.ratings import HIGHEST, LOWEST
from domain.users import Caller, User
from entrypoints.http.responses import CONTENT_LANGUAGE, PRIVATE, Header, Response
from entrypoints.settings import Settings
from entrypoints.web.charts import bar, columns
from entrypoints.web.formats import filters, score
from entrypoints.web.languages import LANGUAGES, Texts, preferred_language, texts_in
from entrypoints.web.paths import requested_path
from entrypoints.web.pictures import Posters
from entrypoints.web.posters import movie_poster
from entrypoints.web.responses import HTML, REFERRER
from entrypoints.web.static_files import static_url

VIEWER = "caller"
"""The key in the state of a scope under which the guard stores the caller; None if nobody is signed in."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{pictures}; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, and nothing from another host, but pictures if IMAGES=direct."""


def viewer_of(scope: Scope) -> User | None:
    """Who looks at a page; None if nobody is signed in, or it is not known."""
    caller: Caller | None = scope["state"].get(VIEWER)
    return caller.user if caller else None


def texts_of(scope: Scope) -> Texts:
    """The texts in the language that the viewer has chosen, else in that of the request."""
    viewer = viewer_of(scope)
    if viewer and viewer.language:
        return texts_in(viewer.language)
    header = dict(scope["headers"]).get(b"accept-language", b"")
    return texts_in(preferred_language(header.decode("latin-1")))


class Renderer:
    """Renders templates to responses, with an environment for each language."""

    def __init__(self, settings: Settings) -> None:
        self.catalogue_is_public = settings.catalogue_is_public
        self._kept_languages = settings.languages
        self._environments = {
            language: _environment(
                language,
                settings.who_may_register,
                settings.images,
                public=settings.catalogue_is_public,
                reload=settings.development,
            )
            for language in LANGUAGES
        }
        pictures = f" {Posters(settings.images).host}".rstrip()
        policy = POLICY.format(pictures=pictures).encode()
        self._headers: tuple[Header, ...] = ((b"content-security-policy", policy), REFERRER)

    def movie_language(self, scope: Scope) -> Language | None:
        """The language of titles and overviews on the page for a request: that of the page if they are kept
        in it. None for that of the catalogue.
        """
        return self._kept_languages.find(texts_of(scope).language)

    def __call__(
        self,
        scope: Scope,
        template: str,
        *,
        status: int = 200,
        headers: tuple[Header, ...] = (),
        cache: bytes = PRIVATE,
        **values: Any,  # noqa: ANN401  whatever the template shows
    ) -> Response:
        """A page for the client of a request."""
        language = texts_of(scope).language
        environment = self._environments[language]
        html = environment.get_template(template).render(
            viewer=viewer_of(scope),
            viewer_known=VIEWER in scope["state"],
            here=requested_path(scope["path"], scope["query_string"]),
            **values,
        )
        body = html.encode(errors="replace")
        stated = (CONTENT_LANGUAGE, language.encode())
        return Response(
            body, status=status, media_type=HTML, headers=(*self._headers, stated, *headers), cache=cache
        )


@cache
def _environment(
    language: str, registration: Registration, images: str, *, public: bool, reload: bool
) -> jinja2.Environment:
    """The templates in one language, which are compiled when they are first used."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("entrypoints.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=reload,
    )
    environment.filters |= filters(language)
    scores = [half / 2 for half in range(LOWEST, HIGHEST + 1)]
    environment.globals |= {
        "t": texts_in(language),
        "generated_poster": movie_poster,
        "poster_address": Posters(images),
        "bar": bar,
        "columns": columns,
        "scores": scores,
        "score_options": [(each, f"{each:g}", score(each, language)) for each in scores],
        "static": static_url,
        "may_join": registration is not Registration.CLOSED,
        "join_by_invitation": registration is Registration.INVITE,
        "catalogue_is_public": public,
    }
    return environment
