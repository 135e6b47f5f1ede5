//! Objects of the API made of any bytes: most of what they say makes sense, and the rest is any JSON.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use kube_proxy::model::{Change, Model};
use kube_proxy::objects::{ObjectEndpoints, Reader};
use serde_json::{Value, json};

/// Names, addresses and words that objects have in common, so that they find each other; and some that are bad.
const NAMES: [&str; 5] = ["web", "dns", "a", "http", "\" -j ACCEPT\n-A INPUT"];
const PORTS: [&str; 4] = ["", "http", "dns", "x\\\"'\u{e4}\u{0}"];
const ADDRESSES: [&str; 8] =
    ["10.10.0.1", "10.10.0.2", "10.16.0.1", "10.16.0.2", "192.168.50.1", "0.0.0.0", "fd00::1", "10.16.0.300"];
const RANGES: [&str; 6] = ["0.0.0.0/0", "10.0.0.0/8", " 192.168.50.7/24 ", "1.2.3.4/32", "fd00::/8", "10.0.0.0/99"];
const PROTOCOLS: [&str; 5] = ["TCP", "UDP", "SCTP", "QUIC", "tcp"];
const POLICIES: [&str; 3] = ["Cluster", "Local", "Elsewhere"];
const TYPES: [&str; 5] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Other"];
const NODES: [&str; 2] = ["node-1", "node-2"];

type Bytes<'a, 'b> = &'a mut Unstructured<'b>;

/// The model that these bytes say.
pub fn model_of(bytes: &[u8]) -> Model {
    let mut bytes = Unstructured::new(bytes);
    let mut model = Model::default();
    let reader = Reader::new("node-1");
    let mut touched = BTreeSet::new();
    model.apply(Change::AllServices(Default::default()), &mut touched);
    model.apply(Change::AllEndpoints(Default::default()), &mut touched);
    while !bytes.is_empty() {
        // Where there are no more bytes, there are no more objects.
        let Ok(change) = change(&mut bytes, &reader) else { break };
        change.into_iter().for_each(|change| model.apply(change, &mut touched));
    }
    model
}

/// Services of every kind, with rules that lead everywhere.
pub fn sample() -> Model {
    let port = |name: &str, protocol: &str, port: u16| json!({"name": name, "protocol": protocol, "port": port});
    let metadata = |name: &str| json!({"namespace": "default", "name": name});
    let services = [
        json!({"metadata": metadata("web"), "spec": {"clusterIP": "10.10.0.1", "ports": [port("http", "TCP", 80)]}}),
        json!({"metadata": metadata("dns"), "spec": {
            "clusterIP": "10.10.0.10", "sessionAffinity": "ClientIP", "externalIPs": ["172.20.0.1"],
            "ports": [port("dns", "UDP", 53), port("http", "TCP", 53), port("sig", "SCTP", 9)],
        }}),
        json!({"metadata": metadata("a"), "status": {"loadBalancer": {"ingress": [{"ip": "172.20.0.2"}]}}, "spec": {
            "type": "LoadBalancer", "clusterIP": "10.10.0.2", "externalTrafficPolicy": "Local",
            "loadBalancerSourceRanges": ["192.168.50.0/24"],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "nodePort": 30080}],
        }}),
        json!({"metadata": metadata("nobody"), "spec": {"clusterIP": "10.10.0.3", "ports": [port("http", "TCP", 80)]}}),
    ];
    let behind = |name: &str| {
        let addresses = json!([{"ip": "10.16.0.1", "nodeName": "node-1"}, {"ip": "10.16.1.1", "nodeName": "node-2"}]);
        let ports = json!([port("http", "TCP", 8080), port("dns", "UDP", 5353), port("sig", "SCTP", 9)]);
        json!({"metadata": metadata(name), "subsets": [{"addresses": addresses, "ports": ports}]})
    };
    let reader = Reader::new("node-1");
    let services = services.map(|object| {
        let object = serde_json::from_value(object).expect("it is a Service");
        let (name, service) = reader.service(&object).expect("it has a name");
        Change::Service(name, service)
    });
    let endpoints = ["web", "dns", "a"].map(|name| {
        let object = serde_json::from_value(behind(name)).expect("they are Endpoints");
        of(reader.endpoints(&object).expect("they have a name"))
    });
    let mut model = model_of(&[]);
    services.into_iter().chain(endpoints).for_each(|change| model.apply(change, &mut BTreeSet::new()));
    model
}

fn of(found: ObjectEndpoints) -> Change {
    Change::Endpoints { service: found.service, object: found.object, ports: Some(found.ports) }
}

/// What one object changes; nothing, if it cannot be read or is none that matters.
fn change(bytes: Bytes<'_, '_>, reader: &Reader) -> Result<Option<Change>> {
    Ok(match bytes.int_in_range(0..=2)? {
        0 => serde_json::from_value(service(bytes)?)
            .ok()
            .and_then(|object| reader.service(&object))
            .map(|(name, service)| Change::Service(name, service)),
        1 => serde_json::from_value(endpoints_object(bytes)?).ok().and_then(|object| reader.endpoints(&object)).map(of),
        _ => serde_json::from_value(slice(bytes)?).ok().and_then(|object| reader.slice(&object)).map(of),
    })
}

