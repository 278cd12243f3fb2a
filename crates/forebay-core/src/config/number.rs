//! Numbers as users write them, to the types of the core.
//!
//! Promise: anything that is not exactly a number of its kind is an error that names the field and its range. JavaScript's numbers are
//! doubles, so these take doubles.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::UNLIMITED;

/// The longest duration, in ms. Source: the timers of Node and libuv, 2^31 - 1.
pub const MAX_MS: u32 = 2_147_483_647;

/// A field holds what it may not.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    /// The field, as the user wrote it: `connection.connectTimeout`.
    pub path: String,
    /// What it may hold.
    pub expected: &'static str,
    /// What it held.
    pub value: f64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}, not {}", self.path, self.expected, self.value)
    }
}

impl core::error::Error for ConfigError {}

/// A factor in thousandths: exact, so that runs repeat.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Ratio(u32);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One for one.
    pub const ONE: Self = Self(1_000);

    /// 1500 is 1.5.
    #[must_use]
    pub const fn from_thousandths(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// 1.5 is 1500.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// `connection.preconnectRatio`: 1 to 3.
    ///
    /// # Errors
    /// What is outside.
    pub fn preconnect(path: &str, value: f64) -> Result<Self, ConfigError> {
        ratio(path, value, 1.0, 3.0, "a number from 1 to 3")
    }

    /// `connection.predictivePreconnectRatio`: 0 to 3.
    ///
    /// # Errors
    /// What is outside.
    pub fn predictive(path: &str, value: f64) -> Result<Self, ConfigError> {
        ratio(path, value, 0.0, 3.0, "a number from 0 to 3")
    }

    /// A share: 0 to 1.
    ///
    /// # Errors
    /// What is outside.
    pub fn share(path: &str, value: f64) -> Result<Self, ConfigError> {
        ratio(path, value, 0.0, 1.0, "a number from 0 to 1")
    }
}

/// A duration that cannot be off: whole ms from 1.
///
/// # Errors
/// 0, Infinity, negative numbers, fractions, NaN.
pub fn required_ms(path: &str, value: f64) -> Result<Duration, ConfigError> {
    match whole(value, MAX_MS) {
        Some(ms) if ms > 0 => Ok(Duration::from_millis(u64::from(ms))),
        _ => Err(error(path, value, "a whole number of ms from 1 to 2147483647")),
    }
}

/// A duration: whole ms; 0 and Infinity are off.
///
/// # Errors
/// Negative numbers, fractions, NaN.
pub fn optional_ms(path: &str, value: f64) -> Result<Option<Duration>, ConfigError> {
    if value == f64::INFINITY {
        return Ok(None);
    }
    match whole(value, MAX_MS) {
        Some(0) => Ok(None),
        Some(ms) => Ok(Some(Duration::from_millis(u64::from(ms)))),
        None => Err(error(path, value, "a whole number of ms from 0 to 2147483647, or Infinity")),
    }
}

/// A limit: a whole number; Infinity is no limit.
///
/// # Errors
/// Negative numbers, fractions, NaN, numbers above 2^32 - 2.
pub fn limit(path: &str, value: f64) -> Result<u32, ConfigError> {
    if value == f64::INFINITY {
        return Ok(UNLIMITED);
    }
    whole(value, UNLIMITED - 1).ok_or_else(|| error(path, value, "a whole number from 0 to 4294967294, or Infinity"))
}

fn ratio(path: &str, value: f64, least: f64, most: f64, expected: &'static str) -> Result<Ratio, ConfigError> {
    if !(least..=most).contains(&value) {
        return Err(error(path, value, expected));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 to 3000.5 by the check above"
    )]
    let thousandths = (value * 1_000.0 + 0.5) as u32;
    Ok(Ratio(thousandths))
}

fn whole(value: f64, most: u32) -> Option<u32> {
    if !(0.0..=f64::from(most)).contains(&value) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within 0 and a u32 by the check above"
    )]
    let number = value as u32;
    #[expect(clippy::float_cmp, reason = "a whole number is exactly itself")]
    (f64::from(number) == value).then_some(number)
}

fn error(path: &str, value: f64, expected: &'static str) -> ConfigError {
    ConfigError { path: String::from(path), expected, value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn inventory_148_a_number_that_is_none_is_a_config_error_with_its_path() {
        for value in [-1.0, f64::NAN, 1.5, 0.0, f64::INFINITY] {
            assert_eq!(required_ms("connection.connectTimeout", value).unwrap_err().path, "connection.connectTimeout");
        }
        for value in [-1.0, f64::NAN, 1.5, f64::NEG_INFINITY, 2_147_483_648.0] {
            assert_eq!(optional_ms("queueTimeout", value).unwrap_err().path, "queueTimeout");
        }
        for value in [-1.0, f64::NAN, 1.5, 4_294_967_295.0] {
            assert_eq!(limit("limits.maxRequests", value).unwrap_err().path, "limits.maxRequests");
        }
        let text = required_ms("connection.connectTimeout", 0.0).unwrap_err().to_string();
        assert_eq!(text, "connection.connectTimeout must be a whole number of ms from 1 to 2147483647, not 0");
    }

    #[test]
    fn numbers_are_taken_to_both_ends_of_their_range() {
        assert_eq!(required_ms("a", 1.0), Ok(Duration::from_millis(1)));
        assert_eq!(required_ms("a", f64::from(MAX_MS)), Ok(Duration::from_millis(u64::from(MAX_MS))));
        assert_eq!(optional_ms("a", 0.0), Ok(None));
        assert_eq!(optional_ms("a", f64::INFINITY), Ok(None));
        assert_eq!(limit("a", 0.0), Ok(0));
        assert_eq!(limit("a", f64::INFINITY), Ok(UNLIMITED));
    }

    #[test]
    fn ratios_are_kept_to_the_thousandth_within_their_range() {
        assert_eq!(Ratio::preconnect("a", 1.5).unwrap().thousandths(), 1_500);
        assert_eq!(Ratio::predictive("a", 1.1).unwrap().thousandths(), 1_100);
        assert_eq!(Ratio::share("a", 0.1).unwrap().thousandths(), 100);
        assert!(Ratio::preconnect("a", 0.99).is_err());
        assert!(Ratio::preconnect("a", 3.01).is_err());
        assert!(Ratio::share("a", f64::NAN).is_err());
    }
}
