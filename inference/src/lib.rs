//! Placeholder while the house is framed.
