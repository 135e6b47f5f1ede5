//! The reports of a small record, as they are expected to be.

use super::{drawing, gantt, html, junit, samples};

/// Compares with a file of `expected/`; `KOE_BLESS=1` writes it anew, to be read before it is committed.
fn golden(name: &str, got: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/expected").join(name);
    if std::env::var_os("KOE_BLESS").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&path).unwrap_or_default(), "{} is another", path.display());
}

#[test]
fn junit_s_xml_is_as_expected() {
    golden("junit.xml", &junit::xml(&samples::failed()).unwrap());
}

#[test]
fn the_drawing_of_a_topology_is_as_expected() {
    golden("topology.svg", &drawing::topology(&samples::failed()).unwrap());
}

#[test]
fn the_chart_of_a_bring_up_is_as_expected() {
    golden("gantt.svg", &gantt::chart(&samples::failed().bring_ups[0], 20.0).unwrap());
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = html::page(&samples::failed()).unwrap();
    // What would be fetched: the names of XML's own namespaces are not.
    let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for reference in ["http:", "https:", "src=", "@import", "url(", "<link", "<script", "<iframe", "<object"] {
        assert!(!page.contains(reference), "{reference} is in it");
    }
}

#[test]
fn what_a_device_says_is_text_and_no_markup_and_trouble_is_beside_the_failure() {
    let page = html::page(&samples::failed()).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<b>Stage") && page.contains("&lt;b&gt;Stage"), "{page}");
    assert!(page.contains("<mark>E1125 error: &lt;script&gt;"), "{page}");
    assert!(page.contains("href=\"logs&#x2f;veos-l1.tar.gz\""), "{page}");
    assert!(!page.contains("<mark>all is well"), "{page}");
    assert!(!page.contains('\u{1b}') && page.contains("alert(1)&lt;&#x2f;script&gt; red"), "{page}");
}

#[test]
fn a_run_that_did_not_come_to_a_device_has_a_report_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut run = samples::failed();
    (run.devices, run.links, run.bring_ups, run.figures) = (vec![], vec![], vec![], vec![]);
    run.swix_sha256.clear();
    super::write(&run, directory.path()).unwrap();
    for name in ["report.json", "junit.xml", "topology.svg", "report.html"] {
        assert!(directory.path().join(name).metadata().unwrap().len() > 100, "{name}");
    }
}
