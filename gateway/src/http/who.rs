//! Who acts: what tokens prove, and what is only said.
//!
//! Knows no verb. What it says of a refusal names no token.

use axum::http::{HeaderMap, HeaderName, StatusCode, header::AUTHORIZATION};
use sha2::{Digest, Sha256};

use crate::config::{Access, Person, Secret};

/// The header of the second person's token, which has the form of `Authorization`.
const SECOND: HeaderName = HeaderName::from_static("second-authorization");

/// Who acts, and who agrees; empty when nobody does.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) by: String,
    pub(super) second: String,
}

/// Why nobody acts.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// Whose token it was; empty when it was nobody's own.
    pub(super) by: String,
    pub(super) why: String,
}

impl Refusal {
    fn new(status: StatusCode, by: &str, why: impl Into<String>) -> Self {
        let (by, why) = (by.to_owned(), why.into());
        Self { status, by, why }
    }
}

/// Who acts by the tokens in the headers, and by the names in the body: `by`, and `second`, empty when it is not there.
///
/// # Errors
/// A token that is not known; a name that is not that of the token; one person as two.
pub(super) fn who(
    access: &Access,
    headers: &HeaderMap,
    by: Option<&str>,
    second: &str,
) -> Result<Who, Refusal> {
    let unknown = |by: &str, why: &str| Refusal::new(StatusCode::UNAUTHORIZED, by, why);
    let people = match access {
        Access::People(people) => people,
        Access::Anybody(token) if shown(headers, &AUTHORIZATION).is_some_and(is(token)) => {
            let unsaid = "nobody says who acts: expected a name in `by`";
            let unsaid = || Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "", unsaid);
            let (by, second) = (by.ok_or_else(unsaid)?.to_owned(), second.to_owned());
            return Ok(Who { by, second });
        }
        Access::Anybody(_) | Access::Nobody => {
            let why = "expected the bearer token of the configuration's [http] table";
            return Err(unknown("", why));
        }
    };
    let first = whose(people, headers, &AUTHORIZATION).ok_or_else(|| {
        let why = "expected the bearer token of a person of the configuration's [http] table";
        unknown("", why)
    })?;
    let no = |why: String| Err(Refusal::new(StatusCode::FORBIDDEN, &first.name, why));
    if by.is_some_and(|by| by != first.name) {
        return no(format!(
            "the token is that of `{}`, expected that name in `by`, or none",
            first.name
        ));
    }
    let by = first.name.clone();
    if !headers.contains_key(SECOND) {
        return match second {
            "" => Ok(Who {
                by,
                second: String::new(),
            }),
            _ => no(
                "the second person is only named, expected their token in the header Second-Authorization"
                    .to_owned(),
            ),
        };
    }
    let other = whose(people, headers, &SECOND).ok_or_else(|| {
        unknown(
            &by,
            "the second token is nobody's, expected the bearer token of another person",
        )
    })?;
    if other.name == by {
        return no(format!(
            "both tokens are those of `{by}`, expected that of a second person"
        ));
    }
    if !second.is_empty() && second != other.name {
        return no(format!(
            "the second token is that of `{}`, expected that name in `second`, or none",
            other.name
        ));
    }
    let second = other.name.clone();
    Ok(Who { by, second })
}

/// The person whose token a header shows.
fn whose<'p>(people: &'p [Person], headers: &HeaderMap, header: &HeaderName) -> Option<&'p Person> {
    let given = shown(headers, header)?;
    people.iter().find(|person| is(&person.token)(given))
}

fn shown<'h>(headers: &'h HeaderMap, header: &HeaderName) -> Option<&'h [u8]> {
    headers.get(header)?.as_bytes().strip_prefix(b"Bearer ")
}

