//! What a test command gets of its launcher's standard streams.

/// Which of the launcher's standard streams its test command gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StdioPolicy {
    /// None of them: there is no test, or the launcher leaves before it.
    Nothing,
    /// All three.
    #[default]
    Everything,
    /// Input and error. Standard output is for the launcher's own data, so the test writes its output to error too.
    AllButOutput,
}
