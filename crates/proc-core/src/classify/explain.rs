//! What is known about one process, and what follows from it.

use schemars::JsonSchema;
use serde::Serialize;

use super::Classifier;
use super::matching::NamedBy;
use super::select::CleanRequest;
use super::verdict::{Decision, Verdict};
use crate::table::Facts;

/// What is known about a process and what follows from it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// All of its facts.
    pub facts: Facts,
    /// The rule that names its program, whatever it does.
    pub rule: Option<NamedBy>,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict in words.
    pub text: String,
    /// What a request means for it.
    pub decision: Decision,
}

impl Classifier<'_> {
    /// The facts of the process with this PID, the verdict on it, and what a request means for it. `None`: it is not in
    /// the snapshot.
    pub fn explain(&self, pid: u32, request: &CleanRequest) -> Option<Explanation> {
        let process = self.table.get(pid)?;
        let verdict = self.judge(process)?.clone();
        let selected = self.select(request).into_iter();
        let decision = selected
            .filter(|selected| selected.identity.pid == pid)
            .map(|selected| selected.decision)
            .next()?;
        Some(Explanation {
            facts: process.facts(self.inputs.bounds.root()),
            rule: self.matcher.named_by(process),
            text: verdict.to_string(),
            verdict,
            decision,
        })
    }
}
