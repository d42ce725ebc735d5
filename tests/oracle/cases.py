"""Random rule files with random traces for both opinions, and what the second opinion says of each.

    cases.py FROM COUNT     prints one JSON object a line: {"name": …, "case": …, "told": …}; the same number gives the same case

In the cases from 100,000 on readings come again, and rules look for that and for tests; from 200,000 on points come and go, hang on devices, are in loops and have attributes.
"""

import json
import re
import sys

import evaluator
from any_change import Changes
from any_rules import KINDS
from any_trace import Traces

# 2026-01-01 at 8 in the morning, and shortly before that day ends; by China's clock.
BEGINS = [1_767_225_600_000, 1_767_283_180_000]
POINTS = {
    "u/x": ("x", False), "u/y": ("y", False), "u/s": ("s", True), "u/t": ("t", True),
    "u/g-1": ("g", False), "u/g-2": ("g", False), "u/g-3": ("g", False),
}
# A second unit, in some cases.
OTHERS = {"v/x": ("x", False), "v/y": ("y", False), "v/s": ("s", True), "v/t": ("t", True), "v/g-1": ("g", False), "v/g-2": ("g", False), "v/g-3": ("g", False)}
# What hangs on the same devices as the points of kind g, in some cases.
BESIDE = {f"{unit}/h-{n}": ("h", False) for unit in "uv" for n in (1, 2, 3)}
# Numbers in other units, in some cases.
MEASURED = {"u/p": ("p", False), "u/q": ("q", False), "u/lon": ("lon", False), "u/lat": ("lat", False)}
EU = {"p": "Pa", "q": "ppm", "lon": "deg", "lat": "deg"}
# What may be switched, and a switch that shows what one of them does; in some cases.
SWITCHED = {"u/siren": ("siren", True), "u/lamp": ("lamp", True), "u/fan": ("fan", True), "u/turns": ("turns", True)}


class Dice(Changes, Traces):
    def __init__(self, number):
        super().__init__(number)
        self.again, self.sites = number >= 100_000, number >= 200_000

    def points(self, kinds):
        tables = []
        for name, (kind, switch) in kinds.items():
            table = {"name": name, "kind": kind, "switch": switch, "output": kind in KINDS, "max_age": self.choice([1_500, 4_000, 1_000_000] + [1_000_000] * 6 * (not self.rough))}
            if self.sites and kind in ("g", "h"):
                table |= {"device": name.replace(f"/{kind}-", "/d-"), "attributes": {"zone": "a" if name.endswith("1") else "b"}}
            if self.sites and (of := self.loop_of(name, kind)):
                table.setdefault("attributes", {})["loop"] = of
            tables.append(table if switch else table | {"eu": EU.get(kind, "%LEL")})
        # The third device is not always there.
        lacks = self.sites and self.one_in(2)
        return [table for table in tables if not (lacks and table.get("device") == "u/d-3")]

    def loop_of(self, name, kind):
        """A loop has one point of kind h and one switch, and any of the others."""
        if kind in ("g", "x"):
            return self.choice(["1", "1", "2", "3", None])
        return {"h": name[-1], "s": self.choice("12"), "t": "3"}.get(kind)

    def case(self):
        # The words of limits that must be given.
        self.needed = set()
        # In half of the cases much is not known; in the others most is, from the beginning on, and more happens.
        self.rough = self.one_in(2)
        self.switches, self.measures = self.one_in(2), self.one_in(3)
        kinds = POINTS | (BESIDE if self.sites else {}) | (OTHERS if self.one_in(3) else {}) | (SWITCHED if self.switches else {}) | (MEASURED if self.measures else {})
        rules = []
        for index in range(self.randrange(1, 5)):
            rules.append(self.any_rule(index, rules))
        begins = self.choice(BEGINS)
        parts = {"points": self.points(kinds), "rules": rules, "derived": self.derived(), "calendars": [self.calendar("c0"), self.calendar("c1")], "limits": self.limits(kinds, True)}
        parts["site"] = self.site(parts["rules"], kinds)
        files = [self.files(parts)]
        for _ in range(self.randrange(1, 4) if self.one_in(3) else 0):
            parts = self.changed(parts, kinds)
            files.append(self.choice([self.files(parts)] * 4 + files))
        case = {"begins": begins, **files[0], "changes": files[1:]}
        alarms = sorted({alarm.id for file in files for alarm in evaluator.Play({**case, **file}).alarms})
        ticks = re.search(r"\b(since|count|time_in|sum|increase|mean|stdev|lowest|highest|median|mad|change)\(", "".join(file["rules"] for file in files))
        return case | {"steps": self.steps(begins, kinds, alarms, len(files) - 1, ticks)}


if __name__ == "__main__":
    for number in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        case = Dice(number).case()
        print(json.dumps({"name": f"case {number}", "case": case, "told": evaluator.play(case)}), flush=True)
