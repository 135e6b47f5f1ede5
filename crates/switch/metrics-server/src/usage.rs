//! What is used of CPU, out of what a kernel has counted of it at two times; and how the API writes it.

use std::time::{Duration, Instant, SystemTime};

/// What CPU time came to at a time. kubelets write whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub at: SystemTime,
    /// Nanoseconds since it was started.
    pub cpu_time: Option<u64>,
    /// What kubelet itself makes of it, of a short time.
    pub nanocores: Option<u64>,
    /// When it was started: another start is another count.
    pub started: Option<SystemTime>,
    /// The memory that is in use, in bytes.
    pub memory: u64,
}

/// What was used, in the time up to `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub at: SystemTime,
    pub window: Duration,
    pub nanocores: u64,
    pub memory: u64,
}

/// What kubelet's own figure is of, about: how often it looks.
const OF_KUBELET: Duration = Duration::from_secs(10);

/// How often kubelets are asked.
pub const ROUND: Duration = Duration::from_secs(30);

/// What is older is not given: some rounds went by without an answer, or without anything new in it.
pub const OLDEST: Duration = Duration::from_secs(3 * ROUND.as_secs() + ROUND.as_secs() / 2);

/// A longer time between two readings is that of a clock that was set.
const LONGEST_WINDOW: Duration = Duration::from_secs(5 * ROUND.as_secs());

/// What is known of one node or container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    reading: Reading,
    /// When a reading of another time was there last.
    moved: Instant,
    usage: Option<Usage>,
}

impl Measured {
    /// `before` is what the round before has left of the same.
    pub fn new(before: Option<&Measured>, reading: Reading, now: Instant) -> Self {
        let nanocores = match before {
            // kubelet has not looked since.
            Some(before) if before.reading.at == reading.at && before.reading.started == reading.started => {
                return Measured {
                    usage: before.usage.map(|usage| Usage { memory: reading.memory, ..usage }),
                    ..*before
                };
            }
            Some(before) => rate(&before.reading, &reading),
            None => None,
        };
        let nanocores = nanocores.or_else(|| reading.nanocores.map(|nanocores| (nanocores, OF_KUBELET)));
        let usage =
            nanocores.map(|(nanocores, window)| Usage { at: reading.at, window, nanocores, memory: reading.memory });
        Measured { reading, moved: now, usage }
    }

    /// Nothing of what kubelet has not measured anew for too long.
    pub fn usage(&self, now: Instant) -> Option<Usage> {
        self.usage.filter(|_| now.saturating_duration_since(self.moved) <= OLDEST)
    }
}

/// Nothing where the count has begun anew, or a clock was set.
fn rate(before: &Reading, now: &Reading) -> Option<(u64, Duration)> {
    let window = now.at.duration_since(before.at).ok()?;
    if window.is_zero() || window > LONGEST_WINDOW {
        return None;
    }
    let used = now.cpu_time?.checked_sub(before.cpu_time?).filter(|_| before.started == now.started)?;
    let nanocores = u128::from(used).saturating_mul(1_000_000_000) / window.as_nanos().max(1);
    Some((u64::try_from(nanocores).unwrap_or(u64::MAX), window))
}

/// As the API has CPU.
pub fn cpu(nanocores: u64) -> String {
    if nanocores == 0 { "0".to_owned() } else { format!("{nanocores}n") }
}

/// As the API has memory.
pub fn memory(bytes: u64) -> String {
    match bytes / 1024 {
        0 => "0".to_owned(),
        kib => format!("{kib}Ki"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn reading(seconds: u64, cpu_time: u64) -> Reading {
        Reading { at: at(seconds), cpu_time: Some(cpu_time), nanocores: Some(7), started: Some(at(0)), memory: 4096 }
    }

    fn used(before: Option<Reading>, now: Reading) -> (u64, u64) {
        let before = before.map(|before| Measured::new(None, before, Instant::now()));
        let usage = Measured::new(before.as_ref(), now, Instant::now()).usage.unwrap();
        (usage.nanocores, usage.window.as_secs())
    }

    #[test]
    fn cpu_is_what_was_counted_in_the_time_between_two_rounds() {
        // A quarter of a core for half a minute.
        assert_eq!(used(Some(reading(10, 1_000_000_000)), reading(40, 8_500_000_000)), (250_000_000, 30));
        assert_eq!(used(Some(reading(10, 5)), reading(40, 5)), (0, 30));
        assert_eq!(used(Some(reading(10, 0)), reading(11, u64::MAX)), (u64::MAX, 1));
    }

    #[test]
    fn a_first_round_a_restart_and_a_clock_that_was_set_have_kubelets_own_figure() {
        assert_eq!(used(None, reading(10, 5)), (7, 10));
        assert_eq!(used(Some(reading(10, 500)), reading(40, 5)), (7, 10), "the count is another one");
        assert_eq!(used(Some(reading(40, 5)), reading(10, 500)), (7, 10));
        assert_eq!(used(Some(reading(10, 0)), reading(160, 150_000_000_000)), (1_000_000_000, 150));
        assert_eq!(used(Some(reading(10, 0)), reading(161, 500)), (7, 10), "a clock was set an hour ahead, say");
        let restarted = Reading { started: Some(at(20)), ..reading(40, 5_000_000_000) };
        assert_eq!(used(Some(reading(10, 5)), restarted), (7, 10));
        let nothing = Reading { nanocores: None, cpu_time: None, ..reading(10, 0) };
        assert_eq!(Measured::new(None, nothing, Instant::now()).usage, None);
    }

    #[test]
    fn what_kubelet_has_not_looked_at_again_is_as_it_was() {
        let begin = Instant::now();
        let first = Measured::new(None, reading(10, 0), begin);
        let second = Measured::new(Some(&first), reading(40, 30_000_000_000), begin);
        let third = Measured::new(Some(&second), Reading { memory: 8192, ..reading(40, 30_000_000_000) }, begin);
        assert_eq!(third.usage.unwrap().nanocores, 1_000_000_000);
        assert_eq!(third.usage.unwrap().memory, 8192);
        let fourth = Measured::new(Some(&third), reading(70, 45_000_000_000), begin);
        assert_eq!(fourth.usage.unwrap().nanocores, 500_000_000, "measured from the last time that it looked");
    }

    #[test]
    fn what_kubelet_does_not_look_at_any_more_is_not_given() {
        let begin = Instant::now();
        let mut measured = Measured::new(None, reading(10, 0), begin);
        for round in 1..=3 {
            let now = begin + round * ROUND;
            measured = Measured::new(Some(&measured), reading(10, 0), now);
            assert!(measured.usage(now).is_some(), "round {round}");
        }
        let now = begin + 4 * ROUND;
        measured = Measured::new(Some(&measured), reading(10, 0), now);
        assert_eq!(measured.usage(now), None, "its time has stood still for longer than OLDEST");
        measured = Measured::new(Some(&measured), reading(130, 60_000_000_000), now);
        assert_eq!(measured.usage(now).unwrap().nanocores, 500_000_000);
    }

    #[test]
    fn quantities_are_as_the_api_reads_them() {
        assert_eq!((cpu(0), cpu(1_500_000)), ("0".into(), "1500000n".into()));
        assert_eq!((memory(0), memory(1023), memory(4096)), ("0".into(), "0".into(), "4Ki".into()));
    }
}
