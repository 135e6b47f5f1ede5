//! Which routes there are to be, and what is done about EOS' own and the kernel's.

use super::*;

#[test]
fn a_route_is_told_from_one_of_which_it_is_the_beginning() {
    let route = "ip route 10.16.1.0/24 2.2.2.2";
    assert!(is_route(route, route) && is_route("  ip route 10.16.1.0/24 2.2.2.2 200 name pods", route));
    assert!(
        !is_route("ip route 10.16.1.0/24 2.2.2.22", route) && !is_route("ip route vrf x 10.16.1.0/24 2.2.2.2", route)
    );
}
