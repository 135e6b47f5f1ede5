//! Keys, as minisign makes them, and signatures that minisign itself judges.

use std::{fs, path::Path};

use anyhow::bail;
use base64ct::{Base64, Encoding};
use minisign::KeyPair;
use provenance::{
    SUMS,
    signature::{PublicKey, SigningKey},
};

use crate::{
    dist::Dist,
    support::{run, tool},
};

/// Why a file is no key to sign with.
fn refused(path: &Path, password: &str) -> String {
    let key = SigningKey::read(path, || match password {
        "" => bail!("there is no terminal"),
        password => Ok(password.to_owned()),
    });
    key.err().expect("it was taken").to_string()
}

#[test]
fn a_key_with_a_password_wants_the_right_one() {
    let dist = Dist::new();
    let (secret, public) = (dist.beside().join("secret"), dist.beside().join("public"));
    let pair = KeyPair::generate_encrypted_keypair(Some("right".to_owned())).unwrap();
    fs::write(&secret, pair.sk.to_box(None).unwrap().into_string()).unwrap();
    fs::write(&public, pair.pk.to_box().unwrap().into_string()).unwrap();
    let name = secret.display();
    assert_eq!(
        refused(&secret, "wrong"),
        format!("{name} is encrypted by another password: give the one that `minisign -G` was given for it")
    );
    assert_eq!(refused(&secret, ""), format!("the password of {name} is not known: there is no terminal"));
    let key = SigningKey::read(&secret, || Ok("right".to_owned())).unwrap();
    key.sign(&dist.at(SUMS)).unwrap();
    PublicKey::read(&public).unwrap().verify(&dist.at(SUMS), &fs::read(dist.at(SUMS)).unwrap()).unwrap();
}

#[test]
fn what_is_no_key_is_named() {
    let dist = Dist::new();
    let (secret, _) = dist.keys("ours");
    let other = dist.beside().join("other");
    for text in ["", "a comment\n", "a comment\nnot in Base64!\n", "a comment\nYWJj\n"] {
        fs::write(&other, text).unwrap();
        assert!(refused(&other, "").contains("is no secret key of minisign"), "{}", refused(&other, ""));
        let error = PublicKey::read(&other).err().unwrap().to_string();
        assert!(error.contains("is no public key of minisign"), "{error}");
    }
    // Its public half is another.
    let text = fs::read_to_string(&secret).unwrap();
    let mut bytes = Base64::decode_vec(text.lines().nth(1).unwrap()).unwrap();
    bytes[2 + 2 + 2 + 32 + 8 + 8 + 8 + 40] ^= 1;
    fs::write(&other, format!("a comment\n{}\n", Base64::encode_string(&bytes))).unwrap();
    let error = SigningKey::read(&other, || bail!("it has none")).unwrap().sign(&dist.at(SUMS)).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("SHA256SUMS cannot be signed: ") && error.contains("other is a secret key"), "{error}");
    assert!(error.ends_with("that is damaged: take it from a copy, or make another one by `minisign -G`"), "{error}");
}

#[test]
fn a_key_in_the_other_one_s_place_is_told_and_so_is_a_file_that_is_not_there() {
    let dist = Dist::new();
    let (secret, public) = dist.keys("ours");
    let told = "is no secret key of minisign, but a public one: name the file that `minisign -G -s FILE` made";
    assert!(refused(&public, "").ends_with(told), "{}", refused(&public, ""));
    let not_public = |path: &Path| PublicKey::read(path).err().unwrap().to_string();
    let told = "is no public key of minisign, but a secret one: name the file that `minisign -G -p FILE` made";
    assert!(not_public(&secret).ends_with(told), "{}", not_public(&secret));
    dist.sign("ours");
    let signature = dist.at("SHA256SUMS.minisig");
    assert!(not_public(&signature).contains(", but a signature: "), "{}", not_public(&signature));
    fs::write(&secret, [0xff; 100]).unwrap();
    assert!(refused(&secret, "").contains("is no secret key of minisign: name"), "{}", refused(&secret, ""));
    let nowhere = dist.beside().join("nowhere");
    let told = format!("there is no {}: name the file of a key that `minisign -G` made", nowhere.display());
    assert_eq!((refused(&nowhere, ""), not_public(&nowhere)), (told.clone(), told));
    assert!(not_public(dist.beside()).contains("cannot be read: "), "{}", not_public(dist.beside()));
}

#[test]
fn an_encrypted_key_that_is_cut_off_is_damaged() {
    let dist = Dist::new();
    let secret = dist.beside().join("secret");
    let pair = KeyPair::generate_encrypted_keypair(Some("a word".to_owned())).unwrap();
    let text = pair.sk.to_box(None).unwrap().into_string();
    let line = text.lines().nth(1).unwrap();
    let whole = Base64::decode_vec(line).unwrap();
    fs::write(&secret, format!("a comment\n{}\n", Base64::encode_string(&whole[..whole.len() - 40]))).unwrap();
    assert!(
        refused(&secret, "a word").contains("that is damaged: take it from a copy"),
        "{}",
        refused(&secret, "a word")
    );
}

#[test]
#[ignore = "needs minisign"]
fn minisign_verifies_what_we_sign_and_signs_what_we_verify() {
    let dist = Dist::new();
    let (secret, public) = (dist.beside().join("secret"), dist.beside().join("public"));
    run(tool("minisign").args(["-G", "-W", "-p"]).arg(&public).arg("-s").arg(&secret));
    let (file, bytes) = (dist.at(SUMS), fs::read(dist.at(SUMS)).unwrap());
    let judge = || run(tool("minisign").arg("-V").arg("-p").arg(&public).arg("-m").arg(&file));

    SigningKey::read(&secret, || bail!("it has none")).unwrap().sign(&file).unwrap();
    let said = judge();
    assert!(said.contains("Signature and comment signature verified") && said.contains("file:SHA256SUMS"), "{said}");
    dist.write(SUMS, "changed");
    assert!(tool("minisign").arg("-V").arg("-p").arg(&public).arg("-m").arg(&file).read().is_err());
    fs::write(&file, &bytes).unwrap();

    fs::remove_file(dist.at("SHA256SUMS.minisig")).unwrap();
    run(tool("minisign").args(["-S", "-W", "-s"]).arg(&secret).arg("-m").arg(&file));
    PublicKey::read(&public).unwrap().verify(&file, &bytes).unwrap();
}

#[test]
#[ignore = "needs minisign"]
fn a_key_that_minisign_made_with_a_password_is_taken_with_it() {
    let dist = Dist::new();
    let (secret, public) = (dist.beside().join("secret"), dist.beside().join("public"));
    let minisign = tool("minisign").arg("-G").arg("-p").arg(&public).arg("-s").arg(&secret);
    run(minisign.input("a word\na word\n").unwrap());
    let key = SigningKey::read(&secret, || Ok("a word".to_owned())).unwrap();
    key.sign(&dist.at(SUMS)).unwrap();
    run(tool("minisign").arg("-V").arg("-p").arg(&public).arg("-m").arg(dist.at(SUMS)));
    let told = refused(&secret, "another");
    assert!(told.contains("is encrypted by another password"), "{told}");
}
