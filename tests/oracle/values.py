"""Numbers and conditions with how far to trust them, units and durations."""

import math

GOOD, UNCERTAIN, BAD = 0, 1, 2
FIRM_FALSE, WEAK_FALSE, UNKNOWN, WEAK_TRUE, FIRM_TRUE = -2, -1, 0, 1, 2
MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
# What each unit is in the first of its row.
UNITS = [{"": 1}, {"%LEL": 1}, {"ppm": 1}, {"mg/m³": 1}, {"L/mol": 1}, {"g/mol": 1}, {"m": 1}, {"deg": 1}, {"Pa": 1, "hPa": 100, "kPa": 1000}, {"s": 1, "ms": 0.001, "min": 60, "h": 3600, "d": 86400}]


def duration(text):
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * MS[text[len(digits):]]


def truth(holds, trust):
    strength = {GOOD: 2, UNCERTAIN: 1, BAD: 0}[trust]
    return strength if holds else -strength


class Number:
    """A number, how far to trust it, and whether it is only the least that it can be."""

    def __init__(self, value, trust=GOOD, least=False):
        if trust == BAD or not math.isfinite(value):
            value, trust, least = 0.0, BAD, False
        self.value, self.trust, self.least = float(value), trust, least


NOTHING = Number(0, BAD)


def reckon(numbers, operation):
    if any(number.least or number.trust == BAD for number in numbers):
        return NOTHING
    try:
        value = operation(*[number.value for number in numbers])
    except ZeroDivisionError:
        return NOTHING
    return Number(value, max(number.trust for number in numbers))


def compare(sign, left, right):
    holds = {">=": left.value >= right.value, ">": left.value > right.value, "<=": left.value <= right.value, "<": left.value < right.value}[sign]
    if BAD in (left.trust, right.trust) or left.least and right.least:
        return UNKNOWN
    if right.least:
        sign = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}[sign]
    if left.least or right.least:
        if sign in (">=", ">"):
            return WEAK_TRUE if holds else UNKNOWN
        return UNKNOWN if holds else WEAK_FALSE
    return truth(holds, max(left.trust, right.trust))


def distance(*degrees):
    """Metres on a ball of the earth's mean radius."""
    lon, lat, other_lon, other_lat = map(math.radians, degrees)
    half = math.sin((other_lat - lat) / 2) ** 2 + math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    return 2 * 6_371_000 * math.asin(min(1.0, math.sqrt(half)))


def vote(k, members, degrade):
    known = [member for member in members if member != UNKNOWN]
    lost = len(members) - len(known)
    if degrade == "vote":
        members = known + [WEAK_TRUE] * lost
    elif degrade == "drop":
        if len(known) < k:
            return UNKNOWN
        members = known
    elif degrade == "lower":
        if not known:
            return UNKNOWN
        members, k = known, max(1, k - lost)
    return sorted(members, reverse=True)[k - 1] if k <= len(members) else FIRM_FALSE


def trust_of(quality):
    return {"good": GOOD, "uncertain": UNCERTAIN, "calibration": UNCERTAIN}.get(quality, BAD)
