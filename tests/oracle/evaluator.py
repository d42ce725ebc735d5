"""A second opinion on rules: slow and plain, written from rules/language.md and from nothing else.

Everything is evaluated anew at every moment at which anything may happen. `play(case)` takes

    begins   milliseconds since 1970
    points   [{name: "unit/point", kind, eu, switch, max_age}]
    rules    the text of a rule file
    steps    [{t, read: name, value, quality} | {t, do: verb, alarm, by, until, second, ticket} | {t}]

and gives every event as [t, alarm, event, letter, level], and of each step with `do` whether it was refused.
"""

import tomllib

from expressions import parse
from remembered import Held, Since, Window
from values import BAD, FIRM_FALSE, FIRM_TRUE, GOOD, MS, NOTHING, Number, UNCERTAIN, UNITS, UNKNOWN, WEAK_TRUE, compare, duration, reckon, trust_of, truth, vote

COLOURS = {"blue": 200, "yellow": 500, "orange": 700, "red": 900}


def calendar_holds(table, now):
    minutes = now // 60_000 + 480
    day, minute = divmod(minutes, 1440)
    if "daily" in table:
        clock = lambda text: int(text[:2]) * 60 + int(text[3:5])
        start, end = [clock(part.strip()) for part in table["daily"].split("..")]
        if not (start <= minute < end if start < end else minute >= start or minute < end):
            return False
    if "weekdays" in table:
        return ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][(day + 3) % 7] in table["weekdays"]
    return True


class Point:
    def __init__(self, table, now):
        self.table, self.value, self.trust, self.quality = table, 0.0, BAD, None
        self.stale_at, self.stale, self.n_read = now + table["max_age"] + 1, False, 0
        # Until when it is believed that the sensor is being calibrated, and whether that is over.
        self.test_end, self.overdue = None, False

    def number(self):
        return NOTHING if self.stale or self.n_read == 0 else Number(self.value, self.trust)


class Level:
    def __init__(self, table, side, limit=None):
        self.name, self.side, self.limit = table["level"], side, limit
        self.severity = COLOURS[table["colour"]]
        self.when = parse(table["when"]) if "when" in table else None
        self.at, self.deadband = table.get("at"), table.get("deadband")
        self.on_delay, self.off_delay = [duration(table.get(key, "0ms")) for key in ("on_delay", "off_delay")]
        self.latch = table.get("latch", False)
        self.count, self.least = table.get("count"), table.get("from")
        self.on, self.state, self.due = False, "idle", None

    def off(self):
        self.on, self.state, self.due = False, "idle", None


class Alarm:
    def __init__(self, rule, unit, own):
        self.rule, self.unit, self.own = rule, unit, own
        self.id = f"{unit}/{own.split('/')[1] if own else '-'}/{rule['name']}"
        self.levels = [Level(table, side) for side in ("high", "low") for table in rule.get(side, [])]
        for table in rule.get("levels", []) + rule.get("counts", []) + ([rule] if "when" in rule else []):
            self.levels.append(Level(table, "when"))
        self.gate = parse(rule["only_while"]) if "only_while" in rule else None
        self.value = parse(rule.get("value", "self"))
        self.unknown_after = duration(rule.get("unknown_after", "5s"))
        self.re_alarm, self.shelve_max = duration(rule.get("re_alarm", "0s")), duration(rule.get("shelve_max", "8h"))
        self.reasons = [[parse(reason["while"]), duration(reason.get("hold_off", "0ms")), False, None] for reason in rule.get("suppress", [])]
        self.active, self.acked, self.latched, self.unknown, self.silenced, self.test = False, True, False, False, False, False
        self.level, self.occurrence = None, 0
        self.unknown_now, self.unknown_due, self.waiting = True, None, True
        self.shelf, self.out, self.tested, self.again = None, None, None, None
        # Of late readings: the time of the last, since when each level is reached, and which was told.
        self.late = None

    def below(self):
        if self.active:
            return "C" if self.acked else "B"
        if self.latched:
            return "F" if self.acked else "E"
        return "A" if self.acked else "D"

    def letter(self):
        if self.out is not None:
            return "I"
        if any(reason[2] for reason in self.reasons):
            return "H"
        return "G" if self.shelf else self.below()

    def side(self, level):
        return "low" if level.side == "low" else "high"

    def top(self):
        on = [level for level in self.levels if level.on]
        return on[-1] if on else None

    def turn_on(self, level):
        index = self.levels.index(level)
        for place, other in enumerate(self.levels):
            if self.side(other) != self.side(level):
                if other.on:
                    other.off()
            elif place == index or place < index and not other.on:
                other.on, other.state, other.due = True, "idle", None


