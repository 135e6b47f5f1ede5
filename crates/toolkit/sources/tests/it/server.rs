//! An HTTP server that serves one file and misbehaves as it is told.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// How one request is answered.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// As a good server does, with ranges.
    Good,
    /// The connection ends when so many bytes of the body have gone.
    CutAfter(usize),
    /// The whole file, whatever range was asked for.
    NoRanges,
    /// Nothing comes any more after so many bytes.
    StallAfter(usize),
    /// A little at a time.
    Slow,
    /// A few bytes at a time, each in a packet of its own.
    Trickle,
    Status(&'static str),
}

pub(crate) struct Server {
    pub(crate) url: String,
    /// Where each request asked to begin.
    pub(crate) starts: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    /// Answers the first requests with these replies in order, and those after with the last one.
    pub(crate) fn start(body: Vec<u8>, replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/archive.tar.gz", listener.local_addr().unwrap());
        let starts = Arc::new(Mutex::new(Vec::new()));
        let (replies, seen, body) = (replies.to_vec(), starts.clone(), Arc::new(body));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let reply = replies[number.min(replies.len() - 1)];
                let (body, seen) = (body.clone(), seen.clone());
                // A client that has gone away in the middle is what some tests are about.
                thread::spawn(move || drop(serve(stream.unwrap(), reply, &body, &seen)));
            }
        });
        Server { url, starts }
    }

    pub(crate) fn starts(&self) -> Vec<usize> {
        self.starts.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, reply: Reply, body: &[u8], starts: &Mutex<Vec<usize>>) -> std::io::Result<()> {
    let mut start = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    starts.lock().unwrap().push(start);
    if let Reply::Status(status) = reply {
        return write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if matches!(reply, Reply::NoRanges) {
        start = 0;
    }
    if start > 0 && start >= body.len() {
        let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(head.as_bytes());
    }
    let rest = &body[start..];
    let (length, last, total) = (rest.len(), body.len() - 1, body.len());
    let head = match start {
        0 => "HTTP/1.1 200 OK\r\n".to_owned(),
        _ => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{total}\r\n"),
    };
    write!(stream, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    match reply {
        Reply::CutAfter(count) => stream.write_all(&rest[..count.min(length)]),
        Reply::StallAfter(count) => {
            stream.write_all(&rest[..count.min(length)])?;
            thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Reply::Slow => rest.chunks(100_000).try_for_each(|piece| {
            stream.write_all(piece)?;
            thread::sleep(Duration::from_millis(100));
            Ok(())
        }),
        Reply::Trickle => rest.chunks(8).try_for_each(|piece| {
            stream.write_all(piece)?;
            thread::sleep(Duration::from_millis(20));
            Ok(())
        }),
        _ => stream.write_all(rest),
    }
}
