"""A second opinion on rules: slow and plain, written from rules/language.md and from nothing else.

Everything is evaluated anew at every moment at which anything may happen. `play(case)` takes

    begins   milliseconds since 1970
    points   [{name: "unit/point", kind, eu, switch, max_age}]
    rules    the text of a pack
    site     the text of the site's own file
    changes  what is another from some step on: [{points, rules, site}]
    steps    [{t, read: name, value, quality} | {t, do: verb, alarm, by, until, second, ticket, comment} | {t, down: from} | {t, late: name, …} | {t, change: which} | {t}]

and gives every event as [t, alarm, event, letter, level], of each output what it was told and whether it shows it as [t, output, word], and of each step with `do` whether it was refused.
"""

import tomllib

import counts
from calendars import calendar_holds
from changes import go_on
from conditions import Conditions
from expressions import parse
from outputs import Output
from remembered import Held, Repeats, Since, Window
from site_tables import Site, limit_now
from values import BAD, FIRM_FALSE, FIRM_TRUE, GOOD, MS, NOTHING, Number, UNCERTAIN, UNKNOWN, compare, duration, trust_of

COLOURS = {"blue": 200, "yellow": 500, "orange": 700, "red": 900}


class Point:
    def __init__(self, table, now):
        self.table, self.value, self.trust, self.quality = table, 0.0, BAD, None
        self.stale_at, self.stale, self.n_read, self.read_at = now + table["max_age"] + 1, False, 0, None
        # Until when it is believed that the sensor is being calibrated, and whether that is over.
        self.test_end, self.overdue = None, False

    def number(self):
        return NOTHING if self.stale or self.n_read == 0 else Number(self.value, self.trust)


class Level:
    def __init__(self, table, side):
        self.name, self.side = table["level"], side
        self.table, self.severity = table, COLOURS[table["colour"]]
        self.when = parse(table["when"]) if "when" in table else None
        # What the site makes of these: in the unit of what is compared, and with the stricter limits of some times.
        self.at, self.limit, self.deadband, self.overlays = table.get("at"), None, None, []
        self.on_delay, self.off_delay = None, None
        self.latch = table.get("latch", False)
        self.count, self.least = table.get("count"), table.get("from")
        self.on, self.state, self.due = False, "idle", None

    def off(self):
        self.on, self.state, self.due = False, "idle", None


class Alarm:
    def __init__(self, rule, unit, own, kind):
        self.rule, self.unit, self.own, self.kind = rule, unit, own, kind
        self.id = f"{unit}/{own.split('/')[1] if own else '-'}/{rule['name']}"
        self.levels = [Level(table, side) for side in ("high", "low") for table in rule.get(side, [])]
        for table in rule.get("levels", []) + rule.get("counts", []) + ([rule] if "when" in rule else []):
            self.levels.append(Level(table, "when"))
        self.gate = parse(rule["only_while"]) if "only_while" in rule else None
        self.makes_uncertain = rule.get("makes_uncertain", False)
        self.value = parse(rule.get("value", "self"))
        self.unknown_after = duration(rule.get("unknown_after", "5s"))
        self.re_alarm, self.shelve_max = duration(rule.get("re_alarm", "0s")), duration(rule.get("shelve_max", "8h"))
        self.reasons = [[parse(reason["while"]), duration(reason.get("hold_off", "0ms")), False, None] for reason in rule.get("suppress", [])]
        self.active, self.acked, self.latched, self.unknown, self.silenced, self.test = False, True, False, False, False, False
        self.level, self.occurrence = None, 0
        self.unknown_now, self.unknown_due, self.waiting = True, None, True
        self.shelf, self.out, self.tested, self.again = None, None, None, None
        # Its rule changed, and nobody has acknowledged that.
        self.config_changed = False
        # Its rule is gone.
        self.retired = False
        # Of late readings: the time of the last, since when each level is reached, and which was told.
        self.late = None

    def below(self):
        if self.active:
            return "C" if self.acked else "B"
        if self.latched:
            return "F" if self.acked else "E"
        return "A" if self.acked else "D"

    def letter(self):
        if self.out is not None:
            return "I"
        if any(reason[2] for reason in self.reasons):
            return "H"
        return "G" if self.shelf else self.below()

    def is_red(self):
        return self.active and self.level.severity > 800

    def side(self, level):
        return "low" if level.side == "low" else "high"

    def top(self):
        on = [level for level in self.levels if level.on]
        return on[-1] if on else None

    def turn_on(self, level):
        index = self.levels.index(level)
        for place, other in enumerate(self.levels):
            if self.side(other) != self.side(level):
                if other.on:
                    other.off()
            elif place == index or place < index and not other.on:
                other.on, other.state, other.due = True, "idle", None