class Play:
    def __init__(self, case):
        file = tomllib.loads(case["rules"])
        self.now, self.events = case["begins"], []
        self.points = {table["name"]: Point(table, self.now) for table in case["points"]}
        self.calendars = {table["name"]: table for table in file.get("calendar", [])}
        self.derived = {table["name"]: parse(table["value"]) for table in file.get("derived", [])}
        self.alarms, self.kept = [], {}
        for rule in file["rule"]:
            for unit, own in self.scopes(rule):
                self.alarms.append(Alarm(rule, unit, own))
        for alarm in self.alarms:
            alarm.reads, alarm.about = self.reads(alarm), self.own(alarm)
        self.tested = set()
        self.evaluate()

    def scopes(self, rule):
        names = list(self.points)
        if "kind" in rule["for"]:
            return [(name.split("/")[0], name) for name in names if self.points[name].table["kind"] == rule["for"]["kind"]]
        units = sorted({name.split("/")[0] for name in names})
        has = lambda unit, kind: any(name.startswith(unit + "/") and self.points[name].table["kind"] == kind for name in names)
        return [(unit, None) for unit in units if all(has(unit, kind) for kind in rule["for"]["unit_with"])]

    # -- tests: what is read in one is no process value, and only alarms about the point see it

    def own(self, alarm):
        """The points that an alarm is about: its own, and the one whose number it compares."""
        found = {alarm.own}
        if alarm.levels[0].side in ("high", "low"):
            found.add(self.named(alarm.value, alarm, None))
        return found - {None}

    def tested_points(self):
        return set().union(*[alarm.about for alarm in self.alarms if alarm.tested is not None])

    def under_test(self, name):
        point = self.points[name]
        return point.quality == "calibration" and not point.overdue or name in self.tested

    def seen(self, name, alarm):
        return NOTHING if self.under_test(name) and name not in alarm.about else self.points[name].number()

    def look_at_tests(self):
        """Points whose test began or ended are looked at as if they had been read."""
        tested = self.tested_points()
        self.touched |= tested ^ self.tested
        self.tested = tested
        for alarm in self.alarms:
            test = alarm.tested is not None or any(map(self.under_test, alarm.about))
            if test != alarm.test:
                alarm.test = test
                self.tell(alarm, "test-begun" if test else "test-ended")

    # -- conditions and numbers; `path` tells one place in the rules from another

    def named(self, tree, alarm, each):
        if tree[0] == "point":
            return tree[1]
        if tree[0] == "call" and tree[1] == "each":
            return each
        if tree == ("name", "self"):
            return alarm.own
        if tree[0] == "name" and tree[1].startswith("unit."):
            found = [name for name in self.points if name.startswith(alarm.unit + "/") and self.points[name].table["kind"] == tree[1][5:]]
            return found[0]
        return None

    def is_condition(self, tree, alarm, each):
        if tree[0] in ("and", "or", "not", "compare"):
            return True
        if tree[0] == "call" and tree[1] != "each":
            return tree[1] in ("held", "any", "all", "at_least", "bad", "stale", "during", "same")
        if tree[0] == "name" and tree[1].startswith("derived."):
            return self.is_condition(self.derived[tree[1][8:]], alarm, each)
        name = self.named(tree, alarm, each)
        return name is not None and self.points[name].table["switch"]

    def condition(self, tree, alarm, path, each=None):
        again = lambda part, step: self.condition(part, alarm, (*path, step), each)
        kind = tree[0]
        if kind == "not":
            return -again(tree[1], 0)
        if kind in ("and", "or"):
            answers = [again(part, step) for step, part in enumerate(tree[1])]
            return min(answers) if kind == "and" else max(answers)
        if kind == "compare":
            return compare(tree[1], *self.numbers(tree[2:], alarm, path, each))
        if kind == "name" and tree[1].startswith("derived."):
            return again(self.derived[tree[1][8:]], tree[1])
        if kind != "call" or tree[1] == "each":
            number = self.seen(self.named(tree, alarm, each), alarm)
            return truth(number.value != 0, number.trust)
        name, parts = tree[1], tree[2]
        if name == "during":
            return FIRM_TRUE if calendar_holds(self.calendars[parts[0][1]], self.now) else FIRM_FALSE
        if name in ("bad", "stale"):
            point = self.points[self.named(parts[0], alarm, each)]
            if point.stale:
                return FIRM_TRUE
            if name == "stale":
                return FIRM_FALSE
            return UNKNOWN if point.n_read == 0 else FIRM_TRUE if point.trust == BAD else FIRM_FALSE
        if name == "same":
            return self.same(int(parts[0][1]), parts[1:], alarm, each)
        if name == "held":
            key = (alarm.id, *path, "held", each)
            slot = self.kept.setdefault(key, Held(int(parts[1][1] * MS[parts[1][2]])))
            return slot.look(again(parts[0], "of"), self.now)
        k, parts = (int(parts[0][1]), parts[1:]) if name == "at_least" else (None, parts)
        members = []
        for step, part in enumerate(parts):
            kinds = self.each_kind(part)
            if kinds is None:
                members.append(again(part, step))
                continue
            for point in self.points:
                if point.startswith(alarm.unit + "/") and self.points[point].table["kind"] == kinds:
                    members.append(self.condition(part, alarm, (*path, step, point), point))
        if name == "all":
            return min(members)
        if name == "any":
            return max(members)
        return vote(k, members, alarm.rule.get("degrade", "hold"))

    def each_kind(self, tree):
        if isinstance(tree, tuple):
            if tree[:2] == ("call", "each"):
                return tree[2][0][1][5:]
            if tree[0] == "call" and tree[1] in ("any", "all", "at_least", "same"):
                return None
        if isinstance(tree, (tuple, list)):
            for part in tree:
                if (found := self.each_kind(part)) is not None:
                    return found
        return None

    def same(self, n, parts, alarm, each):
        numbers = []
        for part in parts:
            if part[0] == "call":
                kind = part[2][0][1][5:]
                numbers += [self.seen(name, alarm) for name, point in self.points.items() if name.startswith(alarm.unit + "/") and point.table["kind"] == kind]
            else:
                numbers.append(self.seen(self.named(part, alarm, each), alarm))
        bad = sum(1 for number in numbers if number.trust == BAD)
        answer = UNKNOWN if bad >= n else FIRM_FALSE
        for value in {number.value for number in numbers if number.trust != BAD and number.value != 0}:
            alike = [number.trust for number in numbers if number.trust != BAD and number.value == value]
            if len(alike) >= n:
                # So many of the best of them agree.
                answer = max(answer, truth(True, max(alike)))
            elif len(alike) + bad >= n:
                answer = max(answer, UNKNOWN)
        return answer

    def unit_of(self, tree, alarm, each):
        """The row of units and the unit that an expression is in; of a constant without one, nothing."""
        if tree[0] == "number":
            return tree[2]
        if tree[0] in ("minus",):
            return self.unit_of(tree[1], alarm, each)
        if tree[0] == "reckon":
            left, right = [self.unit_of(part, alarm, each) for part in tree[2:]]
            if tree[1] == "/":
                return "" if right else left
            return left or right if tree[1] == "*" else left if tree[2][0] != "number" else right
        if tree[0] == "name" and tree[1].startswith("derived."):
            return self.unit_of(self.derived[tree[1][8:]], alarm, each)
        if tree[0] == "call" and tree[1] != "each":
            if tree[1] in ("since", "time_in"):
                return "s"
            return "" if tree[1] == "count" else self.unit_of(tree[2][0], alarm, each)
        return self.points[self.named(tree, alarm, each)].table.get("eu", "")

    def numbers(self, trees, alarm, path, each):
        """Numbers beside each other: constants are brought into the unit of what is measured."""
        measured = [tree for tree in trees if tree[0] != "number"] or trees
        unit = self.unit_of(measured[0], alarm, each)
        found = []
        for step, tree in enumerate(trees):
            number = self.number(tree, alarm, (*path, step), each)
            if tree[0] == "number" and tree[2] != unit:
                row = next(row for row in UNITS if tree[2] in row)
                # To twelve digits, as people mean it.
                number = Number(float(f"{tree[1] * row[tree[2]] / row[unit]:.11e}"))
            found.append(number)
        return found

    def number(self, tree, alarm, path, each=None):
        kind = tree[0]
        if kind == "number":
            return Number(tree[1])
        if kind == "minus":
            return reckon([self.number(tree[1], alarm, path, each)], lambda a: -a)
        if kind == "reckon":
            sign = tree[1]
            if sign in "+-" or sign == "/" and self.unit_of(tree[3], alarm, each):
                pair = self.numbers(tree[2:], alarm, path, each)
            else:
                pair = [self.number(part, alarm, (*path, step), each) for step, part in enumerate(tree[2:])]
            return reckon(pair, {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b}[sign])
        if kind == "name" and tree[1].startswith("derived."):
            return self.number(self.derived[tree[1][8:]], alarm, (*path, tree[1]), each)
        if kind != "call" or tree[1] == "each":
            return self.seen(self.named(tree, alarm, each), alarm)
        name, parts = tree[1], tree[2]
        if name == "abs":
            return reckon([self.number(parts[0], alarm, path, each)], abs)
        if name in ("min", "max"):
            numbers = self.numbers(parts, alarm, path, each)
            all_of = numbers[0]
            for number in numbers[1:]:
                all_of = reckon([all_of, number], {"min": min, "max": max}[name])
            return all_of
        key = (alarm.id, *path, name, each)
        if name == "since":
            condition = self.condition(parts[0], alarm, (*path, "of"), each)
            slot = self.kept.setdefault(key, Since(self.now))
            if slot.at is None or condition != slot.before or self.is_tick(parts[0], alarm, each) or self.is_inner_looked(alarm, path):
                slot.look(condition, self.now)
            return slot.answer
        slot = self.kept.get(key)
        if slot is None:
            slot = self.kept[key] = Window(name, int(parts[1][1] * MS[parts[1][2]]), self.now)
        if name in ("count", "time_in"):
            answer = self.condition(parts[0], alarm, (*path, "of"), each)
            moment = (1.0 if answer > 0 else 0.0, {2: GOOD, 1: UNCERTAIN, 0: BAD}[abs(answer)])
        else:
            number = self.number(parts[0], alarm, (*path, "of"), each)
            number = NOTHING if number.least else number
            moment = (number.value, number.trust)
        is_new = not slot.past or slot.past[-1][1] != moment
        if name == "sum" and moment[1] != BAD:
            n_read = self.points[self.named(parts[0], alarm, each)].n_read
            if n_read != slot.n_read:
                slot.readings.append((self.now, moment[0]))
            slot.n_read = n_read
        if is_new:
            slot.take(moment, self.now)
        if is_new or self.is_tick(parts[0], alarm, each) or self.now % slot.slice == 0 or self.is_inner_looked(alarm, path):
            slot.look(self.now)
        return slot.answer

    def is_inner_looked(self, alarm, path):
        """True when a window or a since inside this one was looked at in this millisecond, or a held became another."""
        begins = (alarm.id, *path, "of")
        inner = (slot for key, slot in self.kept.items() if key[: len(begins)] == begins)
        return any(slot.looked == self.now for slot in inner)

    def is_tick(self, tree, alarm, each):
        """True when what remembers is looked at though it reads the same: at whole seconds, after a down, and when a point that it reads was read or grew stale."""
        return self.is_up_again or self.now % 1000 == 0 or bool(self.touched & self.read_by(tree, alarm, each))

    def read_by(self, tree, alarm, each):
        if isinstance(tree, tuple) and tree[:2] == ("call", "same"):
            each = None
        if isinstance(tree, tuple) and tree[:2] == ("call", "each") and each is None:
            kind = tree[2][0][1][5:]
            return {name for name in self.points if name.startswith(alarm.unit + "/") and self.points[name].table["kind"] == kind}
        name = self.named(tree, alarm, each) if isinstance(tree, tuple) and tree and tree[0] in ("point", "name", "call") else None
        if name:
            return {name}
        found = set()
        if isinstance(tree, tuple) and tree[0] == "name" and tree[1].startswith("derived."):
            return self.read_by(self.derived[tree[1][8:]], alarm, each)
        if isinstance(tree, (tuple, list)):
            for part in tree:
                if isinstance(part, (tuple, list)):
                    found |= self.read_by(part, alarm, each)
        return found

    # -- time

    # The points that were read, or grew stale, in this moment.
    touched = frozenset()
    is_up_again = False

    def dues(self):
        found = [point.stale_at for point in self.points.values() if not point.stale]
        found += [point.test_end for point in self.points.values() if not point.overdue]
        for alarm in self.alarms:
            found += [level.due for level in alarm.levels if level.state in ("coming", "going")]
            found += [alarm.unknown_due, alarm.out, alarm.tested, alarm.again, alarm.shelf and alarm.shelf[0]]
            found += [reason[3] for reason in alarm.reasons]
        for slot in self.kept.values():
            if isinstance(slot, Held):
                found += slot.dues(self.now)
            else:
                found.append((self.now // 1000 + 1) * 1000)
                if isinstance(slot, Window):
                    found.append((self.now // slot.slice + 1) * slot.slice)
        if self.calendars:
            found.append((self.now // 60_000 + 1) * 60_000)
        return [due for due in found if due is not None]

    def advance(self, until):
        while (due := min(self.dues(), default=until + 1)) <= until:
            self.now = max(self.now, due)
            self.moment()
        self.now = max(self.now, until)

    def moment(self):
        for name, point in self.points.items():
            if not point.stale and point.stale_at <= self.now:
                point.stale = True
                self.touched |= {name}
            if not point.overdue and point.test_end is not None and point.test_end <= self.now:
                point.overdue = True
                self.touched |= {name}
        for alarm in self.alarms:
            if alarm.tested is not None and alarm.tested <= self.now:
                alarm.tested = None
        self.look_at_tests()
        self.evaluate()
        self.touched = frozenset()

    def down(self, begin, end):
        self.advance(begin)
        for alarm in self.alarms:
            if alarm.unknown_due is not None:
                alarm.unknown_due = end + alarm.unknown_after
            for level in alarm.levels:
                if level.state == "coming":
                    level.due += end - begin
                elif level.state == "going":
                    level.due = end + level.off_delay
        for slot in self.kept.values():
            if isinstance(slot, Held) and slot.state == "running":
                slot.due += end - begin
            elif isinstance(slot, Window):
                slot.past.append((begin, (0.0, BAD)))
        self.now, self.is_up_again = end, True
        self.moment()
        self.is_up_again = False

    def late(self, name, value, quality, at):
        trust = trust_of(quality)
        if trust == BAD:
            return
        for alarm in self.alarms:
            if alarm.gate is not None or alarm.levels[0].side not in ("high", "low") or self.named(alarm.value, alarm, None) != name:
                continue
            reached = [level for level in alarm.levels if self.reaches(alarm, level, value)]
            if not reached:
                alarm.late = None
                continue
            last, since, shown = alarm.late or (at, {}, None)
            follows = last <= at <= last + self.points[name].table["max_age"]
            since = {level: since[level] if follows and level in since else at for level in reached}
            long = [level for level in reached if at - since[level] >= level.on_delay]
            tells = bool(long) and (
                shown is None or alarm.side(long[-1]) != alarm.side(shown) or alarm.levels.index(long[-1]) > alarm.levels.index(shown)
            )
            if tells:
                shown = long[-1]
                self.events.append([self.now, alarm.id, "historical", alarm.letter(), shown.name])
            alarm.late = (at, since, shown)

    def reaches(self, alarm, level, value):
        limit = self.constant(level.at, self.unit_of(alarm.value, alarm, None))
        return value >= limit if level.side == "high" else value <= limit

    def read(self, name, value, quality):
        point = self.points[name]
        point.trust = trust_of(quality)
        point.value = value if point.trust != BAD and value is not None else 0.0
        if quality != "calibration":
            point.test_end, point.overdue = None, False
        elif point.quality != "calibration":
            point.test_end = self.now + 4 * MS["h"]
        point.quality, point.stale, point.n_read = quality, False, point.n_read + 1
        point.stale_at = self.now + point.table["max_age"] + 1
        self.look_at_tests()
        self.touched = frozenset({name})
        self.evaluate()
        self.touched = frozenset()

    # -- the life of an alarm

    def tell(self, alarm, event):
        self.events.append([self.now, alarm.id, event, alarm.letter(), alarm.level.name if alarm.level else None])

    def told_test(self, alarm, otherwise):
        """What a person said of a test; where it is one anyway, `otherwise` is all that is told of the alarm."""
        n_before = len(self.events)
        self.look_at_tests()
        if all(event[1] != alarm.id for event in self.events[n_before:]):
            self.tell(alarm, otherwise)
        self.evaluate()
        self.touched = frozenset()

    def unshelve(self, alarm):
        alarm.shelf = None
        self.tell(alarm, "unshelved")

    def evaluate(self):
        for alarm in self.alarms:
            self.end_asides(alarm)
            for level in reversed(alarm.levels):
                if level.state in ("coming", "going") and level.due <= self.now:
                    alarm.turn_on(level) if level.state == "coming" else level.off()
            self.follow(alarm)
            if alarm.unknown_due is not None and alarm.unknown_due <= self.now:
                alarm.unknown_due, alarm.unknown = None, True
                self.tell(alarm, "unknown")
            self.suppress(alarm)
            conditions = self.conditions(alarm)
            before = [level.on for level in alarm.levels]
            self.apply(alarm, conditions)
            if [level.on for level in alarm.levels] != before:
                conditions = self.conditions(alarm)
            alarm.unknown_now = UNKNOWN in conditions
            if not alarm.unknown_now:
                alarm.unknown_due = None
                if alarm.unknown:
                    alarm.unknown = False
                    self.tell(alarm, "known")
            self.follow(alarm)
            alarm.waiting = alarm.unknown_now and self.waits(alarm)
            if alarm.unknown_now and not alarm.unknown and alarm.unknown_due is None and not alarm.waiting:
                if alarm.unknown_after == 0:
                    alarm.unknown = True
                    self.tell(alarm, "unknown")
                else:
                    alarm.unknown_due = self.now + alarm.unknown_after

    def reads(self, alarm):
        trees = [alarm.gate, *[reason[0] for reason in alarm.reasons]]
        trees += [level.when for level in alarm.levels]
        if alarm.levels[0].side in ("high", "low"):
            trees.append(alarm.value)
        return set().union(*[self.points_in(tree, alarm) for tree in trees if tree])

    def waits(self, alarm):
        for point in map(self.points.get, alarm.reads):
            if point.n_read == 0 and not point.stale:
                return True
        for key, slot in self.kept.items():
            if key[0] == alarm.id:
                if isinstance(slot, Since) and slot.last is None:
                    return True
                if isinstance(slot, Window) and slot.began > (slot.looked // slot.slice - 60) * slot.slice:
                    return True
        return any(other.waiting for other in self.counted(alarm))

    def points_in(self, tree, alarm):
        found = self.read_by(tree, alarm, None)
        kinds = self.each_kinds(tree)
        for name in self.points:
            if name.startswith(alarm.unit + "/") and f"unit.{self.points[name].table['kind']}" in kinds:
                found.add(name)
        return found - {None}

    def each_kinds(self, tree):
        if isinstance(tree, tuple) and tree[:2] == ("call", "each"):
            return {tree[2][0][1]}
        if isinstance(tree, (tuple, list)):
            return set().union(*[self.each_kinds(part) for part in tree]) if tree else set()
        return set()

    def counted(self, alarm):
        over = alarm.rule.get("over", [])
        return [other for other in self.alarms if other.rule["name"] in over and other.unit == alarm.unit]

    def conditions(self, alarm):
        gate = FIRM_TRUE if alarm.gate is None else self.condition(alarm.gate, alarm, ("gate",))
        found = []
        value = None
        if alarm.levels[0].side in ("high", "low"):
            value = self.number(alarm.value, alarm, ("value",))
        for index, level in enumerate(alarm.levels):
            if level.count is not None:
                members = []
                for other in self.counted(alarm):
                    if other.test:
                        members.append(UNKNOWN)
                        continue
                    reached = other.active and other.level.severity >= {"blue": 1, "yellow": 401, "orange": 601, "red": 801}[level.least]
                    members.append((WEAK_TRUE if other.unknown_now else FIRM_TRUE) if reached else UNKNOWN if other.unknown_now else FIRM_FALSE)
                answer = vote(level.count, members, alarm.rule.get("degrade"))
            elif level.side == "when":
                answer = self.condition(level.when, alarm, ("level", index))
            else:
                table = alarm.rule[level.side][[other for other in alarm.levels if other.side == level.side].index(level)]
                unit = self.unit_of(alarm.value, alarm, None)
                limit = self.constant(table["at"], unit)
                back = self.constant(table["deadband"], unit) if "deadband" in table else 0.0
                if level.side == "high":
                    answer = compare(">=", value, Number(limit - back if level.on else limit))
                else:
                    answer = compare("<=", value, Number(limit + back if level.on else limit))
            found.append(min(answer, gate))
        return found

    def constant(self, text, unit):
        tree = parse(text)
        sign = 1
        if tree[0] == "minus":
            sign, tree = -1, tree[1]
        _, value, of = tree
        if of == unit:
            return sign * value
        row = next(row for row in UNITS if of in row)
        return sign * float(f"{value * row[of] / row[unit]:.11e}")

    def apply(self, alarm, conditions):
        were_on = [level.on for level in alarm.levels]
        for index in reversed(range(len(alarm.levels))):
            level, condition = alarm.levels[index], conditions[index]
            if were_on[index] and not level.on:
                continue
            graver = any(other.on and alarm.side(other) == alarm.side(level) for other in alarm.levels[index + 1:])
            if not level.on:
                if condition > 0:
                    if level.on_delay == 0 or graver:
                        alarm.turn_on(level)
                    elif level.state == "idle":
                        level.state, level.due = "coming", self.now + level.on_delay
                    elif level.state == "standing":
                        level.state, level.due = "coming", self.now + level.due
                elif condition == UNKNOWN:
                    if level.state == "coming":
                        level.state, level.due = "standing", level.due - self.now
                else:
                    level.off()
            elif condition == FIRM_FALSE:
                if level.state != "going":
                    if level.off_delay == 0:
                        level.off()
                    else:
                        level.state, level.due = "going", self.now + level.off_delay
            else:
                level.state, level.due = "idle", None

    def follow(self, alarm):
        top = alarm.top()
        if top is (alarm.level if alarm.active else None):
            return
        if top is None:
            alarm.silenced, alarm.again, alarm.active = False, None, False
            self.tell(alarm, "returned")
            if alarm.shelf and alarm.shelf[1]:
                self.unshelve(alarm)
            return
        places = alarm.levels.index
        if not alarm.active:
            event = "raised"
        elif alarm.side(top) == alarm.side(alarm.level) and places(top) < places(alarm.level):
            event = "level-down"
        else:
            event = "level-up"
        if alarm.shelf and top.severity > 800:
            self.unshelve(alarm)
        milder = [level for level in alarm.levels[:places(top) + 1] if alarm.side(level) == alarm.side(top)]
        alarm.latched |= any(level.latch for level in milder)
        alarm.level, alarm.active = top, True
        if event != "level-down":
            alarm.acked, alarm.silenced, alarm.again = False, False, None
        if event == "raised":
            alarm.occurrence += 1
        self.tell(alarm, event)

    def end_asides(self, alarm):
        over = lambda due: due is not None and due <= self.now
        if alarm.shelf and over(alarm.shelf[0]):
            self.unshelve(alarm)
        if over(alarm.out):
            alarm.out = None
            self.tell(alarm, "in-service")
        if over(alarm.again):
            alarm.again, alarm.acked, alarm.silenced = None, False, False
            self.tell(alarm, "re-alarmed")

    def suppress(self, alarm):
        for index, reason in enumerate(alarm.reasons):
            was = reason[2]
            if self.condition(reason[0], alarm, ("reason", index)) > 0:
                reason[2], reason[3] = True, None
            elif was:
                if reason[3] is None:
                    reason[3] = self.now + reason[1]
                if reason[3] <= self.now:
                    reason[2], reason[3] = False, None
            if reason[2] != was:
                self.tell(alarm, "suppressed" if reason[2] else "unsuppressed")

    def act(self, step):
        """What a person does; true when it is refused."""
        alarm = next(alarm for alarm in self.alarms if alarm.id == step["alarm"])
        verb, until = step["do"], step.get("until")
        says_why = bool(step.get("comment", "").strip())
        if verb in ("comment", "shelve", "shelve-once", "out-of-service", "test") and not says_why:
            return True

        def ends(most):
            return until is not None and self.now < until <= self.now + most

        if verb == "ack":
            if alarm.acked:
                return True
            alarm.acked, alarm.silenced = True, False
            alarm.again = self.now + alarm.re_alarm if alarm.active and alarm.re_alarm else None
            self.tell(alarm, "acked")
        elif verb == "reset":
            if not alarm.latched or alarm.active or not alarm.acked:
                return True
            alarm.latched = False
            self.tell(alarm, "reset")
        elif verb == "silence":
            if alarm.below() != "B" or alarm.silenced:
                return True
            alarm.silenced, alarm.again = True, self.now + 10 * MS["min"]
            self.tell(alarm, "silenced")
        elif verb in ("shelve", "shelve-once"):
            red = alarm.active and alarm.level.severity > 800
            if alarm.letter() >= "E" or red or alarm.shelve_max == 0 or not ends(alarm.shelve_max):
                return True
            alarm.shelf = (until, verb == "shelve-once")
            self.tell(alarm, "shelved")
        elif verb == "unshelve":
            if not alarm.shelf:
                return True
            self.unshelve(alarm)
        elif verb == "out-of-service":
            two = step.get("second", "").strip().lower() not in ("", step["by"].strip().lower()) and step.get("ticket")
            if alarm.out is not None or not two or not ends(30 * MS["d"]):
                return True
            alarm.out = until
            self.tell(alarm, "out-of-service")
        elif verb == "in-service":
            if alarm.out is None:
                return True
            alarm.out = None
            self.tell(alarm, "in-service")
        elif verb == "test":
            if not ends(MS["d"]):
                return True
            alarm.tested = until
            self.told_test(alarm, "test-begun")
        elif verb == "test-end":
            ended = [other for other in self.alarms if other is alarm or other.about & alarm.about]
            if all(other.tested is None for other in ended):
                return True
            for other in ended:
                other.tested = None
            self.told_test(alarm, "comment")
        else:
            self.tell(alarm, "comment")
        return False


def play(case):
    playing = Play(case)
    refused = []
    for step in case["steps"]:
        if "down" in step:
            playing.down(step["down"], step["t"])
        playing.advance(step["t"])
        if "late" in step:
            playing.late(step["late"], step["value"], step["quality"], step["at"])
        elif "read" in step:
            playing.read(step["read"], step["value"], step["quality"])
        elif "do" in step:
            refused.append(playing.act(step))
    return {"events": playing.events, "refused": refused}
