//! Credentials of `exec` in a kubeconfig: what the plugin gives reaches the API server, is given anew in time, and whatever else it does
//! is an error that names the file, the user and the command.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use hyper::Request;
use k8s_openapi::jiff::Timestamp;
use kube_proxy::watch::{self, Connection};
use serde_json::{Value, json};

use crate::bench::{Bench, kubeconfig, pem};
use api_watch::fake::SERVICES;

const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";
const V1ALPHA1: &str = "client.authentication.k8s.io/v1alpha1";
const TIMEOUT: Duration = Duration::from_secs(60);

/// A user whose plugin is this command, with more fields.
fn user(command: &str, args: &[&str], mut more: Value) -> Value {
    more["command"] = json!(command);
    more["args"] = json!(args);
    if more["apiVersion"].is_null() {
        more["apiVersion"] = json!(V1);
    }
    json!({"exec": more})
}

/// One that prints the file `answer`.
fn prints(bench: &Bench, answer: impl AsRef<[u8]>) -> Value {
    let path = bench.file("new-answer", answer);
    let answer = path.with_file_name("answer");
    fs::rename(path, &answer).unwrap();
    user("cat", &[answer.to_str().unwrap()], json!({}))
}

fn answer(api_version: &str, status: Value) -> String {
    json!({"apiVersion": api_version, "kind": "ExecCredential", "status": status}).to_string()
}

fn in_seconds(seconds: i64) -> String {
    let at = Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap();
    at.to_string()
}

#[test]
fn a_plugin_s_token_reaches_the_server() {
    let bench = Bench::new();
    for (what, status, arrives) in [
        ("a token", json!({"token": "abc"}), Some("Bearer abc")),
        ("a token with a line break at its end", json!({"token": "abc\n"}), Some("Bearer abc")),
        ("one that ends", json!({"token": "a", "expirationTimestamp": in_seconds(900)}), Some("Bearer a")),
        (
            "one that has ended",
            json!({"token": "b", "expirationTimestamp": "2020-01-02T03:04:05+01:00"}),
            Some("Bearer b"),
        ),
        ("one that never ends", json!({"token": "c", "expirationTimestamp": null}), Some("Bearer c")),
        ("never", json!({"token": "d", "expirationTimestamp": "9999-12-31T23:59:59Z"}), Some("Bearer d")),
    ] {
        bench.reaches(what, bench.of_user(prints(&bench, answer(V1, status))), arrives);
    }
    let yaml = format!("kind: ExecCredential\napiVersion: {V1}\nstatus:\n  token: of-yaml\n");
    bench.reaches("YAML", bench.of_user(prints(&bench, yaml)), Some("Bearer of-yaml"));
    let emoji = answer(V1, json!({"token": "e"})).replace("{\"token", "{\"x\": \"\\ud83d\\ude00\", \"token");
    bench.reaches("JSON that is no YAML", bench.of_user(prints(&bench, emoji)), Some("Bearer e"));

    let mut token_too = user("/missing", &[], json!({}));
    token_too["token"] = json!("t");
    bench.reaches("a token beside it comes first", bench.of_user(token_too), Some("Bearer t"));

    bench.file("answer", answer(V1, json!({"token": "r"})));
    let answer = bench.directory.path().join("answer");
    fs::create_dir(bench.directory.path().join("bin")).unwrap();
    symlink("/bin/cat", bench.directory.path().join("bin/plugin")).unwrap();
    let relative = user("./bin/plugin", &[answer.to_str().unwrap()], json!({}));
    bench.reaches("a path is relative to the kubeconfig", bench.of_user(relative), Some("Bearer r"));
    let script = "cat && yes | head -c 1000000 >&2 && cat \"$ANSWER\"";
    let env = json!([{"name": "ANSWER", "value": answer}]);
    let noisy = user("sh", &["-c", script], json!({"env": env, "interactiveMode": "IfAvailable"}));
    bench.reaches("one that reads, and writes errors", bench.of_user(noisy), Some("Bearer r"));
}

