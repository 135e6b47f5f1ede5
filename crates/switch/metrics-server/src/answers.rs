//! metrics.k8s.io/v1beta1 as a pure function: from what is known and what is asked for to an answer.

mod objects;
mod query;

use std::time::Instant;

use contract::metrics::{GROUP, VERSION};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use self::objects::{List, NodeMetrics, PodMetrics};
use self::query::Query;
use crate::selector::{Fields, Labels};
use crate::store::State;

/// What a client gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// What cannot be given, as the API says so.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

impl Answer {
    /// Who asks is nobody, or somebody else.
    pub fn unauthorized(has_certificate: bool) -> Self {
        if has_certificate {
            Refusal::new(StatusCode::FORBIDDEN, "Forbidden", "only the API server is answered").into()
        } else {
            Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "show a certificate of the front proxy's authority")
                .into()
        }
    }

    pub fn too_many() -> Self {
        let message = "too many answers are on their way; ask again";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).into()
    }

    fn json(body: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Answer { status: StatusCode::OK, body },
            Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", error.to_string()).into(),
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, reason, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    fn no_page() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    fn no_object(resource: &str, name: &str) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, "NotFound", format!("{resource}.{GROUP} {name:?} not found"))
    }
}

impl From<Refusal> for Answer {
    fn from(Refusal { status, reason, message }: Refusal) -> Self {
        let body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": status.as_u16(),
        });
        Answer { status, body: body.to_string().into_bytes() }
    }
}

/// Answers one request of who may ask.
pub fn answer(state: &State, now: Instant, method: &Method, path: &str, query: Option<&str>) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let message = format!("{method} is not possible here: metrics are read");
        return Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).into();
    }
    found(state, now, path, query.unwrap_or_default()).unwrap_or_else(Answer::from)
}

fn found(state: &State, now: Instant, path: &str, query: &str) -> Result<Answer, Refusal> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(query::decoded).collect::<Option<Vec<_>>>();
    let segments = segments.ok_or_else(|| Refusal::bad("the path cannot be read"))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["healthz" | "livez" | "readyz"] => Ok(Answer { status: StatusCode::OK, body: b"ok".to_vec() }),
        ["openapi", "v2"] => Ok(Answer::json(&openapi())),
        ["apis"] => Ok(Answer::json(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}))),
        ["apis", GROUP] => Ok(Answer::json(&group())),
        ["apis", GROUP, VERSION] => Ok(Answer::json(&resources())),
        ["apis", GROUP, VERSION, rest @ ..] => resource(state, now, rest, query),
        _ => Err(Refusal::no_page()),
    }
}

fn resource(state: &State, now: Instant, rest: &[&str], query: &str) -> Result<Answer, Refusal> {
    let is_one_of_ours =
        matches!(rest, ["nodes" | "pods"] | ["nodes", _] | ["namespaces", _, "pods"] | ["namespaces", _, "pods", _]);
    if !is_one_of_ours {
        return Err(Refusal::no_page());
    }
    let query = Query::parse(query).map_err(Refusal::bad)?;
    if query.watch {
        let message = "metrics cannot be watched: list them";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    let labels = Labels::parse(&query.labels).map_err(Refusal::bad)?;
    let fields = Fields::parse(&query.fields).map_err(Refusal::bad)?;
    if !state.is_known() {
        let message = "nodes and pods are not known yet";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message));
    }
    match rest {
        ["nodes"] => {
            let nodes =
                state.nodes(now).filter(|(name, node, _)| labels.matches(&node.labels) && fields.matches("", name));
            let items = nodes.filter_map(|(name, node, usage)| Some(NodeMetrics::new(name, node, usage?))).collect();
            Ok(Answer::json(&List::new("NodeMetricsList", items)))
        }
        ["nodes", name] => {
            let found = state.nodes(now).find(|(other, ..)| other == name);
            let object = found.and_then(|(name, node, usage)| Some(NodeMetrics::new(name, node, usage?).whole()));
            object.map(|object| Answer::json(&object)).ok_or_else(|| Refusal::no_object("nodes", name))
        }
        ["namespaces", namespace, "pods", name] => {
            let found = state.pods(Some(namespace), now).find(|(other, ..)| *other.1 == **name);
            let object = found.and_then(|(name, pod, usage)| Some(PodMetrics::new(name, pod, usage?)?.whole()));
            object.map(|object| Answer::json(&object)).ok_or_else(|| Refusal::no_object("pods", name))
        }
        _ => {
            let namespace = if let ["namespaces", namespace, _] = rest { Some(*namespace) } else { None };
            let pods = state.pods(namespace, now);
            let pods = pods
                .filter(|((namespace, name), pod, _)| labels.matches(&pod.labels) && fields.matches(namespace, name));
            let items = pods.filter_map(|(name, pod, usage)| PodMetrics::new(name, pod, usage?)).collect();
            Ok(Answer::json(&List::new("PodMetricsList", items)))
        }
    }
}

fn group() -> Value {
    let version = json!({"groupVersion": objects::API_VERSION, "version": VERSION});
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version,
    })
}

fn resources() -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"],
        })
    };
    let resources = [resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)];
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": objects::API_VERSION, "resources": resources})
}

/// The API server asks for one without end where it gets none.
fn openapi() -> Value {
    json!({
        "swagger": "2.0", "info": {"title": GROUP, "version": VERSION}, "paths": {}, "definitions": {},
    })
}

#[cfg(test)]
mod tests;
