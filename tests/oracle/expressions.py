"""The text of an expression → a tree of tuples."""

import functools

from values import UNITS


def tokens(text):
    found, at = [], 0
    while at < len(text):
        c = text[at]
        if c.isspace():
            at += 1
        elif c == "'":
            end = text.index("'", at + 1)
            found.append(("quoted", text[at + 1:end]))
            at = end + 1
        elif text[at:at + 2] in (">=", "<="):
            found.append(("compare", text[at:at + 2]))
            at += 2
        elif c in "<>":
            found.append(("compare", c))
            at += 1
        elif c in "()+-*/,":
            found.append((c, c))
            at += 1
        elif c.isdigit():
            end = at
            while end < len(text) and (text[end].isdigit() or text[end] == "."):
                end += 1
            number, at = float(text[at:end]), end
            rest = text[at:].lstrip()
            names = [name for row in UNITS for name in row if name and rest.startswith(name)]
            names = [name for name in names if not rest[len(name):len(name) + 1].isalpha()]
            unit = max(names, key=len, default="")
            if unit:
                at = len(text) - len(rest) + len(unit)
            found.append(("number", (number, unit)))
        else:
            end = at
            while end < len(text) and (text[end].isalnum() or text[end] in "._-/"):
                end += 1
            found.append(("word", text[at:end]))
            at = end
    return found


class Parser:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else (None, None)

    def takes(self, kind, value=None):
        if self.peek()[0] == kind and value in (None, self.peek()[1]):
            self.at += 1
            return True
        return False

    def chain(self, word, part):
        parts = [part()]
        while self.takes("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else (word, parts)

    def either(self):
        return self.chain("or", lambda: self.chain("and", self.negated))

    def negated(self):
        return ("not", self.negated()) if self.takes("word", "not") else self.compared()

    def compared(self):
        left = self.total()
        kind, sign = self.peek()
        if kind != "compare":
            return left
        self.at += 1
        return ("compare", sign, left, self.total())

    def total(self):
        return self.operated("+-", lambda: self.operated("*/", self.signed))

    def operated(self, signs, part):
        left = part()
        while self.peek()[0] in tuple(signs):
            sign = self.peek()[0]
            self.at += 1
            left = ("reckon", sign, left, part())
        return left

    def signed(self):
        return ("minus", self.signed()) if self.takes("-") else self.atom()

    def atom(self):
        kind, value = self.peek()
        self.at += 1
        if kind == "number":
            return ("number", *value)
        if kind == "(":
            inside = self.either()
            assert self.takes(")")
            return inside
        if kind == "quoted":
            return ("point", value)
        if self.takes("("):
            parts = []
            while not self.takes(")"):
                parts.append(self.either())
                self.takes(",")
            return ("call", value, parts)
        return ("name", value)


@functools.cache
def parse(text):
    parser = Parser(text)
    tree = parser.either()
    assert parser.at == len(parser.tokens), text
    return tree
