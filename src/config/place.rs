//! Where something was written.

/// Where something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// 0: the config file; n: the n-th override, counted from 1.
    pub source: usize,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters; may reach past the line's end.
    pub width: usize,
}
