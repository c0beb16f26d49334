"""The `fields` parameter: clients choose which fields a response contains."""

import msgspec
from msgspec import UNSET, Meta, UnsetType

from entrypoints.http.responses import Response, json_response
from entrypoints.http.schemas import Query
from entrypoints.validation import rule


class FieldsQuery(Query, frozen=True, kw_only=True):
    """The parameters of an endpoint that returns one object. Subclasses declare the names of its fields."""

    fields: str | UnsetType = UNSET


def fields_rule(kind: type[msgspec.Struct], noun: str) -> Meta:
    """The rule of a `fields` parameter: comma-separated names of this Struct's fields."""
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    name = f" *({'|'.join(names)}) *"
    return rule(
        f"must be names of fields, separated by commas, out of {', '.join(names)}",
        pattern=f"^{name}(,{name})*$",
        max_length=1000,
        description=f"Only these fields of {noun}, separated by commas; all fields if left out.",
        examples=[",".join(names[:2])],
    )


def select_fields(value: msgspec.Struct, fields: str | UnsetType) -> msgspec.Struct | dict[str, object]:
    """The named fields of an object, in the object's order; the object itself if `fields` is UNSET."""
    if isinstance(fields, UnsetType):
        return value
    names = {name.strip() for name in fields.split(",")}
    pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    chosen = ((name, getattr(value, attribute)) for name, attribute in pairs if name in names)
    return {name: field for name, field in chosen if field is not UNSET}


def item_response(value: msgspec.Struct, query: FieldsQuery) -> Response:
    """The response that shows the requested fields of one object."""
    return json_response(select_fields(value, query.fields))
