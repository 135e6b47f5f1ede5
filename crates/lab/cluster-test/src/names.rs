//! What a device is told of a name by the cluster's DNS address, or by anybody: asked with a socket of ours in the device's network.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use devices::Device;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};

const TIMEOUT: Duration = Duration::from_secs(2);

/// A client asks again what it has no answer to.
const TRIES: usize = 3;

/// The answer's data in order, and its code as it is written: `NoError`, `NXDomain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: String,
    pub data: Vec<String>,
}

/// Asks from a device's network.
pub fn ask(from: &Device<'_>, server: Ipv4Addr, name: &str, kind: RecordType) -> Result<Answer> {
    let to = SocketAddr::from((server, contract::ports::DNS));
    let name = Name::from_ascii(name).with_context(|| format!("{name} is no name"))?;
    from.in_network(|| {
        let mut last = None;
        for _ in 0..TRIES {
            match once(to, &name, kind) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("nobody was asked")?).with_context(|| format!("{to} says nothing of {name} {kind}"))
    })
}

/// Fails where the answer is another one.
pub fn expect(from: &Device<'_>, server: Ipv4Addr, name: &str, kind: RecordType, data: &[&str]) -> Result<()> {
    let answer = ask(from, server, name, kind)?;
    let right = answer.code == "NoError" && answer.data == data;
    ensure!(right, "{} is told {answer:?} of {name} {kind}, and it is {data:?}", from.name());
    Ok(())
}

fn once(to: SocketAddr, name: &Name, kind: RecordType) -> Result<Answer> {
    let mut question = Message::new(7, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(to)?;
    socket.send(&question.to_vec()?)?;
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer)?;
    let answer = Message::from_vec(&buffer[..length])?;
    let mut data: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
    data.sort();
    Ok(Answer { code: format!("{:?}", answer.metadata.response_code), data })
}
