//! What must be true of the answer to any packet, tried for a moment with proptest; `fuzz/` tries it for as long as one likes.

#![allow(clippy::unwrap_used)]

mod properties;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;

/// A question that is good, to be spoiled.
fn question(labels: &[String], kind: u16) -> Vec<u8> {
    let name = format!("{}.svc.cluster.local.", labels.join("."));
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    let name = Name::from_ascii(name).unwrap_or_else(|_| Name::root());
    message.add_query(Query::query(name, RecordType::from(kind)));
    message.to_vec().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_packet_has_an_answer_that_can_be_read_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        properties::an_answer_fits_its_question(&bytes);
    }

    #[test]
    fn so_has_a_question_that_was_spoiled(
        labels in proptest::collection::vec("[a-z_-]{1,12}", 1..5),
        kind in any::<u16>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        more in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut packet = question(&labels, kind);
        packet.extend(more);
        for (at, byte) in changes {
            let at = at.index(packet.len());
            packet[at] = byte;
        }
        properties::an_answer_fits_its_question(&packet);
    }
}
