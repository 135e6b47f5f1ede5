//! What can be wrong with a source: errors that callers tell apart, and the crate's own division
//! into origins that do not answer (the next one is asked) and everything else (the work stops).

use std::path::PathBuf;

/// Something came, and it is not what the recipe says. Never passed over: the next origin is not asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "{what} is not what is pinned\n    expected {expected}\n    found    {found}\n\
     nothing of it is used; if the recipe's pin is wrong, correct it there"
)]
pub struct PinMismatch {
    pub what: String,
    pub expected: String,
    pub found: String,
}

/// None of a source's origins answered.
#[derive(Debug, thiserror::Error)]
#[error("none of the origins of {name} {version} answered:{}\n{hint}", lines(.tried))]
pub struct NoOrigin {
    pub name: String,
    pub version: String,
    /// Each origin and why it did not answer.
    pub tried: Vec<(String, String)>,
    pub hint: &'static str,
}

fn lines(tried: &[(String, String)]) -> String {
    tried.iter().map(|(origin, why)| format!("\n    {origin}: {}", why.replace('\n', "\n        "))).collect()
}

/// The tree or archive that the user gives for a component is something else.
#[derive(Debug, thiserror::Error)]
#[error("{} is not a tree of {component}: {marker} is not in it; give the directory or archive that has it at its top",
    path.display())]
pub struct NotThatComponent {
    pub component: String,
    pub path: PathBuf,
    pub marker: String,
}

/// Why an origin gave nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It does not answer, or has not what is asked for: the next origin may.
    PassOver(String),
    /// The same, and nothing else on its host answers either.
    OutOfReach(String),
    /// A pin that does not match, or something wrong on this machine: no other origin repairs it.
    Stop(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Trouble::Stop(error.into())
    }
}

/// A URL as it may be shown: what it has before the host may be a token.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", authority.rsplit('@').next().unwrap_or(authority))
}

impl Trouble {
    /// Names the mirror that was asked in an origin's place.
    pub(crate) fn said_by(self, mirror: &str) -> Self {
        let mirror = without_userinfo(mirror);
        let say = |why| format!("{mirror}, by Git's url.<base>.insteadOf: {why}");
        match self {
            Trouble::PassOver(why) => Trouble::PassOver(say(why)),
            Trouble::OutOfReach(why) => Trouble::OutOfReach(say(why)),
            Trouble::Stop(error) => Trouble::Stop(error),
        }
    }

    /// A tool of the host that is not there is a reason to ask the next origin; its other failures are not.
    pub(crate) fn of_tool(error: anyhow::Error) -> Self {
        match error.downcast_ref::<common::command::Failure>() {
            Some(failure @ common::command::Failure::NotRun { .. }) => Trouble::PassOver(failure.to_string()),
            _ => Trouble::Stop(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_named_without_what_it_is_asked_with() {
        for (url, shown) in [
            ("https://user:SECRET@m.example/a@b.git", "https://m.example/a@b.git"),
            ("https://SECRET@m.example", "https://m.example"),
            ("https://m.example:8443/x.git", "https://m.example:8443/x.git"),
            ("/srv/mirror/x.git", "/srv/mirror/x.git"),
        ] {
            let said = Trouble::PassOver("no answer".into()).said_by(url);
            assert!(matches!(&said, Trouble::PassOver(why) if why.starts_with(&format!("{shown}, by "))), "{said:?}");
        }
    }
}
