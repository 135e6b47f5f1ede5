//! What of a status is wrong, and what is worth knowing while all is well.

use std::time::Duration;

use cluster::Node;
use contract::{
    services,
    status::{CertificateState, CertificateStatus, Condition},
};

use crate::room::Room;

/// The hourly renewal has had its turn by then: what is due for longer, it does not issue again.
pub const RENEWED_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// So many days before its end it is a problem that only the operator can renew a certificate.
const SOON: i64 = 30;

#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Vec<String>,
    pub remarks: Vec<String>,
}

impl Findings {
    /// What the flash lacks now, whatever it had when the switch came up.
    pub fn room(&mut self, room: anyhow::Result<Room>, node: &Node) {
        match room {
            Ok(room) => {
                self.problems.extend(room.problem(node));
                self.remarks.extend(room.outlook(node));
            }
            Err(error) => self.problems.push(format!("the room on the flash is not known: {error:#}")),
        }
    }

    /// `before` is how it stood [`RENEWED_WITHIN`] ago. What is missing before the stage `pki` is done is what that is there for.
    pub fn certificate(&mut self, now: &CertificateStatus, before: &CertificateState, node: &Node, pki_is_done: bool) {
        let name = now.credential;
        let renewed_by_master = !node.master && !name.is_ca();
        match &now.state {
            CertificateState::Ok => {}
            CertificateState::Missing if !pki_is_done => {}
            CertificateState::Due(why) => {
                let overdue = matches!(before, CertificateState::Due(_));
                if overdue && (renewed_by_master || now.days_left.is_some_and(|days| days <= SOON)) {
                    self.problems.push(format!(
                        "certificate {name}: {why}, and the hourly renewal does not issue it again; see `k8s-node logs \
                         renewal`"
                    ));
                } else {
                    self.remarks.push(format!("certificate {name}: {why}; it is issued again when its turn comes"));
                }
            }
            state => self.problems.push(format!("certificate {name}: {state}; `k8s-node renew` issues it again")),
        }
    }

    /// By systemd's word of the timer and of what it starts.
    pub fn renewal(&mut self, timer: &str, unit: &str) {
        if timer != "active" {
            let name = services::RENEWAL_TIMER;
            self.problems.push(format!("no certificate is renewed, as {name} is {timer}: `systemctl start {name}`"));
        }
        if unit == "failed" {
            self.problems
                .push("the last renewal has failed: see `k8s-node logs renewal`, then `k8s-node renew`".into());
        }
    }

    /// What keeps pods from this node while everything is healthy.
    pub fn pressure(&mut self, condition: &Condition) {
        if condition.kind.ends_with("Pressure") && condition.status == "True" {
            let Condition { kind, message, .. } = condition;
            self.problems.push(format!(
                "{kind}: {message}; until room is made, pods are evicted and no new ones are placed here"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{Credential, places};
    use rustix::mount::{MountFlags, mount_remount};

    use super::*;
    use crate::test_support::{came_up_before, flash_of, in_mount_namespace, node};

    fn found(find: impl FnOnce(&mut Findings)) -> (Vec<String>, Vec<String>) {
        let mut findings = Findings::default();
        find(&mut findings);
        (findings.problems, findings.remarks)
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_room_on_the_flash_is_that_of_now() {
        in_mount_namespace(|| {
            let room = |node: &Node| found(|it| it.room(Room::on_flash(places::STATE.as_ref(), node), node));
            flash_of(950);
            came_up_before();
            assert_eq!(room(&node(true, true)), (vec![], vec![]));
            // Others take what they like of it.
            mount_remount(places::FLASH, MountFlags::empty(), c"size=20m").unwrap();
            let (problems, remarks) = room(&node(true, true));
            assert!(problems[0].starts_with("the flash has 19 MiB left: with less than 62"), "{problems:?}");
            assert!(remarks.is_empty());
            assert_eq!(room(&node(false, true)), (vec![], vec![]));
            mount_remount(places::FLASH, MountFlags::empty(), c"size=300m").unwrap();
            let (problems, remarks) = room(&node(true, true));
            assert!(
                problems.is_empty() && remarks[0].contains("which can come to 942"),
                "it does for now: {remarks:?}"
            );
        });
    }

    fn certificate(credential: Credential, days_left: i64, state: CertificateState) -> CertificateStatus {
        let days_left = Some(days_left);
        CertificateStatus { credential, subject: None, not_after: None, not_after_seconds: None, days_left, state }
    }

    #[test]
    fn a_certificate_that_is_due_is_a_problem_once_its_renewal_has_had_its_turn() {
        let due = || CertificateState::Due("360 days left".into());
        let worker = node(false, true);
        let of = |credential, days, before, node: &Node| {
            found(|it| it.certificate(&certificate(credential, days, due()), &before, node, true))
        };
        let (problems, remarks) = of(Credential::Node, 360, CertificateState::Ok, &worker);
        assert!(problems.is_empty() && remarks[0].starts_with("certificate node: 360 days left"), "{remarks:?}");
        let (problems, remarks) = of(Credential::Node, 360, due(), &worker);
        assert!(
            remarks.is_empty() && problems[0].contains("the hourly renewal does not issue it again"),
            "{problems:?}"
        );
        // Only the operator renews these, and has the time.
        assert!(of(Credential::Ca, 360, due(), &worker).0.is_empty());
        assert!(of(Credential::ApiServer, 360, due(), &node(true, true)).0.is_empty());
        assert!(!of(Credential::ApiServer, 30, due(), &node(true, true)).0.is_empty());
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_a_problem_and_one_that_is_still_to_be_made_is_none() {
        let of = |state: CertificateState, pki_is_done| {
            let now = certificate(Credential::Node, 0, state.clone());
            found(|it| it.certificate(&now, &state, &node(true, true), pki_is_done)).0
        };
        assert!(of(CertificateState::Ok, true).is_empty() && of(CertificateState::Missing, false).is_empty());
        assert_eq!(
            of(CertificateState::Missing, true),
            ["certificate node: missing; `k8s-node renew` issues it again"]
        );
        for state in [CertificateState::Expired, CertificateState::Damaged, CertificateState::Wrong] {
            assert_eq!(of(state("no".into()), true), ["certificate node: no; `k8s-node renew` issues it again"]);
        }
    }

    #[test]
    fn a_renewal_that_fails_or_that_nothing_starts_is_a_problem() {
        let of = |timer, unit| found(|it| it.renewal(timer, unit)).0;
        assert!(of("active", "inactive").is_empty() && of("active", "activating").is_empty());
        assert!(of("active", "failed")[0].contains("the last renewal has failed"));
        assert!(of("inactive", "inactive")[0].contains("systemctl start kubernetes-on-eos-renewal.timer"));
    }

    #[test]
    fn a_node_under_pressure_is_a_problem_and_one_that_is_well_is_none() {
        let of = |kind: &str, status: &str, message: &str| {
            let condition = serde_json::json!({"type": kind, "status": status, "message": message});
            found(|it| it.pressure(&serde_json::from_value(condition).unwrap())).0
        };
        assert_eq!(
            of("DiskPressure", "True", "kubelet has disk pressure"),
            [
                "DiskPressure: kubelet has disk pressure; until room is made, pods are evicted and no new ones are placed here"
            ]
        );
        assert!(of("DiskPressure", "False", "kubelet has no disk pressure").is_empty());
        assert!(of("Ready", "True", "kubelet is posting ready status").is_empty());
    }
}
