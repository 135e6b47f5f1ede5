//! How a worker switch gets its certificates signed by the master: by its own key once that is known, for the first time by the
//! token that both have in their cluster.toml.
//!
//! The protocol, over a TCP port of the master, `contract::ports::ENROLMENT`:
//!
//! 1. TLS 1.3, from the worker's own address in cluster.toml. VERSION is what ALPN comes to:
//!
//!    | ALPN | VERSION | |
//!    | --- | --- | --- |
//!    | `kubernetes-on-eos-enrolment/3` | 3 | both sides show certificates |
//!    | `kubernetes-on-eos-enrolment/2` | 2 | the master shows a throw-away one, which the worker does not look at |
//!    | none | 1 | the same, by releases whose workers ask from any address |
//!
//!    In version 3 the worker shows a certificate of the node's key, whichever: its own one, ended or not, or one that the
//!    key has signed itself. The handshake proves that it has that key, and nothing else of the certificate counts. The master shows
//!    one that the cluster's certificate authority has signed, and that authority's behind it. A worker that knows the authority
//!    ends the handshake with anybody else.
//!    From here on each message is a frame: its length (u32, big endian), then that many bytes of JSON, at most 64 KiB.
//!
//! A worker that knows the authority asks by its key first, in version 3:
//!
//! 2. Worker: `{"renewal": {"name": NAME, "csrs": [PEM, …]}}`
//! 3. Master: `{"issued": {"ca": PEM, "certificates": [PEM, …], "time": seconds since 1970}}`, or
//!    `{"declined": {"reason": TEXT}}`. To a key that is not known under that name it says the same for all names.
//!
//! Else, and where that has come to nothing, it asks by the token where it has one, in any version. Nonces and proofs are 64
//! hexadecimal digits:
//!
//! 2. Worker: `{"hello": {"version": VERSION, "name": NAME, "nonce": 32 random bytes}}`
//! 3. Master: `{"challenge": {"nonce": 32 random bytes}}`
//! 4. Worker: `{"request": {"proof": PROOF, "csrs": [PEM, …]}}`, PROOF = HMAC(key, field("worker") ‖ transcript)
//! 5. The master compares the proof in constant time. Only then it looks the name up, and signs.
//!    Master: `{"answer": {"proof": PROOF, "body": BODY}}`,
//!    PROOF = HMAC(key, field("master") ‖ transcript ‖ field(SHA-256(BODY))).
//!    BODY is a string, itself the JSON of a renewal's answer; declined is who has proven to know the token, and whose requests
//!    are not signed. The token makes nobody a master: whoever asks for a master's name is declined, too.
//!    It makes nobody another worker either: the [`Signer`] is told where the request came from, which key has asked, and
//!    whether by a release that shows none.
//! 6. The worker compares the proof, and before that believes nothing. When it has a CA certificate from before, it takes
//!    no other public key for the CA after that either.
//!
//! where
//!
//! - HMAC is HMAC-SHA256, key = HMAC(token, "kubernetes-on-eos enrolment 1 key");
//! - field(x) = length of x (u32, big endian) ‖ x;
//! - keying material is 32 bytes of the session (exporter label `EXPORTER-kubernetes-on-eos-enrolment`, no context). Someone in
//!   the middle has two sessions, thus two values, and no proof made for one is good for the other;
//! - transcript = field("kubernetes-on-eos enrolment VERSION") ‖ field(keying material) ‖ field(NAME) ‖ field(worker's nonce)
//!   ‖ field(master's nonce) ‖ field(SHA-256(field(csr 1) ‖ field(csr 2) ‖ …)).
//!
//! In place of 3 the master may say `{"refused": "version"}`, or `{"refused": "nobody joins"}` where it has no token, and in place of 5
//! `{"refused": "token or name not accepted"}`: the same for both, so that a stranger does not learn which names there
//! are. None is proven, so the worker only takes it as a reason to try again later.
//!
//! Whoever answers in the master's place gets the proof of a worker that knows no authority and may guess tokens against it at leisure,
//! and so does who plays a master of an older release to one that does, for as long as its cluster.toml has the token. A token must
//! therefore be too random to guess; [`Token::new`] refuses short ones, and `cluster` what no new cluster may begin with.
//!
//! Who holds connections open, from however many addresses, keeps no worker out: [`Server::keep_places_for`], and of too many the
//! oldest goes that has proven nothing.
//!
//! What is in a request and in a certificate is not looked at here: the [`Signer`] sees to it that no master's name is
//! signed, and no worker's for a key that is not that worker's; [`Trust`] has what knows the master; and who takes what [`enrol`]
//! brings sees to it that the CA is the one from before. All are in `cluster::pki`.
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
mod tls;
mod token;
mod transcript;
mod worker;

pub use error::{EnrolError, Retry};
pub use event::Event;
pub use exchange::{Asked, Signed, Signer};
pub use retry::{FailedAttempt, enrol_until_answered};
pub use served::{served_certificate, served_chain};
pub use server::{Server, ServerError, ServerLimits, Stop};
pub use tls::IsMaster;
pub use token::{Token, TokenError};
pub use worker::{Enrolled, Request, Trust, enrol};

/// What a signer gives for a worker's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The cluster's CA certificate, PEM.
    pub ca: String,
    /// A certificate for each request, PEM, in the order of the requests.
    pub certificates: Vec<String>,
}
