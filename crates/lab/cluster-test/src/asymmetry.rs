//! Two hosts whose packets go by one switch and come back by another: made certain by a static route at each end.

use std::{fmt, net::Ipv4Addr, time::Duration};

use anyhow::{Result, ensure};
use common::errors;
use topology::Topology;

use crate::{
    Scene, Switch,
    neighbours::{self, EndHost},
    ospf,
};

/// How long a switch may take until it uses a route.
const ROUTED: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asymmetry {
    pub hosts: [EndHost; 2],
    /// The switch by which packets go from the first host to the second, and the one by which they come back.
    pub by: [String; 2],
}

/// A host route on a switch.
struct Route<'a> {
    on: Switch<'a>,
    to: Ipv4Addr,
    next: Ipv4Addr,
}

/// The topology's last two hosts with two paths between them; none where no two have.
pub fn find(topology: &Topology) -> Option<Asymmetry> {
    let with_paths = |hosts: [EndHost; 2]| match neighbours::between(topology, &hosts[0].switch, &hosts[1].switch)[..] {
        [one, other, ..] => Some(Asymmetry { hosts, by: [one.to_owned(), other.to_owned()] }),
        _ => None,
    };
    neighbours::pairs(topology).into_iter().filter_map(with_paths).next_back()
}

impl fmt::Display for Asymmetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([one, other], [there, back]) = (&self.hosts, &self.by);
        write!(f, "{} connects to {} by {there}, and is answered by {back}", one.name, other.name)
    }
}

impl Asymmetry {
    /// Does the work while it is so; the routes are taken away again whatever came of it.
    pub fn while_so<T>(&self, scene: &mut Scene<'_>, work: impl FnOnce(&mut Scene<'_>) -> Result<T>) -> Result<T> {
        let [one, other] = &self.hosts;
        let routes = [Route::by(scene, one, other, &self.by[0])?, Route::by(scene, other, one, &self.by[1])?];
        let made = routes.iter().try_for_each(|route| route.make(scene));
        let worked = made.and_then(|()| work(scene));
        errors::both(worked, errors::all(routes.iter().map(Route::take_away)))
    }
}

impl<'a> Route<'a> {
    /// From the switch of one host to another host, by a switch between them.
    fn by(scene: &Scene<'a>, from: &EndHost, to: &EndHost, by: &str) -> Result<Route<'a>> {
        let on = scene.switch(&from.switch)?;
        let next = ospf::neighbour_address(&on, scene.address_of(by)?)?;
        Ok(Route { on, to: to.address, next })
    }

    fn make(&self, scene: &Scene<'_>) -> Result<()> {
        self.configure("")?;
        let to = self.to.to_string();
        let via = format!("via {} ", self.next);
        let what = format!("{} sends what is for {to} {via}", self.on.name());
        scene.eventually(&what, ROUTED, || {
            let used = self.on.exec_ok(["ip", "-4", "route", "get", &to])?;
            ensure!(used.contains(&via), "it uses {used}");
            Ok(())
        })
    }

    fn take_away(&self) -> Result<()> {
        self.configure("no ")
    }

    fn configure(&self, no: &str) -> Result<()> {
        self.on.cli(&format!("enable\nconfigure\n{no}ip route {}/32 {}", self.to, self.next)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn there_is_some_where_two_hosts_have_two_paths() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../topo");
        let find = |file: &str| super::find(&Topology::load(&directory.join(file)).unwrap());
        let found = find("leaf-spine.yml").unwrap();
        assert_eq!(found.hosts.map(|host| host.name), ["host-leaf-2", "host-leaf-3"]);
        assert_eq!(found.by, ["veos-spine-1", "veos-spine-2"]);
        assert_eq!(find("k8s.yml"), None);
    }
}
