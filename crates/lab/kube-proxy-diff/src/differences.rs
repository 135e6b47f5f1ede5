//! What ours does otherwise than upstream 1.20.2 on purpose. Whatever else differs is a finding.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::{
    addresses::{EXTERNAL_CIDR, LOCAL, NODE, SERVICE_CIDR, Vantage},
    compare::Question,
    iptables_simulator::{self, Distribution, Outcome, Verdict},
    objects::Transport,
    probe::{Answer, Answers},
};

/// A difference that is desired.
#[derive(Debug, Clone, Copy)]
pub struct Reasoned {
    /// What ours does, and what upstream does.
    pub what: &'static str,
    pub why: &'static str,
    /// What rules of ours have to come to where upstream's come to this; ours are what they do come to. Last, of an external IP:
    /// what upstream's come to at the cluster IP, and at the external IP from outside.
    simulated: fn(Question, Distribution, &Distribution, &[Distribution]) -> Distribution,
    /// The same, of answers to real packets; last, at the cluster IP alone.
    asked: fn(Question, Answers, &Answers, &Answers) -> Answers,
}

/// All of them.
pub const REASONED: &[Reasoned] = &[
    Reasoned {
        what: "TCP that is refused gets a reset; upstream sends ICMP's port-unreachable",
        why: "the kernel limits how many ICMP errors it sends to one host, and a client whose error was left out waits",
        simulated: |question, upstream, _, _| each(upstream, |outcome| reset(question.to.protocol, outcome)),
        asked: |_, upstream, _, _| upstream,
    },
    Reasoned {
        what: "an endpoint that is listed twice gets no more connections than the others; upstream gives it twice as many",
        why: "it is one endpoint",
        simulated: |_, upstream, ours, _| {
            if upstream.keys().eq(ours.keys()) && is_even(ours) { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _, _| upstream,
    },
    Reasoned {
        what: "external IPs are proxied for pods and for the node itself, too; upstream leaves these to the network",
        why: "upstream does so from 1.22 on: a Service is the same for everybody",
        simulated: |question, upstream, ours, beside| {
            let left = is_untouched(question, &upstream, &Verdict::Passed);
            let reached = beside.iter().any(|beside| iptables_simulator::same(&ends(ours), &ends(beside)));
            if is_external_ip_from_the_node(question) && left && reached { ours.clone() } else { upstream }
        },
        asked: |question, upstream, ours, at_cluster_ip| {
            let nothing = upstream.keys().all(|answer| *answer == Answer::Nothing);
            // A client that stays with one endpoint stays with another one of each world.
            let reached = question.opening.sticky || ours.keys().all(|answer| is_among(answer, at_cluster_ip));
            if is_external_ip_from_the_node(question) && nothing && reached { ours.clone() } else { upstream }
        },
    },
    Reasoned {
        what: "who may not come in by a load balancer's address is dropped; upstream's packets go on their way",
        why: "upstream leaves the dropping to kubelet, who drops what is for the node and not what it forwards",
        simulated: |question, upstream, ours, _| {
            let is_external = contains(EXTERNAL_CIDR, *question.to.address.ip());
            let differ =
                is_untouched(question, &upstream, &Verdict::Passed) && is_untouched(question, ours, &Verdict::Dropped);
            if is_external && differ { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _, _| upstream,
    },
    Reasoned {
        what: "a node port without endpoints is refused on --nodeport-addresses; upstream refuses it on every address",
        why: "on other addresses the port is not the Service's",
        simulated: |question, upstream, ours, _| {
            let ip = *question.to.address.ip();
            let elsewhere = (LOCAL.contains(&ip) || ip.is_loopback()) && ip != NODE;
            let differ = upstream.keys().all(is_rejected) && is_untouched(question, ours, &Verdict::Passed);
            if elsewhere && differ { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _, _| upstream,
    },
    Reasoned {
        what: "a pod of another node that asks a cluster IP through this node, and is led back to itself, is not masqueraded",
        why: "pods ask the kube-proxy of their own node for cluster IPs; so endpoints of other nodes need one rule here, not three",
        simulated: |question, upstream, ours, _| {
            each(upstream, |outcome| {
                let bare = Outcome { masquerade: None, ..outcome.clone() };
                let itself = question.from.source() == Some(*outcome.destination.ip());
                if is_cluster_ip_from_another_node(question) && itself && ours.contains_key(&bare) {
                    bare
                } else {
                    outcome
                }
            })
        },
        asked: |question, upstream, ours, _| {
            let itself = |answer: &Answer| {
                answer.endpoint().is_some_and(|endpoint| question.from.source() == Some(*endpoint.ip()))
            };
            let differ = upstream.keys().any(itself) && !ours.keys().any(itself);
            if !is_cluster_ip_from_another_node(question) || !differ {
                return upstream;
            }
            // Its question to itself is lost then.
            let lost = ours.get_key_value(&Answer::Nothing).map(|(answer, count)| (answer.clone(), *count));
            upstream.into_iter().filter(|(answer, _)| !itself(answer)).chain(lost).collect()
        },
    },
];

/// What rules of ours have to come to where upstream's come to this.
pub fn simulated(
    question: Question,
    upstream: &Distribution,
    ours: &Distribution,
    beside: &[Distribution],
) -> Distribution {
    REASONED.iter().fold(upstream.clone(), |desired, one| (one.simulated)(question, desired, ours, beside))
}

/// What has to be answered in our world where this is answered in upstream's.
pub fn asked(question: Question, upstream: &Answers, ours: &Answers, at_cluster_ip: &Answers) -> Answers {
    REASONED.iter().fold(upstream.clone(), |desired, one| (one.asked)(question, desired, ours, at_cluster_ip))
}

fn each(distribution: Distribution, change: impl Fn(Outcome) -> Outcome) -> Distribution {
    let mut changed = Distribution::new();
    for (outcome, probability) in distribution {
        *changed.entry(change(outcome)).or_default() += probability;
    }
    changed
}

fn reset(protocol: Transport, outcome: Outcome) -> Outcome {
    match &outcome.verdict {
        Verdict::Rejected(with) if protocol == Transport::Tcp && with == "icmp-port-unreachable" => {
            Outcome { verdict: Verdict::Rejected("tcp-reset".to_owned()), ..outcome }
        }
        _ => outcome,
    }
}

fn is_even(distribution: &Distribution) -> bool {
    let evenly = 1.0 / distribution.len() as f64;
    iptables_simulator::same(distribution, &distribution.keys().map(|outcome| (outcome.clone(), evenly)).collect())
}

fn is_rejected(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Rejected(_))
}

/// Every packet keeps its destination and ends like this.
fn is_untouched(question: Question, distribution: &Distribution, verdict: &Verdict) -> bool {
    distribution.keys().all(|outcome| outcome.destination == question.to.address && outcome.verdict == *verdict)
}

fn is_external_ip_from_the_node(question: Question) -> bool {
    matches!(question.from, Vantage::Node | Vantage::Pod(_)) && question.opening.at_cluster_ip.is_some()
}

/// Which endpoints there are in the end, and how often each, whatever source they see; or a refusal, wherever it was for.
fn ends(distribution: &Distribution) -> Distribution {
    each(distribution.clone(), |outcome| match outcome.verdict {
        Verdict::Rejected(_) => Outcome {
            verdict: Verdict::Rejected(String::new()),
            destination: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            masquerade: None,
            ..outcome
        },
        _ => Outcome { masquerade: None, ..outcome },
    })
}

/// Whether an answer is one of these, whatever source the endpoint saw.
fn is_among(answer: &Answer, answers: &Answers) -> bool {
    match answer.endpoint() {
        Some(endpoint) => answers.keys().any(|other| other.endpoint() == Some(endpoint)),
        None => answers.contains_key(answer),
    }
}

fn is_cluster_ip_from_another_node(question: Question) -> bool {
    matches!(question.from, Vantage::RemotePod(_)) && contains(SERVICE_CIDR, *question.to.address.ip())
}

fn contains(range: &str, ip: Ipv4Addr) -> bool {
    range.parse().is_ok_and(|range: ipnet::Ipv4Net| range.contains(&ip))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::{iptables_simulator::Stickiness, objects::Target, targets::Opening};

    fn target(address: &str) -> Target {
        Target { protocol: Transport::Tcp, address: address.parse().unwrap() }
    }

    fn question(from: Vantage, to: &str) -> Question {
        Question { from, to: target(to), opening: Opening::default() }
    }

    fn of_external_ip(from: Vantage) -> Question {
        let opening = Opening { at_cluster_ip: Some(target("10.10.0.1:80")), ..Opening::default() };
        Question { opening, ..question(from, "172.20.0.1:80") }
    }

    fn simulated(question: Question, upstream: &Distribution, ours: &Distribution) -> Distribution {
        super::simulated(question, upstream, ours, &[])
    }

    fn come_to(ends: &[(&str, Verdict, f64)]) -> Distribution {
        let outcome = |destination: &str, verdict: &Verdict| Outcome {
            verdict: verdict.clone(),
            destination: destination.parse().unwrap(),
            masquerade: None,
            affinity: Stickiness::None,
        };
        ends.iter().map(|(destination, verdict, probability)| (outcome(destination, verdict), *probability)).collect()
    }

    fn rejected(with: &str) -> Verdict {
        Verdict::Rejected(with.to_owned())
    }

    #[test]
    fn a_refusal_of_tcp_is_a_reset_and_a_refusal_of_another_kind_is_not() {
        let question = question(Vantage::Pod(0), "10.10.0.1:80");
        let of = |with| come_to(&[("10.10.0.1:80", rejected(with), 1.0)]);
        assert_eq!(simulated(question, &of("icmp-port-unreachable"), &of("tcp-reset")), of("tcp-reset"));
        let other = of("icmp-admin-prohibited");
        assert_eq!(simulated(question, &other, &of("tcp-reset")), other);
    }

    #[test]
    fn an_external_ip_is_proxied_for_pods_and_what_is_left_alone_from_outside_is_a_finding() {
        let untouched = come_to(&[("172.20.0.1:80", Verdict::Passed, 1.0)]);
        let proxied = come_to(&[("10.16.0.2:8080", Verdict::Passed, 1.0)]);
        let from = |vantage| super::simulated(of_external_ip(vantage), &untouched, &proxied, from_ref(&proxied));
        assert_eq!(from(Vantage::Pod(0)), proxied);
        assert_eq!(from(Vantage::Outside(0)), untouched);
        let dropped = come_to(&[("172.20.0.1:80", Verdict::Dropped, 1.0)]);
        assert_eq!(simulated(question(Vantage::Outside(0), "172.20.0.1:80"), &untouched, &dropped), dropped);
    }

    #[test]
    fn an_external_ip_that_leads_pods_to_another_service_s_endpoint_is_a_finding() {
        let untouched = come_to(&[("172.20.0.1:80", Verdict::Passed, 1.0)]);
        let to = |one, other| come_to(&[(one, Verdict::Passed, 0.5), (other, Verdict::Passed, 0.5)]);
        let own = to("10.16.0.2:8080", "10.16.0.3:8080");
        let nobody = |at| come_to(&[(at, rejected("icmp-port-unreachable"), 1.0)]);
        let question = of_external_ip(Vantage::Pod(0));
        for ours in [to("10.16.0.2:8080", "10.16.0.9:8080"), nobody("172.20.0.1:80")] {
            assert_eq!(super::simulated(question, &untouched, &ours, from_ref(&own)), untouched, "{ours:?}");
        }
        let refused = come_to(&[("172.20.0.1:80", rejected("tcp-reset"), 1.0)]);
        assert_eq!(super::simulated(question, &untouched, &refused, &[nobody("10.10.0.1:80")]), refused);

        let from = |endpoint: &str, source: [u8; 4]| Answer::From {
            endpoint: endpoint.parse().unwrap(),
            source: source.into(),
        };
        let answers = |all: &[Answer]| -> Answers { all.iter().map(|answer| (answer.clone(), 5)).collect() };
        let nothing = answers(&[Answer::Nothing]);
        let own = answers(&[from("10.16.0.2:8080", [10, 16, 0, 5]), from("10.16.0.3:8080", [10, 16, 0, 5])]);
        let ours = answers(&[from("10.16.0.2:8080", [10, 16, 0, 1])]);
        assert_eq!(asked(question, &nothing, &ours, &own), ours, "by another source address");
        for wrong in [from("10.16.0.9:8080", [10, 16, 0, 1]), Answer::Refused] {
            assert_eq!(asked(question, &nothing, &answers(&[wrong]), &own), nothing);
        }
        let sticky = Question { opening: Opening { sticky: true, ..question.opening }, ..question };
        let other = answers(&[from("10.16.0.9:8080", [10, 16, 0, 1])]);
        assert_eq!(asked(sticky, &nothing, &other, &own), other, "simulated only");
    }

    #[test]
    fn an_uneven_share_is_only_upstream_s_to_have() {
        let question = question(Vantage::Pod(0), "10.10.0.1:80");
        let share =
            |one: f64| come_to(&[("10.16.0.2:80", Verdict::Passed, one), ("10.16.0.3:80", Verdict::Passed, 1.0 - one)]);
        assert_eq!(simulated(question, &share(2.0 / 3.0), &share(0.5)), share(0.5));
        assert_eq!(simulated(question, &share(0.5), &share(2.0 / 3.0)), share(0.5));
    }
}
