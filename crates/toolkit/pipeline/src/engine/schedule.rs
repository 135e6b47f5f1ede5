//! Which of the steps that can begin is begun first: the one behind which the longest work waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{Step, Work};

/// For each step, how long it is from its beginning to the end of the last step that waits for it, in seconds, where only some
/// have to run.
pub(super) fn ways_to_the_end(steps: &[Step], to_run: &BTreeSet<usize>) -> Vec<u32> {
    let index: BTreeMap<&str, usize> = steps.iter().enumerate().map(|(i, step)| (step.name.as_str(), i)).collect();
    let own = |i: usize| if to_run.contains(&i) { seconds(&steps[i].work) } else { 0 };
    let mut ways: Vec<u32> = (0..steps.len()).map(own).collect();
    for i in (0..steps.len()).rev() {
        for name in &steps[i].needs {
            let need = index[name.as_str()];
            ways[need] = ways[need].max(own(need) + ways[i]);
        }
    }
    ways
}

/// The toolchain in whose directory it compiles, one step at a time: another one would take the place of one that need not wait.
pub(super) fn shared_directory(work: &Work) -> Option<&str> {
    match work {
        Work::Rust(rust) => Some(&rust.toolchain),
        _ => None,
    }
}

/// How long such a step takes on two quiet cores, roughly: what counts is which are long. The short ones count for nothing, so
/// that those for one program do not get in the way of another that can be compiled.
pub(super) fn seconds(work: &Work) -> u32 {
    match work {
        Work::SuiteProgram(_) => 300,
        Work::Rust(_) => 150,
        Work::Go(_) | Work::Sysroot(_) => 80,
        Work::Proof(_) => 60,
        Work::Image(_) => 40,
        Work::Packer(_) => 20,
        Work::Tree(tree) if !tree.generators.is_empty() => 10,
        Work::Swix(_) => 5,
        Work::Fetch(_)
        | Work::Unpack(_)
        | Work::Tree(_)
        | Work::Crates(_)
        | Work::Check(_)
        | Work::ContainerImage(_)
        | Work::ModuleGraph(_)
        | Work::ProgramLicences(_)
        | Work::Licences(_)
        | Work::Package(_)
        | Work::Sbom(_)
        | Work::Vex(_)
        | Work::Provenance(_)
        | Work::SuiteFiles(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::{Checks, Packer};

    #[test]
    fn what_the_longest_work_waits_for_is_the_farthest_from_the_end() {
        let packer = Packer { files: vec![], workspace: Default::default() };
        let long = Step::new("long", Work::Packer(packer.clone()), &[]);
        let after = Step::new("after", Work::Packer(packer), &[&long]);
        let steps = [short("alone", &[]), long, after, short("last", &[])];
        let steps = [steps.as_slice(), &[short("end", &[&steps[2], &steps[3]])]].concat();
        assert_eq!(ways_to_the_end(&steps, &(0..5).collect()), [0, 40, 20, 0, 0]);
        assert_eq!(ways_to_the_end(&steps, &BTreeSet::from([0, 2, 4])), [0, 20, 20, 0, 0]);
    }

    fn short(name: &str, needs: &[&Step]) -> Step {
        let checks = Checks { program: name.into(), built_by: String::new(), checks: vec![] };
        Step::new(name, Work::Check(checks), needs)
    }
}
