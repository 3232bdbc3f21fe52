from __future__ import annotations

import pytest

from chimera_pipelines.contracts.formats import FORMATS

GOOD = {
    "date": ["2024-02-29", "0000-02-29", "9999-12-31"],
    "time": ["12:00:00Z", "12:00:00.25+02:00", "23:59:60Z", "01:59:60+02:00", "12:00:00z"],
    "date-time": ["2026-08-01T09:00:00Z", "2026-08-01t09:00:00.1-01:30"],
    "duration": ["P1Y2M3DT4H5M6S", "P4W", "PT1S", "P1M", "PT1H1M"],
    "uri": [
        *(
            "agent://lab/ana",
            "urn:uuid:0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10",
            "http://[::1]:8/a?b#c",
        ),
        *("mailto:a@b.c", "file:///a%20b", "x:", "http://[v1.a:b]/"),
    ],
    "uuid": ["0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10", "0D9F6A52-2F43-4C6E-9A53-5D2C1F6A7B10"],
    "email": ["a@b", "a.b+c@d-e.f", '"a b"@c.d', "a@[127.0.0.1]", "a@[IPv6:::1]"],
    "regex": ["", "^a$", r"\d{2,3}", r"(?<year>\d+)\k<year>", "[^]", "[]"],
}
BAD = {
    "date": ["2026-02-29", "2026-13-01", "2026-1-1", "20260101", "２026-01-01", "2026-01-01\n"],
    "time": ["12:00:00", "24:00:00Z", "12:60:00Z", "12:00:60Z", "12:00:00+24:00", "12:00Z"],
    "date-time": ["2026-08-01 09:00:00Z", "2026-08-01T09:00:00", "2026-08-01", ""],
    "duration": ["P", "PT", "P1D2M", "1D", "P1W2D", "P1YT", "PT1.5S", "P1Y2D"],
    "uri": [
        "/a",
        "//a/b",
        "a b:c",
        "http://a b",
        "http://[::g]/",
        "é:a",
        "a:%2",
        "http://[::1%25eth0]",
    ],
    "uuid": ["0d9f6a522f434c6e9a535d2c1f6a7b10", "{0d9f6a52-2f43-4c6e-9a53-5d2c1f6a7b10}", ""],
    "email": ["a", "@b", "a@", "a..b@c", "a@-b", "a@b\n", "a@[300.0.0.1]", "a" * 65 + "@b"],
    "regex": ["(", "[a", "a**", "(?P<a>b)", r"\A", "(?i)a", "a{2,1}", r"\p{L}", "a++", "(?#c)"],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, ts in GOOD.items() for t in ts])
def test_holds(name: str, text: str) -> None:
    assert FORMATS[name](text)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, ts in BAD.items() for t in ts])
def test_does_not_hold(name: str, text: str) -> None:
    assert not FORMATS[name](text)


def test_the_names_are_those_of_section_5() -> None:
    assert set(FORMATS) == {
        *["date-time", "date", "time", "duration", "uri", "uuid", "email", "regex"]
    }
    assert set(GOOD) == set(BAD) == set(FORMATS)
