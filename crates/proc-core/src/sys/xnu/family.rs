//! Which of all processes belong to a run, look after look.
//!
//! Each process says by which other it was started, so an orphan is known by a parent that is long gone, as long as a look
//! has shown that parent, and the orphan before it executes another program. A process whose starter no look has shown is
//! recognised by its session, or by the run that its environment names; one that has left its session and emptied its
//! environment too is not.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Uniques;
use crate::identity::Identity;

/// A living process, as a look shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) identity: Identity,
    pub(crate) uniques: Uniques,
    /// 0: it is not known, as of a process that is about to end.
    pub(crate) session: u32,
}

/// Everything of a run that looks have shown.
#[derive(Debug)]
pub(crate) struct Family {
    guardian: Sight,
    kin: BTreeMap<u64, Kin>,
}

/// A process of the run.
#[derive(Debug)]
struct Kin {
    identity: Identity,
    /// The child of the guardian that it descends from. `None`: it was recognised in another way.
    root: Option<Identity>,
    /// Whether it was there at the last look.
    is_there: bool,
}

impl Family {
    /// The family of a guardian, which has started nothing yet. It leads a session of its own.
    pub(crate) fn of(guardian: Sight) -> Self {
        Self {
            guardian,
            kin: BTreeMap::new(),
        }
    }

    /// Takes in those of these processes, which are all that there are, that belong to the family, and returns them.
    /// `names_run`: whether the environment of a process names the run.
    pub(crate) fn take_in(
        &mut self,
        sights: &[Sight],
        mut names_run: impl FnMut(&Identity) -> bool,
    ) -> Vec<Identity> {
        self.forget_the_gone(sights);
        let mut newcomers = Vec::new();
        // Nothing of the run is older than its guardian.
        let mut strangers: Vec<&Sight> = sights
            .iter()
            .filter(|sight| sight.uniques.own > self.guardian.uniques.own && !self.knows(sight))
            .collect();
        // The weaker evidence is asked only when the stronger one has nothing left to show: a process that is known by
        // its session alone has no root. Reading an environment is dear besides.
        while self.by_starter(&mut strangers, &mut newcomers)
            || self.by_session(sights, &mut strangers, &mut newcomers)
            || self.by(&mut strangers, &mut newcomers, |_, sight| {
                names_run(&sight.identity).then(|| Kin::new(sight, None))
            })
        {}
        newcomers
    }

    fn by_starter(&mut self, strangers: &mut Vec<&Sight>, newcomers: &mut Vec<Identity>) -> bool {
        self.by(strangers, newcomers, |family, sight| {
            let starter = sight.uniques.starter;
            let root = if starter == family.guardian.uniques.own {
                Some(sight.identity)
            } else {
                family.kin.get(&starter)?.root
            };
            Some(Kin::new(sight, root))
        })
    }

    /// In a session in which all processes belong to the run. No session is another's for as long as one process is in
    /// it. What was recognised by its environment may be in any.
    fn by_session(
        &mut self,
        sights: &[Sight],
        strangers: &mut Vec<&Sight>,
        newcomers: &mut Vec<Identity>,
    ) -> bool {
        let own = sights.iter().filter(|sight| self.has_root(sight));
        let sessions: BTreeSet<u32> = own
            .map(|sight| sight.session)
            .chain([self.guardian.session])
            .filter(|session| *session != 0)
            .collect();
        self.by(strangers, newcomers, |_, sight| {
            sessions
                .contains(&sight.session)
                .then(|| Kin::new(sight, None))
        })
    }

    /// Takes in those strangers that this evidence shows. `false`: it shows none.
    fn by(
        &mut self,
        strangers: &mut Vec<&Sight>,
        newcomers: &mut Vec<Identity>,
        mut evidence: impl FnMut(&Self, &Sight) -> Option<Kin>,
    ) -> bool {
        let before = strangers.len();
        strangers.retain(|sight| {
            let Some(kin) = evidence(self, sight) else {
                return true;
            };
            self.kin.insert(sight.uniques.own, kin);
            newcomers.push(sight.identity);
            false
        });
        strangers.len() < before
    }

    /// Whether a process was taken in.
    pub(crate) fn knows(&self, sight: &Sight) -> bool {
        self.kin.contains_key(&sight.uniques.own)
    }

    /// The child of the guardian that a process descends from.
    pub(crate) fn root_of(&self, identity: &Identity) -> Option<Identity> {
        self.kin
            .values()
            .find(|kin| kin.identity == *identity)?
            .root
    }

    fn has_root(&self, sight: &Sight) -> bool {
        let kin = self.kin.get(&sight.uniques.own);
        kin.is_some_and(|kin| kin.root.is_some())
    }

    /// A process that ends during a look may leave a child that this look misses, but the next one does not. After that
    /// nothing can appear any more that it has started.
    fn forget_the_gone(&mut self, sights: &[Sight]) {
        let there: BTreeSet<u64> = sights.iter().map(|sight| sight.uniques.own).collect();
        self.kin.retain(|unique, kin| {
            let was_there = kin.is_there;
            kin.is_there = there.contains(unique);
            was_there || kin.is_there
        });
    }
}

