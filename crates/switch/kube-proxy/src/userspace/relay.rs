//! Carries bytes between a client and an endpoint, both ways, until both have ended their side.
//!
//! Short messages are copied through one buffer that all streams of a thread share; a stream that fills it is spliced from
//! then on, for as long as bytes keep coming. So a stream that is silent has neither a buffer nor a pipe.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::Semaphore,
    task::yield_now,
};

use super::pipes::Pipe;

/// A stream that fills this is a bulky one.
const BUFFER: usize = 16 * 1024;

thread_local! {
    static SHARED: RefCell<[u8; BUFFER]> = const { RefCell::new([0; BUFFER]) };
}

/// Uses no more pipes than `pipes` has permits for. Ends when both sides have ended; the end of one leaves the other way open. When one side breaks, so does the other.
pub async fn relay(mut client: TcpStream, mut endpoint: TcpStream, pipes: &Arc<Semaphore>) -> io::Result<()> {
    let (from_client, to_client) = client.split();
    let (from_endpoint, to_endpoint) = endpoint.split();
    let both = tokio::try_join!(pass(from_client, to_endpoint, pipes), pass(from_endpoint, to_client, pipes));
    if both.is_err() {
        // The close is then a reset, which nobody takes for an end of the data.
        let _ = client.set_zero_linger();
        let _ = endpoint.set_zero_linger();
    }
    both.map(|_| ())
}

/// What came of an attempt to read.
enum Read {
    Some,
    /// As much as fits at once: there is more, probably.
    Plenty,
    End,
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, pipes: &Arc<Semaphore>) -> io::Result<()> {
    loop {
        let read = match copy(&mut from, &mut to).await? {
            Read::Plenty => splice(from.as_ref(), to.as_ref(), pipes).await?,
            other => other,
        };
        if matches!(read, Read::End) {
            break;
        }
    }
    match to.shutdown().await {
        // It was reset meanwhile; the other direction finds out.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        other => other,
    }
}

/// Waits for bytes, and passes them on by the shared buffer.
async fn copy(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> io::Result<Read> {
    let (read, rest) = poll_fn(|context| {
        SHARED.with_borrow_mut(|shared| {
            let mut buffer = ReadBuf::new(shared);
            ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok((Read::End, Vec::new())));
            }
            let read = if bytes.len() == BUFFER { Read::Plenty } else { Read::Some };
            let sent = match to.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                other => other?,
            };
            Poll::Ready(io::Result::Ok((read, bytes.get(sent..).unwrap_or_default().to_vec())))
        })
    })
    .await?;
    if !rest.is_empty() {
        to.write_all(&rest).await?;
    }
    Ok(read)
}

/// Passes on all that is there now and keeps coming, through a pipe.
async fn splice(from: &TcpStream, to: &TcpStream, pipes: &Arc<Semaphore>) -> io::Result<Read> {
    let Some(mut pipe) = Pipe::take(pipes) else { return Ok(Read::Some) };
    loop {
        match from.try_io(Interest::READABLE, || pipe.fill(from)) {
            Ok(0) => return Ok(Read::End),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Some),
            Err(error) => return Err(error),
        }
        while !pipe.is_empty() {
            to.async_io(Interest::WRITABLE, || pipe.drain(to)).await?;
        }
        // One bulky stream does not keep the others waiting.
        yield_now().await;
    }
}
