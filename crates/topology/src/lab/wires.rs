//! Cables: veth pairs between the network namespaces of two processes.

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
    for (process, interface) in [(&one_process, one.1), (&other_process, other.1)] {
        Program::new("nsenter", "switch an interface on")?
            .args(["--target", process, "--net", "ip", "link", "set", "dev", interface, "up"])
            .read()?;
    }
    Ok(())
}
