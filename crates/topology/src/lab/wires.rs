//! Cables: veth pairs between the network namespaces of two processes. And the one that must not be there.

use anyhow::Result;
use base::command::Program;

/// One end of a cable: a process whose network namespace it is in, and the interface's name there.
pub(super) type End<'a> = (u32, &'a str);

/// Makes a cable and switches both ends on. Both ends are made where they belong, under their own names, so
/// a device that ends in the meantime leaves nothing behind.
pub(super) fn connect(one: End, other: End) -> Result<()> {
    let (one_process, other_process) = (one.0.to_string(), other.0.to_string());
    Program::new("ip", "make a veth pair")?
        .args(["link", "add", "name", one.1, "netns", &one_process, "type", "veth"])
        .args(["peer", "name", other.1, "netns", &other_process])
        .read()?;
    for (process, interface) in [(one.0, one.1), (other.0, other.1)] {
        ip_in(process, "switch an interface on", &["link", "set", "dev", interface, "up"])?;
    }
    Ok(())
}

/// Takes away the default route that Docker gives also to who is on an internal network alone.
pub(super) fn drop_default_route(process: u32) -> Result<()> {
    ip_in(process, "take the default route away", &["-4", "route", "flush", "exact", "0.0.0.0/0"])
}

fn ip_in(process: u32, purpose: &str, arguments: &[&str]) -> Result<()> {
    let nsenter = Program::new("nsenter", purpose)?.args(["--target", &process.to_string(), "--net", "ip"]);
    nsenter.args(arguments).read().map(drop)
}
