//! Feature gates, of which one says something to a kube-proxy that has its features built in.

use super::{Options, values};

const ENDPOINT_SLICES: &str = "EndpointSliceProxying";

/// `--feature-gates=a=true,b=false`
pub(super) fn apply_flag(options: &mut Options, text: &str) -> Result<(), String> {
    for gate in text.split(',').filter(|gate| !gate.is_empty()) {
        let (name, on) =
            gate.split_once('=').ok_or_else(|| format!("has {gate:?}, which is not gate=true or gate=false"))?;
        let on = values::boolean(on).map_err(|why| format!("has {gate:?}, which {why}"))?;
        apply(options, name, on);
    }
    Ok(())
}

/// One gate; what says nothing here is a warning, since a cluster's gates are often written alike for all of its components.
pub(super) fn apply(options: &mut Options, name: &str, on: bool) {
    if name == ENDPOINT_SLICES {
        options.endpoint_slices = on;
    } else {
        options
            .warnings
            .push(format!("feature gate {name}={on} has no effect: this kube-proxy knows {ENDPOINT_SLICES} alone"));
    }
}
