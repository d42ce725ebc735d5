//! The expression language of rules: text to tree, each node with its place in the text.
//!
//! Knows no points and no files; names are resolved and units checked by the compiler.
//!
//! ```text
//! or       = and { "or" and }
//! and      = not { "and" not }
//! not      = "not" not | compare
//! compare  = sum [ ( ">=" | ">" | "<=" | "<" ) sum ]
//! sum      = product { ( "+" | "-" ) product }
//! product  = sign { ( "*" | "/" ) sign }
//! sign     = "-" sign | atom
//! atom     = number [ unit ] | name | function "(" or { "," or } ")" | "(" or ")"
//!          | "during" "(" calendar ")" | "convert" "(" or "," "'" unit "'" ")"
//! name     = "self" | "unit." kind | "device." kind | "loop." kind | "site." kind | "alarm." rule | "peers" | "limit." word | "derived." name | "'" unit "/" point "'"
//! ```

mod expr;
mod lex;
mod parse;

pub use expr::{Arith, Compare, Expr, Function, Name, Node};
pub use parse::{SyntaxError, parse};
