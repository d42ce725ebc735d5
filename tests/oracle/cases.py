"""Random rule files with random traces for both opinions, and what the second opinion says of each.

    cases.py FROM COUNT     prints one JSON object a line: {"case": …, "told": …}; the same number gives the same case
"""

import json
import random
import re
import sys

import evaluator

BEGINS = 1_767_225_600_000
DELAYS = ["0ms", "0ms", "1ms", "700ms", "2s", "5s"]
WINDOWS = ["6001ms", "12s", "60s"]
POINTS = {
    "u/x": ("x", False), "u/y": ("y", False), "u/s": ("s", True), "u/t": ("t", True),
    "u/g-1": ("g", False), "u/g-2": ("g", False), "u/g-3": ("g", False),
}

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
        kind = self.randrange(9)
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
        return f"{self.choice(['mean', 'lowest', 'highest', 'change'])}({inner()}, {self.choice(WINDOWS)})"

    def condition(self, depth, own, each=True):
        sign = self.choice([">=", ">", "<=", "<"])
        if depth == 0 or self.one_in(4):
            return self.choice(["unit.s", "unit.t", f"{self.number(0, own)} {sign} {self.level()} %LEL"])
        inner = lambda: self.condition(depth - 1, own, each)
        kind = self.randrange(15)
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
            return "during(minute)"
        if kind == 9:
            return f"same({self.randrange(2, 4)}, each(unit.g))"
        if kind in (10, 11) and each:
            vote = self.choice(["any(", "all(", f"at_least({self.randrange(1, 4)}, "])
            return f"{vote}each(unit.g) {sign} {self.level()} %LEL)"
        if kind == 12:
            return f"at_least(2, {inner()}, {inner()}, {inner()})"
        return f"{self.number(depth - 1, own)} {sign} {self.level()} %LEL"

    # -- rules

    def keys(self, name, colour):
        keys = f'level = "{name}", colour = "{colour}", on_delay = "{self.choice(DELAYS)}", off_delay = "{self.choice(DELAYS)}"'
        return keys + (", latch = true" if self.one_in(4) else "")

    def rule(self, name):
        own = self.one_in(2)
        scope = f'{{ kind = "{self.choice(["x", "g"])}" }}' if own else '{ unit_with = ["x"] }'
        lines = ["[[rule]]", f'name = "{name}"', 'unverified = "a test"', f"for = {scope}", 'text = { zh = "z", en = "e" }']
        lines += [f'degrade = "{self.choice(["hold", "vote", "drop", "lower"])}"', f'unknown_after = "{self.choice(DELAYS)}"']
        colours = ["blue", "yellow", "orange", "red"]
        if self.one_in(2):
            if not own or self.one_in(2):
                lines.append(f'value = "{self.number(2, own)}"')
            n_high, n_low = self.randrange(4), self.randrange(3)
            n_high += n_high + n_low == 0
            for side, count in (("high", n_high), ("low", n_low)):
                if count == 0:
                    continue
                levels = []
                for place in range(count):
                    limit = 5 + 1.5 * place if side == "high" else 4 - 1.5 * place
                    levels.append(f'{{ at = "{limit} %LEL", deadband = "{self.randrange(3) / 2} %LEL", {self.keys(side + str(place), colours[place + self.randrange(2) * (place == count - 1)])} }}')
                lines.append(f"{side} = [{', '.join(levels)}]")
        else:
            levels = [f'{{ when = "{self.condition(3, own)}", {self.keys("l" + str(place), colours[place])} }}' for place in range(self.randrange(1, 4))]
            lines.append(f"levels = [{', '.join(levels)}]")
        if self.one_in(3):
            lines.append(f'only_while = "{self.condition(2, own)}"')
        if self.one_in(3):
            lines.append(f're_alarm = "{self.choice(["3s", "20s"])}"')
        if self.one_in(3):
            lines.append(f'shelve_max = "{self.choice(["0s", "4s"])}"')
        if self.one_in(3):
            lines.append(f'suppress = [{{ while = "{self.condition(1, own)}", reason = "r", hold_off = "{self.choice(DELAYS)}" }}]')
        return "\n".join(lines)

    def case(self):
        points = []
        for name, (kind, switch) in POINTS.items():
            table = {"name": name, "kind": kind, "switch": switch, "max_age": self.choice([1_500, 4_000, 1_000_000])}
            points.append(table if switch else table | {"eu": "%LEL"})
        rules = [self.rule(f"r{index}") for index in range(self.randrange(1, 4))]
        derived = f'[[derived]]\nname = "d"\nvalue = "{self.choice(["unit.x - unit.y", "max(unit.x, unit.y)", "mean(unit.x, 9s)"])}"'
        calendar = '[[calendar]]\nname = "minute"\ndaily = "' + self.choice(["08:00 .. 08:01", "08:01 .. 09:00"]) + '"'
        text = "\n".join(['pack = "p"', 'version = "1"', *rules, derived, calendar]) + "\n"
        # What is looked at each second is not played for hours.
        ticks = re.search(r"\b(since|count|time_in|sum|increase|mean|stdev|lowest|highest|change)\(", text)
        now, steps = BEGINS, []
        alarms = [f"u/-/r{index}" for index in range(len(rules))] + [f"u/{point}/r{index}" for index in range(len(rules)) for point in ("x", "g-1", "g-2", "g-3")]
        walk, last = {name: 5.0 for name in POINTS}, {}
        for _ in range(self.randrange(20, 90)):
            now += self.choice([0, 0, 1, 1, 17, 250, 700, 1_000, 1_000, 2_001, 5_000])
            if self.one_in(40) and not ticks:
                # Past the end of a silence, or of a sensor's calibration.
                now += self.choice([MINUTES_10 - 1, MINUTES_10, HOURS_4])
            if self.one_in(5):
                verb = self.choice(["ack", "ack", "ack", "reset", "silence", "shelve", "shelve-once", "unshelve", "out-of-service", "in-service", "test", "test-end", "comment"])
                step = {"t": now, "do": verb, "alarm": self.choice(alarms), "by": self.choice(["li", "wang"])}
                if not self.one_in(6):
                    step["until"] = now + self.choice([1, 700, 3_000, 20_000])
                if not self.one_in(4):
                    step |= {"second": self.choice(["li", "zhao", " Li"]), "ticket": "W-1"}
                if not self.one_in(5):
                    step["comment"] = self.choice(["seen", "seen", "seen", " "])
                steps.append(step)
                continue
            if self.one_in(12):
                begin = now + self.choice([0, 1, 300, 1_000])
                now = begin + self.choice([1, 400, 1_000, 3_000, 20_000])
                steps.append({"t": now, "down": begin})
                continue
            name = self.choice(list(POINTS))
            if self.one_in(10) and not POINTS[name][1]:
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
            switch = POINTS[name][1]
            if self.one_in(4):
                walk[name] = self.level()
            else:
                walk[name] = min(10.0, max(0.0, walk[name] + self.choice([-0.5, 0, 0.5])))
            value = float(self.randrange(2)) if switch else walk[name]
            quality = self.choice(["good"] * 8 + ["uncertain", "calibration", "sensor-failure", "comm-error"])
            steps.append({"t": now, "read": name, "value": value, "quality": quality})
        steps.append({"t": now + 30_000})
        return {"begins": BEGINS, "points": points, "rules": text, "steps": steps}


for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
    case = Dice(number).case()
    names = {alarm.id for alarm in evaluator.Play({**case, "steps": []}).alarms}
    case["steps"] = [step for step in case["steps"] if step.get("alarm") in names or "do" not in step]
    print(json.dumps({"number": number, "case": case, "told": evaluator.play(case)}), flush=True)
