"""A day in the life of a small web shop, as its server's access log in combined format: 10,000 lines, always the same.

`python sample_log.py [FILE]` writes it, to access.log where no file is named; log_report.py does when it is given no
log of your own.
"""

import itertools
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

LINES = 10_000
MALFORMED = 20

# How the requests fall into the hours: a quiet night, a peak at lunch and one in the evening.
HOURS = [1200, 800, 600, 500, 550, 900, 1900, 3400, 4900, 5600, 5900, 6300]
HOURS += [7400, 6600, 5700, 5300, 5200, 5500, 6100, 7000, 7200, 6000, 4100, 2350]

# Method, path, share of the requests, size in bytes, failures in a hundred.
PAGES = [
    ("GET", "/", 19, 14_200, 0.3),
    ("GET", "/static/app.css", 15, 21_480, 0.0),
    ("GET", "/static/app.js", 15, 88_310, 0.0),
    ("GET", "/products", 11, 32_700, 0.5),
    ("GET", "/products/{}", 14, 18_900, 0.5),
    ("GET", "/search?q={}", 7, 24_600, 3.0),
    ("GET", "/images/{}.webp", 9, 61_000, 0.0),
    ("POST", "/cart", 4, 640, 1.0),
    ("POST", "/checkout", 1.5, 1_150, 4.0),
    ("POST", "/login", 1.5, 410, 0.5),
    ("GET", "/favicon.ico", 2, 1_406, 0.0),
    ("GET", "/robots.txt", 0.6, 96, 0.0),
    ("GET", "/health", 1.4, 2, 0.1),
]
PROBES = ["/wp-login.php", "/.env", "/admin/config.php", "/cgi-bin/luci", "/phpmyadmin/"]
WORDS = ["tent", "lamp", "rope", "boots", "stove", "map+case", "hammock", "caf%C3%A9", "kite"]
AGENTS = [
    ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", 14),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36", 37),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1", 31),
    ("Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/about)", 9),
    ('say \\"hello\\"/0.1', 1),
    ("curl/8.10.1", 3),
    ("-", 5),
]
# What a full disk, a crash, a rotation in mid-line or a stray program leaves between the lines.
ACCIDENTS: list[Callable[[str], str]] = [
    lambda line: line[:37],
    lambda line: line[line.index('"') :],
    lambda line: line.replace("[", "", 1),
    lambda line: line.rpartition('"')[0],
    lambda line: line.replace('"', "\x00\x00\x00", 1),
    lambda _: "last message repeated 3 times",
    lambda _: "Segmentation fault (core dumped)",
    lambda _: "",
]


def write_sample(path: Path) -> None:
    """Write the log to a file, which is whole or not there."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(sample(), encoding="utf-8", newline="\n")
    unfinished.replace(path)


def sample() -> str:
    """The text of the log."""
    chance = random.Random(2026)  # the same log every time
    clients = [f"203.0.113.{n}" for n in range(1, 120)] + [f"2001:db8::{n:x}" for n in range(1, 60)]
    popularity = list(itertools.accumulate(1 / n for n in range(1, len(clients) + 1)))
    lines = [_line(chance, when, chance.choices(clients, cum_weights=popularity)[0]) for when in _times(chance)]
    for number, index in enumerate(chance.sample(range(LINES), MALFORMED)):
        lines[index] = ACCIDENTS[number % len(ACCIDENTS)](lines[index])
    return "\n".join(lines) + "\n"


def _times(chance: random.Random) -> list[datetime]:
    midnight = datetime(2026, 3, 14, tzinfo=UTC)
    hours = chance.choices(range(24), weights=HOURS, k=LINES)
    return sorted(midnight + timedelta(hours=hour, seconds=int(chance.random() * 3600)) for hour in hours)


def _line(chance: random.Random, when: datetime, client: str) -> str:
    (agent,) = chance.choices([name for name, _ in AGENTS], weights=[share for _, share in AGENTS])
    stamp = when.strftime(f"%d/{_MONTHS[when.month - 1]}/%Y:%H:%M:%S +0000")
    kind = chance.random()
    if kind < 0.004:
        return f'{client} - - [{stamp}] "\\x16\\x03\\x01\\x02\\x00" 400 226 "-" "-"'
    if kind < 0.025:
        return f'{client} - - [{stamp}] "GET {chance.choice(PROBES)} HTTP/1.1" 404 162 "-" "{agent}"'
    (page,) = chance.choices(PAGES, weights=[share for _, _, share, _, _ in PAGES])
    method, path, _, size, failing = page
    path = path.format(chance.choice(WORDS) if "q=" in path else int(1 + 40 * chance.random() ** 3))
    status, size = _answer(chance, method, path, size, failing * (4 if when.hour == 19 else 1))
    user = "-" if chance.random() < 0.9 else f"customer{int(chance.random() * 300)}"
    referrer = "-" if chance.random() < 0.4 else "https://shop.example/products"
    return f'{client} - {user} [{stamp}] "{method} {path} HTTP/1.1" {status} {size or "-"} "{referrer}" "{agent}"'


def _answer(chance: random.Random, method: str, path: str, size: int, failing: float) -> tuple[int, int]:
    """Status and size. The evening's peak is too much for the shop: more fails then."""
    luck = chance.random() * 100
    if luck < failing:
        return chance.choice([500, 502, 503]), 312
    if path.startswith(("/static/", "/images/")) and luck > 70:
        return 304, 0
    if path == "/login":
        return (401, 120) if luck > 80 else (302, 0)
    if method == "GET" and luck > 99.4:
        return 301, 178
    return 200, max(2, int(size * (0.9 + chance.random() / 5))) if size > 100 else size


_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

if __name__ == "__main__":
    write_sample(Path(sys.argv[1] if len(sys.argv) > 1 else "access.log"))
