//! What takes too long for every run: `cargo xtask test --long`.

use cluster_test::{ClusterIdentity, LabSize, workload};

use crate::{
    support::{MASTER, up_with_workload, wait_until_ready},
    three_switches::pods_on_all_switches_reach_each_other,
};

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn each_switch_in_turn_comes_back_from_a_reboot_and_from_a_power_cut() {
    let lab = up_with_workload(LabSize::ThreeSwitches, "test-turns");
    wait_until_ready(&lab);
    workload::start(&lab.switch(MASTER).unwrap()).unwrap();
    pods_on_all_switches_reach_each_other(&lab);
    let identity = ClusterIdentity::of(&lab.switch(MASTER).unwrap()).unwrap();
    for switch in lab.switches().unwrap() {
        switch.reboot().unwrap();
        wait_until_ready(&lab);
        pods_on_all_switches_reach_each_other(&lab);
        assert_eq!(
            identity,
            ClusterIdentity::of(&lab.switch(MASTER).unwrap()).unwrap(),
            "after the reboot of {}",
            switch.name()
        );
    }
    for switch in lab.switches().unwrap() {
        switch.cut_power().unwrap();
        switch.power_on().unwrap();
        wait_until_ready(&lab);
        pods_on_all_switches_reach_each_other(&lab);
        assert_eq!(
            identity,
            ClusterIdentity::of(&lab.switch(MASTER).unwrap()).unwrap(),
            "after the power cut of {}",
            switch.name()
        );
    }
}
