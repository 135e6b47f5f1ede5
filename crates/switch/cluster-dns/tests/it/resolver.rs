//! A resolver that a test has in its hand: what it answers, and how it misbehaves.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use hickory_proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{Name, RData, Record};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Honest,
    Silent,
    Fails,
    /// Another id, another question, rubbish and a truth behind them.
    LiesFirst,
    /// The name in its own case.
    ShoutsNames,
    /// By UDP it says that there is more.
    Truncates,
}

pub struct FakeResolver {
    pub address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<String>>>,
    ttl: Arc<Mutex<u32>>,
}

impl FakeResolver {
    pub fn start() -> FakeResolver {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
                break (tcp, udp);
            }
        };
        let resolver = FakeResolver {
            address: udp.local_addr().unwrap(),
            manner: Arc::new(Mutex::new(Manner::Honest)),
            asked: Arc::default(),
            ttl: Arc::new(Mutex::new(300)),
        };
        let (manner, asked, ttl) = (resolver.manner.clone(), resolver.asked.clone(), resolver.ttl.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, client)) = udp.recv_from(&mut buffer) {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                asked.lock().unwrap().push(question.queries[0].name.to_string());
                let (manner, ttl) = (*manner.lock().unwrap(), *ttl.lock().unwrap());
                for answer in by_udp(&question, manner, ttl) {
                    let _ = udp.send_to(&answer, client);
                }
            }
        });
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut bytes = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut bytes).unwrap();
                let mut answer = answer(&Message::from_vec(&bytes).unwrap(), 300);
                let name = answer.queries[0].name.clone();
                for number in 0..100 {
                    let text = RData::TXT(TXT::new(vec![format!("{number:03} {}", "x".repeat(60))]));
                    answer.add_answer(Record::from_rdata(name.clone(), 300, text));
                }
                let bytes = answer.to_vec().unwrap();
                let _ = stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
                let _ = stream.write_all(&bytes);
            }
        });
        resolver
    }

    pub fn is(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub fn set_ttl(&self, ttl: u32) {
        *self.ttl.lock().unwrap() = ttl;
    }

    /// How often it was asked for this name, whatever the case.
    pub fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.eq_ignore_ascii_case(name)).count()
    }
}

/// 192.0.2.1 for every name but those below `none.example.`
fn answer(question: &Message, ttl: u32) -> Message {
    let mut message = Message::response(question.metadata.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.queries.clone_from(&question.queries);
    let name = question.queries[0].name.clone();
    if Name::from_ascii("none.example.").unwrap().zone_of(&name) {
        message.metadata.response_code = ResponseCode::NXDomain;
    } else {
        message.add_answer(Record::from_rdata(name, ttl, RData::A(A([192, 0, 2, 1].into()))));
    }
    message
}

fn by_udp(question: &Message, manner: Manner, ttl: u32) -> Vec<Vec<u8>> {
    let honest = answer(question, ttl);
    let bytes = |message: &Message| message.to_vec().unwrap();
    let mut changed = honest.clone();
    match manner {
        Manner::Honest => vec![bytes(&honest)],
        Manner::Silent => vec![],
        Manner::Fails => {
            changed.answers.clear();
            changed.metadata.response_code = ResponseCode::ServFail;
            vec![bytes(&changed)]
        }
        Manner::LiesFirst => {
            let lie = RData::A(A([203, 0, 113, 66].into()));
            changed.answers[0].data = lie;
            let mut other_id = changed.clone();
            other_id.metadata.id = other_id.metadata.id.wrapping_add(1);
            let mut other_question = changed.clone();
            other_question.queries =
                vec![Query::query(Name::from_ascii("bank.example.").unwrap(), "A".parse().unwrap())];
            let mut no_answer = bytes(&changed);
            no_answer[2] &= 0x7f;
            let mut looped = bytes(&changed);
            looped.truncate(12);
            looped.extend([0xc0, 12, 0, 1, 0, 1]);
            vec![bytes(&other_id), bytes(&other_question), no_answer, looped, vec![], vec![0; 3], bytes(&honest)]
        }
        Manner::ShoutsNames => {
            let name = Name::from_ascii(honest.queries[0].name.to_ascii().to_uppercase()).unwrap();
            changed.queries[0].name = name;
            vec![bytes(&changed)]
        }
        Manner::Truncates => {
            changed.answers.clear();
            changed.metadata.truncation = true;
            vec![bytes(&changed)]
        }
    }
}
