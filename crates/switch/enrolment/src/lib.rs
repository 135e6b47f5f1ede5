//! How a worker switch gets its certificates signed by the master. All trust comes from the token that both have
//! in their cluster.toml: whoever knows it is believed, in both directions, and nobody else.
//!
//! The protocol, over a TCP port of the master, `contract::ports::ENROLMENT`:
//!
//! 1. TLS 1.3, from the worker's own address in cluster.toml. The master's certificate is a throw-away one and the worker
//!    does not look at it. ALPN `kubernetes-on-eos-enrolment/2`, offered by the worker and taken by the master, makes
//!    VERSION 2; without it VERSION is 1, that of the releases whose workers ask from any address. Both take 32 bytes of
//!    keying material from the session (exporter label `EXPORTER-kubernetes-on-eos-enrolment`, no context). Someone in
//!    the middle has two sessions, thus two values, and no proof made for one is good for the other.
//!    From here on each message is a frame: its length (u32, big endian), then that many bytes of JSON, at most 64 KiB.
//!    Nonces and proofs are 64 hexadecimal digits.
//! 2. Worker: `{"hello": {"version": VERSION, "name": NAME, "nonce": 32 random bytes}}`
//! 3. Master: `{"challenge": {"nonce": 32 random bytes}}`
//! 4. Worker: `{"request": {"proof": PROOF, "csrs": [PEM, …]}}`, PROOF = HMAC(key, field("worker") ‖ transcript)
//! 5. The master compares the proof in constant time. Only then it looks the name up, and signs.
//!    Master: `{"answer": {"proof": PROOF, "body": BODY}}`,
//!    PROOF = HMAC(key, field("master") ‖ transcript ‖ field(SHA-256(BODY))).
//!    BODY is a string, itself JSON: `{"issued": {"ca": PEM, "certificates": [PEM, …], "time": seconds since 1970}}`,
//!    or `{"declined": {"reason": TEXT}}` when the proof was good and the requests were not. The token makes nobody a
//!    master: whoever asks for a master's name is declined, too, and being proven, the reason is for no stranger.
//!    It makes nobody another worker either: the [`Signer`] is told where the request came from, and by which VERSION.
//! 6. The worker compares the proof, and before that believes nothing. When it has a CA certificate from before, it takes
//!    no other public key for the CA after that either.
//!
//! where
//!
//! - HMAC is HMAC-SHA256, key = HMAC(token, "kubernetes-on-eos enrolment 1 key");
//! - field(x) = length of x (u32, big endian) ‖ x;
//! - transcript = field("kubernetes-on-eos enrolment VERSION") ‖ field(keying material) ‖ field(NAME) ‖ field(worker's nonce)
//!   ‖ field(master's nonce) ‖ field(SHA-256(field(csr 1) ‖ field(csr 2) ‖ …)).
//!
//! In place of 3 the master may say `{"refused": "version"}`, and in place of 5
//! `{"refused": "token or name not accepted"}`: the same for both, so that a stranger does not learn which names there
//! are. Neither is proven, so the worker only takes it as a reason to try again later.
//!
//! Whoever answers in the master's place gets a worker's proof and may guess tokens against it at leisure. A token must
//! therefore be too random to guess; [`Token::new`] refuses short ones, and `cluster` what no new cluster may begin with.
//!
//! Who holds connections open, from however many addresses, keeps no worker out: [`Server::keep_places_for`], and of too many the
//! oldest goes that has proven nothing.
//!
//! What is in a request and in a certificate is not looked at here: the [`Signer`] sees to it that no master's name is
//! signed, and no worker's for a key that is not that worker's, and who takes what [`enrol`] brings that the CA is the one from before. Both are in `cluster::pki`.
//!
//! - [`Server`]: the master's side. It asks a [`Signer`] and reports [`Event`]s.
//! - [`enrol`], [`enrol_until_answered`]: the worker's side.

mod channel;
mod error;
mod event;
mod exchange;
mod message;
mod places;
mod rate_limit;
mod retry;
mod served;
mod server;
mod token;
mod transcript;
mod worker;

pub use error::{EnrolError, Retry};
pub use event::Event;
pub use exchange::{Asked, Signed, Signer};
pub use retry::{FailedAttempt, enrol_until_answered};
pub use served::served_certificate;
pub use server::{Server, ServerError, ServerLimits, Stop};
pub use token::{Token, TokenError};
pub use worker::{Enrolled, Request, enrol};

/// What a signer gives for a worker's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The cluster's CA certificate, PEM.
    pub ca: String,
    /// A certificate for each request, PEM, in the order of the requests.
    pub certificates: Vec<String>,
}
