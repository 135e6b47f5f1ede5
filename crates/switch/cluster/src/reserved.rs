//! What pods are not given of a switch: what its operator keeps for EOS, in cluster.toml, and what our own services need beside it.

use serde::Serialize;

use crate::Node;

/// Processors in thousandths, memory in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reserved {
    pub memory_mib: u64,
    pub cpu_milli: u64,
}

/// What kubelet keeps from pods on one switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReservedOn {
    pub eos: Reserved,
    pub services: Reserved,
}

/// kubelet and kube-proxy.
const WORKER: Reserved = Reserved { memory_mib: 256, cpu_milli: 100 };

/// etcd, API server, controller manager and scheduler beside them.
const MASTER: Reserved = Reserved { memory_mib: 1024, cpu_milli: 300 };

/// kubelet evicts pods before less is free: --eviction-hard in its unit.
const EVICTION_MIB: u64 = 100;

impl Reserved {
    /// For a cluster that begins: EOS alone has about 1.9 GB of 4 in use on a fixed switch.
    pub const TO_BEGIN: Reserved = Reserved { memory_mib: 2048, cpu_milli: 500 };

    pub const HOW_MEMORY: &str = "write it as in \"2048Mi\" or \"2Gi\"";
    pub const HOW_CPU: &str = "write it as in \"500m\" or \"1\"";

    /// As Kubernetes writes it: `2048Mi` or `2Gi`.
    pub fn memory(written: &str) -> Option<u64> {
        let (number, factor) = match (written.strip_suffix("Mi"), written.strip_suffix("Gi")) {
            (Some(number), _) => (number, 1),
            (_, Some(number)) => (number, 1024),
            _ => return None,
        };
        whole(number)?.checked_mul(factor)
    }

    /// As Kubernetes writes it: `500m` or `1`.
    pub fn cpu(written: &str) -> Option<u64> {
        match written.strip_suffix('m') {
            Some(number) => whole(number),
            None => whole(written)?.checked_mul(1000),
        }
    }

    fn and(self, other: Reserved) -> Reserved {
        Reserved {
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
        }
    }
}

impl ReservedOn {
    pub fn new(eos: Reserved, node: &Node) -> Self {
        ReservedOn { eos, services: if node.master { WORKER.and(MASTER) } else { WORKER } }
    }

    /// Why kubelet would not start on a switch with so much.
    pub fn too_much_for(&self, memory_mib: u64, processors: u64) -> Option<String> {
        let all = self.eos.and(self.services);
        let memory = all.memory_mib.saturating_add(EVICTION_MIB) >= memory_mib;
        (memory || all.cpu_milli >= processors.saturating_mul(1000)).then(|| {
            format!(
                "[reserved] leaves pods nothing of this switch: {} MiB and {} thousandths of a processor for EOS, {} and {} for Kubernetes' \
                 own services, and it has {memory_mib} MiB and {processors} processors; write less, the same on every switch",
                self.eos.memory_mib, self.eos.cpu_milli, self.services.memory_mib, self.services.cpu_milli
            )
        })
    }
}

/// Digits alone: `parse` would take a sign.
fn whole(number: &str) -> Option<u64> {
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (written, mib) in [("2Gi", 2048), ("2048Mi", 2048), ("1Mi", 1)] {
            assert_eq!(Reserved::memory(written), Some(mib), "{written}");
        }
        for (written, milli) in [("1", 1000), ("500m", 500)] {
            assert_eq!(Reserved::cpu(written), Some(milli), "{written}");
        }
        for written in
            ["", "2", "2G", "Gi", "+2Gi", "-1Mi", "2.5Gi", "0Mi", "99999999999999999999Gi", "18446744073709551615Gi"]
        {
            assert_eq!(Reserved::memory(written), None, "{written}");
        }
        for written in ["", "m", "0.5", "+1", "0", "half", "18446744073709551615"] {
            assert_eq!(Reserved::cpu(written), None, "{written}");
        }
    }

    #[test]
    fn a_switch_that_would_have_nothing_left_for_pods_is_told_before_kubelet_is() {
        let node = |master| Node {
            name: "veos-b".into(),
            address: [1, 1, 1, 1].into(),
            master,
            worker: true,
            pod_cidr: "10.16.0.0/24".parse().unwrap(),
        };
        let on = |master| ReservedOn::new(Reserved::TO_BEGIN, &node(master));
        for master in [true, false] {
            assert_eq!(on(master).too_much_for(3950, 2), None, "a switch of 4 GB, two processors");
        }
        assert!(on(false).too_much_for(2000, 2).unwrap().contains("it has 2000 MiB"));
        assert!(on(true).too_much_for(3400, 2).is_some(), "the master's services are counted");
        assert!(on(false).too_much_for(8000, 0).is_some());
    }
}
