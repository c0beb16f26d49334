"""The service conforms to its OpenAPI document: Schemathesis generates valid and invalid requests from the
document and compares each response with it.

As in all property tests, every run sends the same few requests; `make fuzz` sends ten times as many random
ones.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from adapters.testkit.samples import random_facts
from domain.ids import UserId
from domain.users import Role
from entrypoints.http.app import openapi
from entrypoints.http.body_limits import BULK_PATHS
from tests.integration.http_service import (
    account,
    any_application,
    call_synchronously,
    filled_store,
    reused_application,
)

EXAMPLES = settings().max_examples // 25
"""Requests for each operation, role and kind."""

STEPS = 10
"""Requests in one sequence."""

pytestmark = pytest.mark.hypothesis

ROLES = ("anonymous", "user", "admin")

DOCUMENT = msgspec.json.decode(openapi(any_application()))
OPERATIONS = [
    (method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations
]

BOUNDED = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


class Service:
    """The application with a few movies, and its users."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.store = filled_store(random_facts(60))
        self._stack.callback(self.store.close)
        self.app = self._stack.enter_context(reused_application(self.store, public_catalogue="false"))
        self._people = 0

    def close(self) -> None:
        """Close the store, and give the application back."""
        self._stack.close()

    def headers(self, role: str) -> dict[str, str]:
        """The headers of a new user with that role."""
        if role == "anonymous":
            return {}
        self._people += 1
        answer = call_synchronously(
            self.app,
            "/api/v1/auth/register",
            method="POST",
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(account(f"{role}{self._people}")),
        ).json()
        if role == "admin":
            self.store.users.change(
                UserId(answer["user"]["id"]), lambda user: user.with_changes(user.updated_at, role=Role.ADMIN)
            )
        return {"Authorization": f"Bearer {answer['access_token']}"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.close()


@pytest.fixture(scope="module")
def schema(service: Service) -> Any:
    """The operations of the document."""
    return schemathesis.openapi.from_asgi("/api/v1/docs/openapi.json", service.app)


BULK = {f"PUT {path}" for path in BULK_PATHS}
"""The operations with many entries."""


def validate(case: Case[Any], response: Response) -> None:
    """Compare a response with the document.

    A request may be refused for a rule that the document cannot express: that a cursor is the `next_cursor`
    of another page, or that two years are in order. Starting a sync fails because there is no queue.
    """
    excluded: list[CheckFunction] = [positive_data_acceptance]
    if response.status_code == 503 and response.json()["code"] == "queue_unavailable":
        excluded.append(not_a_server_error)
    if case.operation.label in BULK:  # each entry is refused by itself, in a 200
        excluded.append(negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)


def kinds(operation: APIOperation[Any, Any, Any, Any]) -> tuple[GenerationMode, ...]:
    """Valid requests, and invalid ones if the operation has any."""
    parts = (operation.path_parameters, operation.query, operation.body)
    return tuple(GenerationMode) if any(len(part) for part in parts) else (GenerationMode.POSITIVE,)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
def test_every_response_conforms_to_the_document(
    service: Service, schema: Any, method: str, path: str, role: str
) -> None:
    operation, headers = schema[path][method], service.headers(role)
    for kind in kinds(operation):

        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=kind))
        def ask(case: Case[Any]) -> None:
            validate(case, case.call(headers=headers))

        ask()


@pytest.mark.parametrize("role", ROLES)
def test_every_response_in_a_sequence_of_requests_conforms_to_the_document(schema: Any, role: str) -> None:
    """Requests use ids and cursors of earlier responses.

    Each sequence has a service of its own: hypothesis expects that the same requests have the same responses.
    """

    class Story(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.service = Service()
            self.headers = self.service.headers(role)

        def teardown(self) -> None:
            self.service.close()

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            return {"headers": self.headers, "app": self.service.app}

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            validate(case, response)

    Story.run(settings=settings(BOUNDED, max_examples=3 * EXAMPLES))


def test_every_operation_of_the_document_is_tested(schema: Any) -> None:
    tried = {f"{method} {path}" for method, path in OPERATIONS}
    found = list(schema.get_all_operations())
    assert {each.ok().label for each in found if isinstance(each, Ok)} == tried
    assert len(found) == len(tried)
