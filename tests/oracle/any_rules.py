"""Random expressions and rules."""

import json
import random
import tomllib

DELAYS = ["0ms", "0ms", "1ms", "700ms", "2s", "5s"]
# Metres that lie well between the distances of any two places that are read.
DISTANCES = [104_000, 162_800, 239_900, 295_000, 765_000]
WINDOWS = ["6001ms", "12s", "60s"]
KINDS = ["siren", "lamp", "fan"]
COLOURS = ["blue", "yellow", "orange", "red"]
# Which points rules are for where there are devices, loops and attributes, and what each of these points has.
SCOPES = [
    ('{ kind = ["x", "g"] }', "self"),
    ('{ kind = "g" }', "self device"),
    ('{ kind = "g", with = { zone = "b" } }', "self device"),
    ('{ kind = "g", unit = "u" }', "self device"),
    ('{ kind = "g", loop_with = ["h"] }', "self device loop"),
    ('{ kind = ["x", "g"], loop_with = ["h"] }', "self loop"),
    ('{ kind = "g", loop_with = ["h", "s"] }', "self device loop switch"),
    ('{ kind = "g", peers = 1 }', "self device peers"),
    ('{ kind = ["x", "g"], peers = 2 }', "self peers"),
    ('{ kind = "g", peers = 1, loop_with = ["h"] }', "self device loop peers"),
]


def facts(rule):
    """What a rule's text says that a site has to know."""
    table = tomllib.loads(rule)["rule"][0]
    levels = table.get("high", []) + table.get("low", [])
    all_levels = levels + table.get("levels", []) + table.get("counts", [])
    unit = levels[0]["deadband"].split(" ")[1] if levels else ""
    actions = {kind for level in all_levels for kind in level.get("actions", [])}
    return {"name": table["name"], "limits": bool(levels), "levels": [level["level"] for level in all_levels], "actions": actions, "unit": unit, "over": table.get("over", [])}


