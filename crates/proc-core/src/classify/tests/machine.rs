//! A look at the real machine, which is only read.

use super::*;

#[test]
fn this_process_and_its_line_are_protected() {
    let table = Table::read().unwrap();
    let root = std::env::current_dir().unwrap();
    let spec = BoundsSpec {
        root,
        ..BoundsSpec::default()
    };
    let bounds = Bounds::new(&spec, &on_disk).unwrap();
    let rules = rules();
    let inputs = Inputs {
        caller: Caller::this_process(),
        bounds: &bounds,
        rules: &rules,
        runs: &[],
        all_users: true,
    };
    let classifier = Classifier::new(&table, inputs).unwrap();
    let own = std::process::id();
    let line = table
        .ancestors(own)
        .into_iter()
        .map(|process| process.identity().pid);
    for pid in line.chain([own, 1]).filter(|pid| table.get(*pid).is_some()) {
        let Explanation { verdict, text, .. } = classifier.explain(pid, &every_group()).unwrap();
        assert!(
            matches!(verdict, Verdict::Protected { .. }),
            "PID {pid}: {text}"
        );
    }
    let everything = CleanRequest {
        machine: true,
        editors: true,
        ..every_group()
    };
    for selected in classifier.select(&everything) {
        let is_protected = matches!(selected.verdict, Verdict::Protected { .. });
        assert!(
            !(is_protected && selected.decision.is_target()),
            "{selected:?}"
        );
    }
}
