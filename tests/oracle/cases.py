"""Random rule files with random traces for both opinions, and what the second opinion says of each.

    cases.py FROM COUNT     prints one JSON object a line: {"name": …, "case": …, "told": …}; the same number gives the same case
"""

import json
import random
import re
import sys
import tomllib

import evaluator

# 2026-01-01 at 8 in the morning, and shortly before that day ends; by China's clock.
BEGINS = [1_767_225_600_000, 1_767_283_180_000]
DELAYS = ["0ms", "0ms", "1ms", "700ms", "2s", "5s"]
# Metres that lie well between the distances of any two places that are read.
DISTANCES = [104_000, 162_800, 239_900, 295_000, 765_000]
WINDOWS = ["6001ms", "12s", "60s"]
POINTS = {
    "u/x": ("x", False), "u/y": ("y", False), "u/s": ("s", True), "u/t": ("t", True),
    "u/g-1": ("g", False), "u/g-2": ("g", False), "u/g-3": ("g", False),
}
# A second unit, in some cases.
OTHERS = {"v/x": ("x", False), "v/y": ("y", False), "v/s": ("s", True), "v/t": ("t", True), "v/g-1": ("g", False), "v/g-2": ("g", False), "v/g-3": ("g", False)}
# Numbers in other units, in some cases.
MEASURED = {"u/p": ("p", False), "u/q": ("q", False), "u/lon": ("lon", False), "u/lat": ("lat", False)}
EU = {"p": "Pa", "q": "ppm", "lon": "deg", "lat": "deg"}
# What may be switched, and a switch that shows what one of them does; in some cases.
SWITCHED = {"u/siren": ("siren", True), "u/lamp": ("lamp", True), "u/fan": ("fan", True), "u/turns": ("turns", True)}
KINDS = ["siren", "lamp", "fan"]
COLOURS = ["blue", "yellow", "orange", "red"]


def facts(rule):
    """What a rule's text says that a site has to know."""
    table = tomllib.loads(rule)["rule"][0]
    levels = table.get("high", []) + table.get("low", [])
    all_levels = levels + table.get("levels", []) + table.get("counts", [])
    unit = levels[0]["deadband"].split(" ")[1] if levels else ""
    actions = {kind for level in all_levels for kind in level.get("actions", [])}
    return {"name": table["name"], "limits": bool(levels), "levels": [level["level"] for level in all_levels], "actions": actions, "unit": unit, "over": table.get("over", [])}

MINUTES_10, HOURS_4 = 600_000, 14_400_000


