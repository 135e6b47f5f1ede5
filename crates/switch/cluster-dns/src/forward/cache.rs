//! Answers of resolvers, as they came: bounded by number and by bytes, and of use for a while after their time.

use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};
use lru::LruCache;

use super::Question;
use crate::reply::Reply;

/// Bytes of answers and of their questions.
const MOST_BYTES: usize = 1 << 20;

/// One that is larger is not kept.
const LARGEST: usize = 8 << 10;

const LONGEST: Duration = Duration::from_secs(3600);
const LONGEST_NEGATIVE: Duration = Duration::from_secs(300);

/// For so long after its time an answer is given where no resolver answers.
const STALE: Duration = Duration::from_secs(3600);

/// How long a client may keep such a one.
const STALE_TTL: u32 = 30;

/// Of one that is there, beside its bytes.
const OVERHEAD: usize = 128;

#[derive(Debug)]
pub struct Cache {
    entries: LruCache<Box<[u8]>, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    wire: Box<[u8]>,
    since: Instant,
    lasts: Duration,
}

pub enum Cached {
    Fresh(Reply),
    Stale(Reply),
}

impl Default for Cache {
    fn default() -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0 }
    }
}

impl Cache {
    pub fn get(&mut self, question: &Question, now: Instant) -> Option<Cached> {
        let entry = self.entries.get(&key(question))?;
        let age = now.saturating_duration_since(entry.since);
        if age >= entry.lasts + STALE {
            return None;
        }
        let mut reply = reply_of(Message::from_vec(&entry.wire).ok()?);
        let is_fresh = age < entry.lasts;
        let aged = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        for record in reply.answers.iter_mut().chain(&mut reply.authorities).chain(&mut reply.additionals) {
            record.ttl = if is_fresh { record.ttl.saturating_sub(aged) } else { STALE_TTL };
        }
        reply.stale = !is_fresh;
        Some(if is_fresh { Cached::Fresh(reply) } else { Cached::Stale(reply) })
    }

    pub fn put(&mut self, question: &Question, message: &Message, now: Instant) {
        let Some(lasts) = lasts(message) else { return };
        let Ok(wire) = message.to_vec() else { return };
        if wire.len() > LARGEST {
            return;
        }
        let key = key(question);
        self.bytes += size(&key, wire.len());
        let entry = Entry { wire: wire.into(), since: now, lasts };
        if let Some((key, before)) = self.entries.push(key, entry) {
            self.bytes -= size(&key, before.wire.len());
        }
        while self.bytes > MOST_BYTES
            && let Some((key, oldest)) = self.entries.pop_lru()
        {
            self.bytes -= size(&key, oldest.wire.len());
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

fn size(key: &[u8], wire: usize) -> usize {
    key.len() + wire + OVERHEAD
}

fn key(question: &Question) -> Box<[u8]> {
    let mut key = Vec::with_capacity(question.name.len() + 4);
    for label in &question.name {
        key.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        key.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    key.extend(u16::from(question.kind).to_be_bytes());
    key.push(u8::from(question.dnssec) << 1 | u8::from(question.checking_disabled));
    key.into()
}

/// How long an answer may be kept; none where it says nothing about that.
fn lasts(message: &Message) -> Option<Duration> {
    let seconds = |ttl: u32| Duration::from_secs(ttl.into());
    let is_negative = message.metadata.response_code == ResponseCode::NXDomain || message.answers.is_empty();
    if is_negative {
        let of_soa = |record: &Record| match &record.data {
            RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
            _ => None,
        };
        let ttl = message.authorities.iter().find_map(of_soa)?;
        return Some(seconds(ttl).min(LONGEST_NEGATIVE));
    }
    let all = message.answers.iter().chain(&message.authorities);
    Some(seconds(all.map(|record| record.ttl).min()?).min(LONGEST))
}

pub fn reply_of(message: Message) -> Reply {
    Reply {
        code: message.metadata.response_code,
        authoritative: false,
        stale: false,
        authentic: message.metadata.authentic_data,
        answers: message.answers,
        authorities: message.authorities,
        additionals: message.additionals,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::rdata::{A, SOA};
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    fn question(name: &str) -> Question {
        let name = Name::from_ascii(name).unwrap();
        Question { name, kind: RecordType::A, dnssec: false, checking_disabled: false }
    }

    fn answer(name: &str, ttl: u32) -> Message {
        let mut message = Message::response(7, OpCode::Query);
        let data = RData::A(A([192, 0, 2, 1].into()));
        message.add_answer(Record::from_rdata(Name::from_ascii(name).unwrap(), ttl, data));
        message
    }

    #[test]
    fn an_answer_gets_older_and_is_stale_after_its_time_and_gone_after_an_hour() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.put(&question("www.example."), &answer("www.example.", 60), now);
        let later = |seconds| now + Duration::from_secs(seconds);
        let Some(Cached::Fresh(reply)) = cache.get(&question("WWW.example."), later(20)) else { panic!("not fresh") };
        assert_eq!((reply.answers[0].ttl, reply.stale), (40, false));
        let Some(Cached::Stale(reply)) = cache.get(&question("www.example."), later(61)) else { panic!("not stale") };
        assert_eq!((reply.answers[0].ttl, reply.stale), (STALE_TTL, true));
        assert!(cache.get(&question("www.example."), later(60 + 3600)).is_none());
    }

    #[test]
    fn a_flood_of_names_does_not_fill_the_memory_and_what_is_used_stays() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let used = question("used.example.");
        cache.put(&used, &answer("used.example.", 600), now);
        for number in 0..50_000 {
            let name = format!("{number}.{}.example.", "x".repeat(60));
            cache.put(&question(&name), &answer(&name, 600), now);
            if number % 100 == 0 {
                assert!(cache.get(&used, now).is_some(), "{number}");
            }
        }
        assert!(cache.bytes <= MOST_BYTES && cache.len() < 6000, "{} bytes, {} entries", cache.bytes, cache.len());
    }

    #[test]
    fn nothing_is_kept_for_no_longer_than_its_soa_says() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        let mut message = Message::response(7, OpCode::Query);
        message.metadata.response_code = ResponseCode::NXDomain;
        cache.put(&question("none.example."), &message, now);
        assert_eq!(cache.len(), 0, "without a SOA");
        let root = Name::root();
        let soa = RData::SOA(SOA::new(root.clone(), root.clone(), 1, 1, 1, 1, 20));
        message.add_authority(Record::from_rdata(root, 900, soa));
        cache.put(&question("none.example."), &message, now);
        let at = |seconds| now + Duration::from_secs(seconds);
        assert!(matches!(cache.get(&question("none.example."), at(19)), Some(Cached::Fresh(_))));
        assert!(matches!(cache.get(&question("none.example."), at(21)), Some(Cached::Stale(_))));
    }
}
