//! A topology in the formats of other programs.

pub mod containerlab;
