//! A question as it comes off the wire: what is none is answered with an error, or not at all.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};

/// A header alone; what is shorter is no message.
const HEADER: usize = 12;

/// Longer ones ask for nothing that we have: a name has 255 bytes, and options may be beside it.
pub const LONGEST: usize = 4096;

/// The most records that a question may come with: its OPT, and a signature.
const MOST_ADDITIONALS: u16 = 4;

/// What every client can take by UDP.
const PLAIN_PAYLOAD: u16 = 512;

/// What goes through anywhere without fragments; there is TCP for more.
const LARGEST_PAYLOAD: u16 = 1232;

/// A question that can be answered.
#[derive(Clone, Debug)]
pub struct Request {
    pub metadata: Metadata,
    pub query: Query,
    pub edns: Option<Edns>,
}

/// What came.
#[derive(Debug)]
pub enum Incoming {
    /// Nothing that is answered: an answer itself, or too short.
    Nothing,
    /// The answer to what is none, or to what we do not do.
    Refused(ResponseCode, Vec<u8>),
    Question(Box<Request>),
}

impl Request {
    /// How many bytes its client takes by UDP.
    pub fn payload(&self) -> u16 {
        self.edns.as_ref().map_or(PLAIN_PAYLOAD, |edns| edns.max_payload().clamp(PLAIN_PAYLOAD, LARGEST_PAYLOAD))
    }

    pub fn wants_dnssec(&self) -> bool {
        self.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok)
    }
}

/// Reads a packet.
pub fn read(packet: &[u8]) -> Incoming {
    let Some(header) = packet.get(..HEADER) else { return Incoming::Nothing };
    // An answer to an answer could go on for ever.
    if header[2] & 0x80 != 0 {
        return Incoming::Nothing;
    }
    let refuse = |code| Incoming::Refused(code, error(header, code));
    if (header[2] >> 3) & 0xf != 0 {
        return refuse(ResponseCode::NotImp);
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    // Looked at before anything is made for so many.
    if count(4) != 1 || count(6) != 0 || count(8) != 0 || count(10) > MOST_ADDITIONALS || packet.len() > LONGEST {
        return refuse(ResponseCode::FormErr);
    }
    let Ok(message) = Message::from_vec(packet) else { return refuse(ResponseCode::FormErr) };
    let Message { metadata, queries, edns, .. } = message;
    let Some(query) = queries.into_iter().next() else { return refuse(ResponseCode::FormErr) };
    if edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        let mut answer = Message::error_msg(metadata.id, OpCode::Query, ResponseCode::BADVERS);
        answer.metadata.recursion_desired = metadata.recursion_desired;
        answer.add_query(query);
        answer.set_edns(Edns::new());
        return answer.to_vec().map_or(Incoming::Nothing, |bytes| Incoming::Refused(ResponseCode::BADVERS, bytes));
    }
    let request = Request { metadata, query, edns };
    match (request.query.query_class(), request.query.query_type()) {
        (DNSClass::IN | DNSClass::ANY, kind) if !is_for_servers(kind) => Incoming::Question(Box::new(request)),
        _ => {
            let answer = crate::reply::Reply::code(ResponseCode::Refused).to_bytes(&request, u16::MAX);
            Incoming::Refused(ResponseCode::Refused, answer)
        }
    }
}

/// Types that one name server asks another for.
fn is_for_servers(kind: RecordType) -> bool {
    matches!(kind, RecordType::AXFR | RecordType::IXFR | RecordType::OPT | RecordType::TSIG | RecordType::ZERO)
}

/// A header that says nothing but what was wrong.
fn error(header: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut answer = vec![0; HEADER];
    answer[..2].copy_from_slice(&header[..2]);
    // An answer, to the same kind of request, with recursion desired as it was.
    answer[2] = 0x80 | (header[2] & 0x79);
    answer[3] = code.low();
    answer
}

/// Whether a message that came is an answer, for who has asked.
pub fn is_answer(metadata: &Metadata) -> bool {
    metadata.message_type == MessageType::Response && metadata.op_code == OpCode::Query
}
