"""E-mail addresses: validation and comparison."""

import unicodedata

from domain.errors import FaultCode, InvalidText

MAX_EMAIL_LENGTH = 254
"""Characters of a whole address (RFC 5321, 4.5.3.1.3)."""

MAX_LOCAL_PART_BYTES, MAX_DOMAIN_BYTES, MAX_LABEL_BYTES = 64, 253, 63
"""Bytes: before the @ (RFC 5321, 4.5.3.1.1), and of a domain and each of its labels in DNS."""

_SPECIALS = frozenset("!#$%&'*+-/=?^_`{|}~")
"""Special characters that are allowed before the @ without quotes (RFC 5322, 3.2.3). Quotes are not
supported.
"""

_ANGLES = frozenset("<>‹›«»〈〉⟨⟩❬❭❮❯❰❱⟪⟫⦑⦒⧼⧽《》˂˃")
"""Angle brackets, and characters that look like them. Others are recognized by their NFKC form."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Invisible characters whose Unicode category is that of visible ones."""


def validate_email(text: str) -> str:
    """Return a valid e-mail address in NFC, without outer white space. Raises InvalidText."""
    address = normalized(text)
    if any(_is_invisible(each) for each in address):
        words = "must not hold spaces, control characters or other invisible characters"
        raise InvalidText("email", words, FaultCode.FORBIDDEN_CHARACTERS)
    if any(each in _ANGLES for each in unicodedata.normalize("NFKC", address) + address):
        raise InvalidText("email", "must not hold angle brackets", FaultCode.FORBIDDEN_CHARACTERS)
    if len(address) > MAX_EMAIL_LENGTH:
        raise InvalidText("email", f"must be at most {MAX_EMAIL_LENGTH} characters", FaultCode.TOO_LONG)
    local, at, domain = address.partition("@")
    if not (local and at and domain) or "@" in domain:
        raise InvalidText("email", "must be an e-mail address")
    _check_local_part(local)
    if len(local.encode()) > MAX_LOCAL_PART_BYTES:
        words = f"must have at most {MAX_LOCAL_PART_BYTES} bytes before the @"
        raise InvalidText("email", words, FaultCode.TOO_LONG)
    _check_domain(domain)
    return address


def normalized(text: str) -> str:
    """Return an address as it is stored: in NFC, without outer white space."""
    return unicodedata.normalize("NFC", text.strip())


def folded(text: str) -> str:
    """The form in which addresses and names are compared: with folded case."""
    return text.casefold()


def _check_local_part(local: str) -> None:
    """Raises InvalidText unless it is a dot-atom (RFC 5322, 3.2.3), with letters and digits of any script."""
    atoms = local.split(".")
    if not all(atoms):
        raise InvalidText(
            "email", "must not have a dot at either end of what is before the @, or two in a row"
        )
    if any(unicodedata.category(atom[0])[0] == "M" for atom in atoms) or not all(
        each in _SPECIALS or unicodedata.category(each)[0] in "LMN" for atom in atoms for each in atom
    ):
        specials = "".join(sorted(_SPECIALS))
        words = f"must have only letters, digits, dots and {specials} before the @"
        raise InvalidText("email", words, FaultCode.FORBIDDEN_CHARACTERS)


def _check_domain(domain: str) -> None:
    """Raises InvalidText for what is not possible in DNS, and for a domain that cannot receive mail."""
    labels = domain.split(".")
    if len(labels) < 2 or not all(labels):
        raise InvalidText("email", "must be an e-mail address")
    if not all(_is_label(label) for label in labels) or labels[-1].isdecimal():
        raise InvalidText(
            "email", "must have a domain of letters, digits and hyphens, with hyphens only inside its parts"
        )
    encoded = [_to_ascii(label) for label in labels]
    if max(map(len, encoded)) > MAX_LABEL_BYTES:
        words = f"must have a domain whose parts are at most {MAX_LABEL_BYTES} bytes long"
        raise InvalidText("email", words, FaultCode.TOO_LONG)
    if len(".".join(encoded)) > MAX_DOMAIN_BYTES:
        words = f"must have a domain of at most {MAX_DOMAIN_BYTES} bytes"
        raise InvalidText("email", words, FaultCode.TOO_LONG)


def _is_label(label: str) -> bool:
    """Whether a part of a domain has only letters, marks, digits and inner hyphens, and no compatibility
    characters such as fullwidth letters. This is a simplification of RFC 5891, 4.2.3.
    """
    categories = [unicodedata.category(each)[0] for each in label]
    return (
        unicodedata.is_normalized("NFKC", label)
        and not (label.startswith("-") or label.endswith("-"))
        and categories[0] != "M"
        and all(
            each == "-" or category in "LM" or each.isdecimal()
            for each, category in zip(label, categories, strict=True)
        )
    )


def _to_ascii(label: str) -> str:
    """The label as DNS stores it (RFC 3492). Only its length is used."""
    if label.isascii():
        return label
    return "xn--" + label.lower().encode("punycode").decode()


def _is_invisible(character: str) -> bool:
    """Whether a character is white space, a control or format character, or otherwise invisible."""
    category = unicodedata.category(character)
    variation_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return (
        category[0] in "CZ" or variation_selector or character in _BLANK or "\u180b" <= character <= "\u180f"
    )
