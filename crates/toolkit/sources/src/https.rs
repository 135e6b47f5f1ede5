//! Archives by HTTP: resumed where a download broke off, tried again when a server falters,
//! and put into the store only with the pinned digest.

use std::{
    env,
    error::Error,
    fs::File,
    io::{Read, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use common::{
    Progress, Sha256,
    progress::{Task, Unit},
    retry::{Pauses, RetryPolicy},
    stop,
};
use reqwest::{StatusCode, blocking, header};

use crate::{
    error::{PinMismatch, Trouble},
    store::{Partial, Store},
};

/// How long a server is waited for.
#[derive(Debug, Clone)]
pub struct Timeouts {
    pub connect: Duration,
    /// How long nothing at all may come.
    pub stall: Duration,
    /// How often in a row a download may get nowhere, and the pauses between.
    pub retry: RetryPolicy,
}

impl Default for Timeouts {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        let retry = RetryPolicy { pauses: Pauses::Doubled { longest: Duration::MAX }, ..RetryPolicy::times(3, second) };
        Timeouts { connect: 10 * second, stall: 30 * second, retry }
    }
}

/// A try that got less than this got nowhere.
const GAIN: u64 = 64 * 1024;

/// So much of a body tells whether it is a web page.
const BEGINNING: usize = 1024;

/// As some editors put it in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) struct Client {
    http: blocking::Client,
    timeouts: Timeouts,
}

/// Why one try ended early.
enum Ended {
    /// The host cannot be resolved or connected to.
    NoConnection(String),
    /// The server has not got it.
    Refused(String),
    /// Broken off, or the server is busy: worth another try.
    Broken(String),
    Stop(anyhow::Error),
}

impl Client {
    pub(crate) fn new(timeouts: Timeouts) -> Result<Self, String> {
        // Whichever of the program's parts sets it first: there is one provider in this workspace.
        let _ = rustls::crypto::ring::default_provider().install_default();
        certificates_are_there()?;
        let http = blocking::Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.stall)
            .user_agent(concat!("kubernetes-on-eos/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("cannot make an HTTPS client: {}", causes(&error)))?;
        Ok(Client { http, timeouts })
    }

    /// Sees to it that the blob is in the store.
    pub(crate) fn download(
        &self,
        url: &str,
        sha256: &Sha256,
        name: &str,
        store: &Store,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        let partial = store.partial(sha256)?;
        if store.has(sha256) {
            return Ok(()); // another run fetched it while this one waited
        }
        let task = progress.start(name, Unit::Bytes, None);
        let retry = self.timeouts.retry;
        let (mut fruitless, mut connected, mut shown) = (0, false, 0);
        loop {
            let before = partial.len();
            task.doing(if before == 0 { "downloading" } else { "resuming the download" });
            let why = match self.attempt(url, &partial, task.as_ref(), &mut shown) {
                Ok(certain) => match store.insert(partial.path(), sha256, url) {
                    Ok(_) => return Ok(()),
                    // Pieces of two tries, or an end that may have been a cut: once more from the start.
                    Err(error) if !certain && error.is::<PinMismatch>() && fruitless + 1 < retry.tries => {
                        "the pieces do not fit together".to_owned()
                    }
                    Err(error) => return Err(Trouble::Stop(error)),
                },
                Err(Ended::NoConnection(why)) if !connected => return Err(Trouble::OutOfReach(why)),
                Err(Ended::Refused(why)) => return Err(Trouble::PassOver(why)),
                Err(Ended::Stop(error)) => return Err(Trouble::Stop(error)),
                Err(Ended::NoConnection(why) | Ended::Broken(why)) => why,
            };
            connected = true;
            fruitless = if partial.len() >= before + GAIN { 0 } else { fruitless + 1 };
            if fruitless >= retry.tries {
                return Err(Trouble::PassOver(format!("{why} ({} tries)", retry.tries)));
            }
            task.doing(&why);
            stop::pause(retry.pause_after(fruitless)).map_err(Trouble::Stop)?;
        }
    }

    /// One request, for what is not there yet. Answers whether the whole file surely came from this one request.
    /// `shown` is how many bytes the task knows of, so that what comes twice counts once.
    fn attempt(&self, url: &str, partial: &Partial, task: &dyn Task, shown: &mut u64) -> Result<bool, Ended> {
        let have = partial.len();
        let mut request = self.http.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.send().map_err(|error| {
            let why = causes(&error);
            if error.is_connect() { Ended::NoConnection(why) } else { Ended::Broken(why) }
        })?;
        let status = response.status();
        let start = match status {
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => have,
            StatusCode::OK => 0,
            // Everything is there already, or more than everything: the digest tells.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(false),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::PARTIAL_CONTENT => {
                return Err(Ended::Broken(format!("the server answered {status}")));
            }
            _ if status.is_server_error() => return Err(Ended::Broken(format!("the server answered {status}"))),
            _ => return Err(Ended::Refused(format!("the server answered {status}"))),
        };
        let length = response.content_length();
        if let Some(length) = length {
            task.set_total(start + length);
        }
        let mut file = open_at(partial, start).map_err(Ended::Stop)?;
        let mut written = start;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // Of the beginning enough to tell what it is, in however small pieces it comes.
            let least = if written == 0 { BEGINNING } else { 1 };
            let (count, broken) = read_at_least(&mut response, least, &mut buffer);
            if written == 0 && is_web_page(&buffer[..count]) {
                let why = "a web page came in its place: that of a proxy, or one that asks for a login?";
                return Err(Ended::Refused(why.to_owned()));
            }
            file.write_all(&buffer[..count])
                .with_context(|| format!("cannot write {}", partial.path().display()))
                .map_err(Ended::Stop)?;
            written += count as u64;
            task.advance(written.saturating_sub(*shown));
            *shown = written.max(*shown);
            if let Some(error) = broken {
                return Err(Ended::Broken(format!("the download broke off: {}", causes(&error))));
            }
            if count < least {
                return Ok(start == 0 && length.is_some());
            }
        }
    }
}

/// What OpenSSL's variable names is taken in place of the machine's own certificates, and silently where nothing is there.
fn certificates_are_there() -> Result<(), String> {
    let file = env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
    match file.filter(|file| !file.exists()) {
        Some(file) => {
            Err(format!("SSL_CERT_FILE names {}, which is not there: correct it, or unset it", file.display()))
        }
        None => Ok(()),
    }
}

/// Whether a body begins as HTML does, behind a mark of its encoding and blanks. No archive does.
fn is_web_page(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let begin = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"]
        .iter()
        .any(|tag| begin.get(..tag.len()).is_some_and(|b| b.eq_ignore_ascii_case(tag)))
}

/// How much has come, which is less only at the end and where it breaks off.
fn read_at_least(body: &mut impl Read, least: usize, buffer: &mut [u8]) -> (usize, Option<std::io::Error>) {
    let mut count = 0;
    while count < least {
        match body.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) => return (count, Some(error)),
        }
    }
    (count, None)
}

fn open_at(partial: &Partial, start: u64) -> anyhow::Result<File> {
    let open = || {
        let file = File::options().create(true).append(true).open(partial.path())?;
        if start == 0 {
            file.set_len(0)?;
        }
        std::io::Result::Ok(file)
    };
    open().with_context(|| format!("cannot write {}", partial.path().display()))
}

fn starts_at(response: &blocking::Response, offset: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
}

/// The causes of an error in one line, without the URL, which the caller names.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = match error.downcast_ref::<reqwest::Error>() {
            Some(request) if request.is_timeout() => "nothing came for too long".to_owned(),
            _ => error.to_string(),
        };
        if !text.contains(" for url (") && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}
