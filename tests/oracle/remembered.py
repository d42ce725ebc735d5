"""What is remembered between looks: a condition that must hold, the time since one did, a window, readings that came before."""

import math
import statistics

from values import BAD, FIRM_FALSE, GOOD, NOTHING, Number, UNCERTAIN, UNKNOWN, duration, truth


class Held:
    def __init__(self, duration):
        self.duration, self.state, self.due = duration, "off", None
        # When its answer became another.
        self.answer, self.looked = UNKNOWN, None

    def dues(self, now):
        return [self.due] if self.state == "running" else []

    def look(self, condition, now):
        if self.state == "running" and self.due <= now:
            self.state = "done"
        if condition < 0:
            self.state = "off"
        elif condition == UNKNOWN:
            if self.state == "running":
                self.state, self.due = "standing", self.due - now
        elif self.state == "off":
            self.state, self.due = "running", now + self.duration
            if self.duration == 0:
                self.state = "done"
        elif self.state == "standing":
            self.state, self.due = "running", now + self.due
        answer = FIRM_FALSE if self.state == "running" and condition > 0 else condition
        if answer != self.answer:
            self.answer, self.looked = answer, now
        return answer


class Since:
    def __init__(self, now):
        self.began, self.last, self.before, self.answer, self.at, self.looked = now, None, UNKNOWN, NOTHING, None, now
        # The number of milliseconds that it is compared with, where it is with one.
        self.limit = None

    def look(self, condition, now):
        self.looked = now
        if self.at is not None and now == self.at and condition == self.before:
            return
        if condition > 0 or self.before > 0:
            self.last = now
        self.before, self.at = condition, now
        trust = {2: GOOD, 1: UNCERTAIN, 0: BAD}[abs(condition)]
        since = self.began if self.last is None else self.last
        self.answer = Number((now - since) / 1000, trust)
        if self.last is None and trust != BAD:
            self.answer = Number((now - since) / 1000, UNCERTAIN, True)

    def waits(self):
        """It was never true, and not watched for long enough to say anything."""
        return self.last is None and self.before != UNKNOWN and (self.limit is None or self.at - self.began <= self.limit)


class Window:
    """All that ever was, looked through anew."""

    def __init__(self, name, length, now):
        self.name, self.began = name, now
        self.slice = -(-length // 60)
        self.past, self.readings, self.n_read, self.answer, self.looked = [], [], 0, NOTHING, now

    def take(self, moment, now):
        """A moment is (value, trust)."""
        self.past.append((now, moment))

    def look(self, now):
        self.looked = now
        begin = (now // self.slice - 60) * self.slice
        spans = []
        for index, (at, moment) in enumerate(self.past):
            end = self.past[index + 1][0] if index + 1 < len(self.past) else now
            spans.append((max(0, end - max(at, begin)), at, moment))
        known = [(ms, at, value, trust) for ms, at, (value, trust) in spans if trust != BAD]
        inside = [span for span in known if span[0] > 0]
        now_value, now_trust = self.past[-1][1]
        length, filling = now - begin, self.began > begin
        known_ms = sum(span[0] for span in inside)
        weak = any(span[3] == UNCERTAIN for span in inside) or now_trust == UNCERTAIN
        firm = UNCERTAIN if weak else GOOD
        whole = known_ms == length and not filling and now_trust != BAD
        if self.name in ("count", "time_in", "sum", "increase"):
            if self.name == "count":
                pairs = zip(known, known[1:])
                total = sum(1 for one, two in pairs if two[1] >= begin and one[2] <= 0 < two[2])
            elif self.name == "time_in":
                total = sum(ms for ms, _, value, _ in inside if value > 0) / 1000
            elif self.name == "sum":
                total = sum(value for at, value in self.readings if at >= begin)
            else:
                total = 0
                for (_, _, one, _), (_, at, two, _) in zip(known, known[1:]):
                    if at >= begin:
                        total += two if two < one else two - one
            self.answer = Number(total, firm) if whole else Number(total, UNCERTAIN, True)
            return
        if self.name == "change":
            before = [moment for at, moment in self.past if at <= begin]
            if filling or now_trust == BAD or not before or before[-1][1] == BAD:
                self.answer = NOTHING
            else:
                self.answer = Number(now_value - before[-1][0], max(now_trust, before[-1][1]))
            return
        if self.name in ("median", "mad"):
            begins = [(now // self.slice - ago) * self.slice for ago in range(61)]
            held = [[moment for at, moment in self.past if at <= begin][-1:] for begin in begins]
            held = [moment for moments in held for moment in moments if moment[1] != BAD]
            if filling or len(held) < 55:
                self.answer = NOTHING
                return
            middle = statistics.median(value for value, _ in held)
            apart = statistics.median(abs(value - middle) for value, _ in held)
            firm = len(held) == 61 and all(trust == GOOD for _, trust in held)
            self.answer = Number(middle if self.name == "median" else apart, GOOD if firm else UNCERTAIN)
            return
        if filling or known_ms * 10 < length * 9:
            self.answer = NOTHING
            return
        trust = firm if known_ms == length and now_trust != BAD else UNCERTAIN
        values = [value for _, _, value, _ in inside] + ([now_value] if now_trust != BAD else [])
        mean = sum(ms * value for ms, _, value, _ in inside) / known_ms
        self.answer = {
            "mean": lambda: Number(mean, trust),
            "stdev": lambda: Number(math.sqrt(sum(ms * (value - mean) ** 2 for ms, _, value, _ in inside) / known_ms), trust),
            "lowest": lambda: Number(min(values), trust),
            "highest": lambda: Number(max(values), trust),
        }[self.name]()


class Repeats:
    """The readings of a row, and the stretches of so many that they were laid out in."""

    # Nothing in it comes with time alone.
    looked = None

    def __init__(self, n):
        self.n, self.row, self.stretches, self.ago, self.n_read = n, [], [], n, 0

    def look(self, number, n_read):
        if number.trust == BAD:
            self.row = []
            return UNKNOWN
        if n_read != self.n_read:
            self.n_read = n_read
            self.take(number.value)
        return truth(self.ago < self.n, number.trust)

    def take(self, reading):
        self.row.append(reading)
        self.ago += 1
        last = self.row[-self.n:]
        if len(last) < self.n:
            return
        if last in self.stretches:
            self.ago = 0
        if len(self.row) % self.n == 0 and 10 * sum(one != two for one, two in zip(last, last[1:])) >= self.n:
            self.stretches = (self.stretches + [last])[-self.n:]
