//! How the bill of materials calls a Go module: as Go does, also where it came in a Debian package, so that scanners find it.

use anyhow::Result;
use swix::bill;

use super::document::{Part, property};
use crate::{modules::Module, work::go::STANDARD_LIBRARY};

/// Packages of it have import paths that begin so.
pub(super) fn import_path(directory: impl AsRef<str>) -> serde_json::Value {
    property(bill::IMPORT_PATH, directory.as_ref())
}

/// A module or crate. A Go module that came in a Debian package has the name that vulnerability databases know it by.
pub(super) fn library(module: &Module) -> Result<Part> {
    if !module.purl.starts_with("pkg:deb/") {
        let mut described = Part::new("library", &module.path, module.version.as_deref(), &module.purl)?;
        if module.purl.starts_with("pkg:golang/") && module.path != STANDARD_LIBRARY {
            described.properties.push(import_path(&module.path));
        }
        return Ok(described);
    }
    let version = module.version.as_deref().and_then(upstream_release);
    let suffix = version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
    let path = module_path(&module.path, version.as_deref());
    let mut described = Part::new("library", &path, version.as_deref(), &format!("pkg:golang/{path}{suffix}"))?;
    described.properties.push(import_path(&module.path));
    Ok(described)
}

/// The module that a directory of a Debian package is in. Debian leaves out directories without code above it, and often
/// the `/v2` that Go wants from the second major version on.
fn module_path(directory: &str, version: Option<&str>) -> String {
    let is_major = |part: &str| part.strip_prefix('v').is_some_and(is_number);
    let parts: Vec<&str> = directory.split('/').collect();
    let of_repository = match parts[0] {
        "github.com" | "golang.org" if parts.get(3).is_some_and(|part| is_major(part)) => 4,
        "github.com" | "golang.org" => 3,
        _ => parts.len(),
    };
    let path = parts[..of_repository.min(parts.len())].join("/");
    let major = version.and_then(|version| version.split('.').next()).filter(|major| !["v0", "v1"].contains(major));
    match major {
        Some(major) if parts[0] != "gopkg.in" && !path.ends_with(&format!("/{major}")) => format!("{path}/{major}"),
        _ => path,
    }
}

/// `v0.7.0` for Debian's `1:0.7.0+dfsg-1`; none for what was packaged between two releases.
fn upstream_release(debian: &str) -> Option<String> {
    let version = debian.split_once(':').map_or(debian, |(_, version)| version);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let version = ["+dfsg", "+ds"].iter().find_map(|mark| Some(version.split_once(mark)?.0)).unwrap_or(version);
    (version.split('.').count() == 3 && version.split('.').all(is_number)).then(|| format!("v{version}"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn debian(path: &str, version: &str) -> Module {
        let purl = format!("pkg:deb/debian/golang-x-dev@{}?arch=all", version.replace('+', "%2B"));
        Module { path: path.into(), version: Some(version.into()), purl }
    }

    #[test]
    fn a_go_module_from_a_debian_package_is_a_go_module() {
        for (version, purl) in [
            ("1:0.7.0+dfsg-1", "pkg:golang/golang.org/x/net@v0.7.0"),
            ("2.0.2+ds1-1", "pkg:golang/golang.org/x/net/v2@v2.0.2"),
            ("1.2.0+git20191002.6af20e3-3", "pkg:golang/golang.org/x/net"),
            ("0.0~git20200121.8c9f03a-2", "pkg:golang/golang.org/x/net"),
            ("1.1.0.125.gf243826-4", "pkg:golang/golang.org/x/net"),
            ("4-3", "pkg:golang/golang.org/x/net"),
        ] {
            let module = debian("golang.org/x/net", version);
            let described = library(&module).unwrap();
            assert_eq!(described.purl.as_deref(), Some(purl), "{version}");
            assert_eq!(described.properties, [import_path("golang.org/x/net")]);
        }
    }

    #[test]
    fn a_go_module_has_the_path_that_go_knows_it_by() {
        for (directory, version, purl) in [
            ("golang.org/x/time/rate", "0.3.0-1", "pkg:golang/golang.org/x/time@v0.3.0"),
            (
                "github.com/prometheus/client_model/go",
                "0.3.0-3",
                "pkg:golang/github.com/prometheus/client_model@v0.3.0",
            ),
            ("github.com/coreos/go-systemd", "22.3.2-1", "pkg:golang/github.com/coreos/go-systemd/v22@v22.3.2"),
            ("github.com/russross/blackfriday/v2", "2.1.0-1", "pkg:golang/github.com/russross/blackfriday/v2@v2.1.0"),
            ("gopkg.in/yaml.v2", "2.4.0-4", "pkg:golang/gopkg.in/yaml.v2@v2.4.0"),
            ("go.etcd.io/bbolt", "1.3.6-2", "pkg:golang/go.etcd.io/bbolt@v1.3.6"),
        ] {
            assert_eq!(library(&debian(directory, version)).unwrap().purl.as_deref(), Some(purl));
        }
    }
}