impl Kin {
    fn new(sight: &Sight, root: Option<Identity>) -> Self {
        Self {
            identity: sight.identity,
            root,
            is_there: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Boot;

    const GUARDIAN: u64 = 100;

    /// A process whose PID is its unique number.
    fn sight(own: u64, starter: u64, session: u64) -> Sight {
        let pid = |unique: u64| u32::try_from(unique).unwrap();
        Sight {
            identity: Identity {
                pid: pid(own),
                start: own,
                boot: Boot::new(1),
            },
            uniques: Uniques {
                own,
                starter,
                version: pid(own),
            },
            session: pid(session),
        }
    }

    fn family() -> Family {
        Family::of(sight(GUARDIAN, 1, GUARDIAN))
    }

    fn take_in(family: &mut Family, sights: &[Sight]) -> Vec<u64> {
        let newcomers = family.take_in(sights, |_| false);
        newcomers.iter().map(|identity| identity.start).collect()
    }

    #[test]
    fn descendants_are_found_in_any_order_and_once() {
        let mut family = family();
        let sights = [
            sight(103, 102, 103),
            sight(102, 101, GUARDIAN),
            sight(101, GUARDIAN, GUARDIAN),
        ];
        let mut found = take_in(&mut family, &sights);
        found.sort_unstable();
        assert_eq!(found, [101, 102, 103]);
        assert!(take_in(&mut family, &sights).is_empty());
        assert_eq!(
            family.root_of(&sight(103, 102, 103).identity),
            Some(sights[2].identity)
        );
        assert!(sights.iter().all(|sight| family.knows(sight)));
    }

    #[test]
    fn an_orphan_is_known_by_a_starter_that_is_gone() {
        let mut family = family();
        let member = sight(101, GUARDIAN, GUARDIAN);
        take_in(&mut family, &[member, sight(102, 101, 102)]);
        assert_eq!(take_in(&mut family, &[member, sight(103, 102, 103)]), [103]);
        assert_eq!(
            family.root_of(&sight(103, 102, 103).identity),
            Some(member.identity)
        );
    }

    #[test]
    fn what_is_gone_is_forgotten_after_the_look_that_could_show_its_children() {
        let mut family = family();
        let member = sight(101, GUARDIAN, GUARDIAN);
        take_in(&mut family, &[member]);
        for (looks, is_known) in [(0, true), (1, true), (2, false)] {
            if looks > 0 {
                take_in(&mut family, &[]);
            }
            assert_eq!(family.knows(&member), is_known, "{looks} looks");
        }
    }

    #[test]
    fn a_starter_that_was_never_seen_is_made_up_for_by_the_session() {
        let mut family = family();
        let leader = sight(101, GUARDIAN, 101);
        let sights = [leader, sight(111, 110, GUARDIAN), sight(112, 110, 101)];
        let mut found = take_in(&mut family, &sights);
        found.sort_unstable();
        assert_eq!(found, [101, 111, 112]);
        assert_eq!(family.root_of(&sight(111, 110, GUARDIAN).identity), None);
        assert!(take_in(&mut family, &[sight(113, 110, 113)]).is_empty());
    }

    #[test]
    fn a_session_without_a_process_of_the_run_is_no_evidence() {
        let mut family = family();
        take_in(&mut family, &[sight(101, GUARDIAN, 101)]);
        assert!(take_in(&mut family, &[sight(111, 110, 101)]).is_empty());
    }

    #[test]
    fn sessions_that_are_not_known_have_nothing_in_common() {
        let mut family = family();
        let sights = [sight(101, GUARDIAN, 0), sight(111, 110, 0)];
        assert_eq!(take_in(&mut family, &sights), [101]);
    }

    #[test]
    fn a_member_stays_one_when_it_executes_a_program_as_an_orphan() {
        let mut family = family();
        let member = sight(101, GUARDIAN, GUARDIAN);
        take_in(&mut family, &[member, sight(102, 101, 102)]);
        let orphan = sight(102, 1, 102);
        assert!(take_in(&mut family, &[orphan]).is_empty());
        assert!(family.knows(&orphan));
        assert_eq!(family.root_of(&orphan.identity), Some(member.identity));
        // No look has shown this one before it did the same.
        assert!(take_in(&mut family, &[orphan, sight(103, 1, 103)]).is_empty());
    }

    #[test]
    fn the_environment_is_asked_last_and_says_nothing_of_the_session() {
        let mut family = family();
        let sights = [
            sight(50, 1, 7),
            sight(101, GUARDIAN, GUARDIAN),
            sight(120, 119, 7),
            sight(121, 120, 7),
            sight(122, 1, 7),
        ];
        let mut asked = BTreeSet::new();
        let newcomers = family.take_in(&sights, |identity| {
            asked.insert(identity.start);
            identity.start == 120
        });
        let newcomers: BTreeSet<u64> = newcomers.iter().map(|one| one.start).collect();
        assert_eq!(newcomers, BTreeSet::from([101, 120, 121]));
        assert_eq!(asked, BTreeSet::from([120, 121, 122]));
    }

    #[test]
    fn nothing_of_a_run_is_older_than_its_guardian() {
        let mut family = family();
        let newcomers = family.take_in(&[sight(99, GUARDIAN, GUARDIAN)], |_| true);
        assert_eq!(newcomers, []);
    }
}
