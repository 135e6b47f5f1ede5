//! Kubeconfigs, tokens and addresses as people write them: each reaches the API server or ends the program with what is wrong, in
//! which file and entry. None ends it by a panic, which on the switch is an abort.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::bench::{Bench, kubeconfig, outcome, pem, refused, run};

#[test]
fn an_address_without_a_scheme_is_taken_as_client_go_takes_it() {
    let bench = Bench::new();
    let bare = kubeconfig(json!({"server": bench.host()}), json!({})).to_string();
    bench.reaches("server: HOST:PORT", bare, None);
    let master = format!("--master={}", bench.host());
    let (log, succeeded) = outcome("--master=HOST:PORT", &run(&[&master]));
    assert!(succeeded, "{log}");
    bench.file("elsewhere", kubeconfig(json!({"server": "http://192.0.2.1"}), json!({"token": "t"})).to_string());
    let (log, succeeded) = outcome("--master beside a kubeconfig", &bench.run("elsewhere", &[&master]));
    assert!(succeeded, "{log}");
    assert_eq!(bench.api.authorization().as_deref(), Some("Bearer t"));
    bench.file("without", kubeconfig(json!({}), json!({})).to_string());
    let (log, succeeded) = outcome("--master beside a cluster without a server", &bench.run("without", &[&master]));
    assert!(succeeded, "{log}");
}

#[test]
fn beside_master_a_kubeconfig_needs_no_cluster_and_no_current_context() {
    let bench = Bench::new();
    let master = format!("--master={}", bench.host());
    let whole = kubeconfig(json!({"server": "http://192.0.2.1"}), json!({"token": "t"})).to_string();
    let unset = whole.replace("\"current-context\":\"here\"", "\"current-context\":\"\"");
    for (what, text, token, says) in [
        (
            "no context",
            unset,
            None,
            "current-context is not set: of the kubeconfig nothing is used, and --master is asked anonymously",
        ),
        ("no cluster", whole.replace("\"cluster\":\"ours\",", ""), Some("Bearer t"), "names no cluster"),
        ("no such cluster", whole.replace("\"name\":\"ours\"", "\"name\":\"a\""), Some("Bearer t"), "no such cluster"),
        ("nobody", whole.replace("\"user\":\"proxy\"", "\"user\":\"\""), None, "--master is asked anonymously"),
    ] {
        bench.file("kubeconfig", &text);
        let (log, succeeded) = outcome(what, &bench.run("kubeconfig", &[&master]));
        assert!(succeeded && log.contains(says) && log.contains("WARN"), "{what}: {log}");
        assert_eq!(bench.api.authorization().as_deref(), token, "{what}");
        if what != "nobody" {
            bench.refuses(what, text, &["--kubeconfig="]);
        }
    }
    bench.file("kubeconfig", whole.replace("\"current-context\":\"here\"", "\"current-context\":\"there\""));
    refused("no such context", &bench.run("kubeconfig", &[&master]), &["\"there\"", "no such context"]);
}

#[test]
fn an_address_that_leads_nowhere_is_refused_with_what_it_should_be() {
    let bench = Bench::new();
    let long = format!("http://h/{}", "p".repeat(65_500));
    for (server, says) in [
        ("*", "no host name"),
        ("/", "no host name"),
        ("http://", "no host name"),
        ("http://:6443", "no host name"),
        ("unix:/run/api.sock", "unix:/run/api.sock"),
        ("unix:///run/api.sock", "http:// or https://"),
        ("HOST:6443/prefix", "http:// or https://"),
        ("ftp://h", "http:// or https://"),
        ("fd00::1", "brackets"),
        ("https://fd00::1:6443", "brackets"),
        ("https://[fd00::1", "brackets"),
        ("https://h:65536", "port"),
        ("https://h:0", "port"),
        ("https://h:https", "port"),
        ("https://two words", "no host name"),
        ("https://bücher.example", "no host name"),
        ("https://a\nb", "no host name"),
        ("https://a\u{0}b", "no host name"),
        ("https://h/a path", "path"),
        ("https://me:secret@h", "user name"),
        (&long, "path"),
    ] {
        let named = kubeconfig(json!({"server": server}), json!({})).to_string();
        bench.refuses(&format!("server: {server:.40}"), named, &["cluster \"ours\"", "server", says]);
        if !server.contains('\0') && server.len() < 1000 {
            refused(server, &run(&[&format!("--master={server}")]), &["--master", says]);
        }
    }
    for cluster in [json!({}), json!({"server": ""}), json!({"server": " \n"}), json!({"server": null}), Value::Null] {
        bench.refuses("no server", kubeconfig(cluster, json!({})).to_string(), &["ours", "server"]);
    }
}

