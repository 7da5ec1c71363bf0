//! Reads the whole lines of a file that is still being written. The text after the last line end is left for later.
//!
//! It remembers nothing about that text. The next import reads the line when it is complete; all other lines are then
//! duplicates. The reader holds back one line at most. It passes on a line that is longer than the limit, so that the
//! import rejects it.

use crate::import::file::chunk::LINE_LIMIT;
use memchr::memrchr;
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The number of bytes to read at once.
const STEP: usize = 1 << 18;

/// Reads whole lines of another reader.
pub struct WholeLines<R> {
    inner: R,
    /// The bytes that were read, including those already taken.
    held: Vec<u8>,
    taken: usize,
    /// How many of them may be taken.
    whole: usize,
    /// The bytes of a last line without a line end.
    left: Rc<Cell<u64>>,
}

impl<R: Read> WholeLines<R> {
    /// The whole lines of a reader. At its end, `left` has the number of bytes after them.
    pub fn new(inner: R, left: Rc<Cell<u64>>) -> Self {
        Self { inner, held: Vec::new(), taken: 0, whole: 0, left }
    }

    /// Reads until there is something to take; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.held.drain(..self.taken);
        (self.taken, self.whole) = (0, 0);
        while self.whole == 0 {
            let begun = self.held.len();
            let step = u64::try_from(STEP).map_err(io::Error::other)?;
            if self.inner.by_ref().take(step).read_to_end(&mut self.held)? == 0 {
                self.left.set(u64::try_from(begun).map_err(io::Error::other)?);
                return Ok(false);
            }
            let end = self.held.get(begun..).and_then(|new| memrchr(b'\n', new));
            self.whole = match end {
                Some(end) => begun + end + 1,
                // With a two-byte line end, the line would be too long as well.
                None if self.held.len() > LINE_LIMIT + 2 => self.held.len(),
                None => 0,
            };
        }
        Ok(true)
    }
}

impl<R: Read> Read for WholeLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.whole && !self.fill()? {
            return Ok(0);
        }
        let ready = self.held.get(self.taken..self.whole).unwrap_or_default();
        let length = ready.len().min(buffer.len());
        buffer[..length].copy_from_slice(&ready[..length]);
        self.taken += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> (Vec<u8>, u64) {
        let left = Rc::new(Cell::new(0));
        let mut read = Vec::new();
        let all = WholeLines::new(text, Rc::clone(&left)).read_to_end(&mut read);
        assert_eq!(all.ok(), Some(read.len()));
        (read, left.get())
    }

    #[test]
    fn what_stands_behind_the_last_line_end_is_left() {
        for (text, lines, left) in
            [("", "", 0), ("a", "", 1), ("a\n", "a\n", 0), ("a\nbcd", "a\n", 3), ("\n\n", "\n\n", 0)]
        {
            assert_eq!(whole(text.as_bytes()), (lines.as_bytes().to_vec(), left), "{text:?}");
        }
        let (lines, left) = ("x\n".repeat(STEP), "y".repeat(STEP + 7));
        assert_eq!(whole(format!("{lines}{left}").as_bytes()), (lines.into_bytes(), 262_151));
    }

    #[test]
    fn a_line_longer_than_any_is_passed_on() {
        let endless = vec![b'x'; 2 * LINE_LIMIT];
        let (read, left) = whole(&endless);
        assert!(read.len() > LINE_LIMIT && left < u64::try_from(LINE_LIMIT).unwrap_or(0));
    }
}
