"""What stays when the rules change: nothing clears, nobody's deed is lost, and what is as it was goes on."""

import re

from site_tables import takes


def written(alarm, site):
    """All that is written that makes an alarm what it is: its rule, and what the site sets for it; another text makes it another alarm."""
    name = alarm.rule["name"]
    # What is left out is as if it were written.
    texts = [("rule", sorted({"shelve_max": "8h", "re_alarm": "0s", "unknown_after": "5s", **alarm.rule}.items())), ("levels", [level.name for level in alarm.levels])]
    texts += [(kind, table) for kind in ("override", "overlay") for table in site.tables(kind) if table["rule"] == name and takes(table, alarm)]
    asked = lambda pattern: set(re.findall(pattern, str(texts)))
    while True:
        parts = [("derived", table) for table in site.tables("derived") if table["name"] in asked(r"\bderived\.([\w-]+)")]
        parts += [("calendar", table) for table in site.tables("calendar") if table["name"] in asked(r"during\W+([\w-]+)")]
        new = [part for part in parts if part not in texts]
        if not new:
            break
        texts += new
    words = asked(r"\blimit\.([\w-]+)") | {"molar-volume", "molar-mass"}
    texts += [("limit", word, site.limit(word, alarm)) for word in words]
    return sorted(map(str, texts))


def looks_at(alarm, play):
    """The points that an alarm reads, and the alarms that it counts."""
    return alarm.reads, {other.id for other in play.others(alarm)}


def go_on(new, old):
    """Makes a play of new rules go on where the one of the old rules has come to."""
    new.events, new.switched = old.events, old.switched
    for name, point in new.points.items():
        if name in old.points:
            keep_reading(point, old.points[name], new.now)
    before = {alarm.id: alarm for alarm in old.alarms}
    changed = []
    for place, alarm in enumerate(new.alarms):
        was = before.pop(alarm.id, None)
        if was is None:
            continue
        if written(alarm, new.site) == written(was, old.site) and looks_at(alarm, new) == looks_at(was, old) and not was.retired:
            new.alarms[place] = was
            new.kept |= {key: slot for key, slot in old.kept.items() if key[0] == alarm.id}
        elif take_over(alarm, was):
            changed.append(alarm)
    for was in before.values():
        if was.letter() != "A":
            if not was.retired:
                retire(was)
                changed.append(was)
            new.alarms.append(was)
    for alarm in new.alarms:
        if alarm.shelf:
            # Nothing is on the shelf that the new rule does not let be there, or for longer.
            alarm.shelf = (min(alarm.shelf[0], new.now + alarm.shelve_max), alarm.shelf[1])
            if alarm.is_red() or alarm.shelve_max == 0:
                new.unshelve(alarm)
    for alarm in changed:
        new.tell(alarm, "config-changed")
    new.tested = new.tested_points()
    new.look_at_tests()
    outputs = {output.table["point"]: output for output in old.outputs}
    for output in new.outputs:
        if was := outputs.get(output.table["point"]):
            output.on, output.since, output.shows = was.on, was.since, was.shows
        output.wait_again(new.now)
    new.evaluate()
    new.switch()


def keep_reading(point, was, now):
    """A point keeps what it read last; another `max_age` counts from there, or from now on where nothing was read."""
    for name in ("value", "trust", "quality", "stale", "n_read", "read_at", "test_end", "overdue"):
        setattr(point, name, getattr(was, name))
    if point.table["max_age"] == was.table["max_age"]:
        point.stale_at = was.stale_at
    else:
        point.stale_at = (now if point.n_read == 0 else point.read_at) + point.table["max_age"] + 1


def take_over(alarm, was):
    """An alarm whose rule is another keeps its state and what people did to it, but for an acknowledgement; true when it has to say so."""
    normal = was.below() == "A"
    for name in ("active", "acked", "latched", "unknown", "silenced", "test", "occurrence", "shelf", "out", "tested", "again", "config_changed"):
        setattr(alarm, name, getattr(was, name))
    if was.level is not None:
        alarm.level = same_level(alarm, was.level)
    if alarm.active:
        alarm.turn_on(alarm.level)
    unsuppressed = any(reason[2] for reason in was.reasons)
    if was.retired or normal and not unsuppressed:
        return False
    if not normal:
        # People saw, and silenced, another alarm than this one is now.
        alarm.acked, alarm.again, alarm.silenced, alarm.config_changed = False, None, False, True
    return True


def same_level(alarm, level):
    """The level of the same name, else the gravest that is no graver, else the first."""
    named = [other for other in alarm.levels if other.name == level.name]
    milder = [other for other in alarm.levels if other.severity <= level.severity]
    gravest = max((other.severity for other in milder), default=None)
    return (named or [other for other in milder if other.severity == gravest][-1:] or alarm.levels)[0]


def retire(alarm):
    """An alarm whose rule is gone is not active any more, and stays until it is acknowledged and reset."""
    alarm.retired, alarm.active, alarm.latched, alarm.acked = True, False, True, False
    alarm.unknown, alarm.silenced, alarm.config_changed = False, False, True
    alarm.shelf, alarm.out, alarm.tested, alarm.again, alarm.reasons, alarm.late = None, None, None, None, [], None
    alarm.shelve_max, alarm.unknown_due, alarm.waiting, alarm.unknown_now = 0, None, False, False
    for level in alarm.levels:
        level.off()
    # About no point any more, it puts none in doubt.
    alarm.gate, alarm.levels, alarm.about, alarm.makes_uncertain = None, [], set(), False