#[test]
fn an_error_shows_nothing_secret_of_an_address() {
    let bench = Bench::new();
    let secrets =
        ["ftp://u:SECRET@h", "u:SECRET/x@h", "https://u:SECRET@h", "https://h h?token=SECRET", "http://h:x#SECRET"];
    let refuses = |what: &str, text: String| {
        bench.file("kubeconfig", text);
        let (log, succeeded) = outcome(what, &bench.run("kubeconfig", &[]));
        assert!(!succeeded && !log.contains("SECRET"), "{what}: {log}");
    };
    for address in secrets {
        let (log, succeeded) = outcome(address, &run(&[&format!("--master={address}")]));
        assert!(!succeeded && !log.contains("SECRET"), "{address}: {log}");
        refuses("server", kubeconfig(json!({"server": address}), json!({})).to_string());
        let server = bench.api.url();
        refuses("proxy-url", kubeconfig(json!({"server": server, "proxy-url": address}), json!({})).to_string());
        // Where there should be something else.
        refuses("cluster", kubeconfig(json!(address), json!({})).to_string());
        refuses("clusters", json!({"clusters": address}).to_string());
        refuses("extensions", kubeconfig(json!({"server": server, "extensions": address}), json!({})).to_string());
        refuses("flag", kubeconfig(json!({"insecure-skip-tls-verify": address}), json!({})).to_string());
        refuses("users", json!({"users": address}).to_string());
        refuses("groups", kubeconfig(json!({"server": server}), json!({"as-groups": address})).to_string());
        refuses("the file", format!("\"{address}\""));
        refuses("a key", json!({"clusters": [{address: 1}]}).to_string());
        refuses("no YAML", format!("clusters: [\"{address}"));
        refuses("an alias", format!("clusters: *{address}"));
    }
}

#[test]
fn a_token_has_blanks_around_it_taken_off_and_is_refused_where_no_header_can_carry_it() {
    let bench = Bench::new();
    let with = |user: Value| bench.of_user(user);
    bench.reaches("token", with(json!({"token": "abc"})), Some("Bearer abc"));
    for token in ["abc\n", "abc\r\n", " \tabc\n\n"] {
        bench.reaches("a token with blanks around it", with(json!({"token": token})), Some("Bearer abc"));
        bench.file("token", token);
        bench.reaches("a tokenFile with a line break", with(json!({"tokenFile": "token"})), Some("Bearer abc"));
    }
    bench.reaches("tokenFile before token", with(json!({"token": "x", "tokenFile": "token"})), Some("Bearer abc"));
    bench.reaches("token for tokenFile", with(json!({"token": "x", "tokenFile": "missing"})), Some("Bearer x"));
    bench.reaches("an empty token", with(json!({"token": ""})), None);
    bench.reaches("an empty tokenFile", with(json!({"tokenFile": ""})), None);
    bench.reaches("a user without anything", with(Value::Null), None);
    for token in ["a\nb", "a\u{0}b", "a\u{7f}b", "a\rb"] {
        bench.refuses("token", with(json!({"token": token})), &["user \"proxy\"", "token", "HTTP header"]);
        bench.file("token", token);
        bench.refuses("tokenFile", with(json!({"tokenFile": "token"})), &["user \"proxy\"", "token", "HTTP header"]);
    }
    for (name, content, says) in [
        ("empty", &b""[..], "empty"),
        ("blank", b" \n", "empty"),
        ("latin-1", b"\xe9", "UTF-8"),
        ("large", &[b'x'; 5 << 20], "MiB"),
    ] {
        let path = bench.file(name, content);
        let says = ["user \"proxy\"", "tokenFile", path.to_str().unwrap(), says];
        bench.refuses(name, with(json!({"tokenFile": name})), &says);
    }
    for path in ["missing", "/", "/dev/null", "/dev/zero", "a\u{0}b"] {
        bench.refuses(path, with(json!({"tokenFile": path})), &["user \"proxy\"", "tokenFile"]);
    }
}

