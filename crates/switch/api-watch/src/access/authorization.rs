//! The `Authorization` of requests: a token, a file with a token that may change, what a plugin gives, or a name and a password.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use kube::client::Body;

use super::exec;
use super::kubeconfig::{User, read_file, utf_8};

/// As long is a token from a file used before the file is read again.
const FRESH: Duration = Duration::from_secs(50);

/// With a server's own path before it, kube makes an address of it that has at most 65,534 bytes, or panics.
const LONGEST_TARGET: usize = 32 << 10;

#[derive(Clone)]
pub(crate) enum Authorization {
    Fixed(HeaderValue),
    File(Arc<Mutex<TokenFile>>),
    Plugin(exec::Current),
}

pub(crate) struct TokenFile {
    path: PathBuf,
    value: HeaderValue,
    read: Instant,
    /// The file cannot be used any more, and this has been said.
    lost: bool,
}

/// A request that is not sent.
#[derive(Debug, thiserror::Error)]
#[error("a request for {0} bytes of address is not sent, as at most {LONGEST_TARGET} will do")]
pub(crate) struct TooLong(usize);

/// Makes a request such that the client can send it.
pub(crate) fn prepare(
    mut request: Request<Body>,
    authorization: Option<&Authorization>,
) -> Result<Request<Body>, TooLong> {
    let length = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if length > LONGEST_TARGET {
        return Err(TooLong(length));
    }
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.value());
    }
    Ok(request)
}

/// Looks at whether the server takes who one says to be.
pub(crate) fn look_at<B>(response: &Response<B>, authorization: Option<&Authorization>) {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(Authorization::Plugin(current)) = authorization
    {
        current.refused();
    }
}

impl Authorization {
    /// Of a user's several ways the first counts, in kube's order, but a token's file before the token; `exec` comes after these.
    pub(super) fn of(user: &User, directory: &Path) -> Result<Option<Authorization>, String> {
        if user.auth_provider.is_some() {
            return Err("it has an auth-provider, and this kube-proxy has none: give a certificate or a token".into());
        }
        if let Some(name) = user.username.as_deref().filter(|name| !name.is_empty()) {
            let both = format!("{name}:{}", user.password.as_deref().unwrap_or_default());
            let value = header(&format!("Basic {}", BASE64.encode(both.as_bytes())))?;
            return Ok(Some(Authorization::Fixed(value)));
        }
        let token = user.token.get().map(bearer).transpose().map_err(|why| format!("its token {why}"))?;
        let Some(path) = user.token_file.get().map(|path| directory.join(path)) else {
            return Ok(token.map(Authorization::Fixed));
        };
        match token {
            Some(token) => Ok(Authorization::file_or(path, token)),
            None => Authorization::file(path).map_err(|why| format!("its tokenFile: {why}")),
        }
        .map(Some)
    }

    pub(super) fn file(path: PathBuf) -> Result<Authorization, String> {
        Ok(TokenFile { value: read(&path)?, path, read: Instant::now(), lost: false }.into())
    }

    /// With a token for as long as the file cannot be used, as client-go has it.
    fn file_or(path: PathBuf, token: HeaderValue) -> Authorization {
        let mut file = TokenFile { value: token, path, read: Instant::now(), lost: false };
        file.read_again();
        file.into()
    }

    fn value(&self) -> HeaderValue {
        match self {
            Authorization::Fixed(value) => value.clone(),
            Authorization::Plugin(current) => current.value(),
            Authorization::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).value_at(Instant::now()).clone()
            }
        }
    }
}

impl TokenFile {
    /// What the file has; where that cannot be used, what it had, as client-go has it.
    pub(super) fn value_at(&mut self, now: Instant) -> &HeaderValue {
        if now.saturating_duration_since(self.read) >= FRESH {
            self.read = now;
            self.read_again();
        }
        &self.value
    }

    fn read_again(&mut self) {
        match read(&self.path) {
            Ok(value) => {
                self.value = value;
                self.lost = false;
            }
            Err(why) if !self.lost => {
                self.lost = true;
                tracing::warn!("the token that was known last is used on, as {why}");
            }
            Err(_) => {}
        }
    }
}

impl From<TokenFile> for Authorization {
    fn from(file: TokenFile) -> Authorization {
        Authorization::File(Arc::new(Mutex::new(file)))
    }
}

fn read(path: &Path) -> Result<HeaderValue, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let token = read_file(path).and_then(utf_8).map_err(named)?;
    match token.trim() {
        "" => Err(named("it is empty: a token is needed".to_owned())),
        token => bearer(token).map_err(|why| named(format!("the token {why}"))),
    }
}

pub(super) fn bearer(token: &str) -> Result<HeaderValue, String> {
    header(&format!("Bearer {token}"))
}

/// What a request can have as a header's value, not to be shown.
pub(super) fn header(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| "has a line break or another control character, which no HTTP header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
