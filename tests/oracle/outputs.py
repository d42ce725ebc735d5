"""Which outputs are on, and whether they show what they were told."""

from values import BAD, duration


class Output:
    def __init__(self, table, kind, now):
        self.table, self.kind, self.unit = table, kind, table["point"].split("/")[0]
        self.min_on, self.within = duration(table.get("min_on", "0s")), duration(table.get("within", "10s"))
        self.on, self.since, self.ends = False, now, None
        # Whether it shows it, which nobody knows at first; and until when it has to.
        self.shows, self.due = None, now + self.within

    def dues(self):
        return [self.ends, self.due if self.shows is not False else None]

    def wait_again(self, now):
        """Nobody looked until now."""
        self.due = now + self.within

    def asked_by(self, alarm):
        """True for an alarm that may switch it, at a level that asks for its kind."""
        if alarm.retired or alarm.rule["name"] not in self.table["rules"] or alarm.unit not in ("-", self.unit, *self.table.get("units", [])):
            return False
        rule, level = alarm.rule, alarm.level
        if level is None:
            return False
        of_side = rule[level.side] if level.side in ("high", "low") else rule.get("levels", rule.get("counts", [rule]))
        milder = of_side[: of_side.index(level.table) + 1]
        return any(self.kind in table.get("actions", []) for table in milder)

    def stands(self, alarm):
        """True while the plant asks for it, whatever people think of that."""
        if alarm.test or alarm.out is not None or any(reason[2] for reason in alarm.reasons):
            return False
        return alarm.active or alarm.latched and self.table["class"] != "audible"

    def is_quieted(self, alarm):
        """True while people have put the alarm's announcement aside."""
        if self.table["class"] == "linkage":
            return False
        return bool(alarm.shelf) or self.table["class"] == "audible" and (alarm.acked or alarm.silenced)

    def is_shown(self, points):
        """Whether it is what it was told; none when that can't be read."""
        names = [self.table["point"]]
        if self.on and "feedback" in self.table:
            names.append(self.table["feedback"])
        for point in map(points.get, names):
            if point.stale or point.n_read == 0 or point.trust == BAD:
                return None
            if (point.value != 0) != self.on:
                return False
        return True

    def look(self, alarms, points, now):
        """What is to be told of it, one thing at a time."""
        standing = [alarm for alarm in alarms if self.asked_by(alarm) and self.stands(alarm)]
        wanted = any(not self.is_quieted(alarm) for alarm in standing)
        self.ends = None
        if wanted != self.on:
            # What people quieted is quiet at once.
            if wanted or standing or self.since + self.min_on <= now:
                self.on, self.since, self.shows, self.due = wanted, now, None, now + self.within
                return "on" if wanted else "off"
            self.ends = self.since + self.min_on
        shown = self.is_shown(points)
        if shown:
            self.due = None
            if self.shows is not True:
                self.shows = True
                return "shown"
        elif shown is None and not self.on:
            self.due = None
        else:
            if self.due is None:
                self.due = now + self.within
            if self.due <= now and self.shows is not False:
                self.shows = False
                return "failed"
        return None
