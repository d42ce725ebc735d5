"""What an expression of a rule says now, for one alarm."""

import counts
from calendars import calendar_holds
from expressions import parse
from remembered import Held, Repeats, Since, Window
from values import BAD, FIRM_FALSE, FIRM_TRUE, GOOD, MS, NOTHING, Number, UNCERTAIN, UNITS, UNKNOWN, compare, distance, reckon, truth, vote


# What takes `each( )` in its arguments: the innermost counts.
HAS_EACH = ("any", "all", "at_least", "same", "min", "max")


class Conditions:
    """A part of what plays a case; `path` tells one place in the rules from another."""

    def named(self, tree, alarm, each):
        if tree[0] == "point":
            return tree[1]
        if tree[0] == "call" and tree[1] == "each":
            return each
        if tree == ("name", "self"):
            return alarm.own
        if tree[0] == "name" and tree[1].startswith("device."):
            device = self.points[alarm.own].table["device"]
            return next(name for name, point in self.points.items() if point.table.get("device") == device and point.table["kind"] == tree[1][7:])
        if tree[0] == "name" and tree[1].startswith("site."):
            return next(name for name, point in self.points.items() if point.table["kind"] == tree[1][5:])
        if tree[0] == "name" and tree[1].startswith("loop."):
            return next(name for name in self.loop(alarm.own) if self.points[name].table["kind"] == tree[1][5:])
        if tree[0] == "name" and tree[1].startswith("unit."):
            found = [name for name in self.points if name.startswith(alarm.unit + "/") and self.points[name].table["kind"] == tree[1][5:]]
            return found[0]
        return None

    def compared(self, tree, alarm):
        """The point whose number an expression is; of one number `min` and `max` are that number."""
        if tree[0] == "call" and tree[1] in ("min", "max") and len(tree[2]) == 1:
            points = self.each_in(tree[2][0], alarm)
            if points is None:
                return self.compared(tree[2][0], alarm)
            return self.named(tree[2][0], alarm, points[0]) if len(points) == 1 else None
        return self.named(tree, alarm, None)

    def loop(self, own):
        """The points of an instrument loop, with this one; none where it is in none."""
        of = lambda name: (name.split("/")[0], self.points[name].table.get("attributes", {}).get("loop"))
        return [name for name in self.points if of(name) == of(own) and of(own)[1] is not None]

    def peers(self, own):
        alike = lambda name: (name.split("/")[0], self.points[name].table["kind"])
        return [name for name in self.points if alike(name) == alike(own) and name != own]

    def each_of(self, tree, alarm):
        """The points that an `each( )` stands for."""
        of = tree[2][0][1]
        if of == "peers":
            return self.peers(alarm.own)
        return [name for name in self.points if name.startswith(alarm.unit + "/") and self.points[name].table["kind"] == of[5:]]

    # -- what is not here and need not be: `any` goes without it

    def leave_out_lacks(self, alarm):
        alarm.gate, alarm.value = self.without_lacks(alarm.gate, alarm), self.without_lacks(alarm.value, alarm)
        for part in alarm.levels:
            part.when = self.without_lacks(part.when, alarm)
        for reason in alarm.reasons:
            reason[0] = self.without_lacks(reason[0], alarm)

    def without_lacks(self, tree, alarm):
        if not isinstance(tree, (tuple, list)):
            return tree
        if tree[:2] == ("call", "any"):
            return ("call", "any", [self.without_lacks(part, alarm) for part in tree[2] if not self.lacks(part, alarm)])
        return type(tree)(self.without_lacks(part, alarm) for part in tree)

    def lacks(self, tree, alarm):
        """True where something asks for an alarm that is not here, or for a point of a kind that the unit may lack and does."""
        if not isinstance(tree, (tuple, list)):
            return False
        if tree[:2] == ("call", "any"):
            return all(self.lacks(part, alarm) for part in tree[2])
        if tree[:1] == ("name",) and tree[1].startswith("alarm."):
            return not counts.of_rules([tree[1][6:]], alarm, self.alarms)
        if tree[:1] == ("name",) and tree[1].startswith("unit."):
            may_lack = tree[1][5:] in alarm.rule["for"].get("unit_with_any", []) if isinstance(alarm.rule["for"], dict) else False
            return may_lack and not self.each_of(("call", "each", [tree]), alarm)
        return any(self.lacks(part, alarm) for part in tree)

    def is_condition(self, tree, alarm, each):
        if tree[0] in ("and", "or", "not", "compare"):
            return True
        if tree[0] == "call" and tree[1] != "each":
            return tree[1] in ("held", "any", "all", "at_least", "bad", "stale", "during", "same", "repeats", "tested")
        if tree[0] == "name" and tree[1].startswith("alarm."):
            return True
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
            numbers = self.numbers(tree[2:], alarm, path, each)
            for step, (one, other) in enumerate([tree[2:], tree[:1:-1]]):
                if one[:2] == ("call", "since") and other[0] == "number":
                    self.kept[(alarm.id, *path, step, "since", each)].limit = other[1] * MS[other[2]]
            return compare(tree[1], *numbers)
        if kind == "name" and tree[1].startswith("alarm."):
            return max((counts.member(other, "blue") for other in counts.of_rules([tree[1][6:]], alarm, self.alarms)), default=UNKNOWN)
        if kind == "name" and tree[1].startswith("derived."):
            return again(self.derived[tree[1][8:]], tree[1])
        if kind != "call" or tree[1] == "each":
            number = self.seen(self.named(tree, alarm, each), alarm)
            return truth(number.value != 0, number.trust)
        name, parts = tree[1], tree[2]
        if name == "during":
            return FIRM_TRUE if calendar_holds(self.site.calendars[parts[0][1]], self.now) else FIRM_FALSE
        if name == "tested":
            return FIRM_TRUE if self.under_test(self.named(parts[0], alarm, each)) else FIRM_FALSE
        if name in ("bad", "stale"):
            point = self.points[self.named(parts[0], alarm, each)]
            if point.stale:
                return FIRM_TRUE
            if name == "stale":
                return FIRM_FALSE
            return UNKNOWN if point.n_read == 0 else FIRM_TRUE if point.trust == BAD else FIRM_FALSE
        if name == "same":
            return self.same(int(parts[0][1]), parts[1:], alarm, each)
        if name == "repeats":
            of, n = self.named(parts[0], alarm, each), int(parts[1][1])
            slot = self.kept.setdefault((alarm.id, *path, "repeats", each), Repeats(n))
            return slot.look(self.seen(of, alarm), self.points[of].n_read)
        if name == "held":
            key = (alarm.id, *path, "held", each)
            slot = self.kept.setdefault(key, Held(int(parts[1][1] * MS[parts[1][2]])))
            return slot.look(again(parts[0], "of"), self.now)
        k, parts = (int(parts[0][1]), parts[1:]) if name == "at_least" else (None, parts)
        members = []
        for step, part in enumerate(parts):
            points = self.each_in(part, alarm)
            if points is None:
                members.append(again(part, step))
                continue
            members += [self.condition(part, alarm, (*path, step, point), point) for point in points]
        if name == "all":
            return min(members)
        if name == "any":
            return max(members)
        return vote(k, members, alarm.rule.get("degrade", "hold"))

    def each_in(self, tree, alarm):
        """The points that the `each( )` in an argument stands for; none where there is none, but that of something inside it."""
        if isinstance(tree, tuple):
            if tree[:2] == ("call", "each"):
                return self.each_of(tree, alarm)
            if tree[0] == "call" and tree[1] in HAS_EACH:
                return None
        if isinstance(tree, (tuple, list)):
            for part in tree:
                if (found := self.each_in(part, alarm)) is not None:
                    return found
        return None

    def same(self, n, parts, alarm, each):
        numbers = []
        for part in parts:
            if part[0] == "call":
                numbers += [self.seen(name, alarm) for name in self.each_of(part, alarm)]
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
        if tree[0] == "name" and tree[1].startswith("limit."):
            return self.unit_of(parse(self.site.limit(tree[1][6:], alarm)), alarm, each)
        if tree[0] == "name" and tree[1].startswith("derived."):
            return self.unit_of(self.derived[tree[1][8:]], alarm, each)
        if tree[0] == "call" and tree[1] != "each":
            if tree[1] in ("since", "time_in"):
                return "s"
            if tree[1] == "convert":
                return tree[2][1][1]
            if tree[1] == "distance":
                return "m"
            if tree[1] == "angle":
                return "deg"
            if tree[1] in HAS_EACH and (points := self.each_in(tree[2][0], alarm)) is not None:
                each = points[0]
            return "" if tree[1] == "count" else self.unit_of(tree[2][0], alarm, each)
        return self.points[self.named(tree, alarm, each)].table.get("eu", "")

    def numbers(self, trees, alarm, path, each, has_each=False):
        """Numbers beside each other: constants are brought into the unit of what is measured; perhaps one for each point."""
        measured = [tree for tree in trees if tree[0] != "number"] or trees
        points = self.each_in(measured[0], alarm) if has_each else None
        unit = self.unit_of(measured[0], alarm, each if points is None else points[0])
        found = []
        for step, tree in enumerate(trees):
            if has_each and (points := self.each_in(tree, alarm)) is not None:
                found += [self.number(tree, alarm, (*path, step, point), point) for point in points]
                continue
            number = self.number(tree, alarm, (*path, step), each)
            if tree[0] == "number" and tree[2] != unit and tree[1:] != (0, ""):
                number = Number(self.in_unit(tree[1], tree[2], unit, alarm))
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
        if kind == "name" and tree[1].startswith("limit."):
            return self.number(parse(self.site.limit(tree[1][6:], alarm)), alarm, path, each)
        if kind == "name" and tree[1].startswith("derived."):
            return self.number(self.derived[tree[1][8:]], alarm, (*path, tree[1]), each)
        if kind != "call" or tree[1] == "each":
            return self.seen(self.named(tree, alarm, each), alarm)
        name, parts = tree[1], tree[2]
        if name == "abs":
            return reckon([self.number(parts[0], alarm, path, each)], abs)
        if name in ("min", "max"):
            numbers = self.numbers(parts, alarm, path, each, True)
            all_of = numbers[0]
            for number in numbers[1:]:
                all_of = reckon([all_of, number], {"min": min, "max": max}[name])
            return all_of
        if name == "angle":
            one, other = self.numbers(parts, alarm, path, each)
            return reckon([one, other], lambda a, b: min(abs(a - b), 360 - abs(a - b)))
        if name == "distance":
            return reckon([self.number(part, alarm, (*path, step), each) for step, part in enumerate(parts)], distance)
        if name == "convert":
            factor = self.factor(self.unit_of(parts[0], alarm, each), parts[1][1], alarm)
            return reckon([self.number(parts[0], alarm, path, each)], factor)
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

    def in_unit(self, value, of, unit, alarm):
        """A constant in another unit, to twelve digits, as people mean it."""
        return float(f"{self.factor(of, unit, alarm)(value):.11e}")

    def factor(self, of, unit, alarm):
        """What turns a number of one unit into one of another; between ppm and mg/m³ lies what the site says of the gas."""
        if {of, unit} == {"ppm", "mg/m³"}:
            volume, mass = [self.number(parse(self.site.limit(word, alarm)), alarm, ()).value for word in ("molar-volume", "molar-mass")]
            return (lambda ppm: ppm * mass / volume) if of == "ppm" else (lambda mg: mg * volume / mass)
        row = next(row for row in UNITS if of in row)
        return lambda value: value * row[of] / row[unit]

    def is_inner_looked(self, alarm, path):
        """True when a window or a since inside this one was looked at in this millisecond, or a held became another."""
        begins = (alarm.id, *path, "of")
        inner = (slot for key, slot in self.kept.items() if key[: len(begins)] == begins)
        return any(slot.looked == self.now for slot in inner)

    def is_tick(self, tree, alarm, each):
        """True when what remembers is looked at though it reads the same: at whole seconds, after a down, and when a point that it reads was read or grew stale."""
        return self.is_up_again or self.now % 1000 == 0 or bool(self.touched & self.read_by(tree, alarm, each))

    def read_by(self, tree, alarm, each):
        if isinstance(tree, tuple) and tree[:2] == ("call", "convert"):
            return self.read_by(tree[2][0], alarm, each)
        if isinstance(tree, tuple) and tree[:1] == ("call",) and tree[1] in HAS_EACH:
            own_each = [part for part in tree[2] if self.each_in(part, alarm) is not None]
            others = [part for part in tree[2] if part not in own_each]
            return set().union(*[self.read_by(part, alarm, None) for part in own_each], *[self.read_by(part, alarm, each) for part in others])
        if isinstance(tree, tuple) and tree[:2] == ("call", "each") and each is None:
            return set(self.each_of(tree, alarm))
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

    def points_in(self, tree, alarm):
        return self.read_by(tree, alarm, None) - {None}

    def constant(self, text, alarm):
        """The number of a limit, in the unit of what it is compared with; none where a limit in it is missing."""
        tree, unit = parse(text), self.unit_of(alarm.value, alarm, None)
        if self.lacks_limit(tree, alarm):
            return None
        number, of = self.number(tree, alarm, ("limit",)).value, self.unit_of(tree, alarm, None)
        return number if of == unit or (number, of) == (0, "") else self.in_unit(number, of, unit, alarm)

    def lacks_limit(self, tree, alarm):
        if not isinstance(tree, (tuple, list)):
            return False
        if tree[:1] == ("name",) and tree[1].startswith("limit."):
            return self.site.limit(tree[1][6:], alarm) is None
        return any(self.lacks_limit(part, alarm) for part in tree)
