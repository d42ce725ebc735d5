//! Derived numbers as they are written.

use std::string::String;

use front::Table;

use super::{Placed, expr, name};
use crate::syntax::Expr;

/// A number or a condition that is reckoned from points, with its name.
#[derive(Clone, Debug)]
pub struct Derived<'a> {
    /// Its name.
    pub name: Placed<'a, String>,
    /// What it is.
    pub value: Placed<'a, Expr>,
}

impl<'a> Derived<'a> {
    pub(super) fn read(table: &Table<'a>) -> Option<Self> {
        let name = table
            .req("name")
            .and_then(|item| Some(Placed::new(name(&item)?, item)));
        let value = table.req("value").and_then(expr);
        table.finish();
        Some(Self {
            name: name?,
            value: value?,
        })
    }
}
