//! EOS' own VXLAN: a switch whose hardware takes packets of one UDP port out of their VXLAN cannot let the kernel have the same port.

use anyhow::{Result, bail};

use crate::eos_cli;

/// VXLAN's registered port, which EOS has unless it is told otherwise.
const USUAL: u16 = 4789;

const SHOW: &str = "show running-config | include ^interface Vxlan|vxlan udp-port";

/// Fails where EOS has a VTEP on this port. One that does not say has none that is known.
pub fn check(port: u16) -> Result<()> {
    let printed = eos_cli::show("ask EOS for its VTEP", SHOW).unwrap_or_default();
    match port_of(&printed) {
        Some(taken) if taken == port => bail!(
            "EOS' own VTEP has UDP port {port} (interface Vxlan1): write another port below [network], the same on every switch"
        ),
        _ => Ok(()),
    }
}

fn port_of(printed: &str) -> Option<u16> {
    let mut lines = printed.lines().map(str::trim).skip_while(|line| !line.starts_with("interface Vxlan"));
    lines.next()?;
    Some(lines.find_map(|line| line.strip_prefix("vxlan udp-port ")?.trim().parse().ok()).unwrap_or(USUAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_vtep_is_the_one_that_is_configured_or_the_usual_one() {
        assert_eq!(port_of("interface Vxlan1\n   vxlan udp-port 8472\n"), Some(8472));
        assert_eq!(port_of("interface Vxlan1\n"), Some(USUAL));
        assert_eq!(port_of(""), None);
        assert_eq!(port_of("> show running-config | include …\n% Invalid input\n"), None);
    }
}
