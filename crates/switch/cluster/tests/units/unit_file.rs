//! Unit files, read line by line as systemd 219 reads them: what a section says, and what is not as it has to be.

/// The longest line that 219 reads as one: it takes LINE_MAX bytes at once, the end of the line and a zero included.
const LONGEST_LINE: usize = 2046;

/// A directive with its value, and the line that it begins in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub line: usize,
    pub section: String,
    pub name: String,
    pub value: String,
}

/// Something that 219 warns of, passes over or understands otherwise than later ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub line: usize,
    pub what: String,
}

/// Everything outside of sections whose names begin with `X-`, which systemd leaves to others.
pub fn read(text: &str) -> (Vec<Assignment>, Vec<Complaint>) {
    let (mut assignments, mut complaints) = (Vec::new(), Vec::new());
    let mut section: Option<String> = None;
    for (line, logical) in logical_lines(text, &mut complaints) {
        let mut complain = |what: String| complaints.push(Complaint { line, what });
        let trimmed = logical.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = trimmed.strip_prefix('[') {
            match header.strip_suffix(']') {
                Some(name) => section = Some(name.to_owned()),
                None => complain(format!("{trimmed:?} is no section")),
            }
            continue;
        }
        let Some(section) = &section else {
            complain(format!("{trimmed:?} stands before the first section"));
            continue;
        };
        if section.starts_with("X-") {
            continue;
        }
        match trimmed.split_once('=') {
            Some((name, value)) => assignments.push(Assignment {
                line,
                section: section.clone(),
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
            }),
            None => complain(format!("{trimmed:?} has no \"=\"")),
        }
    }
    (assignments, complaints)
}

/// Lines with those that they are continued in, each with the number of its first one.
fn logical_lines(text: &str, complaints: &mut Vec<Complaint>) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, physical) in text.lines().enumerate() {
        let line = index + 1;
        let mut complain = |what: &str| complaints.push(Complaint { line, what: what.to_owned() });
        if physical.len() > LONGEST_LINE {
            complain("the line is longer than 219 reads at once");
        }
        let comment = physical.trim_start().starts_with(['#', ';']);
        if comment && continued {
            complain("a comment within a command is a part of it for 219");
        }
        if comment && physical.ends_with('\\') {
            complain("a comment that ends in a backslash takes the next line with it on 219");
        }
        let (part, goes_on) = match physical.strip_suffix('\\') {
            Some(part) => (format!("{part} "), true),
            None => (physical.to_owned(), false),
        };
        match logical.last_mut().filter(|_| continued) {
            Some((_, before)) => before.push_str(&part),
            None => logical.push((line, part)),
        }
        continued = goes_on;
    }
    if continued {
        complaints.push(Complaint { line: text.lines().count(), what: "the last line goes on into nothing".into() });
    }
    logical
}
