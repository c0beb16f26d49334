"""Uploads: what may be sent, and what is refused."""

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Fault, FaultCode, Invalid

MAX_PACKED_BYTES = 32 * 2**20
"""Bytes of an upload as it is sent."""

MAX_UNPACKED_BYTES = 256 * 2**20
"""Bytes of all files of an archive, unpacked."""


class Refusal(StrEnum):
    """Why an upload is refused."""

    UNKNOWN_FORMAT = "unknown_format"
    OTHER_FORMAT = "other_format"
    EMPTY = "empty"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    TOO_MANY_FILES = "too_many_files"
    ENCRYPTED = "encrypted"


RULES: dict[Refusal, str] = {
    Refusal.UNKNOWN_FORMAT: "must be an export of a known service, or a table with a line of headers",
    Refusal.OTHER_FORMAT: "must have the format that `source` names; `auto` recognizes the format",
    Refusal.EMPTY: "must hold at least one row",
    Refusal.DAMAGED: "must be whole; it is damaged",
    Refusal.TOO_LARGE: "must be at most 32 MB, and 256 MB unpacked",
    Refusal.TOO_MANY_FILES: "must hold at most 10,000 files",
    Refusal.ENCRYPTED: "must not be encrypted",
}
"""For each refusal the rule that the upload breaks."""


@dataclass(eq=False)
class UploadRefused(Invalid):
    """The upload is not a file that can be imported."""

    refusal: Refusal

    def __post_init__(self) -> None:
        self.faults = (Fault("file", FaultCode.MALFORMED, RULES[self.refusal]),)

    def __str__(self) -> str:
        return str(self.faults[0])
