//! What a request means for each process: what is to end, what is left alone, and why.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Classifier, Decision, ForeignReason, SpareReason, TargetReason, UnknownReason, Verdict,
};
use crate::identity::Identity;
use crate::membership::{Membership, ScopeRef};
use crate::table::Process;

/// Which groups are to be cleaned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// None.
    #[default]
    None,
    /// These.
    Named(BTreeSet<String>),
    /// All that there are rules for.
    All,
}

/// What is to be ended. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanRequest {
    /// The groups to clean.
    pub groups: Groups,
    /// The runs to end, by id.
    pub runs: BTreeSet<String>,
    /// Whether processes outside this scope are meant too, by name alone.
    pub machine: bool,
    /// Whether a person's own editors are meant too.
    pub editors: bool,
    /// Whether members of this scope's live runs are meant too. Never those of a run that the caller is part of.
    pub include_live_runs: bool,
    /// Targets of an earlier snapshot. They stay targets although what made them one may be gone, such as a parent.
    pub pursued: BTreeSet<Identity>,
}

/// One process, and what a request means for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    /// Which process.
    pub identity: Identity,
    /// What it is to the scope.
    pub verdict: Verdict,
    /// What is to be done with it.
    pub decision: Decision,
}

/// How many processes a group has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// The group.
    pub group: String,
    /// How many are not yet too many.
    pub limit: Option<u32>,
    /// Processes of this scope, without a person's own editors.
    pub in_scope: u32,
    /// How many of those belong to live runs, or hold one.
    pub in_live_runs: u32,
    /// A person's own editors of this scope's projects, and what serves them.
    pub own_editors: u32,
    /// Processes elsewhere, which the rule matches by name alone.
    pub elsewhere: u32,
}

/// Unreal programs that no group counts: they may not be ended from here, or too little of them can be seen. They may
/// have a project open all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncounted {
    /// Those that work on a project of this scope, or may do so.
    pub here: u32,
    /// Those that work elsewhere.
    pub elsewhere: u32,
}

impl Count {
    /// Whether there are more in this scope than the limit allows.
    pub fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.in_scope > limit)
    }
}

impl Groups {
    fn contain(&self, group: &str) -> bool {
        match self {
            Self::None => false,
            Self::Named(names) => names.contains(group),
            Self::All => true,
        }
    }
}

impl<'a> Classifier<'a> {
    /// What a request means for each process of the snapshot, by PID.
    ///
    /// The descendants of a target go with it, but never through a process that stays: one that is protected, that a
    /// rule spares, that may live on, that is a person's own editor, or that belongs to a live run.
    pub fn select(&self, request: &CleanRequest) -> Vec<Selection> {
        let verdicts: BTreeMap<Identity, &Verdict> = self
            .table
            .iter()
            .filter_map(|process| Some((process.identity(), self.judge(process)?)))
            .collect();
        let held = self.held(request);
        let mut decisions: BTreeMap<u32, Decision> = verdicts
            .iter()
            .map(|(identity, verdict)| {
                let decision = match (self.decide(request, verdict), held.get(&identity.pid)) {
                    (Decision::Target { .. }, Some(run)) => {
                        spare(SpareReason::HoldsLiveRun { run: run.clone() })
                    }
                    (decision, _) => decision,
                };
                (identity.pid, decision)
            })
            .collect();
        self.pursue(request, &mut decisions);
        let roots: Vec<Identity> = verdicts
            .keys()
            .filter(|identity| {
                decisions
                    .get(&identity.pid)
                    .is_some_and(Decision::is_target)
            })
            .copied()
            .collect();
        for root in roots {
            self.add_descendants(root, request, &mut decisions);
        }
        verdicts
            .into_iter()
            .filter_map(|(identity, verdict)| {
                Some(Selection {
                    identity,
                    verdict: verdict.clone(),
                    decision: decisions.remove(&identity.pid)?,
                })
            })
            .collect()
    }

