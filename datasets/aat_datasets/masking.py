"""Personal data in texts: e-mail addresses, telephone, card and account numbers, IP addresses, found and masked.

Numbers count only with the check digits that their kind has, so that an order number stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aat_datasets.errors import UnknownNameError

__all__ = ["RULES", "count", "mask", "masker"]

_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,5}\)[ .-]?)?\d{2,5}(?:[ ./-]?\d{2,5}){1,4}(?![\w]|[.,/-]\d)"
)


def _card(found: str) -> bool:
    """Luhn's check digit, after a first digit that issuers use."""
    digits = [int(c) for c in found if c.isdecimal()]
    doubled = [digit if at % 2 == 0 else digit * 2 - 9 * (digit > 4) for at, digit in enumerate(reversed(digits))]
    return 2 <= digits[0] <= 6 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _iban(found: str) -> bool:
    """ISO 13616: the account and then country and check digits, letters as numbers, leave 1 modulo 97."""
    code = found.replace(" ", "")
    if not 15 <= len(code) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


def _ip(found: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    return found.strip(":") != ""


def _phone(found: str) -> bool:
    """7 to 15 digits, written as numbers to be called are: with a country, a bracket, in groups, or after one zero."""
    digits = sum(c.isdecimal() for c in found)
    grouped = len(re.findall(r"\d+", found)) > 2
    date = re.fullmatch(r"\d{1,4}([./-])\d{1,2}\1\d{2,4}", found)
    dialled = found.isdecimal() and 10 <= digits <= 11 and found[0] == "0" and found[1] != "0"
    return 7 <= digits <= 15 and date is None and (found[0] == "+" or "(" in found or grouped or dialled)


RULES: dict[str, tuple[tuple[re.Pattern[str], ...], Callable[[str], bool]]] = {
    "email": ((_EMAIL,), lambda found: True),
    "iban": ((_IBAN,), _iban),
    "card": ((_CARD,), _card),
    "ip": ((_IPV4, _IPV6), _ip),
    "phone": ((_PHONE,), _phone),
}
"""Rule → what it looks like, and whether a find is one. In the order in which they are applied."""


def masker(rules: str = "") -> Callable[[str], str]:
    """A step that masks what some rules find; ``rules``: names with ``+`` between them, empty: all.

    Raises UnknownNameError.
    """
    names = rules.split("+") if rules else list(RULES)
    for name in names:
        if name not in RULES:
            raise UnknownNameError("rule of mask_pii", name, RULES)
    chosen = [name for name in RULES if name in names]

    def step(text: str) -> str:
        for name in chosen:
            text = _masked(name, text)
        return text

    return step


def mask(text: str) -> str:
    """What any rule finds → ``<email>``, ``<iban>``, ``<card>``, ``<ip>``, ``<phone>``."""
    return masker()(text)


def count(text: str) -> Iterator[str]:
    """The rule of each find in a text, in the order of the rules; no piece of the text is two finds."""
    for name in RULES:
        masked = _masked(name, text)
        yield from [name] * (masked.count(f"<{name}>") - text.count(f"<{name}>"))
        text = masked


def _masked(name: str, text: str) -> str:
    if not _may_hold(name, text):
        return text
    patterns, is_one = RULES[name]
    for pattern in patterns:
        text = pattern.sub(lambda match: f"<{name}>" if is_one(match[0]) else match[0], text)
    return text


def _may_hold(name: str, text: str) -> bool:
    """Cheap signs without which a rule finds nothing: most texts have none of them."""
    if name == "email":
        return "@" in text
    if name == "ip" and "::" in text:
        return True
    return any(c in text for c in "0123456789")
