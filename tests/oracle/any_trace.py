"""Random traces."""

import random

MINUTES_10, HOURS_4 = 600_000, 14_400_000


class Traces(random.Random):
    def steps(self, begins, kinds, alarms, n_changes, ticks):
        """Readings, deeds, gaps and changes; what is looked at each second is not played for hours."""
        now, steps = begins, []
        walk, last = {name: 5.0 for name in kinds}, {}
        for name, (_, switch) in kinds.items():
            if not self.rough:
                steps.append({"t": now, "read": name, "value": 0.0 if switch else 5.0, "quality": "good"})
                last[name] = now
        to_come = list(range(n_changes))
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
            if self.again and self.one_in(12):
                now = self.loop(now, steps, kinds)
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
        return steps

    def loop(self, now, steps, kinds):
        """A few readings of a point that come again and again, now and then with another among them."""
        name = self.choice([name for name, (kind, _) in kinds.items() if kind in ("x", "y")])
        tape = [self.choice([1.0, 3.0, 5.0, 6.5, 8.0]) for _ in range(self.randrange(2, 15))]
        for place in range(self.randrange(20, 45)):
            now += self.choice([1, 1, 700])
            value = self.level() if self.one_in(60) else tape[place % len(tape)]
            quality = self.choice(["good"] * (30 if self.rough else 200) + ["uncertain", "sensor-failure"])
            steps.append({"t": now, "read": name, "value": value, "quality": quality})
        return now + 1
