//! Places that all who ask have together, and nobody alone: one who asks for names whose servers never answer keeps places for seconds each, and
//! would have them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A source may have a third of what is free: one alone gets a quarter of all, and the next one a quarter of what is left.
const PART_OF_FREE: usize = 3;

#[derive(Debug)]
pub struct Shares {
    places: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    by_source: HashMap<IpAddr, usize>,
    all: usize,
}

/// Given back where it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    shares: &'a Shares,
    source: IpAddr,
}

impl Shares {
    pub fn new(places: usize) -> Self {
        Self { places, taken: Mutex::default() }
    }

    /// None where this source has its share.
    pub fn take(&self, source: IpAddr) -> Option<Place<'_>> {
        let mut taken = self.taken();
        let own = taken.by_source.get(&source).copied().unwrap_or_default();
        if own * PART_OF_FREE >= self.places - taken.all {
            return None;
        }
        taken.by_source.insert(source, own + 1);
        taken.all += 1;
        Some(Place { shares: self, source })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all -= 1;
        match taken.by_source.get_mut(&self.source) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_source.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0a10_0000 + number).into()
    }

    /// As much as there is for it.
    fn all_of(shares: &Shares, number: u32) -> Vec<Place<'_>> {
        std::iter::from_fn(|| shares.take(source(number))).collect()
    }

    #[test]
    fn one_source_gets_a_quarter_and_others_have_places_where_ten_take_what_they_can() {
        let shares = Shares::new(256);
        let mut held = vec![all_of(&shares, 0)];
        assert_eq!(held[0].len(), 64);
        for number in 1..10 {
            held.push(all_of(&shares, number));
        }
        assert!(held.iter().all(|places| !places.is_empty()), "{:?}", held.iter().map(Vec::len).collect::<Vec<_>>());
        assert!(shares.take(source(99)).is_some());
    }

    #[test]
    fn what_is_given_back_can_be_had_again_and_nothing_is_remembered_of_who_has_nothing() {
        let shares = Shares::new(8);
        for number in 0..1000 {
            let held = all_of(&shares, number);
            assert_eq!(held.len(), 2);
            drop(held);
        }
        assert!(shares.taken().by_source.is_empty() && shares.taken().all == 0);
    }
}
