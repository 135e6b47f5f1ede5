//! Where a patch changes something: for who wants to know which functions of a file it is about.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;

use super::parse;

/// What a patch does to a file that is there afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    pub path: String,
    /// The line that begins what a changed line stands in, at the first column: `func TestX(t *testing.T) {`. What changes
    /// outside of any such block has none, and neither blank lines nor comments count.
    pub blocks: BTreeSet<String>,
    pub outside: bool,
    /// The lines that it adds.
    pub added: Vec<String>,
}

/// The files that a patch leaves, in its order.
pub fn touched(patch: &Path) -> Result<Vec<Touched>> {
    let patch = parse::read(patch)?;
    let mut found = Vec::new();
    for file in &patch.files {
        let Some(path) = &file.new else { continue };
        let mut touched = Touched { path: path.clone(), ..Touched::default() };
        for hunk in &file.hunks {
            read_hunk(&hunk.text, &mut touched);
        }
        found.push(touched);
    }
    Ok(found)
}

fn read_hunk(text: &str, touched: &mut Touched) {
    let mut lines = text.lines();
    // Git writes the block that a hunk begins in behind its numbers.
    let heading = lines.next().and_then(|line| line.split_once(" @@ ")).map(|(_, heading)| heading);
    let mut block = heading.filter(|heading| begins_block(heading)).map(str::to_owned);
    for line in lines {
        let Some(content) = line.get(1..) else { continue };
        let kind = line.as_bytes()[0];
        if kind == b'+' {
            touched.added.push(content.to_owned());
        }
        if kind != b'-' && begins_block(content) {
            block = Some(content.to_owned());
        }
        if kind != b' ' && !content.trim().is_empty() && !content.trim_start().starts_with("//") {
            match &block {
                Some(block) => drop(touched.blocks.insert(block.clone())),
                None => touched.outside = true,
            }
        }
        if kind != b'-' && content.starts_with('}') {
            block = None;
        }
    }
}

fn begins_block(line: &str) -> bool {
    line.starts_with("func ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_in_the_function_that_it_stands_in() {
        let directory = tempfile::tempdir().unwrap();
        let patch = directory.path().join("0001.patch");
        let text = "--- a/x_test.go\n+++ b/x_test.go\n@@ -9,3 +9,4 @@ func TestOld(t *testing.T) {\n \tone()\n+\ttwo()\n \tthree()\n }\n\
                    @@ -20,2 +21,9 @@ func helper() {\n \treturn\n }\n+\n+// A comment.\n+func TestNew(t *testing.T) {\n+\tfour()\n+}\n+\n\
                    +var x = 1\n--- a/y.go\n+++ b/y.go\n@@ -1,2 +1,2 @@ package y\n-import \"a\"\n+import \"b\"\n \n";
        std::fs::write(&patch, text).unwrap();
        let found = touched(&patch).unwrap();
        let blocks: Vec<&str> = found[0].blocks.iter().map(String::as_str).collect();
        assert_eq!(blocks, ["func TestNew(t *testing.T) {", "func TestOld(t *testing.T) {"]);
        assert!(found[0].outside && found[0].added.contains(&"\ttwo()".to_owned()));
        assert_eq!((found[1].path.as_str(), found[1].blocks.len(), found[1].outside), ("y.go", 0, true));
    }
}