    /// How many processes each group has, in the order of the rules.
    pub fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> = self
            .inputs
            .rules
            .groups()
            .iter()
            .map(|rule| Count {
                group: rule.name.clone(),
                limit: rule.limit,
                in_scope: 0,
                in_live_runs: 0,
                own_editors: 0,
                elsewhere: 0,
            })
            .collect();
        let held = self.held(&CleanRequest::default());
        for (pid, verdict) in self
            .table
            .iter()
            .filter_map(|process| Some((process.identity().pid, self.judge(process)?)))
        {
            let (Verdict::Ours {
                group: Some(group), ..
            }
            | Verdict::Group { group, .. }) = verdict
            else {
                continue;
            };
            let Some(count) = counts.iter_mut().find(|count| count.group == *group) else {
                continue;
            };
            match verdict {
                Verdict::Group {
                    in_scope: false, ..
                } => count.elsewhere += 1,
                Verdict::Group {
                    own_editor: true, ..
                } => count.own_editors += 1,
                Verdict::Ours { run, .. } if is_live(&self.runs, run) => {
                    count.in_scope += 1;
                    count.in_live_runs += 1;
                }
                Verdict::Group { .. } if held.contains_key(&pid) => {
                    count.in_scope += 1;
                    count.in_live_runs += 1;
                }
                _ => count.in_scope += 1,
            }
        }
        counts
    }

    /// How many Unreal programs no group counts.
    pub fn uncounted(&self) -> Uncounted {
        let mut uncounted = Uncounted::default();
        let is_uncounted = |process: &&'a Process| {
            let verdict = self.judge(process).filter(|_| !process.is_zombie());
            matches!(
                verdict,
                Some(Verdict::Protected { .. } | Verdict::Unknown { .. })
            )
        };
        for process in self.table.iter().filter(is_uncounted) {
            match self.matcher.may_have_open(self.table, process) {
                Some(true) => uncounted.here += 1,
                Some(false) => uncounted.elsewhere += 1,
                None => {}
            }
        }
        uncounted
    }

    /// The holders of live runs with their ancestors, unless those runs are meant too.
    fn held(&self, request: &CleanRequest) -> BTreeMap<u32, String> {
        let mut held = BTreeMap::new();
        let live = self.runs.runs().iter().filter(|run| run.is_live);
        let holders = live.flat_map(|run| run.holders.iter().map(move |holder| (*run, *holder)));
        for (run, holder) in holders {
            if !self.spares_live(&run.run, request) {
                continue;
            }
            let present = self.table.get(holder.pid).map(<Process>::identity);
            if present != Some(holder) {
                continue;
            }
            held.entry(holder.pid).or_insert_with(|| run.run.clone());
            for ancestor in self.table.ancestors(holder.pid) {
                held.entry(ancestor.identity().pid)
                    .or_insert_with(|| run.run.clone());
            }
        }
        held
    }

    /// Makes targets of those that were targets before, unless they are known by now for something that stays.
    fn pursue(&self, request: &CleanRequest, decisions: &mut BTreeMap<u32, Decision>) {
        for identity in &request.pursued {
            let process = self
                .table
                .get(identity.pid)
                .filter(|process| process.identity() == *identity);
            let Some((process, decision)) = process.zip(decisions.get_mut(&identity.pid)) else {
                continue;
            };
            let stays = self
                .judge(process)
                .is_none_or(|verdict| self.stays(process, verdict, request));
            if !decision.is_target() && !stays {
                *decision = target(TargetReason::Pursued);
            }
        }
    }

    fn add_descendants(
        &self,
        root: Identity,
        request: &CleanRequest,
        decisions: &mut BTreeMap<u32, Decision>,
    ) {
        let mut open = vec![root.pid];
        while let Some(parent) = open.pop() {
            for pid in self.table.children(parent) {
                let Some(child) = self.table.get(*pid) else {
                    continue;
                };
                let Some((verdict, decision)) = self.judge(child).zip(decisions.get_mut(pid))
                else {
                    continue;
                };
                // One that is a target already has been reached, or brings its own descendants.
                if decision.is_target() || self.stays(child, verdict, request) {
                    continue;
                }
                *decision = Decision::Target {
                    why: TargetReason::Descendant { of: root },
                };
                open.push(*pid);
            }
        }
    }

    /// Whether a process is left alone even where it descends from a target.
    fn stays(&self, child: &Process, verdict: &Verdict, request: &CleanRequest) -> bool {
        match verdict {
            Verdict::Protected { .. }
            | Verdict::Foreign {
                reason: ForeignReason::Exited | ForeignReason::Exempt { .. },
            }
            | Verdict::Unknown {
                reason: UnknownReason::Vanished,
            } => true,
            Verdict::Ours { run, .. } => self.spares_live(run, request),
            Verdict::Group {
                own_editor: true, ..
            } if !request.editors => true,
            // Signs are read late where no rule names any process on the line, as of one that was a target before.
            Verdict::Group { .. } | Verdict::Foreign { .. } | Verdict::Unknown { .. } => {
                self.matcher.is_spared(child) || self.runs.is_of_unknown_run(child)
            }
        }
    }

    /// Whether a run is alive and not meant.
    fn spares_live(&self, run: &str, request: &CleanRequest) -> bool {
        self.runs.get(run).is_some_and(|known| {
            let is_mine = known.scope == ScopeRef::This && !self.around.contains(run);
            known.is_live && !(request.include_live_runs && is_mine)
        })
    }

    /// What a request means for a process by itself.
    fn decide(&self, request: &CleanRequest, verdict: &Verdict) -> Decision {
        match verdict {
            Verdict::Ours { run, group, .. } => {
                let by_run = request.runs.contains(run);
                let group = group.as_ref().filter(|group| request.groups.contain(group));
                match group {
                    None if !by_run => spare(SpareReason::RunNotAsked { run: run.clone() }),
                    _ if self.spares_live(run, request) => {
                        spare(SpareReason::LiveRun { run: run.clone() })
                    }
                    Some(group) if !by_run => target(TargetReason::Group {
                        group: group.clone(),
                    }),
                    _ => target(TargetReason::Run { run: run.clone() }),
                }
            }
            Verdict::Group {
                group,
                in_scope,
                own_editor,
                ..
            } => {
                let group = group.clone();
                if !request.groups.contain(&group) {
                    spare(SpareReason::GroupNotAsked { group })
                } else if !in_scope && !request.machine {
                    spare(SpareReason::Elsewhere { group })
                } else if *own_editor && !request.editors {
                    spare(SpareReason::OwnEditor)
                } else {
                    target(TargetReason::Group { group })
                }
            }
            Verdict::Foreign { .. } | Verdict::Protected { .. } | Verdict::Unknown { .. } => {
                spare(SpareReason::Verdict)
            }
        }
    }
}

fn is_live(runs: &Membership<'_>, run: &str) -> bool {
    runs.get(run).is_some_and(|run| run.is_live)
}

fn target(why: TargetReason) -> Decision {
    Decision::Target { why }
}

fn spare(why: SpareReason) -> Decision {
    Decision::Spare { why }
}
