"""Random changes of what a case is made of."""

from any_rules import DELAYS, facts
from any_site import Site


class Changes(Site):
    def files(self, parts):
        pack = ['pack = "p"', 'version = "1"', *parts["rules"], parts["derived"], *parts["calendars"], *parts["limits"]]
        pack += ['[[limits]]\nmolar-volume = "24.45 L/mol"\nmolar-mass = "28.01 g/mol"' for _ in range(self.measures)]
        return {"points": parts["points"], "rules": "\n".join(pack) + "\n", "site": parts["site"]}

    def derived(self):
        values = ["unit.x - unit.y", "max(unit.x, unit.y)", "mean(unit.x, 9s)"] + ["max(each(unit.g)) - unit.x"] * self.sites
        return f'[[derived]]\nname = "d"\nvalue = "{self.choice(values)}"'

    def any_rule(self, index, before):
        names = [facts(rule)["name"] for rule in before]
        # Rules that have an alarm wherever this one has one.
        self.earlier = [facts(rule)["name"] for rule in before if 'for = { unit_with = ["x"] }' in rule]
        self.before = names
        if names and self.one_in(3):
            return self.counting_rule(f"r{index}", names)
        if self.sites and self.one_in(4):
            return self.lacking_rule(f"r{index}")
        return self.rule(f"r{index}")

    def changed(self, parts, kinds):
        """The same with one or two things otherwise."""
        parts = parts | {"rules": list(parts["rules"]), "calendars": list(parts["calendars"])}
        rules = parts["rules"]
        for _ in range(self.randrange(1, 3)):
            place, what = self.randrange(len(rules)), self.randrange(10)
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
            elif what == 9:
                lines = [line for line in rules[place].split("\n") if not line.startswith("shelve_max")]
                rules[place] = "\n".join([*lines, f'shelve_max = "{self.choice(["0s", "1s", "8h"])}"'])
            elif what == 8:
                parts["points"] = self.points(kinds)
            if what in (0, 5):
                parts["limits"] = self.limits(kinds, True)
            if what in (0, 1, 2, 7):
                # What it set otherwise may be of a rule or a level that is not there any more.
                parts["site"] = self.site(rules, kinds)
        return parts
