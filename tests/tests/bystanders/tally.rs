//! What has become of the crowd, counted by disguise, and printed as it stands in `docs/precision.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::actor::Actor;

/// What has become of every process so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    innocents: Vec<&'static str>,
    harmed: BTreeSet<Actor>,
    guilty: Vec<&'static str>,
    to_end: BTreeMap<&'static str, usize>,
    ended: BTreeMap<&'static str, usize>,
    faults: Vec<String>,
    /// How long everything took, in s.
    pub(crate) seconds: u64,
}

impl Tally {
    pub(crate) fn new(innocents: &[Actor], guilty: &[&Actor]) -> Self {
        Self {
            innocents: innocents.iter().map(|actor| actor.disguise).collect(),
            guilty: guilty.iter().map(|actor| actor.disguise).collect(),
            ..Self::default()
        }
    }

    /// Notes which of the innocents have been harmed by a call.
    pub(crate) fn look_at(&mut self, call: &str, innocents: &[Actor]) {
        for actor in innocents {
            if let Some(harm) = actor.harm()
                && self.harmed.insert(actor.clone())
            {
                self.fault(call, &format!("{}: {harm}", actor.describe()));
            }
        }
    }

    /// Notes whether one of the guilty has ended that a call was to end.
    pub(crate) fn was_to_end(&mut self, call: &str, actor: &Actor) {
        *self.to_end.entry(actor.disguise).or_default() += 1;
        if actor.is_there() {
            self.fault(call, &format!("{} was to end", actor.describe()));
        } else {
            *self.ended.entry(actor.disguise).or_default() += 1;
        }
    }

    pub(crate) fn fault(&mut self, call: &str, text: &str) {
        self.faults.push(format!("{call}: {text}"));
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The table in Markdown.
    pub(crate) fn render(&self) -> String {
        let harmed: Vec<&str> = self.harmed.iter().map(|actor| actor.disguise).collect();
        let mut text = "| innocent | how many | harmed |\n| --- | ---: | ---: |\n".to_owned();
        for (disguise, count) in counts(&self.innocents) {
            let harmed = harmed.iter().filter(|harmed| **harmed == disguise).count();
            let _ = writeln!(text, "| {disguise} | {count} | {harmed} |");
        }
        let all = self.innocents.len();
        let _ = writeln!(text, "| **all** | **{all}** | **{}** |", harmed.len());
        text += "\n| guilty | how many | to be ended, over all commands | ended |\n\
                 | --- | ---: | ---: | ---: |\n";
        let of = |map: &BTreeMap<_, usize>, disguise| map.get(disguise).copied().unwrap_or(0);
        for (disguise, count) in counts(&self.guilty) {
            let (to_end, ended) = (of(&self.to_end, disguise), of(&self.ended, disguise));
            let _ = writeln!(text, "| {disguise} | {count} | {to_end} | {ended} |");
        }
        let all = self.guilty.len();
        let to_end: usize = self.to_end.values().sum();
        let ended: usize = self.ended.values().sum();
        let _ = writeln!(text, "| **all** | **{all}** | **{to_end}** | **{ended}** |");
        text
    }
}

/// How many there are of each, in the order in which they first occur.
fn counts(all: &[&'static str]) -> Vec<(&'static str, usize)> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for disguise in all {
        match counts.iter_mut().find(|(known, _)| known == disguise) {
            Some((_, count)) => *count += 1,
            None => counts.push((disguise, 1)),
        }
    }
    counts
}
