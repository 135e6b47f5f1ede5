//! What of a status is wrong, and what is worth knowing while all is well.

use std::time::{Duration, UNIX_EPOCH};

use cluster::{CaHash, Node};
use contract::{
    Credential, services,
    status::{CertificateState, CertificateStatus, Condition, GivenUp, ReconcilerStatus, Repaired},
};

use crate::{etcd, room::Room, storage::Report};

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

    /// Where the state is, and who can read it.
    pub fn storage(&mut self, report: anyhow::Result<Report>) {
        match report {
            Ok(Report { problem, remarks }) => {
                self.problems.extend(problem);
                self.remarks.extend(remarks);
            }
            Err(error) => self.problems.push(format!("where the state is is not known: {error:#}")),
        }
    }

    /// `before` is how it stood [`RENEWED_WITHIN`] ago. What is missing before the stage `pki` is done is what that is there for.
    pub fn certificate(&mut self, now: &CertificateStatus, before: &CertificateState, node: &Node, pki_is_done: bool) {
        let name = now.credential;
        let renewed_by_master = !node.master && !name.is_ca();
        match &now.state {
            CertificateState::Ok => {}
            CertificateState::Missing if !pki_is_done => {}
            CertificateState::LongLived(why) => {
                self.remarks.push(format!(
                    "certificate {name}: {why}; the hourly renewal issues another one where the authority's key is on the master"
                ));
            }
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

    /// Certificates that were replaced, and until when copies of them are good.
    pub fn superseded(&mut self, superseded: &[(Credential, String)]) {
        self.remarks.extend(superseded.iter().map(|(name, end)| {
            format!("certificate {name}: copies of the one before are good until {end}, for who has them and its key")
        }));
    }

    /// By which authority this switch's cluster.toml lets a switch join, and the one that signs by this switch's ca.pem.
    pub fn ca_hash(&mut self, named: Option<CaHash>, signing: Option<CaHash>) {
        if let (Some(named), Some(signing)) = (named, signing)
            && named != signing
        {
            self.remarks.push(
                "`ca_hash` in cluster.toml is not that of the certificate authority which signs, by this switch's ca.pem: once no other \
                 one is trusted nobody joins by it; write the one there, on every switch, that `k8s-node status` on the master has"
                    .into(),
            );
        }
    }

    /// What others have changed, and whether anybody would put it right.
    pub fn reconciler(&mut self, reconciler: &ReconcilerStatus, was_started: bool) {
        let ReconcilerStatus { state, paused_until, repaired, given_up } = reconciler;
        if was_started && !matches!(state.as_str(), "active" | "activating") {
            let name = services::RECONCILER;
            self.problems.push(format!(
                "nobody puts right what is changed on this switch, as {name} is {state}: `systemctl start {name}`"
            ));
        }
        self.problems.extend(given_up.iter().map(|GivenUp { kind, thing, since }| {
            format!(
                "{kind}: {thing} was undone after each of three repairs within ten minutes, and is left as it is since {}; \
                 `k8s-node resume` has it kept again",
                utc(*since)
            )
        }));
        match paused_until {
            None => {}
            Some(u64::MAX) => {
                self.remarks.push("what others change is left so: it is paused, until `k8s-node resume`".into())
            }
            Some(until) => self.remarks.push(format!(
                "what others change is left so: it is paused until {}; `k8s-node resume` ends that",
                utc(*until)
            )),
        }
        self.remarks.extend(repaired.iter().map(|Repaired { kind, thing, times, last }| {
            let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
            format!(
                "{kind}: {thing} was changed by somebody else and repaired, {times}, the last time at {}",
                utc(*last)
            )
        }));
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

    /// How etcd's database stands, and what came of its last scheduled copy.
    pub fn etcd(&mut self, database: Option<u64>, skipped: Option<String>) {
        self.remarks.extend(database.and_then(etcd::outlook));
        self.remarks.extend(skipped);
    }

    /// By systemd's word of the timer.
    pub fn snapshots(&mut self, timer: &str) {
        if timer != "active" {
            let name = services::SNAPSHOT_TIMER;
            self.remarks
                .push(format!("etcd's data are not copied any more, as {name} is {timer}: `systemctl start {name}`"));
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

/// Seconds since 1970, as people read them.
fn utc(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.map_or_else(String::new, |time| humantime::format_rfc3339_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use contract::places;
    use rustix::mount::{MountFlags, mount_remount};

    use super::*;
    use crate::test_support::{came_up_before, flash_of, in_mount_namespace, node};

    #[test]
    fn what_was_repaired_is_told_what_was_given_up_and_a_reconciler_that_does_not_run_are_problems() {
        let status = |value| serde_json::from_value::<ReconcilerStatus>(value).unwrap();
        let all = status(serde_json::json!({
            "state": "active", "paused_until": 4_000_000_000_u64,
            "repaired": [{"kind": "firewall", "thing": "KOE-INPUT", "times": 3, "last": 0}],
            "given_up": [{"kind": "service-route", "thing": "10.10.0.0/16", "since": 0}],
        }));
        let (problems, remarks) = found(|findings| findings.reconciler(&all, true));
        assert!(
            problems.len() == 1 && problems[0].contains("10.10.0.0/16") && problems[0].contains("resume"),
            "{problems:?}"
        );
        assert!(remarks[0].contains("paused until 2096-") && remarks[1].contains("KOE-INPUT"), "{remarks:?}");
        assert!(remarks[1].contains("3 times, the last time at 1970-01-01T00:00:00Z"), "{remarks:?}");
        let dead = status(serde_json::json!({"state": "failed", "paused_until": null, "repaired": [], "given_up": []}));
        assert!(found(|findings| findings.reconciler(&dead, true)).0[0].contains("systemctl start"));
        assert!(found(|findings| findings.reconciler(&dead, false)).0.is_empty(), "before its stage");
    }

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
                problems.is_empty() && remarks[0].contains("which can come to 883"),
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
    fn what_lasts_longer_than_it_has_to_and_what_was_replaced_are_remarks() {
        let long = CertificateState::LongLived("valid until 2028-11-29, and no longer than 90 days is usual".into());
        let now = certificate(Credential::Node, 700, long.clone());
        let (problems, remarks) = found(|it| it.certificate(&now, &long, &node(false, true), true));
        assert!(problems.is_empty() && remarks[0].contains("where the authority's key is"), "{remarks:?}");
        let (problems, remarks) = found(|it| it.superseded(&[(Credential::Node, "2028-11-29".into())]));
        assert!(problems.is_empty() && remarks[0].contains("copies of the one before are good until 2028-11-29"));
    }

    #[test]
    fn a_hash_of_another_authority_than_the_one_that_signs_is_remarked_on() {
        let [one, other] = ["1", "2"].map(|digit| format!("sha256:{}", digit.repeat(64)).parse::<CaHash>().unwrap());
        for (named, signing) in [(None, Some(one)), (Some(one), None), (Some(one), Some(one))] {
            assert_eq!(found(|it| it.ca_hash(named, signing)), (vec![], vec![]));
        }
        let (problems, remarks) = found(|it| it.ca_hash(Some(one), Some(other)));
        assert!(problems.is_empty() && remarks[0].contains("`k8s-node status` on the master has"), "{remarks:?}");
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
    fn what_keeps_etcd_s_data_from_being_copied_is_remarked_on() {
        let of = |timer| found(|it| it.snapshots(timer)).1;
        assert!(of("active").is_empty() && of("inactive")[0].contains("systemctl start"));
        let (problems, remarks) = found(|it| it.etcd(Some(500 << 20), Some("the flash has no room".into())));
        assert!(problems.is_empty() && remarks[0].contains("`k8s-node etcd defrag`"), "{problems:?}, {remarks:?}");
        assert_eq!(remarks[1], "the flash has no room");
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