class Dice(random.Random):
    def one_in(self, n):
        return self.randrange(n) == 0

    def level(self):
        return self.randrange(21) / 2

    # -- expressions; every number is in %LEL unless it says otherwise

    def number(self, depth, own):
        names = ["unit.x", "unit.y", "'u/g-1'"] + ["self"] * 2 * bool(own)
        if depth == 0 or self.one_in(3):
            return self.choice(names)
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
        return f"{self.choice(['mean', 'stdev', 'lowest', 'highest', 'change'])}({inner()}, {self.choice(WINDOWS)})"

    def condition(self, depth, own, each=True):
        sign = self.choice([">=", ">", "<=", "<"])
        if self.measures and self.one_in(5):
            return self.choice([
                f"convert('u/p', 'hPa') {sign} {self.level() / 100} hPa",
                f"convert('u/p', 'kPa') - 1 Pa {sign} {self.level() / 1000} kPa",
                f"convert('u/q', 'mg/m³') {sign} {self.level() + 0.3} mg/m³",
                f"'u/q' {sign} {self.level() + 0.3} mg/m³",
                f"distance('u/lon', 'u/lat', 5.2 deg, 4.9 deg) {sign} {self.choice(DISTANCES)} m",
            ])
        if depth == 0 or self.one_in(4):
            return self.choice(["unit.s", "unit.t", f"{self.number(0, own)} {sign} {self.level()} %LEL"])
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
        return self.life(lines, False, not site)

    def rule(self, name):
        own = self.one_in(2)
        lines = self.head(name, f'{{ kind = "{self.choice(["x", "g"])}" }}' if own else '{ unit_with = ["x"] }')
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
            levels = [f'{{ when = "{self.condition(3, own)}", {self.keys("l" + str(place), COLOURS[place])} }}' for place in range(self.randrange(1, 4))]
            lines.append(f"levels = [{', '.join(levels)}]")
        return self.life(lines, own)

    # -- what the site says

    def selector(self, kinds):
        """Which points a table is for, as keys of it."""
        names = [name for name, (kind, _) in kinds.items() if kind in ("x", "g")]
        return self.choice(["", "", 'unit = "u"', 'unit = "v"', 'kind = "x"', 'kind = "g"', 'kind = "g"\nunit = "u"', f'point = "{self.choice(names)}"'])

    def limits(self, kinds, always):
        """Tables of limits; with `always` one for everything, that has whatever must not be missing."""
        selectors = {self.selector(kinds) for _ in range(self.randrange(3))}
        tables = []
        for selector in sorted(selectors | {""} if always else selectors):
            lines = ["[[limits]]", selector]
            for side in ("high", "low"):
                for place in range(3):
                    number = self.at(side, place, self.choice([0, 0.5]))
                    needed = always and selector == "" and f"{side}{place}" in self.needed
                    if needed or self.one_in(3):
                        lines.append(f'{side}{place} = "{number} %LEL"')
                    if always and selector == "" or self.one_in(4):
                        lines.append(f'half-{side}{place} = "{number / 2} %LEL"')
            if always and selector == "" or self.one_in(2):
                lines.append(f'w = "{self.level()} %LEL"')
            if len(lines) > 2:
                tables.append("\n".join(lines))
        return tables

    def overrides(self, rule, kinds):
        """What the site sets otherwise for a rule: never twice the same."""
        tables, seen = [], set()
        levels = rule["levels"]
        for _ in range(self.randrange(1, 3)):
            selector, level = self.selector(kinds), self.choice([None, *levels])
            if (selector, level) in seen:
                continue
            seen.add((selector, level))
            lines = ["[[override]]", f'rule = "{rule["name"]}"', selector, 'reason = "a test"']
            if level is None and self.one_in(8):
                lines.append("off = true")
            if level is not None:
                lines.append(f'level = "{level}"')
                if rule["limits"] and self.one_in(2):
                    at = self.in_unit(self.at(level[:-1], int(level[-1]), self.choice([0, 0.5])), rule["unit"])
                    asked = f"2 * limit.half-{level.replace('-', '')}" if rule["unit"] == "%LEL" and self.one_in(2) else at
                    lines.append(f'at = "{asked}"')
            if rule["limits"] and self.one_in(3):
                lines.append(f'deadband = "{self.in_unit(self.randrange(3) / 2, rule["unit"])}"')
            lines += [f'{key} = "{self.choice(DELAYS)}"' for key in ("on_delay", "off_delay") if self.one_in(2)]
            if len(lines) > 4 + (level is not None):
                tables.append("\n".join(lines))
        return tables

    def overlay(self, rule, kinds):
        lines = ["[[overlay]]", f'rule = "{rule["name"]}"', self.selector(kinds), f'during = "{self.choice(["c0", "c1"])}"', 'reason = "a test"']
        level = self.choice(rule["levels"])
        if len(rule["levels"]) > 1 and self.one_in(2):
            return "\n".join([*lines, "level_up = true"])
        at = self.at(level[:-1], int(level[-1]), -0.75 if level.startswith("high") else -0.25)
        return "\n".join([*lines, f'level = "{level}"', f'at = "{self.in_unit(at, rule["unit"])}"'])

    def calendar(self, name):
        keys = self.choice([
            'daily = "08:00 .. 08:01"', 'daily = "08:01 .. 09:00"', 'daily = "23:00 .. 00:01"', 'yearly = ["01-02 .. 02-01"]', 'yearly = ["12-01 .. 01-01"]',
            'dates = ["2025-12-31 .. 2026-01-01"]', 'dates = ["2026-01-02 .. 2026-01-03"]', 'weekdays = ["fri", "sun"]', 'weekdays = ["thu"]\ndaily = "08:01 .. 23:00"',
            'daily = "00:01 .. 00:02"\nzone = "+00:00"',
        ])
        return f'[[calendar]]\nname = "{name}"\n{keys}'

    def site(self, rules, kinds):
        tables = self.limits(kinds, False) if self.one_in(2) else []
        for rule in map(facts, rules):
            if self.one_in(3):
                tables += self.overrides(rule, kinds)
            if rule["limits"] and self.one_in(3):
                tables.append(self.overlay(rule, kinds))
        tables += [self.output(kind, rules, kinds) for kind in KINDS if self.switches]
        return "\n".join(tables) + "\n"

    def output(self, kind, rules, kinds):
        asking = [rule["name"] for rule in map(facts, rules) if kind in rule["actions"]]
        if not asking:
            return ""
        lines = ["[[output]]", f'point = "u/{kind}"', f"rules = {json.dumps(asking)}", 'reason = "a test"']
        lines += [f'class = "{self.choice(["audible", "visual", "linkage"])}"', f'min_on = "{self.choice(["0s", "700ms", "8s"])}"']
        lines.append(f'within = "{self.choice(["1s", "4s"])}"')
        if self.one_in(2):
            lines.append('feedback = "u/turns"')
        if "v/x" in kinds and self.one_in(2):
            lines.append('units = ["v"]')
        return "\n".join(lines)

    def points(self, kinds):
        tables = []
        for name, (kind, switch) in kinds.items():
            table = {"name": name, "kind": kind, "switch": switch, "output": kind in KINDS, "max_age": self.choice([1_500, 4_000, 1_000_000] + [1_000_000] * 6 * (not self.rough))}
            tables.append(table if switch else table | {"eu": EU.get(kind, "%LEL")})
        return tables

    # -- what is another later

    def files(self, parts):
        pack = ['pack = "p"', 'version = "1"', *parts["rules"], parts["derived"], *parts["calendars"], *parts["limits"]]
        pack += ['[[limits]]\nmolar-volume = "24.45 L/mol"\nmolar-mass = "28.01 g/mol"' for _ in range(self.measures)]
        return {"points": parts["points"], "rules": "\n".join(pack) + "\n", "site": parts["site"]}

    def derived(self):
        return f'[[derived]]\nname = "d"\nvalue = "{self.choice(["unit.x - unit.y", "max(unit.x, unit.y)", "mean(unit.x, 9s)"])}"'

    def any_rule(self, index, before):
        names = [facts(rule)["name"] for rule in before]
        if names and self.one_in(3):
            return self.counting_rule(f"r{index}", names)
        return self.rule(f"r{index}")

    def changed(self, parts, kinds):
        """The same with one or two things otherwise."""
        parts = parts | {"rules": list(parts["rules"]), "calendars": list(parts["calendars"])}
        rules = parts["rules"]
        for _ in range(self.randrange(1, 3)):
            place, what = self.randrange(len(rules)), self.randrange(9)
            name = facts(rules[place])["name"]
            if what == 0:
                rules[place] = self.any_rule(int(name[1:]), rules[:place])
            elif what == 1 and len(rules) > 1 and not any(name in facts(rule)["over"] for rule in rules):
                del rules[place]
            elif what == 2:
                # A level that goes, or comes to be another.
                rules[place] = rules[place].replace('"high0"', '"high-0"').replace('"l0"', '"l-0"')
            elif what == 3:
                parts["derived"] = self.derived()
            elif what == 4:
                which = self.randrange(2)
                parts["calendars"][which] = self.calendar(f"c{which}")
            elif what == 6:
                rules[place] = rules[place].replace(f'on_delay = "{self.choice(DELAYS)}"', f'on_delay = "{self.choice(DELAYS)}"').replace("latch = true", "latch = false")
            elif what == 8:
                parts["points"] = self.points(kinds)
            if what in (0, 5):
                parts["limits"] = self.limits(kinds, True)
            if what in (0, 1, 2, 7):
                # What it set otherwise may be of a rule or a level that is not there any more.
                parts["site"] = self.site(rules, kinds)
        return parts

    def case(self):
        # The words of limits that must be given.
        self.needed = set()
        # In half of the cases much is not known; in the others most is, from the beginning on, and more happens.
        self.rough = self.one_in(2)
        self.switches, self.measures = self.one_in(2), self.one_in(3)
        kinds = POINTS | (OTHERS if self.one_in(3) else {}) | (SWITCHED if self.switches else {}) | (MEASURED if self.measures else {})
        rules = []
        for index in range(self.randrange(1, 5)):
            rules.append(self.any_rule(index, rules))
        begins = self.choice(BEGINS)
        now, steps = begins, []
        parts = {"points": self.points(kinds), "rules": rules, "derived": self.derived(), "calendars": [self.calendar("c0"), self.calendar("c1")], "limits": self.limits(kinds, True)}
        parts["site"] = self.site(parts["rules"], kinds)
        files = [self.files(parts)]
        for _ in range(self.randrange(1, 4) if self.one_in(3) else 0):
            parts = self.changed(parts, kinds)
            files.append(self.choice([self.files(parts)] * 4 + files))
        case = {"begins": begins, **files[0], "changes": files[1:], "steps": steps}
        alarms = sorted({alarm.id for file in files for alarm in evaluator.Play({**case, **file}).alarms})
        # What is looked at each second is not played for hours.
        ticks = re.search(r"\b(since|count|time_in|sum|increase|mean|stdev|lowest|highest|change)\(", "".join(file["rules"] for file in files))
        walk, last = {name: 5.0 for name in kinds}, {}
        for name, (_, switch) in kinds.items():
            if not self.rough:
                steps.append({"t": now, "read": name, "value": 0.0 if switch else 5.0, "quality": "good"})
                last[name] = now
        to_come = list(range(len(files) - 1))
        for _ in range(self.randrange(20, 90)):
            now += self.choice([0, 0, 1, 1, 17, 250, 700, 1_000, 1_000, 2_001, 5_000])
            if self.one_in(40) and not ticks:
                # Past the end of a silence, or of a sensor's calibration.
                now += self.choice([MINUTES_10 - 1, MINUTES_10, HOURS_4])
            if alarms and self.one_in(5):
                verb = self.choice(["ack"] * (3 if self.rough else 8) + ["reset", "silence", "shelve"] * (not self.rough) + ["reset", "silence", "shelve", "shelve-once", "unshelve", "out-of-service", "in-service", "test", "test-end", "comment"])
                step = {"t": now, "do": verb, "alarm": self.choice(alarms), "by": self.choice(["li", "wang"])}
                if not self.one_in(6):
                    step["until"] = now + self.choice([1, 700, 3_000, 20_000])
                if not self.one_in(4):
                    step |= {"second": self.choice(["li", "zhao", " Li"]), "ticket": "W-1"}
                if not self.one_in(5):
                    step["comment"] = self.choice(["seen", "seen", "seen", " "])
                steps.append(step)
                continue
            if to_come and self.one_in(12):
                steps.append({"t": now, "change": to_come.pop(0)})
                continue
            if self.one_in(12):
                begin = now + self.choice([0, 1, 300, 1_000])
                now = begin + self.choice([1, 400, 1_000, 3_000, 20_000])
                steps.append({"t": now, "down": begin})
                continue
            name = self.choice(list(kinds))
            if self.one_in(10) and not kinds[name][1]:
                at = now - self.choice([2_000, 30_000])
                for _ in range(self.randrange(1, 6)):
                    at += self.choice([0, 1, 700, 1_000, 1_000, 5_000, -300])
                    quality = self.choice(["good"] * 6 + ["uncertain", "sensor-failure"])
                    steps.append({"t": now, "late": name, "value": self.choice([1.0, 3.0, 4.0, 5.0, 6.5, 8.0]), "quality": quality, "at": at})
                continue
            if last.get(name) == now:
                # Rules see one reading of a point in a millisecond.
                now += 1
            last[name] = now
            switch = kinds[name][1]
            if self.one_in(4 if self.rough else 2):
                walk[name] = self.level()
            else:
                walk[name] = min(10.0, max(0.0, walk[name] + self.choice([-0.5, 0, 0.5])))
            value = float(self.randrange(2)) if switch else walk[name]
            quality = self.choice(["good"] * (8 if self.rough else 60) + ["uncertain", "calibration", "sensor-failure", "comm-error"])
            steps.append({"t": now, "read": name, "value": value, "quality": quality})
        steps.append({"t": now + 30_000})
        return case


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        case = Dice(number).case()
        print(json.dumps({"name": f"case {number}", "case": case, "told": evaluator.play(case)}), flush=True)
