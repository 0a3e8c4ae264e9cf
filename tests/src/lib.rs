//! Proves the house from outside: `tests/` holds its rules, `browser/` starts the real programs on
//! loopback, in a folder of their own, and speaks to them as people do.
