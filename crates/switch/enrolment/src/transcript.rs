//! What a proof covers, in an encoding that can be read in one way only.

use ring::{digest, hmac};

use crate::{message::Bytes32, token::Token};

const WORKER: &[u8] = b"worker";
const MASTER: &[u8] = b"master";

/// Everything that both sides have seen before the answer.
pub struct Transcript(Vec<u8>);

pub struct TranscriptParts<'a> {
    pub version: u32,
    pub keying_material: &'a Bytes32,
    pub name: &'a str,
    pub worker_nonce: &'a Bytes32,
    pub master_nonce: &'a Bytes32,
    pub csrs: &'a [String],
}

impl Transcript {
    pub fn of(parts: &TranscriptParts) -> Transcript {
        let mut csrs = vec![];
        for csr in parts.csrs {
            field(&mut csrs, csr.as_bytes());
        }
        let mut all = vec![];
        for part in [
            format!("kubernetes-on-eos enrolment {}", parts.version).as_bytes(),
            &parts.keying_material.0,
            parts.name.as_bytes(),
            &parts.worker_nonce.0,
            &parts.master_nonce.0,
            sha256(&csrs).as_ref(),
        ] {
            field(&mut all, part);
        }
        Transcript(all)
    }

    pub fn worker_proof(&self, token: &Token) -> Bytes32 {
        sign(token, &self.by_worker())
    }

    pub fn is_from_worker(&self, token: &Token, proof: &Bytes32) -> bool {
        hmac::verify(&token.key(), &self.by_worker(), &proof.0).is_ok()
    }

    pub fn master_proof(&self, token: &Token, body: &str) -> Bytes32 {
        sign(token, &self.by_master(body))
    }

    pub fn is_from_master(&self, token: &Token, body: &str, proof: &Bytes32) -> bool {
        hmac::verify(&token.key(), &self.by_master(body), &proof.0).is_ok()
    }

    fn by_worker(&self) -> Vec<u8> {
        let mut signed = vec![];
        field(&mut signed, WORKER);
        signed.extend_from_slice(&self.0);
        signed
    }

    fn by_master(&self, body: &str) -> Vec<u8> {
        let mut signed = vec![];
        field(&mut signed, MASTER);
        signed.extend_from_slice(&self.0);
        field(&mut signed, sha256(body.as_bytes()).as_ref());
        signed
    }
}

/// No field is longer than a message, so its length fits.
fn field(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    into.extend_from_slice(bytes);
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

fn sign(token: &Token, bytes: &[u8]) -> Bytes32 {
    let mut proof = [0; 32];
    proof.copy_from_slice(hmac::sign(&token.key(), bytes).as_ref());
    Bytes32(proof)
}
