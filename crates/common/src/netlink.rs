//! Asking the kernel over rtnetlink: one question at a time, with a limit.

use std::{io, time::Duration};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{RouteNetlinkMessage, route::RouteFlags};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// The kernel answers at once.
const LIMIT: Duration = Duration::from_secs(5);

/// How often what changes while it is read is read anew.
const DUMPS: usize = 5;

/// Of a message's header, the length alone.
const LENGTH: usize = 4;

pub struct Netlink {
    socket: Socket,
    sequence: u32,
    looks_only: bool,
}

impl Netlink {
    pub fn new() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
        Ok(Netlink { socket, sequence: 0, looks_only: false })
    }

    /// One by which nothing is changed, whatever it is told to.
    pub fn looking() -> io::Result<Netlink> {
        Ok(Netlink { looks_only: true, ..Netlink::new()? })
    }

    pub fn looks_only(&self) -> bool {
        self.looks_only
    }

    /// Everything that there is of a kind.
    pub fn dump(&mut self, question: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.dump_where(question, &|_| true)
    }

    /// The same of what there may be very much of: what is not wanted is not kept. Of routes, without what the kernel has learned of the way to single
    /// addresses, as path MTUs, which it lists among them.
    pub fn dump_where(
        &mut self,
        question: RouteNetlinkMessage,
        wanted: &dyn Fn(&RouteNetlinkMessage) -> bool,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMPS {
            let mut found = Vec::new();
            let whole = self.ask_each(question.clone(), NLM_F_DUMP, &mut |answer| {
                if !is_learned(&answer) && wanted(&answer) {
                    found.push(answer);
                }
            })?;
            if whole {
                return Ok(found);
            }
        }
        Err(io::Error::other("what is asked for changes all the time, so that it cannot be read whole"))
    }

    /// The one that is asked for.
    pub fn get(&mut self, question: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        Ok(self.ask(question, NLM_F_ACK)?.pop())
    }

    /// Makes what must not be there yet.
    pub fn create(&mut self, what: RouteNetlinkMessage) -> io::Result<()> {
        self.tell(what, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Makes what may be there in another way.
    pub fn replace(&mut self, what: RouteNetlinkMessage) -> io::Result<()> {
        self.tell(what, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Changes or removes what is there.
    pub fn change(&mut self, what: RouteNetlinkMessage) -> io::Result<()> {
        self.tell(what, NLM_F_ACK)
    }

    fn tell(&mut self, what: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        if self.looks_only { Ok(()) } else { self.ask(what, flags).map(drop) }
    }

    fn ask(&mut self, question: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut answers = Vec::new();
        self.ask_each(question, flags, &mut |answer| answers.push(answer))?;
        Ok(answers)
    }

    /// Returns whether the answer is of one moment: what changes while it is read may be missing or be there twice.
    fn ask_each(
        &mut self,
        question: RouteNetlinkMessage,
        flags: u16,
        each: &mut dyn FnMut(RouteNetlinkMessage),
    ) -> io::Result<bool> {
        let mut whole = true;
        self.sequence += 1;
        let mut message = NetlinkMessage::from(question);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        loop {
            let (received, _) = self.socket.recv_from_full()?;
            for one in messages(&received) {
                // What a kernel says that nobody here knows is none of ours.
                let Ok(answer) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(one) else { continue };
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                whole &= answer.header.flags & NLM_F_DUMP_INTR == 0;
                match answer.payload {
                    NetlinkPayload::InnerMessage(answer) => each(answer),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(io::Error::from_raw_os_error(done.code.saturating_abs()));
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(whole),
                    _ => {}
                }
            }
        }
    }
}

/// Whether a route is one of the kernel's exceptions, and nobody's.
pub fn is_learned(message: &RouteNetlinkMessage) -> bool {
    match message {
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            route.header.flags.contains(RouteFlags::Cloned)
        }
        _ => false,
    }
}

/// The messages that came together.
pub fn messages(received: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = received;
    std::iter::from_fn(move || {
        let one = first(rest)?;
        rest = rest.get(one.len().next_multiple_of(LENGTH)..).unwrap_or_default();
        Some(one)
    })
}

/// The first message of several.
fn first(messages: &[u8]) -> Option<&[u8]> {
    let length = u32::from_ne_bytes(messages.get(..LENGTH)?.try_into().ok()?);
    messages.get(..usize::try_from(length).ok()?).filter(|message| message.len() > LENGTH)
}
