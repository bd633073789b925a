//! The words for containment, the same in a file and on the command line.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use proc_core::guarantee::{Choice, Level, Mechanism};

/// `contain` and `--contain`.
pub const CONTAIN: [(&str, Choice); 6] = [
    ("auto", Choice::Auto),
    ("cgroup", Choice::Only(Mechanism::Cgroup)),
    ("subreaper", Choice::Only(Mechanism::Subreaper)),
    ("pidns", Choice::Only(Mechanism::Pidns)),
    ("tracked", Choice::Only(Mechanism::Tracked)),
    ("job", Choice::Only(Mechanism::Job)),
];

/// `require` and `--require`.
pub const REQUIRE: [(&str, Level); 3] = [
    ("tracked", Level::Tracked),
    ("whole-tree", Level::WholeTree),
    ("kernel", Level::Kernel),
];

/// Reads one of these words on the command line.
pub fn one_of<T: Copy + Send + Sync>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(|given| {
        let found = words.iter().find(|(word, _)| *word == given);
        found.map(|(_, value)| *value).ok_or("not one of the words")
    })
}