class Play(Conditions):
    def __init__(self, case, now=None):
        files = [tomllib.loads(case[name]) for name in ("rules", "site")]
        self.now, self.events = now or case["begins"], []
        self.points = {table["name"]: Point(table, self.now) for table in case["points"]}
        self.site = Site(files)
        self.derived = {table["name"]: parse(table["value"]) for table in self.site.tables("derived")}
        self.alarms, self.kept = [], {}
        for rule in self.site.tables("rule"):
            for unit, own in self.scopes(rule):
                alarm = Alarm(rule, unit, own, own and self.points[own].table["kind"])
                self.leave_out_lacks(alarm)
                alarm.levels = [level for level in alarm.levels if not self.site.is_off(alarm, level)]
                self.site.set_delays(alarm)
                self.site.set_limits(alarm, lambda text: self.constant(text, alarm), lambda tree: self.lacks_limit(tree, alarm))
                # A level that counts more alarms than there are is left out, and an alarm without any level too.
                alarm.levels = [level for level in alarm.levels if level.count is None or level.count <= len(self.counted(alarm))]
                if alarm.levels:
                    self.alarms.append(alarm)
        # Who doubts comes before all who see readings in doubt.
        self.alarms.sort(key=lambda alarm: not alarm.makes_uncertain)
        for alarm in self.alarms:
            alarm.reads, alarm.about = self.reads(alarm), self.own(alarm)
        self.tested = set()
        tables = self.site.tables("output")
        self.outputs = [Output(table, self.points[table["point"]].table["kind"], self.now) for table in tables]
        self.switched = []

    def begin(self):
        self.evaluate()
        self.switch()

    def is_for(self, scope, name):
        """True when a rule for points of some kinds has an alarm for this one."""
        table = self.points[name].table
        kinds = scope["kind"] if isinstance(scope["kind"], list) else [scope["kind"]]
        if table["kind"] not in kinds or not name.startswith(scope.get("unit", name.split("/")[0]) + "/"):
            return False
        if not scope.get("with", {}).items() <= table.get("attributes", {}).items() or len(self.peers(name)) < scope.get("peers", 0):
            return False
        return set(scope.get("loop_with", [])) <= {self.points[other].table["kind"] for other in self.loop(name)}

    def scopes(self, rule):
        """The units that a rule has an alarm in, each with the point that it is about; "-" is the site as a whole."""
        if rule["for"] == "site":
            return [("-", None)]
        names = list(self.points)
        if "kind" in rule["for"]:
            return [(name.split("/")[0], name) for name in names if self.is_for(rule["for"], name)]
        units = sorted({name.split("/")[0] for name in names})
        if rule["for"] == "units":
            return [(unit, None) for unit in units]
        has = lambda unit, kind: any(name.startswith(unit + "/") and self.points[name].table["kind"] == kind for name in names)
        if "unit_with_any" in rule["for"]:
            return [(unit, None) for unit in units if any(has(unit, kind) for kind in rule["for"]["unit_with_any"])]
        return [(unit, None) for unit in units if all(has(unit, kind) for kind in rule["for"]["unit_with"])]

    # -- tests: what is read in one is no process value, and only alarms about the point see it

    def own(self, alarm):
        """The points that an alarm is about: its own, and the one whose number it compares."""
        found = {alarm.own}
        if alarm.levels[0].side in ("high", "low"):
            found.add(self.compared(alarm.value, alarm))
        return found - {None}

    def tested_points(self):
        return set().union(*[alarm.about for alarm in self.alarms if alarm.tested is not None])

    def under_test(self, name):
        point = self.points[name]
        return point.quality == "calibration" and not point.overdue or name in self.tested

    def seen(self, name, alarm):
        if self.under_test(name) and name not in alarm.about:
            return NOTHING
        number = self.points[name].number()
        if number.trust == GOOD and not alarm.makes_uncertain and self.is_doubted(name):
            return Number(number.value, UNCERTAIN)
        return number

    def is_doubted(self, name):
        """True while an alarm stands that makes a point uncertain: one about it, or about none, which reads it."""
        doubters = [alarm for alarm in self.alarms if alarm.makes_uncertain and (alarm.active or alarm.latched) and not alarm.test]
        return any(name in (alarm.about or alarm.reads) for alarm in doubters)

    def look_at_tests(self):
        """Points whose test began or ended are looked at as if they had been read."""
        tested = self.tested_points()
        self.touched |= tested ^ self.tested
        self.tested = tested
        for alarm in self.alarms:
            self.look_at_test(alarm)

    def look_at_test(self, alarm):
        """What was raised before a test is none, until it is over."""
        test = alarm.tested is not None or any(map(self.under_test, alarm.about))
        if test and not alarm.test and (alarm.active or alarm.latched):
            return
        if test != alarm.test:
            alarm.test = test
            self.tell(alarm, "test-begun" if test else "test-ended")

    # -- time

    # The points that were read, or grew stale, in this moment.
    touched = frozenset()
    is_up_again = False

    def dues(self):
        found = [point.stale_at for point in self.points.values() if not point.stale]
        found += [point.test_end for point in self.points.values() if not point.overdue]
        for alarm in self.alarms:
            found += [level.due for level in alarm.levels if level.state in ("coming", "going")]
            found += [alarm.unknown_due, alarm.out, alarm.tested, alarm.again, alarm.shelf and alarm.shelf[0]]
            found += [reason[3] for reason in alarm.reasons]
        for output in self.outputs:
            found += output.dues()
        for slot in self.kept.values():
            if isinstance(slot, Held):
                found += slot.dues(self.now)
            elif not isinstance(slot, Repeats):
                found.append((self.now // 1000 + 1) * 1000)
                if isinstance(slot, Window):
                    found.append((self.now // slot.slice + 1) * slot.slice)
        if self.site.calendars:
            found.append((self.now // 60_000 + 1) * 60_000)
        return [due for due in found if due is not None]

    def advance(self, until):
        while (due := min(self.dues(), default=until + 1)) <= until:
            self.now = max(self.now, due)
            self.moment()
        self.now = max(self.now, until)

    def moment(self):
        for name, point in self.points.items():
            if not point.stale and point.stale_at <= self.now:
                point.stale = True
                self.touched |= {name}
            if not point.overdue and point.test_end is not None and point.test_end <= self.now:
                point.overdue = True
                self.touched |= {name}
        for alarm in self.alarms:
            if alarm.tested is not None and alarm.tested <= self.now:
                alarm.tested = None
        self.look_at_tests()
        self.evaluate()
        self.touched = frozenset()
        self.switch()

    def switch(self):
        """Outputs are looked at until they have nothing more to tell in this moment."""
        for output in self.outputs:
            while told := output.look(self.alarms, self.points, self.now):
                self.switched.append([self.now, output.table["point"], told])

    def down(self, begin, end):
        self.advance(begin)
        for alarm in self.alarms:
            if alarm.unknown_due is not None:
                alarm.unknown_due = end + alarm.unknown_after
            for level in alarm.levels:
                if level.state == "coming":
                    level.due += end - begin
                elif level.state == "going":
                    level.due = end + level.off_delay
        for slot in self.kept.values():
            if isinstance(slot, Held) and slot.state == "running":
                slot.due += end - begin
            elif isinstance(slot, Window):
                slot.past.append((begin, (0.0, BAD)))
            elif isinstance(slot, Repeats):
                slot.row = []
        for output in self.outputs:
            output.wait_again(end)
        self.now, self.is_up_again = end, True
        self.moment()
        self.is_up_again = False

    def late(self, name, value, quality, at):
        if name not in self.points:
            return
        trust = trust_of(quality)
        if trust == BAD:
            return
        for alarm in self.alarms:
            if alarm.retired or alarm.gate is not None or alarm.levels[0].side not in ("high", "low") or self.compared(alarm.value, alarm) != name:
                continue
            reached = [level for level in alarm.levels if self.reaches(level, value)]
            if not reached:
                alarm.late = None
                continue
            last, since, shown = alarm.late or (at, {}, None)
            follows = last <= at <= last + self.points[name].table["max_age"]
            since = {level: since[level] if follows and level in since else at for level in reached}
            long = [level for level in reached if at - since[level] >= level.on_delay]
            tells = bool(long) and (
                shown is None or alarm.side(long[-1]) != alarm.side(shown) or alarm.levels.index(long[-1]) > alarm.levels.index(shown)
            )
            if tells:
                shown = long[-1]
                self.events.append([self.now, alarm.id, "historical", alarm.letter(), shown.name])
            alarm.late = (at, since, shown)

    def reaches(self, level, value):
        limit = limit_now(level, self.now)
        return value >= limit if level.side == "high" else value <= limit

    def read(self, name, value, quality):
        if name not in self.points:
            return
        point = self.points[name]
        point.trust = trust_of(quality)
        point.value = value if point.trust != BAD and value is not None else 0.0
        if quality != "calibration":
            point.test_end, point.overdue = None, False
        elif point.quality != "calibration":
            point.test_end = self.now + 4 * MS["h"]
        point.quality, point.stale, point.n_read, point.read_at = quality, False, point.n_read + 1, self.now
        point.stale_at = self.now + point.table["max_age"] + 1
        self.look_at_tests()
        self.touched = frozenset({name})
        self.evaluate()
        self.touched = frozenset()

    # -- the life of an alarm

    def tell(self, alarm, event):
        self.events.append([self.now, alarm.id, event, alarm.letter(), alarm.level.name if alarm.level else None])

    def told_test(self, alarm, otherwise):
        """What a person said of a test; where it is one anyway, `otherwise` is all that is told of the alarm."""
        n_before = len(self.events)
        self.look_at_tests()
        if all(event[1] != alarm.id for event in self.events[n_before:]):
            self.tell(alarm, otherwise)
        self.evaluate()
        self.touched = frozenset()

    def unshelve(self, alarm):
        alarm.shelf = None
        self.tell(alarm, "unshelved")

    def evaluate(self):
        for alarm in self.alarms:
            self.end_asides(alarm)
            if alarm.retired:
                continue
            for level in reversed(alarm.levels):
                if level.state in ("coming", "going") and level.due <= self.now:
                    alarm.turn_on(level) if level.state == "coming" else level.off()
            self.follow(alarm)
            if alarm.unknown_due is not None and alarm.unknown_due <= self.now:
                alarm.unknown_due, alarm.unknown = None, True
                self.tell(alarm, "unknown")
            self.suppress(alarm)
            conditions = self.conditions(alarm)
            before = [level.on for level in alarm.levels]
            self.apply(alarm, conditions)
            if [level.on for level in alarm.levels] != before:
                conditions = self.conditions(alarm)
            alarm.unknown_now = UNKNOWN in conditions
            if not alarm.unknown_now:
                alarm.unknown_due = None
                if alarm.unknown:
                    alarm.unknown = False
                    self.tell(alarm, "known")
            self.follow(alarm)
            alarm.waiting = alarm.unknown_now and self.waits(alarm)
            if alarm.unknown_now and not alarm.unknown and alarm.unknown_due is None and not alarm.waiting:
                if alarm.unknown_after == 0:
                    alarm.unknown = True
                    self.tell(alarm, "unknown")
                else:
                    alarm.unknown_due = self.now + alarm.unknown_after

    def reads(self, alarm):
        return set().union(*[self.points_in(tree, alarm) for tree in self.trees(alarm)])

    def waits(self, alarm):
        for point in map(self.points.get, alarm.reads):
            if point.n_read == 0 and not point.stale:
                return True
        for key, slot in self.kept.items():
            if key[0] == alarm.id:
                if isinstance(slot, Since) and slot.waits():
                    return True
                if isinstance(slot, Window) and slot.began > (slot.looked // slot.slice - 60) * slot.slice:
                    return True
        return any(other.waiting for other in self.others(alarm))

    def counted(self, alarm):
        return counts.counted(alarm, self.alarms)

    def others(self, alarm):
        """The alarms that it counts or asks for."""
        return self.counted(alarm) + counts.read(self.trees(alarm), alarm, self.alarms)

    def trees(self, alarm):
        trees = [alarm.gate, *[reason[0] for reason in alarm.reasons], *[level.when for level in alarm.levels]]
        if alarm.levels[0].side in ("high", "low"):
            trees.append(alarm.value)
        return [tree for tree in trees if tree]

    def conditions(self, alarm):
        gate = FIRM_TRUE if alarm.gate is None else self.condition(alarm.gate, alarm, ("gate",))
        found = []
        value = None
        if alarm.levels[0].side in ("high", "low"):
            value = self.number(alarm.value, alarm, ("value",))
        for index, level in enumerate(alarm.levels):
            if level.count is not None:
                answer = counts.answer(level, self.counted(alarm), alarm.rule["degrade"])
            elif level.side == "when":
                answer = self.condition(level.when, alarm, ("level", index))
                for place, (during, milder) in enumerate(level.overlays):
                    holds = FIRM_TRUE if calendar_holds(during, self.now) else FIRM_FALSE
                    answer = max(answer, min(holds, self.condition(milder, alarm, ("level", index, "up", place))))
            else:
                limit = limit_now(level, self.now)
                if level.side == "high":
                    answer = compare(">=", value, Number(limit - level.deadband if level.on else limit))
                else:
                    answer = compare("<=", value, Number(limit + level.deadband if level.on else limit))
            found.append(min(answer, gate))
        return found

    def apply(self, alarm, conditions):
        were_on = [level.on for level in alarm.levels]
        for index in reversed(range(len(alarm.levels))):
            level, condition = alarm.levels[index], conditions[index]
            if were_on[index] and not level.on:
                continue
            graver = any(other.on and alarm.side(other) == alarm.side(level) for other in alarm.levels[index + 1:])
            if not level.on:
                if condition > 0:
                    if level.on_delay == 0 or graver:
                        alarm.turn_on(level)
                    elif level.state == "idle":
                        level.state, level.due = "coming", self.now + level.on_delay
                    elif level.state == "standing":
                        level.state, level.due = "coming", self.now + level.due
                elif condition == UNKNOWN:
                    if level.state == "coming":
                        level.state, level.due = "standing", level.due - self.now
                else:
                    level.off()
            elif condition == FIRM_FALSE:
                if level.state != "going":
                    if level.off_delay == 0:
                        level.off()
                    else:
                        level.state, level.due = "going", self.now + level.off_delay
            else:
                level.state, level.due = "idle", None

    def follow(self, alarm):
        top = alarm.top()
        if top is (alarm.level if alarm.active else None):
            return
        if top is None:
            alarm.silenced, alarm.again, alarm.active = False, None, False
            self.tell(alarm, "returned")
            if alarm.shelf and alarm.shelf[1]:
                self.unshelve(alarm)
            self.look_at_test(alarm)
            return
        places = alarm.levels.index
        if not alarm.active:
            event = "raised"
        elif alarm.side(top) == alarm.side(alarm.level) and places(top) < places(alarm.level):
            event = "level-down"
        else:
            event = "level-up"
        if alarm.shelf and top.severity > 800:
            self.unshelve(alarm)
        milder = [level for level in alarm.levels[:places(top) + 1] if alarm.side(level) == alarm.side(top)]
        alarm.latched |= any(level.latch for level in milder)
        alarm.level, alarm.active = top, True
        if event != "level-down":
            alarm.acked, alarm.silenced, alarm.again = False, False, None
        if event == "raised":
            alarm.occurrence += 1
        self.tell(alarm, event)

    def end_asides(self, alarm):
        over = lambda due: due is not None and due <= self.now
        if alarm.shelf and over(alarm.shelf[0]):
            self.unshelve(alarm)
        if over(alarm.out):
            alarm.out = None
            self.tell(alarm, "in-service")
        if over(alarm.again):
            alarm.again, alarm.acked, alarm.silenced = None, False, False
            self.tell(alarm, "re-alarmed")

    def suppress(self, alarm):
        for index, reason in enumerate(alarm.reasons):
            was = reason[2]
            if self.condition(reason[0], alarm, ("reason", index)) > 0:
                reason[2], reason[3] = True, None
            elif was:
                if reason[3] is None:
                    reason[3] = self.now + reason[1]
                if reason[3] <= self.now:
                    reason[2], reason[3] = False, None
            if reason[2] != was:
                self.tell(alarm, "suppressed" if reason[2] else "unsuppressed")

    def act(self, step):
        """What a person does; true when it is refused."""
        alarm = next((alarm for alarm in self.alarms if alarm.id == step["alarm"]), None)
        if alarm is None:
            return True
        verb, until = step["do"], step.get("until")
        says_why = bool(step.get("comment", "").strip())
        if verb in ("comment", "shelve", "shelve-once", "out-of-service", "test") and not says_why:
            return True

        def ends(most):
            return until is not None and self.now < until <= self.now + most

        if verb == "ack":
            if alarm.acked or alarm.config_changed and not says_why:
                return True
            alarm.acked, alarm.silenced, alarm.config_changed = True, False, False
            alarm.again = self.now + alarm.re_alarm if alarm.active and alarm.re_alarm else None
            self.tell(alarm, "acked")
        elif verb == "reset":
            if not alarm.latched or alarm.active or not alarm.acked:
                return True
            alarm.latched = False
            self.tell(alarm, "reset")
            was_test = alarm.test
            self.look_at_test(alarm)
            if alarm.test != was_test:
                # Who counts it sees it otherwise at once.
                self.evaluate()
            if alarm.retired:
                self.tell(alarm, "retired")
        elif verb == "silence":
            if alarm.below() != "B" or alarm.silenced:
                return True
            alarm.silenced, alarm.again = True, self.now + 10 * MS["min"]
            self.tell(alarm, "silenced")
        elif verb in ("shelve", "shelve-once"):
            if alarm.letter() >= "E" or alarm.is_red() or alarm.shelve_max == 0 or not ends(alarm.shelve_max):
                return True
            alarm.shelf = (until, verb == "shelve-once")
            self.tell(alarm, "shelved")
        elif verb == "unshelve":
            if not alarm.shelf:
                return True
            self.unshelve(alarm)
        elif verb == "out-of-service":
            two = step.get("second", "").strip().lower() not in ("", step["by"].strip().lower()) and step.get("ticket")
            if alarm.out is not None or not two or not ends(30 * MS["d"]):
                return True
            alarm.out = until
            self.tell(alarm, "out-of-service")
        elif verb == "in-service":
            if alarm.out is None:
                return True
            alarm.out = None
            self.tell(alarm, "in-service")
        elif verb == "test":
            if not ends(MS["d"]) or (alarm.active or alarm.latched) and not alarm.test:
                return True
            alarm.tested = until
            self.told_test(alarm, "test-begun")
        elif verb == "test-end":
            ended = [other for other in self.alarms if other is alarm or other.about & alarm.about]
            if all(other.tested is None for other in ended):
                return True
            for other in ended:
                other.tested = None
            self.told_test(alarm, "comment")
        else:
            self.tell(alarm, "comment")
        return False


def play(case):
    playing = Play(case)
    playing.begin()
    refused = []
    for step in case["steps"]:
        if "down" in step:
            playing.down(step["down"], step["t"])
        playing.advance(step["t"])
        if "late" in step:
            playing.late(step["late"], step["value"], step["quality"], step["at"])
        elif "read" in step:
            playing.read(step["read"], step["value"], step["quality"])
        elif "do" in step:
            refused.append(playing.act(step))
        elif "change" in step:
            changed = Play(case | case["changes"][step["change"]], playing.now)
            go_on(changed, playing)
            playing = changed
        playing.switch()
    return {"events": playing.events, "switched": playing.switched, "refused": refused}
