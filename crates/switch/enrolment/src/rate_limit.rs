//! How often each address has tried of late, in a table that cannot grow without bound.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);

/// How many addresses are kept. When more come within a minute, the one seen first is forgotten: a crowd of strangers
/// must not keep a worker out.
const ADDRESSES: usize = 1024;

pub struct RateLimit {
    in_a_minute: u32,
    seen: HashMap<IpAddr, Seen>,
}

struct Seen {
    since: Instant,
    attempts: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Listen,
    /// The first one too many of this minute.
    FirstTooMany,
    TooMany,
}

impl RateLimit {
    pub fn new(in_a_minute: u32) -> RateLimit {
        RateLimit { in_a_minute, seen: HashMap::new() }
    }

    pub fn count(&mut self, address: IpAddr, now: Instant) -> Verdict {
        let address = address.to_canonical();
        let is_over = |seen: &Seen| now.saturating_duration_since(seen.since) >= WINDOW;
        if self.seen.get(&address).is_some_and(is_over) {
            self.seen.remove(&address);
        }
        if self.seen.len() >= ADDRESSES && !self.seen.contains_key(&address) {
            self.forget_first();
        }
        let seen = self.seen.entry(address).or_insert(Seen { since: now, attempts: 0 });
        seen.attempts = seen.attempts.saturating_add(1);
        match seen.attempts.checked_sub(self.in_a_minute) {
            None | Some(0) => Verdict::Listen,
            Some(1) => Verdict::FirstTooMany,
            Some(_) => Verdict::TooMany,
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.seen.iter().min_by_key(|(_, seen)| seen.since).map(|(address, _)| *address) {
            self.seen.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn an_address_is_listened_to_again_a_minute_after_its_first_attempt() {
        let mut limit = RateLimit::new(2);
        let start = Instant::now();
        let verdicts: Vec<Verdict> = (0..4).map(|_| limit.count(address(1), start)).collect();
        assert_eq!(verdicts, [Verdict::Listen, Verdict::Listen, Verdict::FirstTooMany, Verdict::TooMany]);
        assert_eq!(limit.count(address(2), start), Verdict::Listen);
        assert_eq!(limit.count(address(1), start + WINDOW - Duration::from_millis(1)), Verdict::TooMany);
        assert_eq!(limit.count(address(1), start + WINDOW), Verdict::Listen);
    }

    #[test]
    fn one_address_counts_as_one_in_both_of_its_spellings() {
        let mut limit = RateLimit::new(1);
        let mapped = IpAddr::V6(Ipv4Addr::from(7).to_ipv6_mapped());
        assert_eq!(limit.count(address(7), Instant::now()), Verdict::Listen);
        assert_eq!(limit.count(mapped, Instant::now()), Verdict::FirstTooMany);
    }

    #[test]
    fn the_table_is_bounded_and_a_newcomer_always_finds_a_place() {
        let mut limit = RateLimit::new(1);
        let start = Instant::now();
        for number in 0..3 * ADDRESSES as u32 {
            assert_eq!(limit.count(address(number), start + Duration::from_micros(number.into())), Verdict::Listen);
            assert!(limit.seen.len() <= ADDRESSES);
        }
    }
}
