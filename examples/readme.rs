//! Compiles the examples in the README of the repository as doc tests. They are in this package
//! because it is not published: a published package cannot include files outside of its folder.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
