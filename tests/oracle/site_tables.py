"""What a site says beside the rules: limits by their words, overrides and overlays. The narrowest table wins."""

from calendars import calendar_holds
from values import duration


def width(table):
    """A point is narrower than a kind in a unit, that than a unit, that than a kind, that than everything."""
    if "point" in table:
        return 0
    return 4 - 2 * ("unit" in table) - ("kind" in table)


def takes(table, alarm):
    """True when a table is for an alarm; one of a whole unit is of no kind, and one of the site of no unit."""
    if "point" in table:
        return table["point"] == alarm.own
    return table.get("unit", alarm.unit) == alarm.unit and table.get("kind", alarm.kind) == alarm.kind


class Site:
    """The tables of all files, those of packs first."""

    def __init__(self, files):
        self.files = files
        self.calendars = {table["name"]: table for table in self.tables("calendar")}

    def tables(self, name):
        return [table for file in self.files for table in file.get(name, [])]

    def limit(self, word, alarm):
        """The text of the limit of this word for an alarm; of two as narrow tables the site's. None where nobody gives it."""
        found = [table for table in reversed(self.tables("limits")) if word in table and takes(table, alarm)]
        return min(found, key=width)[word] if found else None

    def overrides(self, alarm, level=None):
        """Of one level, or of the alarm as a whole; narrowest first, and of those for the same points the one that names the level."""
        found = [table for table in self.tables("override") if table["rule"] == alarm.rule["name"] and takes(table, alarm)]
        return sorted((table for table in found if level is None or table.get("level", level.name) == level.name), key=lambda table: (width(table), "level" not in table))

    def is_off(self, alarm, level):
        return any(table.get("off") for table in self.overrides(alarm, level))

    def says(self, key, alarm, level):
        """What the narrowest override says of a level, else what the rule says."""
        said = [table[key] for table in self.overrides(alarm, level) if key in table]
        return said[0] if said else level.table.get(key)

    def set_delays(self, alarm):
        for level in alarm.levels:
            level.on_delay, level.off_delay = [duration(self.says(key, alarm, level) or "0ms") for key in ("on_delay", "off_delay")]

    def set_limits(self, alarm, constant, lacks):
        """Gives each level its limit and deadband, and the stricter limits of some times; `constant` gives a text's number, none where a limit in it is missing; `lacks` says whether one is missing in a condition.

        A level whose limit the site does not give is left out, where the rule lets it.
        """
        for level in [level for level in alarm.levels if level.at is not None]:
            level.limit = constant(self.says("at", alarm, level))
            if level.limit is None and "otherwise" in level.table:
                level.limit = constant(level.table["otherwise"])
            if level.limit is None:
                assert level.table["optional"]
                alarm.levels.remove(level)
                continue
            back = self.says("deadband", alarm, level)
            level.deadband = constant(back) if back else 0.0
        alarm.levels = [level for level in alarm.levels if not (level.when and level.table.get("optional") and lacks(level.when))]
        for table in self.tables("overlay"):
            if table["rule"] == alarm.rule["name"] and takes(table, alarm):
                self.overlay(table, alarm, constant)

    def overlay(self, table, alarm, constant):
        during = self.calendars[table["during"]]
        for milder, level in zip([None, *alarm.levels], alarm.levels):
            if table.get("level_up"):
                if milder is not None and milder.side == level.side:
                    level.overlays.append((during, milder.when if level.side == "when" else milder.limit))
            elif table.get("level", level.name) == level.name:
                level.overlays.append((during, constant(table["at"])))


def limit_now(level, now):
    """The strictest of a level's own limit and those of the calendars that hold."""
    limits = [level.limit] + [limit for during, limit in level.overlays if calendar_holds(during, now)]
    return min(limits) if level.side == "high" else max(limits)
