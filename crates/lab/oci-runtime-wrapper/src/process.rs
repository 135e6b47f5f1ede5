//! A process in the runtime specification's JSON, brought down to what the host can give.

use serde_json::Value;

use crate::capabilities::Capabilities;

/// Takes out of the process the capabilities that the host lacks, and a claim to be spared when memory
/// runs out, which takes one of them. True where that changed anything.
pub fn limit(process: &mut Value, host: Capabilities) -> bool {
    let mut changed = false;
    for set in
        process.get_mut("capabilities").and_then(Value::as_object_mut).into_iter().flat_map(|sets| sets.values_mut())
    {
        if let Some(names) = set.as_array_mut() {
            let before = names.len();
            names.retain(|name| name.as_str().is_none_or(|name| host.hold(name)));
            changed |= names.len() != before;
        }
    }
    if host.hold("CAP_SYS_RESOURCE") {
        return changed;
    }
    if let Some(adjustment) = process.get_mut("oomScoreAdj").filter(|value| value.as_i64().is_some_and(|n| n < 0)) {
        *adjustment = 0.into();
        changed = true;
    }
    changed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: Capabilities = Capabilities(u64::MAX);
    const WITHOUT_RESOURCE: Capabilities = Capabilities(0x1ff_feff_ffff);

    fn privileged() -> Value {
        let names = json!(["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_SYS_TIME"]);
        json!({
            "args": ["/sbin/init"],
            "capabilities": {"bounding": names, "effective": names, "permitted": names},
            "oomScoreAdj": -500
        })
    }

    #[test]
    fn what_the_host_lacks_is_taken_out_of_every_set() {
        let mut process = privileged();
        assert!(limit(&mut process, WITHOUT_RESOURCE));
        let names = json!(["CAP_CHOWN", "CAP_SYS_TIME"]);
        let sets = json!({"bounding": names, "effective": names, "permitted": names});
        assert_eq!(process, json!({"args": ["/sbin/init"], "capabilities": sets, "oomScoreAdj": 0}));
        assert!(!limit(&mut process, WITHOUT_RESOURCE), "the second time there is nothing left to do");
    }

    #[test]
    fn a_host_with_everything_gets_what_was_asked_for() {
        let mut process = privileged();
        assert!(!limit(&mut process, ALL));
        assert_eq!(process, privileged());
    }

    #[test]
    fn a_process_without_capabilities_stays_as_it_is() {
        let mut process = json!({"args": ["true"], "oomScoreAdj": 300});
        assert!(!limit(&mut process, WITHOUT_RESOURCE));
        assert_eq!(process, json!({"args": ["true"], "oomScoreAdj": 300}));
    }
}
