//! Proves the house from outside: the harness that starts the real programs on loopback, with a
//! folder of their own, and speaks to them as a person would.
