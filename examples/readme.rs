//! The examples in the README of the repository, compiled with the documentation. They stand here
//! because this package is not published, and a published one cannot reach files outside of itself.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