#[test]
fn a_plugin_is_told_what_client_go_tells_it() {
    let bench = Bench::new();
    let (certificate, _) = identity();
    let ca = data_encoding::BASE64.encode(certificate.as_bytes());
    let extension = |name: &str| json!({"name": name, "extension": {"audience": name, "1": [null, 1.5]}});
    let cluster = json!({
        "server": bench.api.url(), "certificate-authority-data": ca, "tls-server-name": "api",
        "extensions": [extension("other"), extension("client.authentication.k8s.io/exec")],
    });
    let told = json!({
        "server": bench.api.url(), "certificate-authority-data": ca, "tls-server-name": "api",
        "config": {"audience": "client.authentication.k8s.io/exec", "1": [null, 1.5]},
    });
    let seen = bench.directory.path().join("seen");
    let script = "printf %s \"$KUBERNETES_EXEC_INFO\" > \"$0\"; printf %s \"$1\"";
    for (api_version, cluster_too, spec) in [
        (V1, false, json!({"interactive": false})),
        (V1, true, json!({"interactive": false, "cluster": &told})),
        (V1BETA1, true, json!({"interactive": false, "cluster": &told})),
        (V1ALPHA1, true, json!({"interactive": false})),
    ] {
        let answer = answer(api_version, json!({"token": "t"}));
        let more = json!({"apiVersion": api_version, "provideClusterInfo": cluster_too, "interactiveMode": "Never"});
        let user = user("sh", &["-c", script, seen.to_str().unwrap(), &answer], more);
        // As people write it in YAML.
        let text = kubeconfig(cluster.clone(), user).to_string().replace("\"1\":", "1: ");
        bench.reaches(api_version, text, Some("Bearer t"));
        let seen: Value = serde_json::from_slice(&fs::read(&seen).unwrap()).unwrap();
        assert_eq!(seen, json!({"apiVersion": api_version, "kind": "ExecCredential", "spec": spec}));
    }
}

