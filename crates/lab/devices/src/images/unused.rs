//! Images of ours that no run has used for long: stand-ins of inputs that nobody has any more, and the Debians that
//! only such were made on.

use std::time::SystemTime;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use common::command::Program;

use super::{
    base_image,
    engine::{self, Found, STAND_IN_LABEL},
};

/// How the names of our images begin.
const OURS: &str = "kubernetes-on-eos/";

/// How long an image stays that nobody uses. Every build counts as a use.
const KEPT: TimeDelta = TimeDelta::days(7);

fn is_base(image: &Found) -> bool {
    image.names().iter().any(|name| name.starts_with(base_image::NAME))
}

/// What a lab takes that has made none itself stays, and so does what somebody has given another name, or made of a device,
/// and what the engine knows no time of.
fn is_old(image: &Found, now: DateTime<Utc>) -> bool {
    let is_only_ours = image.names().iter().all(|name| name.starts_with(OURS) && !name.ends_with(":latest"));
    is_only_ours && image.named_at().is_some_and(|named| now.signed_duration_since(named) > KEPT)
}

/// Removes them. Whoever calls this holds the images' lock.
pub(crate) fn remove() -> Result<()> {
    let all = list()?;
    unused(&all, SystemTime::now().into(), is_used)?.into_iter().try_for_each(take_away)
}

fn list() -> Result<Vec<Found>> {
    let docker = || Program::new("docker", "list the images of ours");
    let listed = |filter: &str| docker()?.args(["image", "ls", "--quiet", "--no-trunc", "--filter", filter]).read();
    let listed = listed(&format!("label={STAND_IN_LABEL}"))? + &listed(&format!("reference={}", base_image::NAME))?;
    let mut ids: Vec<&str> = listed.split_whitespace().collect();
    ids.sort_unstable();
    ids.dedup();
    // One that is gone meanwhile is left out.
    engine::find_all(&ids)
}

/// Stand-ins first, then what they were on.
fn unused(all: &[Found], now: DateTime<Utc>, is_used: impl Fn(&Found) -> Result<bool>) -> Result<Vec<&Found>> {
    let (bases, stand_ins): (Vec<&Found>, Vec<&Found>) = all.iter().partition(|image| is_base(image));
    let (mut goes, mut stays) = (vec![], vec![]);
    for image in stand_ins {
        if is_old(image, now) && !is_used(image)? { goes.push(image) } else { stays.push(image.lowest_layer()) }
    }
    for image in bases {
        if is_old(image, now) && !stays.contains(&image.lowest_layer()) && !is_used(image)? {
            goes.push(image);
        }
    }
    Ok(goes)
}

fn is_used(image: &Found) -> Result<bool> {
    let docker = Program::new("docker", "know who uses an image")?;
    let filter = format!("ancestor={}", image.id);
    let users = docker.args(["container", "ls", "--all", "--quiet", "--filter", &filter]).read()?;
    Ok(!users.trim().is_empty())
}

fn take_away(image: &Found) -> Result<()> {
    let names = if image.names().is_empty() { std::slice::from_ref(&image.id) } else { image.names() };
    Program::new("docker", "remove an image that nobody uses")?.args(["image", "rm"]).args(names).read().map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::images::test_image::{TestImage, docker};

    fn image(id: &str, name: Option<&str>, layers: &[&str], tagged: &str) -> Found {
        engine::parse(
            &json!({
                "Id": id,
                "RepoTags": name.map_or(vec![], |name| vec![name]),
                "Config": {"Labels": null},
                "Metadata": {"LastTagTime": tagged},
                "RootFS": {"Type": "layers", "Layers": layers},
            })
            .to_string(),
        )
    }

    #[test]
    fn what_nobody_has_used_for_a_week_goes_and_a_debian_that_something_is_on_stays() {
        let (long_ago, lately, never) = ("2026-01-01T00:00:00+02:00", "2026-01-19T00:00:00Z", "0001-01-01T00:00:00Z");
        let base = |tag: &str| format!("{}:{tag}", base_image::NAME);
        let all = [
            image("stale", Some("kubernetes-on-eos/veos:1"), &["a", "x"], long_ago),
            image("nameless", None, &["a", "z"], long_ago),
            image("another's", Some("my/veos:1"), &["g", "y"], long_ago),
            image("fresh", Some("kubernetes-on-eos/veos:2"), &["b", "x"], lately),
            image("chosen", Some("kubernetes-on-eos/veos:latest"), &["c", "x"], long_ago),
            image("running", Some("kubernetes-on-eos/veos:3"), &["d", "x"], long_ago),
            image("untold", Some("kubernetes-on-eos/veos:4"), &["e", "x"], never),
            image("base-a", Some(&base("a")), &["a"], long_ago),
            image("base-b", Some(&base("b")), &["b"], long_ago),
            image("base-c", Some(&base("c")), &["c"], long_ago),
            image("base-d", Some(&base("d")), &["d"], long_ago),
            image("base-e", Some(&base("e")), &["e"], long_ago),
            image("base-f", Some(&base("f")), &["f"], lately),
        ];
        let now = "2026-01-20T00:00:00Z".parse().unwrap();
        let goes = unused(&all, now, |image| Ok(image.id == "running")).unwrap();
        let goes: Vec<&str> = goes.iter().map(|image| image.id.as_str()).collect();
        assert_eq!(goes, ["stale", "nameless", "base-a"]);
    }

    #[test]
    #[ignore = "needs a Docker engine"]
    fn a_debian_of_the_engine_s_goes_after_a_week_and_one_with_a_container_stays() {
        let name = format!("{}:test-{}", base_image::NAME, std::process::id());
        let imported = TestImage::new(&name, "LABEL test=true");
        let id = &imported.id;
        let own = || list().unwrap().into_iter().filter(|image| image.id == *id).collect::<Vec<_>>();
        let goes = |now| unused(&own(), now, is_used).unwrap().into_iter().cloned().collect::<Vec<_>>();
        let now = DateTime::<Utc>::from(SystemTime::now());
        assert_eq!((own().len(), goes(now).len()), (1, 0));
        let later = now + KEPT + TimeDelta::minutes(1);
        let container = docker(&["create", id, "/file"]).trim().to_owned();
        assert!(goes(later).is_empty());
        docker(&["rm", &container]);
        goes(later).iter().for_each(|image| take_away(image).unwrap());
        assert_eq!(engine::find(id).unwrap(), None);
    }
}
