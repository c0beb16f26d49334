"""E-mail addresses: validation and comparison."""

import unicodedata

from domain.errors import FaultCode, InvalidText

MAX_EMAIL_LENGTH = 254
"""Characters of a whole address (RFC 5321, 4.5.3.1.3)."""

MAX_LOCAL_PART_BYTES, MAX_DOMAIN_BYTES, MAX_LABEL_BYTES = 64, 253, 63
"""Bytes: before the @ (RFC 5321, 4.5.3.1.1), and of a domain and one of its labels as DNS holds them."""

_SIGNS = frozenset("!#$%&'*+-/=?^_`{|}~")
"""Signs that may stand before the @ without quotes (RFC 5322, 3.2.3); others are left to no address."""

_ANGLES = frozenset("<>‹›«»〈〉⟨⟩❬❭❮❯❰❱⟪⟫⦑⦒⧼⧽《》˂˃")
"""Angle brackets, and letters that look like them; others are found by their compatibility form."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, marks and signs that show nothing, though their category does not tell."""


def email(text: str) -> str:
    """Return a valid e-mail address in NFC, without outer white space. Raises InvalidText."""
    address = composed(text)
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


def composed(text: str) -> str:
    """Return an address as it is stored: in NFC, without outer white space."""
    return unicodedata.normalize("NFC", text.strip())


def folded(text: str) -> str:
    """The form in which addresses and names are compared: case is folded."""
    return text.casefold()


def _check_local_part(local: str) -> None:
    """Raises InvalidText for what is no dot-atom (RFC 5322, 3.2.3), in letters and digits of any script."""
    atoms = local.split(".")
    if not all(atoms):
        raise InvalidText(
            "email", "must not have a dot at either end of what is before the @, or two in a row"
        )
    if any(unicodedata.category(atom[0])[0] == "M" for atom in atoms) or not all(
        each in _SIGNS or unicodedata.category(each)[0] in "LMN" for atom in atoms for each in atom
    ):
        signs = "".join(sorted(_SIGNS))
        words = f"must have only letters, digits, dots and {signs} before the @"
        raise InvalidText("email", words, FaultCode.FORBIDDEN_CHARACTERS)


def _check_domain(domain: str) -> None:
    """Raises InvalidText for what DNS could not hold, or does not hold where mail is sent to."""
    labels = domain.split(".")
    if len(labels) < 2 or not all(labels):
        raise InvalidText("email", "must be an e-mail address")
    if not all(_is_label(label) for label in labels) or labels[-1].isdecimal():
        raise InvalidText(
            "email", "must have a domain of letters, digits and hyphens, with hyphens only inside its parts"
        )
    encoded = [_as_dns_holds_it(label) for label in labels]
    if max(map(len, encoded)) > MAX_LABEL_BYTES:
        words = f"must have a domain whose parts are at most {MAX_LABEL_BYTES} bytes long"
        raise InvalidText("email", words, FaultCode.TOO_LONG)
    if len(".".join(encoded)) > MAX_DOMAIN_BYTES:
        words = f"must have a domain of at most {MAX_DOMAIN_BYTES} bytes"
        raise InvalidText("email", words, FaultCode.TOO_LONG)


def _is_label(label: str) -> bool:
    """Whether a part of a domain is of letters, marks, digits and inner hyphens, written plainly: fullwidth
    letters and the like only stand for others (RFC 5891, 4.2.3, in short).
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


def _as_dns_holds_it(label: str) -> str:
    """The label in ASCII (RFC 3492); its length is what counts here."""
    if label.isascii():
        return label
    return "xn--" + label.lower().encode("punycode").decode()


def _is_invisible(character: str) -> bool:
    """Whether a character is white space, a control or format character, or shows nothing at all."""
    category = unicodedata.category(character)
    selects = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return category[0] in "CZ" or selects or character in _BLANK or "\u180b" <= character <= "\u180f"
