"""Random limits, overrides, overlays, calendars and outputs."""

import json

from any_rules import DELAYS, KINDS, Rules, facts


class Site(Rules):
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
            if self.one_in(8):
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

    def overlay(self, rule, kinds, up=False):
        lines = ["[[overlay]]", f'rule = "{rule["name"]}"', self.selector(kinds), f'during = "{self.choice(["c0", "c1"])}"', 'reason = "a test"']
        level = self.choice(rule["levels"])
        if up or {"high1", "low1"} & set(rule["levels"]) and self.one_in(2):
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
            if self.sites and {"l1", "l-1"} & set(rule["levels"]) and self.one_in(2):
                tables.append(self.overlay(rule, kinds, True))
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