class Rules(random.Random):
    def one_in(self, n):
        return self.randrange(n) == 0

    def level(self):
        return self.randrange(21) / 2

    # -- expressions; every number is in %LEL unless it says otherwise, and `own` says what the rule's own point has: itself, a device, a loop, peers

    def number(self, depth, own):
        names = ["unit.x", "unit.y", "'u/g-1'"] + ["self"] * 2 * bool(own) + ["device.h"] * 2 * ("device" in own) + ["loop.h"] * 3 * ("loop" in own)
        if depth == 0 or self.one_in(3):
            return self.choice(names)
        if self.sites and self.one_in(6):
            return self.of_each(depth, own)
        kind = self.randrange(10)
        inner = lambda: self.number(depth - 1, own)
        if kind == 0:
            return f"({inner()} {self.choice('+-')} {self.choice([inner(), f'{self.level()} %LEL'])})"
        if kind == 1:
            return f"{self.choice(['min', 'max'])}({inner()}, {inner()})"
        if kind == 2:
            return f"abs({inner()} - {inner()})"
        if kind == 3:
            return f"({inner()} {self.choice('*/')} 2)"
        if kind == 4:
            return f"{self.choice(['sum', 'increase'])}({self.choice(names)}, {self.choice(WINDOWS)})"
        if kind == 5:
            return "derived.d"
        if kind == 6:
            return f"({inner()} {self.choice('+-')} limit.w)"
        words = ['mean', 'stdev', 'lowest', 'highest', 'change'] + ['median', 'mad'] * self.sites
        return f"{self.choice(words)}({inner()}, {self.choice(WINDOWS)})"

    def each(self, own):
        return f"each({self.choice(['unit.g'] + ['peers'] * 3 * ('peers' in own))})"

    def each_number(self, own):
        each = self.each(own)
        return self.choice([each, each, f"{each} - {self.number(0, own)}", f"abs({each} - unit.x)", f"mean({each}, {self.choice(WINDOWS)})", f"{each} - max({self.each(own)})"])

    def of_each(self, depth, own):
        more = f", {self.number(depth - 1, own)}" * self.one_in(2)
        return f"{self.choice(['min', 'max'])}({self.each_number(own)}{more})"

    def around(self, own, sign):
        """What is asked of a point's loop and of its peers, or of a kind in the unit."""
        limit = f"{sign} {self.level()} %LEL"
        votes = ["any({}, {})", "all({}, {})", "at_least(1, {}, {})", "at_least(2, {}, {})"]
        asked = [self.choice(votes).format(self.vote(own, sign), self.condition(0, own)), f"{self.of_each(1, own)} {limit}"]
        if "loop" in own:
            asked += [f"self - loop.h {limit}", f"mean(loop.h, {self.choice(WINDOWS)}) {limit}", "bad(loop.h)"]
        if "peers" in own:
            asked += [f"same({self.randrange(2, 4)}, {self.choice(['self, ', ''])}each(peers))"] * 2
        return self.choice(asked)

    def vote(self, own, sign):
        """What a vote asks of each of some points."""
        number = f"{self.each_number(own)} {sign} {self.level()} %LEL"
        return self.choice([number, number, f"bad({self.each(own)})", f"held({number}, {self.choice(['1ms', '3s'])})", f"since({number}) {sign} 2s"])

    def condition(self, depth, own, each=True):
        sign = self.choice([">=", ">", "<=", "<"])
        if self.measures and self.one_in(5):
            turned = f"angle('u/lon', {self.choice([chr(39) + 'u/lat' + chr(39), '355 deg', '7 deg'])}) {sign} {self.level()} deg"
            return self.choice([turned] * self.sites + [
                f"convert('u/p', 'hPa') {sign} {self.level() / 100} hPa",
                f"convert('u/p', 'kPa') - 1 Pa {sign} {self.level() / 1000} kPa",
                f"convert('u/q', 'mg/m³') {sign} {self.level() + 0.3} mg/m³",
                f"'u/q' {sign} {self.level() + 0.3} mg/m³",
                f"distance('u/lon', 'u/lat', 5.2 deg, 4.9 deg) {sign} {self.choice(DISTANCES)} m",
            ])
        if depth == 0 or self.one_in(4):
            return self.choice(["unit.s", "unit.t"] + ["loop.s"] * ("switch" in own) + [f"{self.number(0, own)} {sign} {self.level()} %LEL"])
        if self.again and self.one_in(4):
            repeats = f"repeats({self.choice(['unit.x', 'unit.y'])}, {self.choice([10, 12])})"
            return self.choice([repeats, repeats, f"tested({self.choice(['unit.x', 'unit.s'])})"])
        if self.sites and self.one_in(4):
            return self.around(own, sign)
        if self.sites and self.earlier and self.one_in(5):
            return f"alarm.{self.choice(self.earlier)}"
        inner = lambda: self.condition(depth - 1, own, each)
        kind = self.randrange(17)
        if kind == 0:
            return f"({inner()} and {inner()})"
        if kind == 1:
            return f"({inner()} or {inner()})"
        if kind == 2:
            return f"not ({inner()})"
        if kind == 3:
            return f"held({inner()}, {self.choice(['1ms', '700ms', '3s'])})"
        if kind == 4:
            return f"since({inner()}) {sign} {self.choice(['1s', '2500ms', '7s'])}"
        if kind == 5:
            return f"count({inner()}, {self.choice(WINDOWS)}) {sign} {self.randrange(1, 4)}"
        if kind == 6:
            return f"time_in({inner()}, {self.choice(WINDOWS)}) {sign} {self.choice(['500ms', '2s', '6s'])}"
        if kind == 7:
            return self.choice(["bad", "stale"]) + f"({self.choice(['unit.x', 'unit.s', chr(39) + 'u/g-2' + chr(39)])})"
        if kind == 8:
            return f"during({self.choice(['c0', 'c1'])})"
        if kind == 9:
            return f"same({self.randrange(2, 4)}, each(unit.g))"
        if kind in (10, 11) and each:
            vote = self.choice(["any(", "all(", f"at_least({self.randrange(1, 4)}, "])
            return f"{vote}each(unit.g) {sign} {self.level()} %LEL)"
        if kind == 13:
            return f"{self.number(depth - 1, own)} {sign} limit.w"
        if kind == 12:
            return f"at_least(2, {inner()}, {inner()}, {inner()})"
        return f"{self.number(depth - 1, own)} {sign} {self.level()} %LEL"

    # -- rules

    def keys(self, name, colour):
        keys = f'level = "{name}", colour = "{colour}", on_delay = "{self.choice(DELAYS)}", off_delay = "{self.choice(DELAYS)}"'
        if self.switches and self.one_in(2):
            keys += f", actions = {json.dumps(self.sample(KINDS, self.randrange(1, 3)))}"
        return keys + (", latch = true" if self.one_in(4) else "")

    def head(self, name, scope):
        lines = ["[[rule]]", f'name = "{name}"', 'unverified = "a test"', f"for = {scope}", 'text = { zh = "z", en = "e" }']
        return lines + [f'degrade = "{self.choice(["hold", "vote", "drop", "lower"])}"', f'unknown_after = "{self.choice(DELAYS)}"']

    def life(self, lines, own, has_unit=True):
        """What may be done to an alarm, and when it is silent; a rule of the site has no unit to look at."""
        if has_unit and self.one_in(3):
            lines.append(f'only_while = "{self.condition(2, own)}"')
        if self.one_in(3):
            lines.append(f're_alarm = "{self.choice(["3s", "20s"])}"')
        if self.one_in(3):
            lines.append(f'shelve_max = "{self.choice(["0s", "4s"])}"')
        if has_unit and self.one_in(3):
            lines.append(f'suppress = [{{ while = "{self.condition(1, own)}", reason = "r", hold_off = "{self.choice(DELAYS)}" }}]')
        return "\n".join(lines)

    def in_unit(self, number, unit):
        """So that what is read, from 0 to 10, may reach it."""
        return f"{number / {'hPa': 100, 'kPa': 1000}.get(unit, 1)} {unit}"

    def limit(self, side, place, unit):
        """The limit of a level, as a number or as the site gives it."""
        number = self.at(side, place)
        if unit != "%LEL":
            return f'at = "{self.in_unit(number, unit)}"'
        word = f"{side}{place}"
        text = self.choice([f'at = "{number} %LEL"'] * 4 + [
            f'at = "limit.{word}"',
            f'at = "limit.{word}", otherwise = "{number} %LEL"',
            f'at = "2 * limit.half-{word}"',
            f'at = "limit.{word}", optional = true',
        ])
        if text.endswith(f'limit.{word}"'):
            self.needed.add(word)
        return text

    def when(self, own):
        condition = self.condition(3, own)
        if self.sites and self.one_in(4):
            return f'when = "{condition} {self.choice(["and", "or"])} {self.number(1, own)} >= limit.{self.choice(["high0", "low1"])}", optional = true'
        return f'when = "{condition}"'

    def at(self, side, place, shift=0):
        return 5 + 1.5 * place + shift if side.startswith("high") else 4 - 1.5 * place - shift

    def counting_rule(self, name, others):
        scope = self.choice(['"site"', '"site"', '"units"', '{ unit_with = ["x"] }'])
        site = scope == '"site"'
        lines = self.head(name, scope)
        over = self.sample(others, self.randrange(1, len(others) + 1))
        lines.append("over = [" + ", ".join(f'"{other}"' for other in over) + "]")
        levels = [
            f'{{ count = {self.choice([1, 1, 2, 3])}, from = "{self.choice(COLOURS[:3])}", {self.keys("c" + str(place), COLOURS[place])} }}'
            for place in range(self.randrange(1, 4))
        ]
        lines.append(f"counts = [{', '.join(levels)}]")
        # What it counts may be of units that lack what a gate would look at.
        return self.life(lines, "", not site and not (self.sites and scope == '"units"'))

    def lacking_rule(self, name):
        """Of units that lack some of what is asked for, and each has the devices' other points."""
        lines = self.head(name, '{ unit_with_any = ["x", "g", "h"] }')
        levels = [f'{{ when = "{self.of_what_is_here()}", {self.keys("l" + str(place), COLOURS[place])} }}' for place in range(self.randrange(1, 4))]
        return self.life([*lines, f"levels = [{', '.join(levels)}]"], "", False)

    def of_what_is_here(self):
        asked = lambda kind: self.choice([
            f"each(unit.{kind}) >= {self.level()} %LEL", f"same({self.randrange(2, 4)}, each(unit.{kind}))", f"max(each(unit.{kind})) < {self.level()} %LEL",
            f"bad(each(unit.{kind}))", f"held(each(unit.{kind}) > {self.level()} %LEL, 700ms)", f"any(each(unit.{kind}) > {self.level()} %LEL, unit.x < 3 %LEL)",
        ])
        more = [asked("g"), f"unit.x >= {self.level()} %LEL", f"count(unit.x >= {self.level()} %LEL, 12s) >= 1", f"alarm.{self.choice(self.before or ['none'])}"]
        parts = self.sample(more[:3 + bool(self.before)], self.randrange(1, 4)) + [asked("h")]
        some = f"any({', '.join(parts)})"
        return self.choice([some, some, f"not {some}", f"held({some}, 700ms)", f"({some} and any({asked('h')}, {asked('g')}))"])

    def rule(self, name):
        own = "self" * self.one_in(2)
        scope = f'{{ kind = "{self.choice(["x", "g"])}" }}' if own else '{ unit_with = ["x"] }'
        if own and self.sites:
            scope, own = self.choice(SCOPES)
        lines = self.head(name, scope)
        if self.one_in(2):
            unit = "%LEL"
            if self.measures and self.one_in(3):
                value, unit = self.choice([("convert('u/p', 'hPa')", "hPa"), ("convert('u/q', 'mg/m³')", "mg/m³"), ("'u/p'", "kPa")])
                lines.append(f'value = "{value}"')
            elif not own or self.one_in(2):
                lines.append(f'value = "{self.number(2, own)}"')
            n_high, n_low = self.randrange(4), self.randrange(3)
            n_high += n_high + n_low == 0
            for side, count in (("high", n_high), ("low", n_low)):
                if count == 0:
                    continue
                levels = []
                for place in range(count):
                    levels.append(f'{{ {self.limit(side, place, unit)}, deadband = "{self.in_unit(self.randrange(3) / 2, unit)}", {self.keys(side + str(place), COLOURS[place + self.randrange(2) * (place == count - 1)])} }}')
                lines.append(f"{side} = [{', '.join(levels)}]")
        else:
            levels = [f'{{ {self.when(own)}, {self.keys("l" + str(place), COLOURS[place])} }}' for place in range(self.randrange(1, 4))]
            lines.append(f"levels = [{', '.join(levels)}]")
        rule = self.life(lines, own)
        # Who doubts asks for no alarm of one who does not.
        doubts = self.sites and "alarm." not in rule and self.one_in(4)
        return rule + "\nmakes_uncertain = true" * doubts