#[test]
fn other_ways_to_say_who_one_is_work_or_are_refused() {
    let bench = Bench::new();
    let with = |user: Value| bench.of_user(user);
    let basic = json!({"username": "ü\n", "password": "\u{0}\n "});
    bench.reaches("odd bytes in basic authentication", with(basic), Some("Basic w7wKOgAKIA=="));
    bench.reaches("a user name alone", with(json!({"username": "u"})), Some("Basic dTo="));
    bench.reaches(
        "impersonation",
        with(json!({"as": "a", "as-groups": ["g", ""], "as-user-extra": {"ü %": ["v"]}})),
        None,
    );
    let many: Vec<String> = (0..25_000).map(|number| format!("g{number}")).collect();
    for user in [
        json!({"as": "a\nb"}),
        json!({"as": "a", "as-uid": "1\u{0}"}),
        json!({"as": "a", "as-groups": ["g", "g\r\nAuthorization: x"]}),
        json!({"as": "a", "as-user-extra": {"k": ["\u{7f}"]}}),
        json!({"as": "a", "as-user-extra": {"k".repeat(70_000): ["v"]}}),
        json!({"as": "a", "as-groups": &many[..1001]}),
        json!({"as": "a", "as-user-extra": many.iter().map(|name| (name.clone(), json!(["v"]))).collect::<Value>()}),
    ] {
        bench.refuses("impersonation", with(user), &["user \"proxy\"", "as"]);
    }
    for provider in [
        json!({"name": "oidc", "config": {"id-token": "a\nb"}}),
        json!({"name": "gcp", "config": {"cmd-path": "echo", "cmd-args": "a"}}),
        json!({"name": "", "config": {}}),
    ] {
        bench.refuses("auth-provider", with(json!({"auth-provider": provider})), &["user \"proxy\"", "auth-provider"]);
    }
}

#[test]
fn certificates_that_cannot_be_used_are_refused_with_their_entry() {
    let bench = Bench::new();
    let key = |common_name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new([common_name.to_owned()]).unwrap().self_signed(&key).unwrap();
        (pem("CERTIFICATE", certificate.der()), pem("PRIVATE KEY", &key.serialize_der()))
    };
    let ((certificate, mine), (_, other)) = (key("a"), key("b"));
    let encoded = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let wrapped = format!("{}\n", encoded(&certificate).replace("LS0tLS1", "\nLS0tLS1"));
    bench.file("ca.pem", &certificate);
    bench.file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let plain = |mut cluster: Value, user: Value| {
        cluster["server"] = json!(bench.api.url());
        kubeconfig(cluster, user).to_string()
    };
    for cluster in [
        json!({"certificate-authority": "ca.pem"}),
        json!({"certificate-authority-data": wrapped}),
        json!({"certificate-authority": "", "certificate-authority-data": "", "tls-server-name": "", "proxy-url": ""}),
        json!({"insecure-skip-tls-verify": true}),
    ] {
        bench.reaches("cluster", plain(cluster, json!({})), None);
    }
    for (cluster, says) in [
        (json!({"certificate-authority-data": "no-base64"}), "base64"),
        (json!({"certificate-authority-data": encoded("no PEM")}), "certificate"),
        (json!({"certificate-authority-data": encoded(&mine)}), "certificate"),
        (json!({"certificate-authority": "garbage.pem"}), "certificate"),
        (json!({"certificate-authority": "missing.pem"}), "missing.pem"),
        (json!({"certificate-authority": "/dev/zero"}), "MiB"),
        (json!({"tls-server-name": "two words"}), "tls-server-name"),
        (json!({"tls-server-name": "a\nb"}), "tls-server-name"),
        (json!({"proxy-url": "http://proxy:3128"}), "proxy-url"),
        (json!({"proxy-url": "::"}), "proxy-url"),
    ] {
        bench.refuses(says, plain(cluster, json!({})), &["cluster \"ours\"", says]);
    }
    let pair = |key: &str| json!({"client-certificate-data": encoded(&certificate), "client-key-data": encoded(key)});
    bench.reaches("a client's certificate", plain(json!({}), pair(&mine)), None);
    for encrypted in [
        pem("ENCRYPTED PRIVATE KEY", b"x"),
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n".to_owned(),
    ] {
        bench.refuses("an encrypted key", plain(json!({}), pair(&encrypted)), &["user \"proxy\"", "encrypted"]);
    }
    for user in [
        pair(&other),
        pair("no PEM"),
        json!({"client-certificate-data": encoded(&certificate)}),
        json!({"client-key-data": encoded(&mine)}),
        json!({"client-certificate": "missing.pem", "client-key": "missing.pem"}),
        json!({"client-certificate": "garbage.pem", "client-key-data": encoded(&mine)}),
    ] {
        bench.refuses("client", plain(json!({}), user), &["user \"proxy\"", "client"]);
    }
}

