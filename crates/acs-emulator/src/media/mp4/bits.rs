//! A bit writer, most significant bit first, for video streams.

/// A sequence of bits.
#[derive(Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// The number of used bits in the last byte; 0 if there is no byte or it is full.
    used: u8,
}

impl Bits {
    pub(super) fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if bit && let Some(last) = self.bytes.last_mut() {
            *last |= 0x80 >> self.used;
        }
        self.used = (self.used + 1) % 8;
    }

    /// Appends the lowest `count` bits of `value`.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.bit(value >> shift & 1 == 1);
        }
    }

    /// Appends an unsigned Exp-Golomb code.
    pub(super) fn unsigned(&mut self, value: u32) {
        let code = value + 1;
        let length = 32 - code.leading_zeros();
        self.put(0, length - 1);
        self.put(code, length);
    }

    /// Appends a signed Exp-Golomb code.
    pub(super) fn signed(&mut self, value: i32) {
        let magnitude = value.unsigned_abs();
        self.unsigned(if value > 0 {
            2 * magnitude - 1
        } else {
            2 * magnitude
        });
    }

    /// Appends a one and zeros up to a whole byte, and returns the bytes.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Bits)) -> String {
        let mut bits = Bits::default();
        write(&mut bits);
        let bytes = bits.finish();
        let text = bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:08b}"));
        text.trim_end_matches('0')
            .strip_suffix('1')
            .unwrap()
            .to_owned()
    }

    #[test]
    fn numbers_are_encoded_as_exp_golomb_codes() {
        for (value, code) in [
            (0, "1"),
            (1, "010"),
            (2, "011"),
            (3, "00100"),
            (7, "0001000"),
        ] {
            assert_eq!(text(|bits| bits.unsigned(value)), code, "{value}");
        }
        for (value, code) in [
            (0, "1"),
            (1, "010"),
            (-1, "011"),
            (2, "00100"),
            (-2, "00101"),
        ] {
            assert_eq!(text(|bits| bits.signed(value)), code, "{value}");
        }
        assert_eq!(text(|bits| bits.put(0b1011, 3)), "011");
    }
}
