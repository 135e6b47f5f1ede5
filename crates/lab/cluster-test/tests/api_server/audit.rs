//! What the API server writes down, and what not.

use std::{fs, thread, time::Duration};

use contract::Credential;
use serde_json::{Value, json};

use crate::master::Master;

const DEFAULT: &str = "/api/v1/namespaces/default";

fn lines(master: &Master) -> Vec<Value> {
    let text = fs::read_to_string(master.place("log/audit.log")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Of somebody, what was asked and how: `get secrets 200 ResponseComplete`.
fn told(lines: &[Value], user: &str) -> Vec<String> {
    let mine = lines.iter().filter(|line| line["user"]["username"] == user);
    let line = |line: &Value| {
        let reference = &line["objectRef"];
        let subresource = reference["subresource"].as_str().map_or_else(String::new, |name| format!("/{name}"));
        let resource = reference["resource"].as_str().unwrap_or("none");
        let (verb, stage) = (line["verb"].as_str().unwrap(), line["stage"].as_str().unwrap());
        format!("{verb} {resource}{subresource} {} {stage}", line["responseStatus"]["code"])
    };
    mine.map(line).collect()
}

#[test]
#[ignore = "needs root, and the SWIX in dist/"]
fn the_audit_log_of_swix_in_dist_names_who_read_a_secret_without_what_it_holds_and_has_no_line_for_pods() {
    let master = Master::start();
    let (worker, admin) = (master.enrol("veos-l1"), master.admin());
    let node = master.client(worker.directory.path(), Credential::Node);
    master.pod_with_secret("veos-l1", "of-its-pod", "hidden-word");
    let secret = format!("{DEFAULT}/secrets/of-its-pod");
    master.ask_until(200, Duration::from_secs(5), || node.get(&secret));
    let ask = |path: &str| master.ask(|| admin.get(path)).status;
    let post = |path: &str, object: &Value| master.ask(|| admin.post(path, object)).status;

    assert_eq!(ask(&secret), 200);
    assert_eq!(ask("/api/v1/secrets"), 200);
    assert_eq!(ask("/api/v1/secrets?watch=1&timeoutSeconds=1"), 200);
    // Nobody listens at that pod's node.
    ask(&format!("{DEFAULT}/pods/p/exec?command=ls"));
    post(&format!("{DEFAULT}/pods/p/attach"), &json!({}));
    post(&format!("{DEFAULT}/pods/p/portforward"), &json!({}));
    ask(&format!("{DEFAULT}/pods/p/proxy/"));
    ask("/api/v1/nodes/veos-l1/proxy/pods");
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["a"]}});
    assert_eq!(post(&format!("{DEFAULT}/serviceaccounts/default/token"), &request), 201);
    let role = json!({"metadata": {"name": "r"}, "rules": []});
    assert_eq!(post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role), 201);
    let csr = json!({"metadata": {"name": "c"}, "spec": {"request": "bm8=", "signerName": "a.example/b", "usages": ["client auth"]}});
    post("/apis/certificates.k8s.io/v1/certificatesigningrequests", &csr);

    // What is read and written all day.
    assert_eq!(ask(&format!("{DEFAULT}/pods")), 200);
    assert_eq!(ask(&format!("{DEFAULT}/pods/p")), 200);
    assert_eq!(ask("/apis/rbac.authorization.k8s.io/v1/clusterroles"), 200);
    assert_eq!(ask("/apis/certificates.k8s.io/v1/certificatesigningrequests"), 200);
    assert_eq!(post(&format!("{DEFAULT}/configmaps"), &json!({"metadata": {"name": "m"}})), 201);
    assert_eq!(master.ask(|| node.post("/api/v1/nodes", &json!({"metadata": {"name": "veos-l1"}}))).status, 201);
    assert_eq!(ask("/healthz"), 200);

    // They are written down behind the answer.
    thread::sleep(Duration::from_secs(2));
    let lines = lines(&master);
    let text = fs::read_to_string(master.place("log/audit.log")).unwrap();
    for content in ["hidden-word", "aGlkZGVuLXdvcmQ", "requestObject", "responseObject"] {
        assert!(!text.contains(content), "{content} is in the log");
    }
    assert!(lines.iter().all(|line| line["level"] == "Metadata" && line["stage"] != "RequestReceived"));
    let of_node = told(&lines, "system:node:veos-l1");
    assert!(of_node.iter().any(|line| line == "get secrets 200 ResponseComplete"), "{of_node:?}");
    assert!(of_node.iter().all(|line| line.starts_with("get secrets ")), "{of_node:?}");
    let of_admin = told(&lines, "admin");
    for wanted in [
        "create secrets 201 ResponseComplete",
        "get secrets 200 ResponseComplete",
        "list secrets 200 ResponseComplete",
        "watch secrets 200 ResponseStarted",
        "create serviceaccounts/token 201 ResponseComplete",
        "create clusterroles 201 ResponseComplete",
    ] {
        assert_eq!(of_admin.iter().filter(|line| *line == wanted).count(), 1, "{wanted}: {of_admin:?}");
    }
    for begins in [
        "get pods/exec ",
        "create pods/attach ",
        "create pods/portforward ",
        "get pods/proxy ",
        "get nodes/proxy ",
        "create certificatesigningrequests ",
    ] {
        assert!(of_admin.iter().any(|line| line.starts_with(begins)), "{begins}: {of_admin:?}");
    }
    let nothing = |line: &&String| {
        ["pods ", "configmaps", "none", "nodes "].iter().any(|what| line.split_once(' ').unwrap().1.starts_with(what))
            || ["list clusterroles", "list certificatesigningrequests", "watch secrets 200 ResponseComplete"]
                .iter()
                .any(|what| line.starts_with(what))
    };
    assert_eq!(of_admin.iter().filter(nothing).collect::<Vec<_>>(), [""; 0]);
}
