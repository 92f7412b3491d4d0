//! Pictures that phones read (ISO/IEC 18004), as templates draw them: inline, without a request or a style.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;

/// The margin that the standard asks for, in modules.
const MARGIN: usize = 4;

/// A picture of dark strokes, one for each run of dark modules, from the middle of the first row on.
#[derive(Debug, Serialize)]
pub(super) struct Qr {
    /// Width and height, with the margin.
    size: usize,
    path: String,
}

impl Qr {
    /// The picture of a text; `None` if it is too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let (width, modules) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, row) in modules.chunks(width).enumerate() {
            let (mut x, mut end) = (0, None);
            for run in row.chunk_by(|left, right| left == right) {
                if run.first() == Some(&Color::Dark) {
                    // From the last stroke on: such numbers are small, and alike.
                    let _ = match end {
                        Some(end) => write!(path, "m{} 0h{}", x - end, run.len()),
                        None => write!(path, "M{x} {y}h{}", run.len()),
                    };
                    end = Some(x + run.len());
                }
                x += run.len();
            }
        }
        Some(Self { size: width + 2 * MARGIN, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_begins_with_the_corner_that_phones_look_for() {
        let qr =
            Qr::of("otpauth://totp/Usher:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Usher").unwrap();
        assert!(qr.path.starts_with("M0 0h7m"), "{}", qr.path);
        assert!(qr.path.contains("M0 1h1m5 0h1"), "{}", qr.path);
        assert_eq!((qr.size - 2 * MARGIN - 17) % 4, 0, "a size of the standard");
        assert!(Qr::of(&"x".repeat(3_000)).is_none());
    }
}
