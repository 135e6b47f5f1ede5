//! The provenance of what is published: its digests, the commit, the lock file and every source that it was made from, and each step
//! that compiled or packed, with its arguments and flags. There is no time and no path of this machine in it, so it is as
//! reproducible as the programs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::{Sha256, digest::Hasher, files};
use contract::Build;
use provenance::statement::{
    BUILD_TYPE, BUILDER, BuildDefinition, Builder, External, Internal, Provenance as Predicate, Resource, RunDetails,
    Statement, Step,
};
use sources::{AnsweredBy, Fetched};

use crate::{
    date::rfc3339,
    host_tools::{HostTool, HostTools},
    step::{PlannedBuild, Provenance},
    work::{Job, image},
};

pub(crate) fn run(job: &Job, work: &Provenance) -> Result<()> {
    let mut subject = Vec::new();
    for artifact in &work.artifacts {
        let file = job.need(&artifact.step)?.join(&artifact.file);
        let sha256 = Sha256::of_file(&file).with_context(|| format!("cannot read {}", file.display()))?;
        subject.push(Resource::of_sha256(&artifact.name, &sha256));
    }
    let mut sources: BTreeMap<&String, &Fetched> = BTreeMap::new();
    for entry in job.needs.values() {
        sources.extend(&entry.meta.sources);
    }
    let build = match &work.build {
        None => image::build(&job.need("image")?)?,
        Some(planned) => of_programs(planned, &subject, &sources),
    };
    let mut resolved_dependencies: Vec<Resource> = build.commit.as_deref().map(commit).into_iter().collect();
    resolved_dependencies.push(Resource::of_sha256(&work.lock.name, &work.lock.sha256));
    resolved_dependencies.extend(sources.values().flat_map(|source| fetched(source)));
    resolved_dependencies.extend(work.host_tools.iter().flat_map(HostTools::iter).map(tool));
    let steps = work.steps.iter().map(|(name, step)| Step {
        name: name.clone(),
        output: job.needs.get(name).map(|entry| entry.meta.output),
        work: step.clone(),
    });
    let predicate = Predicate {
        build_definition: BuildDefinition {
            build_type: BUILD_TYPE.to_owned(),
            external_parameters: External {
                release: work.release.clone(),
                arch: work.arch,
                origin: work.only.map(|kind| kind.to_string()),
                sources: work.source_overrides.clone(),
            },
            internal_parameters: Internal {
                version: work.version.clone(),
                build,
                source_date: rfc3339(work.source_date),
                steps: steps.collect(),
            },
            resolved_dependencies,
        },
        run_details: RunDetails { builder: Builder { id: BUILDER.to_owned(), version: work.host.0.clone() } },
    };
    files::write_atomically(&job.out().join(&work.file_name), Statement::new(subject, predicate).to_json()?)
}

/// Which build programs are of that are in no image: their digests are all its contents.
fn of_programs(planned: &PlannedBuild, subject: &[Resource], sources: &BTreeMap<&String, &Fetched>) -> Build {
    let PlannedBuild { revision, commit, mut besides, around: _ } = planned.clone();
    besides.extend(image::unlocked(sources.values().copied()));
    let mut hasher = Hasher::default();
    for program in subject {
        hasher.field(program.name.as_bytes());
        hasher.field(program.sha256().map(|digest| digest.to_string()).unwrap_or_default().as_bytes());
    }
    Build { revision, commit, besides, contents: hasher.finish().to_string() }
}

fn commit(commit: &str) -> Resource {
    Resource {
        name: "repository".to_owned(),
        uri: Some(format!("git+{}", env!("CARGO_PKG_REPOSITORY"))),
        digest: [("gitCommit".to_owned(), commit.to_owned())].into(),
        annotations: BTreeMap::new(),
    }
}

/// Every file of a source, with who answered and what the answer was held against.
fn fetched(source: &Fetched) -> Vec<Resource> {
    let answer = &source.answer;
    let (by, description) = match answer.by {
        AnsweredBy::Https => ("https", Some(&answer.description)),
        AnsweredBy::Git => ("git", Some(&answer.description)),
        AnsweredBy::Debian => ("debian", Some(&answer.description)),
        // It is a path of this machine.
        AnsweredBy::Local => ("--source", None),
    };
    let is_url = |text: &&String| text.contains("://");
    let about = [
        ("source", Some(format!("{} {}", source.name, source.version))),
        ("origin", Some(by.to_owned())),
        ("answer", description.filter(|text| !is_url(text)).cloned()),
        ("pin", description.and(Some(answer.pin.clone()))),
    ];
    let about: BTreeMap<String, String> =
        about.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
    let resource = |file: &sources::BlobFile| Resource {
        uri: match &file.package {
            Some(package) => Some(format!(
                "pkg:deb/debian/{}@{}?arch={}",
                package.name,
                package.version.replace('+', "%2B"),
                package.arch
            )),
            None => description.filter(is_url).cloned(),
        },
        annotations: about.clone(),
        ..Resource::of_sha256(&file.name, &file.sha256)
    };
    source.files.iter().map(resource).collect()
}

fn tool((name, tool): (&String, &HostTool)) -> Resource {
    let version = tool.version.iter().map(|version| ("version".to_owned(), version.clone()));
    Resource { annotations: version.collect(), ..Resource::of_sha256(name, &tool.sha256) }
}

#[cfg(test)]
mod tests {
    use sources::{Answer, BlobFile, FetchedPackage, Form};

    use super::*;

    fn source(by: AnsweredBy, description: &str, package: Option<FetchedPackage>) -> Fetched {
        let name = "thing".to_owned().try_into().unwrap();
        let answer =
            Answer { by, description: description.to_owned(), pin: "sha256 of it".to_owned(), unlocked: false };
        let files = vec![BlobFile { name: "thing.tar".into(), sha256: Sha256::of_bytes("thing"), size: 5, package }];
        Fetched { name, version: "1.2".into(), answer, form: Form::Tree, files }
    }

    #[test]
    fn a_source_is_told_by_its_digest_and_by_who_answered() {
        let found = &fetched(&source(AnsweredBy::Https, "https://example.com/thing.tar", None))[0];
        assert_eq!(found.uri.as_deref(), Some("https://example.com/thing.tar"));
        assert_eq!(found.sha256(), Some(Sha256::of_bytes("thing")));
        assert_eq!(found.annotations["source"], "thing 1.2");
        let package = FetchedPackage { name: "musl-dev".into(), version: "1.2+x".into(), arch: "i386".into() };
        let found = &fetched(&source(AnsweredBy::Debian, "Debian bookworm package musl-dev", Some(package)))[0];
        assert_eq!(found.uri.as_deref(), Some("pkg:deb/debian/musl-dev@1.2%2Bx?arch=i386"));
        assert_eq!(found.annotations["answer"], "Debian bookworm package musl-dev");
    }

    #[test]
    fn a_place_of_this_machine_is_not_told() {
        let found = &fetched(&source(AnsweredBy::Local, "/home/me/thing", None))[0];
        assert!(!serde_json::to_string(found).unwrap().contains("/home/me"), "{found:?}");
        assert_eq!(found.annotations["origin"], "--source");
    }
}
