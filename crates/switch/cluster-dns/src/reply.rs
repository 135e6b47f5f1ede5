//! An answer, and its bytes: no more than the client takes, with the question as it was asked.

use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::opt::EdnsOption;

use crate::request::Request;

/// What we take by UDP, as answers say.
const OUR_PAYLOAD: u16 = 1232;

/// Extended errors, RFC 8914.
const EXTENDED_ERROR: u16 = 15;
const STALE_ANSWER: u16 = 3;

#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub code: ResponseCode,
    /// Out of what we are the authority for.
    pub authoritative: bool,
    /// It may not be true any more, and says so to who can read that.
    pub stale: bool,
    pub authentic: bool,
    pub answers: Vec<Record>,
    pub authorities: Vec<Record>,
    pub additionals: Vec<Record>,
}

impl Reply {
    pub fn code(code: ResponseCode) -> Self {
        Self { code, ..Self::default() }
    }

    /// At most `limit` bytes; what does not fit is left out, and the client told to ask by TCP.
    pub fn to_bytes(mut self, request: &Request, limit: u16) -> Vec<u8> {
        let mut message = Message::response(request.metadata.id, OpCode::Query);
        message.metadata.recursion_desired = request.metadata.recursion_desired;
        message.metadata.checking_disabled = request.metadata.checking_disabled;
        message.metadata.recursion_available = true;
        message.metadata.authoritative = self.authoritative;
        message.metadata.authentic_data = self.authentic;
        message.metadata.response_code = self.code;
        message.add_query(request.query.clone());
        if let Some(asked) = &request.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(OUR_PAYLOAD).set_dnssec_ok(asked.flags().dnssec_ok);
            if self.stale {
                edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, STALE_ANSWER.to_be_bytes().into()));
            }
            message.set_edns(edns);
        }
        message.answers = std::mem::take(&mut self.answers);
        message.authorities = std::mem::take(&mut self.authorities);
        message.additionals = std::mem::take(&mut self.additionals);
        if let Some(bytes) = within(&message, limit) {
            return bytes;
        }
        // What is beside the answer is a courtesy.
        message.additionals.clear();
        if let Some(bytes) = within(&message, limit) {
            return bytes;
        }
        message.answers.clear();
        message.authorities.clear();
        message.metadata.truncation = true;
        message.to_vec().unwrap_or_default()
    }
}

fn within(message: &Message, limit: u16) -> Option<Vec<u8>> {
    message.to_vec().ok().filter(|bytes| bytes.len() <= usize::from(limit))
}
