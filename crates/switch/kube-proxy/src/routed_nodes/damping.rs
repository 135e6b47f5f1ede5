//! Which nodes count as out of reach: at once when the route goes, and no longer when there has been one for a while, which grows with each time.
//!
//! A route goes where only a wider one is left, too: a summary or a default route stays when what it stands for is gone. Where it stays for so long
//! that the API server knows by then who is dead, it is what there is.

use std::time::{Duration, Instant};

use super::routes::Reached;

/// How long a route has to be there before its node is used again.
pub const FIRST_HOLD: Duration = Duration::from_secs(2);
const LAST_HOLD: Duration = Duration::from_secs(60);
/// After so long without a loss it begins from the first again.
const CALM: Duration = Duration::from_secs(300);
/// The API server gives a node up after 40 s, and takes its pods out of Services then.
const KNOWN: Duration = Duration::from_secs(120);
/// Where all routes go at once it is this switch's own routing, which may be beginning anew.
const ALL_AT_ONCE: Duration = Duration::from_secs(1);

/// What is known of every node, by its place in the list.
#[derive(Debug)]
pub struct Damping {
    nodes: Vec<Node>,
    /// Since when none has a route.
    all_gone: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The longest prefix that has led to it. By a default route alone it is not judged: that leads everywhere.
    had: u8,
    out_of_reach: bool,
    /// Since when there has been a route again.
    back: Option<Instant>,
    hold: Duration,
    lost: Option<Instant>,
}

impl Damping {
    pub fn new(nodes: usize) -> Self {
        let node = Node { had: 0, out_of_reach: false, back: None, hold: FIRST_HOLD, lost: None };
        Self { nodes: vec![node; nodes], all_gone: None }
    }

    /// Takes in how the nodes are reached now; returns those that count otherwise than before.
    pub fn take(&mut self, reached: &[Reached], now: Instant) -> Vec<usize> {
        for (node, reached) in self.nodes.iter_mut().zip(reached) {
            node.learn(*reached, now);
        }
        let judged: Vec<bool> = self
            .nodes
            .iter()
            .zip(reached)
            .filter(|(node, _)| node.had > 0)
            .map(|(node, of)| node.has_route(*of))
            .collect();
        let all_gone = judged.len() > 1 && !judged.contains(&true);
        self.all_gone = if all_gone { self.all_gone.or(Some(now)) } else { None };
        let waits = self.all_gone.is_some_and(|since| now.saturating_duration_since(since) < ALL_AT_ONCE);
        let nodes = self.nodes.iter_mut().zip(reached).enumerate();
        nodes.filter_map(|(at, (node, reached))| node.judge(*reached, waits, now).then_some(at)).collect()
    }

    /// All count as reached until the next look.
    pub fn forgive(&mut self) {
        self.nodes.iter_mut().for_each(|node| (node.out_of_reach, node.back) = (false, None));
    }

    pub fn is_out_of_reach(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.out_of_reach)
    }

    /// When to look again although no route changes.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.all_gone.map(|since| since + ALL_AT_ONCE).filter(|_| self.nodes.iter().any(Node::is_in));
        self.nodes.iter().filter_map(|node| Some(node.back? + node.hold)).chain(waiting).min()
    }
}

impl Node {
    fn is_in(&self) -> bool {
        !self.out_of_reach
    }

    fn has_route(&self, reached: Reached) -> bool {
        reached.is_some_and(|length| length >= self.had)
    }

    fn learn(&mut self, reached: Reached, now: Instant) {
        let Some(length) = reached else { return };
        let is_known = self.out_of_reach && self.lost.is_some_and(|lost| now.saturating_duration_since(lost) >= KNOWN);
        self.had = if is_known { length } else { self.had.max(length) };
    }

