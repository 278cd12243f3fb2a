//! Hex in and base64 out, for bytes on the control lines.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding (RFC 4648 section 4).
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().enumerate().fold(0_u32, |word, (i, &byte)| word | u32::from(byte) << (16 - 8 * i));
        for i in 0..4 {
            let index = (word >> (18 - 6 * i)) & 63;
            text.push(if i <= group.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

/// Bytes from hex digits; blanks between them are skipped.
///
/// # Errors
/// Says that a digit is wrong or missing.
pub fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| {
            c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or_else(|| format!("hex: `{c}` is no digit"))
        })
        .collect::<Result<Vec<u8>, _>>()?;
    if digits.len() % 2 == 1 {
        return Err("hex: an odd number of digits".to_owned());
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Bytes from text whose every character stands for one byte (latin1).
///
/// # Errors
/// Names the character above U+00FF.
pub fn from_latin1(text: &str) -> Result<Vec<u8>, String> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).map_err(|_| format!("text: {c:?} is above U+00FF; write bytes as hex")))
        .collect()
}

/// Text in which each byte is one character (latin1).
#[must_use]
pub fn to_latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0x00]), "//4A");
    }

    #[test]
    fn hex_and_latin1_give_bytes_or_say_why_not() {
        assert_eq!(from_hex("00 fF\n7e").unwrap(), [0, 255, 126]);
        assert!(from_hex("0").is_err() && from_hex("0g").is_err());
        assert_eq!(from_latin1("a\u{ff}\r").unwrap(), [b'a', 255, 13]);
        assert!(from_latin1("\u{100}").is_err());
        assert_eq!(to_latin1(&[b'a', 255]), "a\u{ff}");
    }
}
