//! How this iptables prints our rules: they are written once more, into chains of other names that nothing leads to, and read there. So it is what
//! iptables makes of them, whatever others do meanwhile to the chains that packets come to.
//!
//! A chain's other name has another beginning, and is found and removed as any chain of a kube-proxy that should not be there.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::{IptablesError, Line, Table, Tool};

/// What all our chains begin with, and what they begin with here: as long, as a name has no room for more.
const OURS: &str = "KUBE-";
const ASIDE: &str = "KOES-";

const TABLES: [Table; 4] = [Table::Nat, Table::Filter, Table::Raw, Table::Mangle];

pub fn is_aside(chain: &str) -> bool {
    chain.starts_with(ASIDE)
}

/// Writes chains, which `write` gives as for iptables-restore, reads what `read` wants to know of how they are printed under their own names, and
/// takes them away again. `None` where that cannot be done.
pub fn written_aside<T>(
    tool: &Tool,
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    read: impl FnOnce(&mut Save<'_>) -> Result<T, IptablesError>,
) -> Result<Option<T>, IptablesError> {
    let mut chains = BTreeSet::new();
    let written = tool.restore(&mut |out| {
        let mut aside = Renamed { out, line: Vec::new(), table: None, chains: &mut chains };
        write(&mut aside)?;
        aside.flush()
    });
    let seen = written.and_then(|()| {
        read(&mut |table, line| tool.save(table, &mut |printed| own_name(printed).iter().for_each(|own| line(own))))
    });
    let removed = remove(tool, &chains);
    match seen.and_then(|seen| removed.map(|()| seen)) {
        Err(error) if !error.is_locked() => {
            tracing::debug!("how iptables prints our rules cannot be tried: {error}");
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// As [`Tool::save`].
pub type Save<'a> = dyn FnMut(Table, &mut dyn FnMut(&str)) -> Result<(), IptablesError> + 'a;

fn remove(tool: &Tool, chains: &BTreeSet<(Table, String)>) -> Result<(), IptablesError> {
    tool.restore(&mut |out| {
        for table in TABLES {
            let mut of_table = chains.iter().filter(|(of, _)| *of == table).map(|(_, chain)| chain).peekable();
            if of_table.peek().is_none() {
                continue;
            }
            writeln!(out, "*{table}")?;
            of_table.clone().try_for_each(|chain| writeln!(out, ":{chain} - [0:0]"))?;
            of_table.try_for_each(|chain| writeln!(out, "-X {chain}"))?;
            writeln!(out, "COMMIT")?;
        }
        Ok(())
    })
}

/// A line about one of the chains aside, as it would be about its own.
fn own_name(line: &str) -> Option<String> {
    let chain = match Line::parse(line)? {
        Line::Chain { name, .. } => name,
        Line::Rule { chain, .. } => chain,
    };
    let own = chain.strip_prefix(ASIDE)?;
    Some(line.replacen(chain, &format!("{OURS}{own}"), 1))
}

/// Takes text for iptables-restore, and hands it on with other names for the chains that are written; rules lead where they always do.
struct Renamed<'a, 'o> {
    out: &'o mut dyn Write,
    line: Vec<u8>,
    table: Option<Table>,
    chains: &'a mut BTreeSet<(Table, String)>,
}

impl Renamed<'_, '_> {
    fn hand_on(&mut self) -> io::Result<()> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if let Some(name) = line.strip_prefix('*') {
            self.table = TABLES.into_iter().find(|table| table.as_str() == name);
        }
        let named = match Line::parse(&line) {
            Some(Line::Chain { name, .. }) => name,
            Some(Line::Rule { chain, .. }) => chain,
            None => return writeln!(self.out, "{line}"),
        };
        // A rule of anybody else's chain would do something.
        let own = named.strip_prefix(OURS).ok_or_else(|| io::Error::other(format!("{named} is not ours")))?;
        let aside = format!("{ASIDE}{own}");
        writeln!(self.out, "{}", line.replacen(named, &aside, 1))?;
        self.chains.extend(self.table.map(|table| (table, aside)));
        Ok(())
    }
}

impl Write for Renamed<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            match byte {
                b'\n' => self.hand_on()?,
                _ => self.line.push(byte),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.line.is_empty() { Ok(()) } else { self.hand_on() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_renamed_and_what_rules_lead_to_is_not() {
        let mut out = Vec::new();
        let mut chains = BTreeSet::new();
        let mut renamed = Renamed { out: &mut out, line: Vec::new(), table: None, chains: &mut chains };
        write!(
            renamed,
            "*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -m comment --comment \"KUBE-SERVICES\" -j KUBE-SV"
        )
        .unwrap();
        writeln!(renamed, "C-X\nCOMMIT").unwrap();
        let text = "*nat\n:KOES-SERVICES - [0:0]\n-A KOES-SERVICES -m comment --comment \"KUBE-SERVICES\" -j KUBE-SVC-X\nCOMMIT\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(chains, BTreeSet::from([(Table::Nat, "KOES-SERVICES".to_owned())]));
        assert_eq!(own_name("-A KOES-SERVICES -j KUBE-SVC-X").as_deref(), Some("-A KUBE-SERVICES -j KUBE-SVC-X"));
        assert_eq!(own_name("-A KUBE-SERVICES -j KUBE-SVC-X"), None);
    }

    #[test]
    fn a_rule_of_a_chain_that_is_not_ours_is_not_written() {
        let mut out = Vec::new();
        let mut chains = BTreeSet::new();
        let mut renamed = Renamed { out: &mut out, line: Vec::new(), table: None, chains: &mut chains };
        assert!(writeln!(renamed, "*nat\n-A PREROUTING -j KUBE-SERVICES").is_err());
    }
}