fn service(bytes: Bytes<'_, '_>) -> Result<Value> {
    let ports = list(bytes, |bytes| {
        Ok(json!({
            "name": word(bytes, &PORTS)?, "port": number(bytes)?, "protocol": word(bytes, &PROTOCOLS)?,
            "nodePort": number(bytes)?, "targetPort": anything(bytes, 1)?,
        }))
    })?;
    let ingress = list(bytes, |bytes| Ok(json!({"ip": word(bytes, &ADDRESSES)?})))?;
    Ok(json!({
        "metadata": metadata(bytes)?,
        "spec": {
            "type": word(bytes, &TYPES)?, "clusterIP": word(bytes, &ADDRESSES)?, "ports": ports,
            "externalIPs": list(bytes, |bytes| word(bytes, &ADDRESSES))?,
            "loadBalancerSourceRanges": list(bytes, |bytes| word(bytes, &RANGES))?,
            "externalTrafficPolicy": word(bytes, &POLICIES)?, "internalTrafficPolicy": word(bytes, &POLICIES)?,
            "healthCheckNodePort": number(bytes)?, "sessionAffinity": word(bytes, &["None", "ClientIP"])?,
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": number(bytes)?}},
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    }))
}

fn endpoints_object(bytes: Bytes<'_, '_>) -> Result<Value> {
    let addresses = |bytes: Bytes<'_, '_>| {
        list(bytes, |bytes| Ok(json!({"ip": word(bytes, &ADDRESSES)?, "nodeName": word(bytes, &NODES)?})))
    };
    let subsets = list(bytes, |bytes| {
        Ok(json!({
            "addresses": addresses(bytes)?, "notReadyAddresses": addresses(bytes)?, "ports": list(bytes, endpoint_port)?,
        }))
    })?;
    Ok(json!({"metadata": metadata(bytes)?, "subsets": subsets}))
}

fn slice(bytes: Bytes<'_, '_>) -> Result<Value> {
    let endpoints = list(bytes, |bytes| {
        let condition = |bytes: Bytes<'_, '_>| Ok::<_, arbitrary::Error>(json!(bytes.arbitrary::<Option<bool>>()?));
        Ok(json!({
            "addresses": list(bytes, |bytes| word(bytes, &ADDRESSES))?, "nodeName": word(bytes, &NODES)?,
            "conditions": {
                "ready": condition(bytes)?, "serving": condition(bytes)?, "terminating": condition(bytes)?,
            },
        }))
    })?;
    Ok(json!({
        "metadata": metadata(bytes)?, "addressType": word(bytes, &["IPv4", "IPv6"])?, "endpoints": endpoints,
        "ports": list(bytes, endpoint_port)?,
    }))
}

fn endpoint_port(bytes: Bytes<'_, '_>) -> Result<Value> {
    Ok(json!({"name": word(bytes, &PORTS)?, "port": number(bytes)?, "protocol": word(bytes, &PROTOCOLS)?}))
}

fn metadata(bytes: Bytes<'_, '_>) -> Result<Value> {
    let label = word(bytes, &NAMES)?;
    Ok(json!({
        "name": word(bytes, &NAMES)?, "namespace": word(bytes, &["default", "kube-system"])?,
        "labels": {"kubernetes.io/service-name": label},
    }))
}

/// One of these, most of the time.
fn word(bytes: Bytes<'_, '_>, usual: &[&str]) -> Result<Value> {
    if bytes.ratio(15, 16)? { Ok(json!(bytes.choose(usual)?)) } else { anything(bytes, 2) }
}

fn number(bytes: Bytes<'_, '_>) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=15)? {
        0..=9 => json!(bytes.choose(&[80, 53, 443, 8080, 30080, 30081])?),
        10..=12 => Value::Null,
        13..=14 => json!(bytes.arbitrary::<i32>()?),
        _ => anything(bytes, 1)?,
    })
}

fn list(bytes: Bytes<'_, '_>, mut one: impl FnMut(Bytes<'_, '_>) -> Result<Value>) -> Result<Value> {
    if bytes.ratio(1, 32)? {
        return anything(bytes, 2);
    }
    let count = bytes.int_in_range(0..=3)?;
    Ok(Value::Array((0..count).map(|_| one(bytes)).collect::<Result<_>>()?))
}

fn anything(bytes: Bytes<'_, '_>, depth: u8) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=if depth == 0 { 4 } else { 6 })? {
        0 => Value::Null,
        1 => json!(bytes.arbitrary::<bool>()?),
        2 => json!(bytes.arbitrary::<i64>()?),
        3 => json!(bytes.arbitrary::<String>()?),
        4 => json!(bytes.arbitrary::<f64>()?),
        5 => Value::Array(vec![anything(bytes, depth - 1)?]),
        _ => json!({"ip": anything(bytes, depth - 1)?}),
    })
}
