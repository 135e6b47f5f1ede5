//! From a question to its answer: out of the cluster's own names, or of what the switch's resolvers say; an alias is followed from the
//! one into the other.

use std::net::IpAddr;
use std::sync::{Arc, RwLockReadGuard};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};

use crate::forward::{Forwarder, Question};
use crate::knowledge::{Knowledge, Shared, Standing};
use crate::reply::Reply;
use crate::request::Request;
use crate::zone::{Place, Zone};

/// Aliases one after the other; more go round in a circle.
const MOST_ALIASES: usize = 8;

#[derive(Clone, Debug)]
pub struct Resolver {
    zone: Arc<Zone>,
    known: Shared,
    forwarder: Arc<Forwarder>,
}

/// How far an answer has come by what is known here.
enum Step {
    Done(Reply),
    /// The rest is asked for elsewhere, by this name.
    Elsewhere(Reply, Name),
}

impl Resolver {
    pub fn new(zone: Zone, known: Shared, forwarder: Arc<Forwarder>) -> Self {
        Self { zone: Arc::new(zone), known, forwarder }
    }

    pub fn known(&self) -> RwLockReadGuard<'_, Knowledge> {
        self.known.read()
    }

    /// The answer, where nobody else has to be asked for it.
    pub fn at_once(&self, request: &Request) -> Option<Reply> {
        if self.forwarder.is_probe(request.query.name()) {
            return Some(Reply::code(ResponseCode::NXDomain));
        }
        match self.own(request) {
            Step::Done(reply) => Some(reply),
            Step::Elsewhere(..) => None,
        }
    }

    /// `source` is who asks.
    pub async fn resolve(&self, request: &Request, source: IpAddr) -> Reply {
        let (mut reply, name) = match self.own(request) {
            Step::Done(reply) => return reply,
            Step::Elsewhere(reply, name) => (reply, name),
        };
        let question = Question {
            name,
            kind: request.query.query_type(),
            dnssec: request.wants_dnssec(),
            checking_disabled: request.metadata.checking_disabled,
        };
        let rest = self.forwarder.ask(&question, source).await;
        reply.code = rest.code;
        reply.stale |= rest.stale;
        reply.authentic = rest.authentic && reply.answers.is_empty();
        reply.answers.extend(rest.answers);
        reply.authorities.extend(rest.authorities);
        reply.additionals.extend(rest.additionals);
        reply
    }

    fn own(&self, request: &Request) -> Step {
        let kind = request.query.query_type();
        let mut name = request.query.name().clone();
        let known = self.known.read();
        let mut reply = Reply { stale: known.standing() == Standing::Stale, ..Reply::default() };
        for _ in 0..MOST_ALIASES {
            let place = self.zone.place(&name);
            if place == Place::Elsewhere {
                reply.stale &= !reply.answers.is_empty();
                return Step::Elsewhere(reply, name);
            }
            // Of nothing it cannot be said that it is not there.
            if known.standing() == Standing::Unknown {
                return Step::Done(Reply::code(ResponseCode::ServFail));
            }
            let found = self.zone.find(&known, &place, &name, kind);
            reply.authoritative = true;
            reply.answers.extend(found.answers);
            reply.additionals.extend(found.additionals);
            match found.alias {
                Some(alias) if !matches!(kind, RecordType::CNAME | RecordType::ANY) => name = alias,
                _ => {
                    if !found.exists {
                        reply.code = ResponseCode::NXDomain;
                    }
                    if !found.exists || reply.answers.is_empty() || name != *request.query.name() {
                        reply.authorities = self.negative(&reply, &name);
                    }
                    return Step::Done(reply);
                }
            }
        }
        Step::Done(Reply::code(ResponseCode::ServFail))
    }

    /// The SOA, unless the last name of the answer has records.
    fn negative(&self, reply: &Reply, name: &Name) -> Vec<Record> {
        let has_records =
            reply.answers.iter().any(|record| record.name == *name && record.record_type() != RecordType::CNAME);
        if has_records { Vec::new() } else { vec![self.zone.soa()] }
    }
}
