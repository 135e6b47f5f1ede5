//! Which nodes count as out of reach: at once when the route goes, and no longer when there has been one for a while, which grows with each time.

use std::time::{Duration, Instant};

/// How long a route has to be there before its node is used again.
pub const FIRST_HOLD: Duration = Duration::from_secs(2);
const LAST_HOLD: Duration = Duration::from_secs(60);
/// After so long without a loss it begins from the first again.
const CALM: Duration = Duration::from_secs(300);

/// What is known of every node, by its place in the list.
#[derive(Debug)]
pub struct Damping(Vec<Node>);

#[derive(Clone, Copy, Debug)]
struct Node {
    /// A node that never had a route of its own is reached by another way, or by none that can be seen.
    had_route: bool,
    out_of_reach: bool,
    /// Since when there has been a route again.
    back: Option<Instant>,
    hold: Duration,
    lost: Option<Instant>,
}

impl Damping {
    pub fn new(nodes: usize) -> Self {
        let node = Node { had_route: false, out_of_reach: false, back: None, hold: FIRST_HOLD, lost: None };
        Self(vec![node; nodes])
    }

    /// Takes in which nodes have a route now; returns those that count otherwise than before.
    pub fn take(&mut self, has_route: &[bool], now: Instant) -> Vec<usize> {
        let nodes = self.0.iter_mut().zip(has_route).enumerate();
        nodes.filter_map(|(at, (node, &has_route))| node.take(has_route, now).then_some(at)).collect()
    }

    pub fn is_out_of_reach(&self, node: usize) -> bool {
        self.0.get(node).is_some_and(|node| node.out_of_reach)
    }

    /// When to look again although no route changes.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().filter_map(|node| Some(node.back? + node.hold)).min()
    }
}

impl Node {
    fn take(&mut self, has_route: bool, now: Instant) -> bool {
        let before = self.out_of_reach;
        self.had_route |= has_route;
        match (self.out_of_reach, has_route) {
            (false, true) => {}
            (false, false) => {
                if self.had_route {
                    let calm = self.lost.is_none_or(|lost| now.saturating_duration_since(lost) > CALM);
                    self.hold = if calm { FIRST_HOLD } else { (self.hold * 2).min(LAST_HOLD) };
                    (self.out_of_reach, self.lost) = (true, Some(now));
                }
            }
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

    /// What a node counts as after each second with a route (`+`) or without (`.`): `o` out of reach, `r` reached.
    fn counted(routes: &str) -> String {
        let start = Instant::now();
        let mut damping = Damping::new(1);
        let seconds = routes.chars().zip(0..);
        seconds
            .map(|(route, second)| {
                damping.take(&[route == '+'], start + Duration::from_secs(second));
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
    fn a_node_that_never_had_a_route_is_not_judged() {
        assert_eq!(counted("...+."), "rrrro");
    }

    #[test]
    fn the_next_look_is_when_the_first_node_may_be_used_again() {
        let start = Instant::now();
        let mut damping = Damping::new(2);
        damping.take(&[true, true], start);
        assert_eq!(damping.next(), None);
        assert_eq!(damping.take(&[false, true], start), [0]);
        assert_eq!(damping.next(), None, "there is nothing to wait for");
        assert!(damping.take(&[true, true], start).is_empty());
        assert_eq!(damping.next(), Some(start + FIRST_HOLD));
        assert_eq!(damping.take(&[true, true], start + FIRST_HOLD), [0]);
        assert_eq!(damping.next(), None);
    }
}
