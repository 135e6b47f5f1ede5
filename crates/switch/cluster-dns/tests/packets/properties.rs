//! From a packet to its answer, without a network.

use std::collections::BTreeMap;

use cluster_dns::knowledge::{Endpoint, Kind, Knowledge, Port, Protocol, Service, ServiceName, Subset};
use cluster_dns::reply::Reply;
use cluster_dns::request::{self, Incoming};
use cluster_dns::zone::Zone;
use hickory_proto::op::Message;

/// Nothing panics; an answer is one, has its question's id, and fits.
pub fn an_answer_fits_its_question(packet: &[u8]) {
    let (answer, limit) = match request::read(packet) {
        Incoming::Nothing => return,
        Incoming::Refused(_, answer) => (answer, 512),
        Incoming::Question(request) => {
            let zone = Zone::new("cluster.local", [10, 10, 0, 10].into(), Vec::new()).expect("a domain");
            let name = request.query.name();
            let found = zone.find(&known(), &zone.place(name), name, request.query.query_type());
            let reply = Reply { answers: found.answers, additionals: found.additionals, ..Reply::default() };
            let limit = request.payload();
            (reply.to_bytes(&request, limit), usize::from(limit))
        }
    };
    assert!((12..=limit.max(packet.len() + 64)).contains(&answer.len()), "{} bytes", answer.len());
    assert_eq!(answer[..2], packet[..2]);
    assert_eq!(answer[2] & 0x80, 0x80);
    Message::from_vec(&answer).expect("an answer can be read");
}

fn known() -> Knowledge {
    let ports: Box<[Port]> = [Port { name: "b".into(), protocol: Protocol::Tcp, number: 80 }].into();
    let name = ServiceName::new("a", "a");
    let service = Service { kind: Kind::Headless, ports: ports.clone(), publish_not_ready: false, is_ours: false };
    let endpoint = |last| Endpoint { ip: [10, 16, 0, last].into(), hostname: None, ready: true };
    let subset = Subset { ports, endpoints: (0..=255).map(endpoint).collect() };
    let mut known = Knowledge::default();
    known.set_services(BTreeMap::from([(name.clone(), service)]));
    known.set_all_endpoints(BTreeMap::from([(name, BTreeMap::from([("a".into(), [subset].into())]))]));
    known
}
