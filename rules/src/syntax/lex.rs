//! Text to tokens. A number takes the unit behind it along.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::SyntaxError;
use super::expr::{Arith, Compare};
use crate::unit::Unit;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64, Option<Unit>),
    /// A word with dots and dashes in it.
    Word(String),
    /// What stands between quotes.
    Quoted(String),
    Compare(Compare),
    Arith(Arith),
    Open,
    Close,
    Comma,
}

/// The tokens of a text with their byte offsets.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Result<Option<(Token, usize)>, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let mut chars = self.rest().chars();
        let Some(first) = chars.next() else {
            return Ok(None);
        };
        let then_equals = chars.next() == Some('=');
        let token = match first {
            '(' => self.take(1, Token::Open),
            ')' => self.take(1, Token::Close),
            ',' => self.take(1, Token::Comma),
            '+' => self.take(1, Token::Arith(Arith::Add)),
            '-' => self.take(1, Token::Arith(Arith::Subtract)),
            '*' => self.take(1, Token::Arith(Arith::Multiply)),
            '/' => self.take(1, Token::Arith(Arith::Divide)),
            '>' if then_equals => self.take(2, Token::Compare(Compare::AtLeast)),
            '>' => self.take(1, Token::Compare(Compare::Above)),
            '<' if then_equals => self.take(2, Token::Compare(Compare::AtMost)),
            '<' => self.take(1, Token::Compare(Compare::Below)),
            '≥' => self.take(first.len_utf8(), Token::Compare(Compare::AtLeast)),
            '≤' => self.take(first.len_utf8(), Token::Compare(Compare::AtMost)),
            '\'' | '"' => self.quoted(first)?,
            '0'..='9' => self.number()?,
            'a'..='z' | 'A'..='Z' => self.word(),
            _ => return Err(self.unexpected(first, then_equals)),
        };
        Ok(Some((token, start)))
    }

    fn unexpected(&self, first: char, then_equals: bool) -> SyntaxError {
        // What a keyboard for Chinese writes.
        if let Some(plain) = u32::from(first)
            .checked_sub(0xFEE0)
            .and_then(char::from_u32)
            && plain.is_ascii_graphic()
        {
            return SyntaxError {
                at: self.at,
                what: format!("unexpected `{first}`, did you mean `{plain}`?"),
            };
        }
        let hint = match (first, then_equals) {
            ('=', _) | ('!', true) => {
                "; numbers are compared with `>=`, `>`, `<=` or `<`, and a switch is a condition by itself"
            }
            ('&' | '|' | '!', _) => "; the words are `and`, `or`, `not`",
            _ => "",
        };
        SyntaxError {
            at: self.at,
            what: format!("unexpected `{first}`{hint}"),
        }
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, len: usize, token: Token) -> Token {
        self.at += len;
        token
    }

    fn while_char(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn word(&mut self) -> Token {
        let word =
            self.while_char(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'));
        Token::Word(word.to_string())
    }

    fn quoted(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let inside = self.while_char(|c| c != quote);
        if self.rest().is_empty() {
            return Err(SyntaxError {
                at: start,
                what: format!("the closing `{quote}` is missing"),
            });
        }
        self.at += 1;
        Ok(Token::Quoted(inside.to_string()))
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let start = self.at;
        let digits = self.while_char(|c| c.is_ascii_digit() || c == '.');
        let value = digits
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite() && !digits.ends_with('.'))
            .ok_or_else(|| SyntaxError {
                at: start,
                what: format!(
                    "`{}` is no number",
                    digits.chars().take(40).collect::<String>()
                ),
            })?;
        let after = self.at;
        self.skip_space();
        match Unit::prefix(self.rest()) {
            Some((unit, len)) => {
                self.at += len;
                Ok(Token::Number(value, Some(unit)))
            }
            None => {
                self.check_no_unit()?;
                self.at = after;
                Ok(Token::Number(value, None))
            }
        }
    }

    /// After a number comes a unit, an operator or the end: any other word is a unit that is not known.
    fn check_no_unit(&self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let len = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '<' | '>' | '*'))
            .unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        let starts_unit = word
            .chars()
            .next()
            .is_some_and(|c| c.is_alphabetic() || matches!(c, '%' | '°' | '℃'));
        if !starts_unit || matches!(word, "and" | "or") {
            return Ok(());
        }
        let word: String = word.chars().take(40).collect();
        let degrees = Unit::find(&format!("°{word}")).map(Unit::name);
        let near = degrees.or_else(|| front::nearest(&word, Unit::spellings()));
        let hint = match (near, word.as_str()) {
            (_, "K") => ", temperatures and their differences are in `°C`".into(),
            (Some(near), _) => format!(", did you mean `{near}`?"),
            (None, _) => String::from(", expected one as `%LEL`, `mg/m³`, `°C`, `Pa` or `m`"),
        };
        Err(SyntaxError {
            at: self.at,
            what: format!("`{word}` is no unit{hint}"),
        })
    }
}
