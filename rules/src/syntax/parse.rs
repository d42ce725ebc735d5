//! Tokens to a tree, by recursive descent with a bound on depth.

use std::boxed::Box;
use std::format;
use std::string::String;
use std::vec::Vec;

use thiserror::Error;

use super::expr::{Arith, Expr, Function, Name, Node};
use super::lex::{Token, lex};
use crate::unit::Unit;

/// How deep parentheses, `not`s and signs may nest.
const DEPTH_MAX: usize = 32;
/// How long an expression may be, in bytes.
const LEN_MAX: usize = 4_096;

/// Why a text is no expression.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{what}")]
pub struct SyntaxError {
    /// The byte offset in the text.
    pub at: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

/// Reads an expression.
///
/// # Errors
/// The first place where the text leaves the grammar, or nests or runs on too far.
pub fn parse(text: &str) -> Result<Expr, SyntaxError> {
    if text.len() > LEN_MAX {
        return Err(SyntaxError {
            at: 0,
            what: format!(
                "an expression of {} bytes, expected at most {LEN_MAX}",
                text.len()
            ),
        });
    }
    let tokens = lex(text)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        end: text.len(),
        depth: 0,
    };
    let expr = parser.or()?;
    match parser.tokens.get(parser.next) {
        None => Ok(expr),
        Some((token, at)) => {
            let before = text.as_bytes().get(at.wrapping_sub(1));
            let after = text.as_bytes().get(at + 1);
            let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            let what = describe(Some(token));
            let what = match token {
                Token::Comma if is_digit(before) && is_digit(after) => {
                    format!("unexpected {what}, did you mean a decimal point?")
                }
                Token::Word(word) if WORDS.contains(&&*word.to_lowercase()) => {
                    format!("unexpected {what}, did you mean `{}`?", word.to_lowercase())
                }
                _ => format!("unexpected {what}, expected an operator or the end"),
            };
            Err(SyntaxError { at: *at, what })
        }
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    depth: usize,
}

/// The words between conditions, and before one.
const WORDS: [&str; 3] = ["and", "or", "not"];

/// A name of some sort, of what it is called.
type OfSort = fn(String) -> Name;

/// What a name may begin with, and of what sort it is then.
const SORTS: [(&str, OfSort); 7] = [
    ("unit.", Name::Kind),
    ("device.", Name::OfDevice),
    ("loop.", Name::InLoop),
    ("site.", Name::InSite),
    ("alarm.", Name::Alarm),
    ("limit.", Name::Limit),
    ("derived.", Name::Derived),
];

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn takes_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.next += usize::from(found);
        found
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, SyntaxError> {
        Err(SyntaxError {
            at: self.at(),
            what: format!("unexpected {}, expected {expected}", describe(self.peek())),
        })
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth == DEPTH_MAX {
            return Err(SyntaxError {
                at: self.at(),
                what: format!("nested more than {DEPTH_MAX} deep"),
            });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Result<Expr, SyntaxError> {
        self.chain("or", Self::and, Node::Or)
    }

    fn and(&mut self) -> Result<Expr, SyntaxError> {
        self.chain("and", Self::not, Node::And)
    }

    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Expr, SyntaxError>,
        node: fn(Vec<Expr>) -> Node,
    ) -> Result<Expr, SyntaxError> {
        let at = self.at();
        let first = part(self)?;
        if !matches!(self.peek(), Some(Token::Word(next)) if next == word) {
            return Ok(first);
        }
        let mut parts = Vec::from([first]);
        while self.takes_word(word) {
            parts.push(part(self)?);
        }
        Ok(Expr {
            node: node(parts),
            at,
        })
    }

    fn not(&mut self) -> Result<Expr, SyntaxError> {
        let at = self.at();
        if self.takes_word("not") {
            let inner = self.nested(Self::not)?;
            return Ok(Expr {
                node: Node::Not(Box::new(inner)),
                at,
            });
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expr, SyntaxError> {
        let at = self.at();
        let left = self.sum()?;
        let Some(Token::Compare(compare)) = self.peek() else {
            return Ok(left);
        };
        let compare = *compare;
        self.next += 1;
        let right = self.sum()?;
        if matches!(self.peek(), Some(Token::Compare(_))) {
            return self.unexpected("`and` between two comparisons");
        }
        Ok(Expr {
            node: Node::Compare(compare, Box::new(left), Box::new(right)),
            at,
        })
    }

    fn sum(&mut self) -> Result<Expr, SyntaxError> {
        self.arith(Self::product, &[Arith::Add, Arith::Subtract])
    }

    fn product(&mut self) -> Result<Expr, SyntaxError> {
        self.arith(Self::sign, &[Arith::Multiply, Arith::Divide])
    }

    fn arith(
        &mut self,
        part: fn(&mut Self) -> Result<Expr, SyntaxError>,
        operators: &[Arith],
    ) -> Result<Expr, SyntaxError> {
        let at = self.at();
        let mut left = part(self)?;
        let mut n_operators = 0;
        while let Some(Token::Arith(operator)) = self.peek() {
            let operator = *operator;
            if !operators.contains(&operator) {
                break;
            }
            // A chain leans to the left, so that its length is the tree's depth.
            n_operators += 1;
            if n_operators > DEPTH_MAX {
                return self.unexpected("fewer operators in a row");
            }
            self.next += 1;
            let right = part(self)?;
            left = Expr {
                node: Node::Arith(operator, Box::new(left), Box::new(right)),
                at,
            };
        }
        Ok(left)
    }

    fn sign(&mut self) -> Result<Expr, SyntaxError> {
        let at = self.at();
        if !self.takes(&Token::Arith(Arith::Subtract)) {
            return self.atom();
        }
        let inner = self.nested(Self::sign)?;
        let node = match inner.node {
            Node::Number(value, unit) => Node::Number(-value, unit),
            node => Node::Negate(Box::new(Expr { node, at: inner.at })),
        };
        Ok(Expr { node, at })
    }

    fn atom(&mut self) -> Result<Expr, SyntaxError> {
        const EXPECTED: &str = "a number, a point, a function or `(`";
        let at = self.at();
        let node = match self.peek().cloned() {
            Some(Token::Number(value, unit)) => {
                self.next += 1;
                Node::Number(value, unit)
            }
            Some(Token::Open) => {
                self.next += 1;
                let inner = self.nested(Self::or)?;
                if !self.takes(&Token::Close) {
                    return self.unexpected("`)`");
                }
                inner.node
            }
            Some(Token::Quoted(name)) => {
                self.next += 1;
                quoted_point(&name, at)?
            }
            Some(Token::Word(word)) => {
                if matches!(word.as_str(), "and" | "or") {
                    return self.unexpected(EXPECTED);
                }
                self.next += 1;
                self.word(&word, at)?
            }
            _ => return self.unexpected(EXPECTED),
        };
        Ok(Expr { node, at })
    }

    fn word(&mut self, word: &str, at: usize) -> Result<Node, SyntaxError> {
        if self.takes(&Token::Open) {
            return self.call(word, at);
        }
        let name = match word {
            "self" => Name::Own,
            "peers" => Name::Peers,
            _ => {
                let found = SORTS
                    .iter()
                    .find_map(|(begin, make)| Some((word.strip_prefix(begin)?, begin.len(), make)));
                let Some((rest, skipped, make)) = found else {
                    return Err(unknown_word(word, at));
                };
                check(rest, at + skipped)?;
                make(rest.into())
            }
        };
        Ok(Node::Name(name))
    }

    fn call(&mut self, word: &str, at: usize) -> Result<Node, SyntaxError> {
        match word {
            "during" => return self.during(),
            "convert" => return self.convert(),
            _ => {}
        }
        let names: Vec<&str> = Function::NAMES
            .iter()
            .map(|(name, _)| *name)
            .chain(["during", "convert"])
            .collect();
        let Some((_, function)) = Function::NAMES.iter().find(|(name, _)| *name == word) else {
            let hint = front::nearest(word, names.iter().copied()).map_or_else(
                || format!("expected one of `{}`", names.join("`, `")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(SyntaxError {
                at,
                what: format!("`{}` is no function, {hint}", excerpt(word)),
            });
        };
        let mut args = Vec::new();
        if !self.takes(&Token::Close) {
            loop {
                args.push(self.nested(Self::or)?);
                if self.takes(&Token::Close) {
                    break;
                }
                if !self.takes(&Token::Comma) {
                    return self.unexpected("`,` or `)`");
                }
            }
        }
        Ok(Node::Call(*function, args))
    }

    /// The rest of `during(name)`.
    fn during(&mut self) -> Result<Node, SyntaxError> {
        const EXPECTED: &str = "a calendar's name, as `during(flood-season)`";
        let at = self.at();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return self.unexpected(EXPECTED);
        };
        self.next += 1;
        check(&name, at)?;
        if !self.takes(&Token::Close) {
            return self.unexpected("`)`");
        }
        Ok(Node::During(name))
    }

    /// The rest of `convert(number, 'unit')`.
    fn convert(&mut self) -> Result<Node, SyntaxError> {
        let number = self.nested(Self::or)?;
        if !self.takes(&Token::Comma) {
            return self.unexpected("`,` and a unit, as `convert(self, 'mg/m³')`");
        }
        let at = self.at();
        let Some(Token::Quoted(unit)) = self.peek().cloned() else {
            return self.unexpected("a unit in quotes, as `convert(self, 'mg/m³')`");
        };
        self.next += 1;
        let Some(known) = Unit::find(&unit) else {
            let hint = front::nearest(&unit, Unit::spellings())
                .map_or_else(String::new, |near| format!(", did you mean `{near}`?"));
            return Err(SyntaxError {
                at: at + 1,
                what: format!("`{}` is no unit{hint}", excerpt(&unit)),
            });
        };
        if !self.takes(&Token::Close) {
            return self.unexpected("`)`");
        }
        Ok(Node::Convert(Box::new(number), known))
    }
}

fn unknown_word(word: &str, at: usize) -> SyntaxError {
    let begin = word.split_inclusive('.').next().unwrap_or_default();
    let begins = SORTS.iter().map(|(begin, _)| *begin);
    let near = match begin.ends_with('.') {
        _ if word.contains('/') => None,
        true => front::nearest(begin, begins).map(|near| word.replacen(begin, near, 1)),
        false => {
            front::nearest(begin, ["self", "peers"].into_iter().chain(WORDS)).map(String::from)
        }
    };
    let what = if let Some(near) = near {
        format!(
            "`{}` is not a name, did you mean `{}`?",
            excerpt(word),
            excerpt(&near)
        )
    } else if word.contains('/') {
        format!(
            "`{}` is not a name, expected quotes around a point's full name: `'unit/point'`",
            excerpt(word)
        )
    } else {
        format!(
            "`{}` is not a name, expected `self`, `unit.<kind>`, `device.<kind>`, `loop.<kind>`, `site.<kind>`, `alarm.<rule>`, `limit.<word>`, `derived.<name>` or `'unit/point'`",
            excerpt(word)
        )
    };
    SyntaxError { at, what }
}

fn quoted_point(name: &str, at: usize) -> Result<Node, SyntaxError> {
    let Some((unit, point)) = name.split_once('/') else {
        return Err(SyntaxError {
            at,
            what: format!("`'{}'` is no point, expected `'unit/point'`", excerpt(name)),
        });
    };
    check(unit, at + 1)?;
    check(point, at + 1 + unit.len() + 1)?;
    Ok(Node::Name(Name::Point {
        unit: unit.into(),
        point: point.into(),
    }))
}

fn check(segment: &str, at: usize) -> Result<(), SyntaxError> {
    telemetry::check_segment(segment).map_err(|error| SyntaxError {
        at,
        what: format!("{error}"),
    })
}

fn describe(token: Option<&Token>) -> String {
    match token {
        None => "end".into(),
        Some(Token::Number(value, None)) => format!("`{value}`"),
        Some(Token::Number(value, Some(unit))) => format!("`{value} {unit}`"),
        Some(Token::Word(word)) => format!("`{}`", excerpt(word)),
        Some(Token::Quoted(name)) => format!("`'{}'`", excerpt(name)),
        Some(Token::Compare(_)) => "comparison".into(),
        Some(Token::Arith(_)) => "operator".into(),
        Some(Token::Open) => "`(`".into(),
        Some(Token::Close) => "`)`".into(),
        Some(Token::Comma) => "`,`".into(),
    }
}

/// The first characters of a text, so that a message stays readable.
fn excerpt(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    /// The tree in fully parenthesised form.
    fn tree(text: &str) -> String {
        parse(text).map_or_else(|error| format!("{}: {error}", error.at), |expr| show(&expr))
    }

    fn show(expr: &Expr) -> String {
        let list = |parts: &[Expr]| parts.iter().map(show).collect::<Vec<_>>().join(" ");
        match &expr.node {
            Node::Number(value, None) => value.to_string(),
            Node::Number(value, Some(unit)) => format!("{value}{unit}"),
            Node::Name(Name::Own) => "self".into(),
            Node::Name(Name::Kind(kind)) => format!("unit.{kind}"),
            Node::Name(Name::OfDevice(kind)) => format!("device.{kind}"),
            Node::Name(Name::InLoop(kind)) => format!("loop.{kind}"),
            Node::Name(Name::InSite(kind)) => format!("site.{kind}"),
            Node::Name(Name::Alarm(rule)) => format!("alarm.{rule}"),
            Node::Name(Name::Peers) => "peers".into(),
            Node::Name(Name::Limit(word)) => format!("limit.{word}"),
            Node::Name(Name::Derived(name)) => format!("derived.{name}"),
            Node::Name(Name::Point { unit, point }) => format!("'{unit}/{point}'"),
            Node::Call(function, args) => format!("({} {})", function.name(), list(args)),
            Node::Not(inner) => format!("(not {})", show(inner)),
            Node::And(parts) => format!("(and {})", list(parts)),
            Node::Or(parts) => format!("(or {})", list(parts)),
            Node::Compare(compare, left, right) => {
                format!("({compare:?} {} {})", show(left), show(right))
            }
            Node::Arith(arith, left, right) => {
                format!("({arith:?} {} {})", show(left), show(right))
            }
            Node::Negate(inner) => format!("(Negate {})", show(inner)),
            Node::Convert(inner, unit) => format!("(convert {} {unit})", show(inner)),
            Node::During(name) => format!("(during {name})"),
            Node::Wrong => "wrong".into(),
        }
    }

    #[test]
    fn comparisons_bind_tighter_than_and_which_binds_tighter_than_or() {
        assert_eq!(
            tree("not self >= 25 %LEL and unit.a or unit.fan-running"),
            "(or (and (not (AtLeast self 25%LEL)) unit.a) unit.fan-running)"
        );
    }

    #[test]
    fn products_bind_tighter_than_sums_and_both_lean_left() {
        assert_eq!(
            tree("unit.a - unit.b - 2 * -1.5 m <= limit.low"),
            "(AtMost (Subtract (Subtract unit.a unit.b) (Multiply 2 -1.5m)) limit.low)"
        );
    }

    #[test]
    fn functions_take_conditions_points_and_times() {
        assert_eq!(
            tree("held(unit.fan-running, 60s) and at_least(2, each(unit.co) ≥ 20 mg/m³)"),
            "(and (held unit.fan-running 60s) (at_least 2 (AtLeast (each unit.co) 20mg/m³)))"
        );
        assert_eq!(
            tree("max(each(peers)) - loop.panel"),
            "(Subtract (max (each peers)) loop.panel)"
        );
        assert_eq!(
            tree("'t-1/gt.01' > \"t-2/x\""),
            "(Above 't-1/gt.01' 't-2/x')"
        );
    }

    #[test]
    fn windows_calendars_and_units_have_their_own_words() {
        assert_eq!(
            tree("count(self > 3 A, 10min) >= 3 and during(flood-season)"),
            "(and (AtLeast (count (Above self 3A) 10min) 3) (during flood-season))"
        );
        assert_eq!(
            tree("convert(derived.x, 'mg/m3') > 20 mg/m³"),
            "(Above (convert derived.x mg/m³) 20mg/m³)"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_offset() {
        for (text, told) in [
            (
                "",
                "0: unexpected end, expected a number, a point, a function or `(`",
            ),
            (
                "self >= ",
                "8: unexpected end, expected a number, a point, a function or `(`",
            ),
            (
                "self => 3",
                "5: unexpected `=`; numbers are compared with `>=`, `>`, `<=` or `<`, and a switch is a condition by itself",
            ),
            (
                "self == 3 A",
                "5: unexpected `=`; numbers are compared with `>=`, `>`, `<=` or `<`, and a switch is a condition by itself",
            ),
            (
                "fan > 3 A",
                "0: `fan` is not a name, expected `self`, `unit.<kind>`, `device.<kind>`, `loop.<kind>`, `site.<kind>`, `alarm.<rule>`, `limit.<word>`, `derived.<name>` or `'unit/point'`",
            ),
            (
                "self && self",
                "5: unexpected `&`; the words are `and`, `or`, `not`",
            ),
            (
                "self >= 25 %LEK",
                "11: `%LEK` is no unit, did you mean `%LEL`?",
            ),
            (
                "hold(self, 3s)",
                "0: `hold` is no function, did you mean `held`?",
            ),
            ("(self > 3 A", "11: unexpected end, expected `)`"),
            (
                "during(self > 3 A)",
                "12: unexpected comparison, expected `)`",
            ),
            (
                "during(3)",
                "7: unexpected `3`, expected a calendar's name, as `during(flood-season)`",
            ),
            (
                "convert(self, 'mg/m4')",
                "15: `mg/m4` is no unit, did you mean `mg/m3`?",
            ),
            (
                "1 A < self < 3 A",
                "11: unexpected comparison, expected `and` between two comparisons",
            ),
            (
                "loop.Fan",
                "5: `F` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
            ),
            (
                "unit.Fan",
                "5: `F` in a name, expected a-z or 0-9, then a-z 0-9 . _ -",
            ),
            ("'tank'", "0: `'tank'` is no point, expected `'unit/point'`"),
            (
                "tank/a",
                "0: `tank/a` is not a name, expected quotes around a point's full name: `'unit/point'`",
            ),
            ("'tank/a", "0: the closing `'` is missing"),
            ("1.2.3 A > self", "0: `1.2.3` is no number"),
            (
                "self unit.a",
                "5: unexpected `unit.a`, expected an operator or the end",
            ),
            ("罐", "0: unexpected `罐`"),
        ] {
            assert_eq!(tree(text), told, "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        for text in ["(".repeat(2_000), "not ".repeat(900), "-".repeat(4_000)] {
            assert!(tree(&text).contains("nested more than 32 deep"), "{text}");
        }
        assert!(tree(&"1+".repeat(100)).contains("fewer operators in a row"));
        assert!(tree(&" ".repeat(5_000)).contains("expected at most 4096"));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_tree_or_an_error_inside_the_text(text in ".{0,120}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.at <= text.len());
                prop_assert!(text.is_char_boundary(error.at));
            }
        }

        #[test]
        fn any_row_of_words_gives_a_tree_or_an_error(
            words in prop::collection::vec(
                prop::sample::select(std::vec![
                    "(", ")", ",", "and", "or", "not", "self", "unit.a", "limit.b", "'u/p'", "held", "each", "-", "+", "*",
                    "/", ">=", "<", "25", "1.5", "%LEL", "mg/m³", "60s", "self", "'", "%", "µ", "..",
                ]),
                0..40,
            ),
            glue in prop::sample::select(std::vec!["", " "]),
        ) {
            let text = words.join(glue);
            if let Err(error) = parse(&text) {
                prop_assert!(error.at <= text.len());
                prop_assert!(text.is_char_boundary(error.at));
            }
        }
    }
}