/// Compares hashes, so that the time it takes says nothing about the token.
fn is(token: &Secret) -> impl Fn(&[u8]) -> bool {
    let known = Sha256::digest(token.reveal().as_bytes());
    move |given| Sha256::digest(given) == known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Access {
        let person = |name: &str, token: &str| Person {
            name: name.to_owned(),
            token: Secret::new(token),
        };
        Access::People(vec![
            person("li.wei", "word of li"),
            person("张敏", "word of 張"),
        ])
    }

    fn headers(tokens: &[&str]) -> HeaderMap {
        let headers = [AUTHORIZATION, SECOND].into_iter();
        let value = |token: &&str| format!("Bearer {token}").try_into().unwrap();
        headers.zip(tokens.iter().map(value)).collect()
    }

    /// Who acts with these tokens and these names: `by` and `second`, or the status and the reason.
    fn told(
        access: &Access,
        tokens: &[&str],
        by: Option<&str>,
        second: &str,
    ) -> Result<(String, String), (u16, String)> {
        match who(access, &headers(tokens), by, second) {
            Ok(who) => Ok((who.by, who.second)),
            Err(refusal) => Err((refusal.status.as_u16(), refusal.why)),
        }
    }

    fn done(by: &str, second: &str) -> Result<(String, String), (u16, String)> {
        Ok((by.to_owned(), second.to_owned()))
    }

    #[track_caller]
    fn refused(told: Result<(String, String), (u16, String)>, status: u16, why: &str) {
        let (code, reason) = told.expect_err("refused");
        assert_eq!(code, status, "{reason}");
        assert!(reason.contains(why), "{reason}");
        assert!(!reason.contains("word of"), "{reason}");
        assert!(!reason.contains("guess"), "{reason}");
    }

    #[test]
    fn the_token_says_who_acts_and_a_name_is_only_that_of_the_token() {
        let people = people();
        assert_eq!(told(&people, &["word of li"], None, ""), done("li.wei", ""));
        let named = told(&people, &["word of 張"], Some("张敏"), "");
        assert_eq!(named, done("张敏", ""));
        refused(
            told(&people, &["word of li"], Some("张敏"), ""),
            403,
            "the token is that of `li.wei`",
        );
        refused(
            told(&people, &["word of li"], Some(""), ""),
            403,
            "the token is that of `li.wei`",
        );
    }

    #[test]
    fn a_token_that_nobody_has_is_nobody() {
        for tokens in [&["guess"][..], &["word of l"], &["word of li "], &[""], &[]] {
            for by in [None, Some("li.wei")] {
                let told = told(&people(), tokens, by, "");
                refused(told, 401, "the bearer token of a person");
            }
        }
        let nobody = told(&Access::People(Vec::new()), &[""], None, "");
        refused(nobody, 401, "the bearer token");
    }

    #[test]
    fn two_persons_are_two_tokens_and_not_two_names() {
        let people = people();
        let two = ["word of li", "word of 張"];
        assert_eq!(told(&people, &two, None, ""), done("li.wei", "张敏"));
        let named = told(&people, &two, Some("li.wei"), "张敏");
        assert_eq!(named, done("li.wei", "张敏"));
        for (tokens, second, status, why) in [
            (&["word of li"][..], "张敏", 403, "only named"),
            (&["word of li"], "anybody", 403, "only named"),
            (
                &["word of li", "word of li"],
                "",
                403,
                "both tokens are those of `li.wei`",
            ),
            (
                &["word of li", "word of li"],
                "张敏",
                403,
                "both tokens are those of `li.wei`",
            ),
            (&two, "wang", 403, "the second token is that of `张敏`"),
            (
                &["word of li", "guess"],
                "张敏",
                401,
                "the second token is nobody's",
            ),
            (
                &["guess", "word of 張"],
                "",
                401,
                "the bearer token of a person",
            ),
        ] {
            refused(told(&people, tokens, None, second), status, why);
        }
    }

    #[test]
    fn with_one_token_for_all_people_are_who_they_say() {
        let one = Access::Anybody(Secret::new("let me in"));
        let named = told(&one, &["let me in"], Some("anybody"), "wang");
        assert_eq!(named, done("anybody", "wang"));
        refused(
            told(&one, &["let me in"], None, ""),
            422,
            "nobody says who acts",
        );
        refused(
            told(&one, &["guess"], Some("li.wei"), ""),
            401,
            "bearer token",
        );
        refused(
            told(&Access::Nobody, &[""], Some("li.wei"), ""),
            401,
            "bearer token",
        );
    }
}
