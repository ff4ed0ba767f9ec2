//! Undoing the content codings that peers are known to use: deflate in both its forms, and gzip.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use im_roles::client::{DecodeError, Decoder};

/// A decoder for a client: never more than is allowed is held, however well the sender has packed it.
pub fn decoder() -> Decoder {
    Decoder::new(["deflate", "gzip"], |coding, octets, most| match coding {
        "gzip" => bounded(GzDecoder::new(octets), most),
        // Its name means zlib's format, but what is inside of that alone is met as well.
        _ => bounded(ZlibDecoder::new(octets), most).or_else(|error| match error {
            DecodeError::Malformed => bounded(DeflateDecoder::new(octets), most),
            other => Err(other),
        }),
    })
}

fn bounded(decoder: impl Read, most: usize) -> Result<Bytes, DecodeError> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    decoder
        .take(limit)
        .read_to_end(&mut octets)
        .map_err(|_| DecodeError::Malformed)?;
    if octets.len() > most {
        return Err(DecodeError::TooLarge);
    }
    Ok(octets.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_coded_comes_back() {
        let text = b"<imdn>delivered</imdn>";
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(text).unwrap();
        let raw = raw.finish().unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(bounded(ZlibDecoder::new(&zlib(text)[..]), 22).unwrap(), &text[..]);
        assert_eq!(bounded(DeflateDecoder::new(&raw[..]), 22).unwrap(), &text[..]);
        assert_eq!(bounded(GzDecoder::new(&gzip[..]), 22).unwrap(), &text[..]);
    }

    #[test]
    fn what_would_grow_too_large_is_refused() {
        let packed = zlib(&vec![b'x'; 1 << 20]);
        assert!(packed.len() < 2_000);
        assert_eq!(
            bounded(ZlibDecoder::new(&packed[..]), 65_536),
            Err(DecodeError::TooLarge)
        );
        assert!(bounded(ZlibDecoder::new(&packed[..]), 1 << 20).is_ok());
    }

    #[test]
    fn what_is_no_coding_is_malformed() {
        for octets in [&b""[..], b"plain text", &zlib(b"cut short")[..4]] {
            assert_eq!(
                bounded(ZlibDecoder::new(octets), 100),
                Err(DecodeError::Malformed)
            );
        }
    }
}
