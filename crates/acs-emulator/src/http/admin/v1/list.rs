//! Lists that are read page by page.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// The parameters of all lists.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ListParameters {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page of a list, newest items first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    items: Vec<T>,
    total: usize,
    next_cursor: Option<String>,
}

impl ListParameters {
    pub(super) fn new(limit: Option<usize>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// The page of `items` that is asked for. `items` are sorted from the newest to the oldest; `key`
    /// gives each a text that no other has, and which stays the same. A page begins after the item with
    /// the key in the cursor, so new items do not shift it.
    pub(super) fn page<I, T>(
        &self,
        items: &[I],
        total: usize,
        key: impl Fn(&I) -> String,
        view: impl Fn(&I) -> T,
    ) -> Result<Page<T>, Problem> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=1_000).contains(&limit) {
            return Err(Problem::invalid(format!(
                "The limit is {limit}, but must be from 1 to 1000."
            )));
        }
        let first = match &self.cursor {
            None => 0,
            Some(cursor) => {
                let last = items.iter().position(|item| key(item) == *cursor);
                1 + last.ok_or_else(|| {
                    Problem::invalid("The cursor is unknown, or its item is no longer kept.")
                        .hint("Read the list from the start, without a cursor.")
                })?
            }
        };
        let left = items.get(first..).unwrap_or_default();
        let shown = left.get(..limit).unwrap_or(left);
        let more = shown.len() < left.len();
        Ok(Page {
            items: shown.iter().map(view).collect(),
            total,
            next_cursor: shown.last().filter(|_| more).map(key),
        })
    }
}

/// A list that is always complete.
#[derive(Clone, Debug, Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(items: &[u32], limit: usize, cursor: Option<&str>) -> Result<Page<u32>, Problem> {
        let parameters = ListParameters {
            limit: Some(limit),
            cursor: cursor.map(str::to_owned),
        };
        parameters.page(items, items.len(), u32::to_string, |item| *item)
    }

    #[test]
    fn new_items_do_not_shift_the_pages() {
        let first = read(&[3, 2, 1], 2, None).unwrap();
        assert_eq!(
            (first.items, first.next_cursor.as_deref()),
            (vec![3, 2], Some("2"))
        );
        let second = read(&[5, 4, 3, 2, 1], 2, Some("2")).unwrap();
        assert_eq!(
            (second.items, second.total, second.next_cursor),
            (vec![1], 5, None)
        );
        assert!(read(&[], 2, None).unwrap().items.is_empty());
    }

    #[test]
    fn invalid_parameters_are_refused() {
        assert!(read(&[1], 0, None).is_err());
        assert!(read(&[1], 1_001, None).is_err());
        assert!(read(&[1], 1, Some("7")).is_err());
    }
}
