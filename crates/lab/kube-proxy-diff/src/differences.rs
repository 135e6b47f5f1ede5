//! What ours does otherwise than upstream 1.20.2 on purpose. Whatever else differs is a finding.

use std::net::Ipv4Addr;

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
    /// What rules of ours have to come to where upstream's come to this; ours are what they do come to.
    simulated: fn(Question, Distribution, &Distribution) -> Distribution,
    /// The same, of answers to real packets.
    asked: fn(Question, Answers, &Answers) -> Answers,
}

/// All of them.
pub const REASONED: &[Reasoned] = &[
    Reasoned {
        what: "TCP that is refused gets a reset; upstream sends ICMP's port-unreachable",
        why: "the kernel limits how many ICMP errors it sends to one host, and a client whose error was left out waits",
        simulated: |question, upstream, _| each(upstream, |outcome| reset(question.to.protocol, outcome)),
        asked: |_, upstream, _| upstream,
    },
    Reasoned {
        what: "an endpoint that is listed twice gets no more connections than the others; upstream gives it twice as many",
        why: "it is one endpoint",
        simulated: |_, upstream, ours| {
            if upstream.keys().eq(ours.keys()) && is_even(ours) { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _| upstream,
    },
    Reasoned {
        what: "external IPs are proxied for pods and for the node itself, too; upstream leaves these to the network",
        why: "upstream does so from 1.22 on: a Service is the same for everybody",
        simulated: |question, upstream, ours| {
            let answered = |outcome: &Outcome| outcome.destination != question.to.address || is_rejected(outcome);
            let left = is_untouched(question, &upstream, &Verdict::Passed) && ours.keys().all(answered);
            if is_external_ip_from_the_node(question) && left { ours.clone() } else { upstream }
        },
        asked: |question, upstream, ours| {
            let nothing = upstream.keys().all(|answer| *answer == Answer::Nothing);
            if is_external_ip_from_the_node(question) && nothing { ours.clone() } else { upstream }
        },
    },
    Reasoned {
        what: "who may not come in by a load balancer's address is dropped; upstream's packets go on their way",
        why: "upstream leaves the dropping to kubelet, who drops what is for the node and not what it forwards",
        simulated: |question, upstream, ours| {
            let is_external = contains(EXTERNAL_CIDR, *question.to.address.ip());
            let differ =
                is_untouched(question, &upstream, &Verdict::Passed) && is_untouched(question, ours, &Verdict::Dropped);
            if is_external && differ { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _| upstream,
    },
    Reasoned {
        what: "a node port without endpoints is refused on --nodeport-addresses; upstream refuses it on every address",
        why: "on other addresses the port is not the Service's",
        simulated: |question, upstream, ours| {
            let ip = *question.to.address.ip();
            let elsewhere = (LOCAL.contains(&ip) || ip.is_loopback()) && ip != NODE;
            let differ = upstream.keys().all(is_rejected) && is_untouched(question, ours, &Verdict::Passed);
            if elsewhere && differ { ours.clone() } else { upstream }
        },
        asked: |_, upstream, _| upstream,
    },
    Reasoned {
        what: "a pod of another node that asks a cluster IP through this node, and is led back to itself, is not masqueraded",
        why: "pods ask the kube-proxy of their own node for cluster IPs; so endpoints of other nodes need one rule here, not three",
        simulated: |question, upstream, ours| {
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
        asked: |question, upstream, ours| {
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
pub fn simulated(question: Question, upstream: &Distribution, ours: &Distribution) -> Distribution {
    REASONED.iter().fold(upstream.clone(), |desired, one| (one.simulated)(question, desired, ours))
}

/// What has to be answered in our world where this is answered in upstream's.
pub fn asked(question: Question, upstream: &Answers, ours: &Answers) -> Answers {
    REASONED.iter().fold(upstream.clone(), |desired, one| (one.asked)(question, desired, ours))
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
    matches!(question.from, Vantage::Node | Vantage::Pod(_)) && contains(EXTERNAL_CIDR, *question.to.address.ip())
}

fn is_cluster_ip_from_another_node(question: Question) -> bool {
    matches!(question.from, Vantage::RemotePod(_)) && contains(SERVICE_CIDR, *question.to.address.ip())
}

fn contains(range: &str, ip: Ipv4Addr) -> bool {
    range.parse().is_ok_and(|range: ipnet::Ipv4Net| range.contains(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{iptables_simulator::Stickiness, objects::Target};

    fn question(from: Vantage, to: &str) -> Question {
        Question { from, to: Target { protocol: Transport::Tcp, address: to.parse().unwrap() }, sticky: false }
    }

    fn ends(ends: &[(&str, Verdict, f64)]) -> Distribution {
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
        let of = |with| ends(&[("10.10.0.1:80", rejected(with), 1.0)]);
        assert_eq!(simulated(question, &of("icmp-port-unreachable"), &of("tcp-reset")), of("tcp-reset"));
        let other = of("icmp-admin-prohibited");
        assert_eq!(simulated(question, &other, &of("tcp-reset")), other);
    }

    #[test]
    fn an_external_ip_is_proxied_for_pods_and_what_is_left_alone_from_outside_is_a_finding() {
        let untouched = ends(&[("172.20.0.1:80", Verdict::Passed, 1.0)]);
        let proxied = ends(&[("10.16.0.2:8080", Verdict::Passed, 1.0)]);
        let from = |vantage| simulated(question(vantage, "172.20.0.1:80"), &untouched, &proxied);
        assert_eq!(from(Vantage::Pod(0)), proxied);
        assert_eq!(from(Vantage::Outside(0)), untouched);
        let dropped = ends(&[("172.20.0.1:80", Verdict::Dropped, 1.0)]);
        assert_eq!(simulated(question(Vantage::Outside(0), "172.20.0.1:80"), &untouched, &dropped), dropped);
    }

    #[test]
    fn an_uneven_share_is_only_upstream_s_to_have() {
        let question = question(Vantage::Pod(0), "10.10.0.1:80");
        let share =
            |one: f64| ends(&[("10.16.0.2:80", Verdict::Passed, one), ("10.16.0.3:80", Verdict::Passed, 1.0 - one)]);
        assert_eq!(simulated(question, &share(2.0 / 3.0), &share(0.5)), share(0.5));
        assert_eq!(simulated(question, &share(0.5), &share(2.0 / 3.0)), share(0.5));
    }
}
