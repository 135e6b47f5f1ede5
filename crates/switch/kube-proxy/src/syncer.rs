//! The one owner of the model and the backend: takes in changes, and makes what is programmed follow them.
//!
//! It works on a thread of its own, where it may block, and goes round this way:
//!
//! 1. Takes in every change that waits. Nothing is programmed before both sets have been listed.
//! 2. Programs at once what changed after a quiet time; in a busy time it rests twice as long as the last round
//!    took, or the least period that was asked for, so that changes gather. A failure is tried again, with backoff.
//! 3. Looks every second, cheaply, whether what it programmed still stands, and at every full period thoroughly, whatever else there is
//!    to do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use crate::backend::{Backend, Periods, RuleCounts, SyncError};
use crate::model::{Model, ServiceName};
use crate::news::{Arrived, News, NewsQueue, Seen};

/// How often the cheap check is made.
const CHECK: Duration = Duration::from_secs(1);
/// A full check may use this part of the time: on a table that takes long to read it is made less often.
const FULL_CHECK_SHARE: u32 = 100;
const CHECK_SHARE: u32 = 20;
/// In a busy time, programming takes one of so many parts of it.
const BUSY_SHARE: u32 = 3;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Who is told what the syncer does: health, metrics, service manager.
pub trait Observer {
    /// Changes came that have to be programmed.
    fn queued(&mut self, seen: Seen);
    /// What came since everything was programmed changes nothing.
    fn nothing_changed(&mut self);
    /// Everything that came is programmed. `touched` is what was.
    fn synced(&mut self, model: &Model, touched: &BTreeSet<ServiceName>, took: Duration, triggers: &[SystemTime]);
    /// So many rules stand now.
    fn counted(&mut self, rules: RuleCounts);
    /// A round failed; it will be tried again.
    fn failed(&mut self, error: &SyncError);
    /// A check begins. Until the next word it is under way, and may hang.
    fn checking(&mut self);
    /// A check is done; `repaired` where someone else had changed what we programmed.
    fn checked(&mut self, model: &Model, repaired: bool);
}

pub struct Syncer<O> {
    backend: Box<dyn Backend>,
    observer: O,
    periods: Periods,
    model: Model,
    touched: BTreeSet<ServiceName>,
    triggers: Vec<SystemTime>,
    /// Something waits to be programmed, be it that there is nothing.
    desired: bool,
    /// Everything was programmed once.
    began: bool,
    clocks: Clocks,
}

/// When each thing may happen next.
struct Clocks {
    sync: Instant,
    check: Instant,
    full_check: Instant,
    retry: Duration,
}

impl<O: Observer> Syncer<O> {
    pub fn new(backend: Box<dyn Backend>, observer: O, periods: Periods) -> Self {
        let now = Instant::now();
        Self {
            backend,
            observer,
            periods,
            model: Model::default(),
            touched: BTreeSet::new(),
            triggers: Vec::new(),
            desired: true,
            began: false,
            clocks: Clocks { sync: now, check: now, full_check: now, retry: FIRST_RETRY },
        }
    }

    /// Works until told to stop, or until nobody is left who could bring news.
    pub fn run(mut self, news: &NewsQueue) {
        while self.take_in(news) {
            if !self.model.is_complete() {
                continue;
            }
            let now = Instant::now();
            if self.desired && now >= self.clocks.sync {
                self.sync();
            }
            // Before more is taken in: in a busy time there is always more.
            if self.desired {
                continue;
            }
            let now = Instant::now();
            if now >= self.clocks.full_check {
                self.check(true);
            } else if now >= self.clocks.check {
                self.check(false);
            }
        }
    }

    /// Waits until there is something to do, and takes in all news. False at the end.
    fn take_in(&mut self, news: &NewsQueue) -> bool {
        let next = if self.desired { self.clocks.sync } else { self.clocks.check.min(self.clocks.full_check) };
        let limit = self.model.is_complete().then(|| next.saturating_duration_since(Instant::now()));
        match news.wait(limit) {
            Arrived::News(news) => self.take(news),
            Arrived::Nothing => {}
            Arrived::End => return false,
        }
        true
    }

    fn take(&mut self, news: News) {
        self.observer.queued(news.seen);
        for (change, trigger) in news.changes {
            let before = self.touched.len();
            self.model.apply(change, &mut self.touched);
            if self.touched.len() > before {
                self.triggers.extend(trigger);
            }
        }
        self.desired |= !self.touched.is_empty();
        if !self.desired {
            self.observer.nothing_changed();
        }
    }

    fn sync(&mut self) {
        let started = Instant::now();
        match self.backend.sync(&self.model, &self.touched) {
            Ok(()) => {
                let took = started.elapsed();
                self.observer.synced(&self.model, &self.touched, took, &self.triggers);
                self.observer.counted(self.backend.rules());
                self.touched.clear();
                self.triggers.clear();
                self.desired = false;
                self.clocks.retry = FIRST_RETRY;
                self.clocks.sync = started + (took * BUSY_SHARE).max(self.periods.least_between_syncs);
                // No other sync moves a check: whoever changes rules while Services change is found all the same.
                if !std::mem::replace(&mut self.began, true) {
                    self.rest_before_checks(started);
                }
            }
            Err(error) => self.try_again(&error),
        }
    }

    fn check(&mut self, fully: bool) {
        let started = Instant::now();
        self.observer.checking();
        let result = if fully { self.backend.check_fully(&self.model) } else { self.backend.check(&self.model) };
        match result {
            Ok(repaired) => {
                self.observer.checked(&self.model, repaired);
                if fully || repaired {
                    self.observer.counted(self.backend.rules());
                    self.rest_before_checks(started);
                } else {
                    self.clocks.check = Instant::now() + CHECK.max(started.elapsed() * CHECK_SHARE);
                }
            }
            // What stands is not known any more, so a whole round has to look.
            Err(error) => {
                self.desired = true;
                self.try_again(&error);
            }
        }
    }

    fn rest_before_checks(&mut self, started: Instant) {
        let now = Instant::now();
        self.clocks.check = now + CHECK;
        self.clocks.full_check = now + self.periods.full_check.max((now - started) * FULL_CHECK_SHARE);
    }

    fn try_again(&mut self, error: &SyncError) {
        self.observer.failed(error);
        self.clocks.sync = Instant::now() + self.clocks.retry;
        self.clocks.retry = (self.clocks.retry * 2).min(LAST_RETRY);
    }
}