#[test]
fn a_plugin_that_gives_nothing_of_use_is_refused_with_what_it_did() {
    let bench = Bench::new();
    let refuses = |what: &str, user: Value, command: &str, says: &[&str]| {
        bench.refuses(what, bench.of_user(user), &[&["user \"proxy\"", "exec", command], says].concat());
    };
    let (certificate, key) = identity();
    for (what, answer, says) in [
        ("no JSON", "top-secret".to_owned(), &["no ExecCredential"][..]),
        ("nothing", String::new(), &["no ExecCredential"]),
        ("a list", "[\"top-secret\"]".to_owned(), &["no ExecCredential"]),
        ("two", answer(V1, json!({"token": "a"})).repeat(2), &["no ExecCredential"]),
        ("another kind", r#"{"apiVersion": "v1", "kind": "Secret"}"#.to_owned(), &["Secret", "ExecCredential"]),
        ("another version", answer(V1BETA1, json!({"token": "a"})), &[V1BETA1, V1, "apiVersion"]),
        ("no status", answer(V1, Value::Null), &["status"]),
        ("an empty status", answer(V1, json!({})), &["status.token"]),
        ("an empty token", answer(V1, json!({"token": " \n"})), &["status.token"]),
        ("a line break in it", answer(V1, json!({"token": "top-secret\nb"})), &["status.token", "HTTP header"]),
        ("NUL in it", answer(V1, json!({"token": "a\u{0}b"})), &["status.token", "HTTP header"]),
        ("no text", answer(V1, json!({"token": 7})), &["status.token"]),
        ("no time", answer(V1, json!({"token": "a", "expirationTimestamp": "soon"})), &["expirationTimestamp", "soon"]),
        ("half", answer(V1, json!({"token": "a", "clientKeyData": key})), &["clientCertificateData"]),
        (
            "no certificate",
            answer(V1, json!({"clientCertificateData": "x", "clientKeyData": key})),
            &["clientCertificateData"],
        ),
        (
            "no key",
            answer(V1, json!({"clientCertificateData": certificate, "clientKeyData": certificate})),
            &["clientKeyData"],
        ),
    ] {
        refuses(what, prints(&bench, &answer), "\"cat\"", says);
        let log = String::from_utf8(bench.run("kubeconfig", &[]).stderr).unwrap();
        assert!(!log.contains("top-secret"), "{what}: {log}");
    }
    let script = |script: &str| user("sh", &["-c", script], json!({}));
    refuses("it fails", script("echo no luck >&2; echo top-secret; exit 3"), "\"sh\"", &["status: 3", "no luck"]);
    refuses("it kills itself", script("kill -9 $$"), "\"sh\"", &["signal: 9"]);
    refuses("it prints too much", script("yes"), "\"sh\"", &["1 MiB"]);
    let hint = json!({"installHint": "get it\u{1b}[1m at example.com\nand put it there"});
    let says = ["no such program", "get it", "at example.com and put it there"];
    refuses("it is not there", user("no-such-plugin", &[], hint.clone()), "\"no-such-plugin\"", &says);
    let path = bench.directory.path().join("bin/plugin");
    refuses("it is not there by its path", user("bin/plugin", &[], hint), path.to_str().unwrap(), &says);
    bench.file("plain", "");
    refuses("it is no program", user("./plain", &[], json!({})), "plain", &["cannot be started"]);
    for (more, says) in [
        (json!({"apiVersion": "v1"}), "apiVersion"),
        (json!({"apiVersion": ""}), "apiVersion"),
        (json!({"interactiveMode": "Always"}), "interactiveMode"),
        (json!({"interactiveMode": "Sometimes"}), "interactiveMode"),
        (json!({"env": [{"name": "", "value": "x"}]}), "env"),
        (json!({"env": [{"name": "a=b", "value": "x"}]}), "env"),
        (json!({"env": [{"name": "a", "value": "x\u{0}"}]}), "cannot be started"),
    ] {
        refuses(says, user("cat", &[], more), "\"cat\"", &[says]);
    }
    refuses("no command", user("", &[], json!({})), "command", &[]);
}

#[test]
fn a_plugin_s_certificate_is_taken_and_the_log_says_when_it_ends() {
    let bench = Bench::new();
    let (certificate, key) = identity();
    let pair = |mut status: Value| {
        status["clientCertificateData"] = json!(certificate);
        status["clientKeyData"] = json!(key);
        bench.of_user(prints(&bench, answer(V1, status)))
    };
    bench.reaches("a certificate", pair(json!({})), None);
    bench.reaches(
        "a token too",
        pair(json!({"token": "t", "expirationTimestamp": "2100-01-01T00:00:00Z"})),
        Some("Bearer t"),
    );
    let log = String::from_utf8(bench.run("kubeconfig", &[]).stderr).unwrap();
    assert!(log.contains("2100-01-01T00:00:00Z") && log.contains("\"cat\""), "{log}");
}

#[test]
fn a_token_is_given_anew_before_it_ends_and_when_the_server_refuses_it() {
    let bench = Bench::new();
    let ending = answer(V1, json!({"token": "first", "expirationTimestamp": in_seconds(4)}));
    let connection =
        Connection { kubeconfig: Some(bench.file("kubeconfig", bench.of_user(prints(&bench, ending)))), master: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = watch::connect(&connection).unwrap();
        let asked = async || {
            let request = Request::get(SERVICES).body(vec![]).unwrap();
            let answer = client.request_text(request).await;
            (bench.api.authorization().unwrap(), answer.is_ok())
        };
        let becomes = async |token: &str| {
            let deadline = Instant::now() + TIMEOUT;
            while asked().await != (format!("Bearer {token}"), true) {
                assert!(Instant::now() < deadline, "{token} is never used");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert_eq!(asked().await, ("Bearer first".to_owned(), true));
        prints(&bench, answer(V1, json!({"token": "second"})));
        becomes("second").await;
        prints(&bench, answer(V1, json!({"token": "third"})));
        assert_eq!(asked().await, ("Bearer second".to_owned(), true));
        bench.api.refuse("Bearer second");
        assert_eq!(asked().await, ("Bearer second".to_owned(), false));
        becomes("third").await;
    });
}

/// A certificate and its key, in PEM.
fn identity() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["a".to_owned()]).unwrap().self_signed(&key).unwrap();
    (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
}
