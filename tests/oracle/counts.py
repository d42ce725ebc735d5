"""How many alarms of other rules stand: `over` and `counts`."""

from values import FIRM_FALSE, FIRM_TRUE, UNKNOWN, WEAK_TRUE, vote

# From which severity on an alarm is of a colour, or graver.
LEAST = {"blue": 1, "yellow": 401, "orange": 601, "red": 801}


def counted(alarm, alarms):
    """The alarms that an alarm counts: those of its rules in its unit, or in the whole site."""
    rules = alarm.rule.get("over", [])
    return [other for other in alarms if not other.retired and other.rule["name"] in rules and alarm.unit in ("-", other.unit)]


def member(other, colour):
    if other.test:
        return UNKNOWN
    if other.active and other.level.severity >= LEAST[colour]:
        return WEAK_TRUE if other.unknown_now else FIRM_TRUE
    return UNKNOWN if other.unknown_now else FIRM_FALSE


def answer(level, others, degrade):
    return vote(level.count, [member(other, level.least) for other in others], degrade)