#[test]
fn a_file_in_any_shape_is_read_or_refused() {
    let bench = Bench::new();
    let good = kubeconfig(json!({"server": bench.api.url()}), json!({"token": "t"}));
    let yaml = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: &n x\ncontexts:\n- name: *n\n  context: {{cluster: *n, user: 1}}\n\
         clusters:\n- name: x\n  cluster: {{server: '{}'}}\nusers:\n- name: '1'\n  user:\n    token: |\n      t\n",
        bench.api.url()
    );
    let utf_16: Vec<u8> = yaml.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let twice = good.to_string().replace("\"users\":[", "\"users\":[{\"name\":\"proxy\",\"user\":{\"token\":\"t\"}},");
    let nameless = ["contexts", "clusters", "users"].into_iter().fold(good.to_string(), |text, list| {
        text.replace(&format!("\"{list}\":["), &format!("\"{list}\":[{{}},{{\"name\":null}},"))
    });
    for (what, text) in [
        ("JSON", good.to_string().into_bytes()),
        ("YAML", yaml.clone().into_bytes()),
        ("CRLF", yaml.replace('\n', "\r\n").into_bytes()),
        ("a BOM", format!("\u{feff}{yaml}").into_bytes()),
        ("UTF-16", [&b"\xff\xfe"[..], &utf_16].concat()),
        ("duplicate names", twice.into_bytes()),
        ("entries without a name, which nothing asks for", nameless.into_bytes()),
        ("an empty document before", format!("---\n---\n{yaml}").into_bytes()),
    ] {
        bench.reaches(what, text, Some("Bearer t"));
    }
    symlink(bench.file("file", yaml.as_bytes()), bench.directory.path().join("link")).unwrap();
    assert!(outcome("a link", &bench.run("link", &[])).1);
    for (what, text) in [
        ("nothing", Vec::new()),
        ("a list", b"- a\n".to_vec()),
        ("a word", b"a".to_vec()),
        ("an unfinished mapping", b"clusters: [{".to_vec()),
        ("half a UTF-16 character", [&b"\xff\xfe"[..], &utf_16[1..]].concat()),
        ("half a UTF-16 pair", b"\xfe\xff\xd8\x00".to_vec()),
        ("no UTF-8", b"a: \xe9".to_vec()),
        ("deep nesting", format!("{{\"x\": {}", "[".repeat(100_000)).into_bytes()),
        ("a bomb of anchors", bomb().into_bytes()),
        ("another kind", b"{apiVersion: kubeproxy.config.k8s.io/v1alpha1, kind: KubeProxyConfiguration}".to_vec()),
        ("two documents", format!("{yaml}---\n{yaml}").into_bytes()),
        ("no current-context", good.to_string().replace("current-context", "c").into_bytes()),
        ("no such context", good.to_string().replace("\"here\"}", "\"there\"}").into_bytes()),
        ("no such user", good.to_string().replace("\"name\":\"proxy\"", "\"name\":\"theirs\"").into_bytes()),
        ("no such cluster", good.to_string().replace("\"name\":\"ours\"", "\"name\":\"theirs\"").into_bytes()),
        ("null everywhere", b"{clusters: null, users: null, contexts: null, current-context: null}".to_vec()),
        ("too large", vec![b'#'; 5 << 20]),
    ] {
        bench.refuses(what, text, &["--kubeconfig="]);
    }
    for path in ["/dev/null", "/dev/zero", "/", "missing", "/proc/self/mem"] {
        refused(path, &run(&[&format!("--kubeconfig={path}")]), &[&format!("--kubeconfig={path}")]);
    }
}

fn bomb() -> String {
    let level = |number: usize| format!("l{number}: &l{number} [{}]\n", vec![format!("*l{}", number - 1); 9].join(","));
    format!("l0: &l0 [x]\n{}", (1..12).map(level).collect::<String>())
}
