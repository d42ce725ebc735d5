"""How many alarms of other rules stand: `over` and `counts`."""

from values import FIRM_FALSE, FIRM_TRUE, UNKNOWN, WEAK_TRUE, vote

# From which severity on an alarm is of a colour, or graver.
LEAST = {"blue": 1, "yellow": 401, "orange": 601, "red": 801}


def of_rules(rules, alarm, alarms):
    """The alarms of some rules in an alarm's unit, or in the whole site."""
    return [other for other in alarms if not other.retired and other.rule["name"] in rules and alarm.unit in ("-", other.unit)]


def counted(alarm, alarms):
    """The alarms that an alarm counts."""
    return of_rules(alarm.rule.get("over", []), alarm, alarms)


def read(trees, alarm, alarms):
    """The alarms that conditions ask for."""
    names = set()

    def walk(tree):
        if isinstance(tree, tuple) and tree[:1] == ("name",) and tree[1].startswith("alarm."):
            names.add(tree[1][6:])
        if isinstance(tree, (tuple, list)):
            for part in tree:
                walk(part)

    walk(trees)
    return of_rules(names, alarm, alarms)


def member(other, colour):
    if other.test:
        return UNKNOWN
    if other.active and other.level.severity >= LEAST[colour]:
        return WEAK_TRUE if other.unknown_now else FIRM_TRUE
    return UNKNOWN if other.unknown_now else FIRM_FALSE


def answer(level, others, degrade):
    return vote(level.count, [member(other, level.least) for other in others], degrade)