    fn judge(&mut self, reached: Reached, waits: bool, now: Instant) -> bool {
        let before = self.out_of_reach;
        match (self.out_of_reach, self.has_route(reached)) {
            (false, false) if self.had > 0 && !waits => {
                let calm = self.lost.is_none_or(|lost| now.saturating_duration_since(lost) > CALM);
                self.hold = if calm { FIRST_HOLD } else { (self.hold * 2).min(LAST_HOLD) };
                (self.out_of_reach, self.lost) = (true, Some(now));
            }
            (false, _) => {}
            (true, false) => self.back = None,
            (true, true) => {
                let back = *self.back.get_or_insert(now);
                if now.saturating_duration_since(back) >= self.hold {
                    (self.out_of_reach, self.back) = (false, None);
                }
            }
        }
        before != self.out_of_reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a route of its own (`+`), by a summary (`s`), by the default route (`d`) or not at all (`.`).
    fn reached(route: char) -> Reached {
        match route {
            '+' => Some(32),
            's' => Some(16),
            'd' => Some(0),
            _ => None,
        }
    }

    /// What a node counts as after each second: `o` out of reach, `r` reached.
    fn counted(routes: &str) -> String {
        let start = Instant::now();
        let mut damping = Damping::new(1);
        let seconds = routes.chars().zip(0..);
        seconds
            .map(|(route, second)| {
                damping.take(&[reached(route)], start + Duration::from_secs(second));
                if damping.is_out_of_reach(0) { 'o' } else { 'r' }
            })
            .collect()
    }

    #[test]
    fn a_node_is_out_of_reach_at_once_and_back_when_its_route_has_lasted() {
        assert_eq!(counted("+++..++++"), "rrroooorr");
        assert_eq!(counted("+.+.+.+++"), "rooooooor", "a flap begins the wait anew");
    }

    #[test]
    fn each_loss_soon_after_another_makes_the_wait_longer_and_calm_ends_that() {
        let lost = |hold: usize| format!(".{}", "+".repeat(hold + 1));
        let out = |hold: usize| format!("{}r", "o".repeat(hold + 1));
        assert_eq!(counted(&["+", &lost(2), &lost(4), &lost(8)].concat()), ["r", &out(2), &out(4), &out(8)].concat());
        let calm = 301;
        let routes = ["+", &lost(2), &"+".repeat(calm), &lost(2)].concat();
        assert_eq!(counted(&routes), ["r", &out(2), &"r".repeat(calm), &out(2)].concat());
    }

    #[test]
    fn a_node_that_never_had_a_route_of_its_own_is_not_judged() {
        assert_eq!(counted("..dd.d+."), "rrrrrrro");
    }

    #[test]
    fn a_summary_or_a_default_route_that_stays_hides_no_loss_and_after_a_while_it_is_the_route() {
        for left in ["s", "d"] {
            let routes = ["+", &left.repeat(124), "."].concat();
            let last = if left == "s" { "o" } else { "r" };
            assert_eq!(counted(&routes), ["r", &"o".repeat(122), "rr", last].concat(), "{left}");
        }
    }

    #[test]
    fn where_all_routes_go_at_once_nothing_is_left_out_until_they_have_been_gone_for_a_second() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let both = |route| [reached(route), reached(route)];
        let mut damping = Damping::new(2);
        damping.take(&both('+'), at(0));
        assert!(damping.take(&both('.'), at(10)).is_empty());
        assert_eq!(damping.next(), Some(at(1010)));
        assert!(damping.take(&both('+'), at(500)).is_empty(), "the routing program began anew");
        assert_eq!(damping.next(), None);
        assert!(damping.take(&both('d'), at(600)).is_empty());
        assert_eq!(damping.take(&both('d'), at(1600)), [0, 1]);
        assert_eq!(damping.next(), None);
    }

    #[test]
    fn the_next_look_is_when_the_first_node_may_be_used_again() {
        let start = Instant::now();
        let mut damping = Damping::new(2);
        let (there, gone) = (Some(32), None);
        damping.take(&[there, there], start);
        assert_eq!(damping.next(), None);
        assert_eq!(damping.take(&[gone, there], start), [0]);
        assert_eq!(damping.next(), None, "there is nothing to wait for");
        assert!(damping.take(&[there, there], start).is_empty());
        assert_eq!(damping.next(), Some(start + FIRST_HOLD));
        assert_eq!(damping.take(&[there, there], start + FIRST_HOLD), [0]);
        assert_eq!(damping.next(), None);
    }
}
