"""The eight `format` names that kernels/1 asserts (MAML.md §5), each by the grammar it names.

date-time, date, time, duration: RFC 3339 (§5.6, appendix A). uri: RFC 3986. uuid: RFC 9562.
email: RFC 5321 Mailbox. regex: ECMA 262. A format speaks of strings only.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from chimera_pipelines.contracts.ecma_pattern import PatternSyntaxError, compile_pattern

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_CLOCK = r"(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DAYS = r"(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
_DURATION = re.compile(rf"P(?:[0-9]+W|{_DAYS}(?:T{_CLOCK})?|T{_CLOCK})")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")

_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_REG_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_USER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*"
_URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:"
    rf"(?://(?:{_USER}@)?(?:\[(?P<literal>[^\]]*)\]|{_REG_NAME})(?::[0-9]*)?(?:/{_PCHAR}*)*"
    rf"|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?|{_PCHAR}+(?:/{_PCHAR}*)*|)"
    rf"(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
)
_FUTURE_ADDRESS = re.compile(r"v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+", re.IGNORECASE)

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_MAILBOX = re.compile(
    rf"(?P<local>{_ATOM}(?:\.{_ATOM})*|\"(?:[ !#-\[\]-~]|\\[ -~])*\")"
    rf"@(?:(?P<domain>{_LABEL}(?:\.{_LABEL})*)|\[(?P<literal>[^\]]*)\])"
)
_MAX_LOCAL, _MAX_DOMAIN = 64, 255
_LAST_MINUTE = 23 * 60 + 59


def is_date(text: str) -> bool:
    """Whether the text is an RFC 3339 full-date that exists in the Gregorian calendar."""
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(part) for part in found.groups())
    # Leap years repeat every 400 years; the year 0000, which RFC 3339 allows, is like 2000.
    return 1 <= month <= 12 and 1 <= day <= monthrange(year % 400 + 2000, month)[1]  # noqa: PLR2004


def is_time(text: str) -> bool:
    """Whether the text is an RFC 3339 full-time; second 60 only in the last minute of a UTC day."""
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    hour, minute, second = (int(found[i]) for i in (1, 2, 3))
    off_hour, off_minute = (int(found[i] or 0) for i in (5, 6))
    if max(hour, off_hour) > 23 or max(minute, off_minute) > 59 or second > 60:  # noqa: PLR2004
        return False
    offset = (off_hour * 60 + off_minute) * (-1 if found[4] == "-" else 1)
    return second < 60 or (hour * 60 + minute - offset) % 1440 == _LAST_MINUTE  # noqa: PLR2004


def is_date_time(text: str) -> bool:
    """Whether the text is an RFC 3339 date-time; `T` and `Z` in either case."""
    return text[10:11] in {"T", "t"} and is_date(text[:10]) and is_time(text[11:])


def is_duration(text: str) -> bool:
    """Whether the text is a duration of RFC 3339's appendix A."""
    return _DURATION.fullmatch(text) is not None


def is_uri(text: str) -> bool:
    """Whether the text is an RFC 3986 URI, with its scheme."""
    found = _URI.fullmatch(text)
    if found is None:
        return False
    literal = found["literal"]
    return literal is None or _is_ipv6(literal) or bool(_FUTURE_ADDRESS.fullmatch(literal))


def is_uuid(text: str) -> bool:
    """Whether the text is an RFC 9562 UUID, hyphens in their places, in either case."""
    return _UUID.fullmatch(text) is not None


def is_email(text: str) -> bool:
    """Whether the text is an RFC 5321 Mailbox."""
    found = _MAILBOX.fullmatch(text)
    if found is None or len(found["local"]) > _MAX_LOCAL:
        return False
    if found["domain"] is not None:
        return len(found["domain"]) <= _MAX_DOMAIN
    literal = found["literal"]
    return _is_ipv6(literal[5:]) if literal[:5].lower() == "ipv6:" else _is_ipv4(literal)


def is_regex(text: str) -> bool:
    """Whether the text is an ECMA 262 pattern."""
    try:
        compile_pattern(text)
    except PatternSyntaxError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text) or True)
    except AddressValueError:
        return False


def _is_ipv4(text: str) -> bool:
    try:
        return bool(IPv4Address(text) or True)
    except AddressValueError:
        return False


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": is_date_time,
    "date": is_date,
    "time": is_time,
    "duration": is_duration,
    "uri": is_uri,
    "uuid": is_uuid,
    "email": is_email,
    "regex": is_regex,
}
