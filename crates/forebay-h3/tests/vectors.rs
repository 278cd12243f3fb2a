//! The examples of RFC 9204, appendix B: the one without a dynamic table is read, those that need one are refused.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use bytes::BytesMut;
use forebay_h3::{Code, Target, encode_head};
use http::HeaderMap;
use support::{HEADERS, Setting, frame, peer, read_with};

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn refused(section: &str) -> Code {
    let setting = Setting { fin: false, ..Setting::default() };
    read_with(&frame(HEADERS, &bytes(section)), setting).error().code
}

#[test]
fn b_1_a_literal_with_a_name_of_the_table() {
    // It is a request's, so a response refuses its meaning, not its coding.
    assert_eq!(refused("0000 510b 2f69 6e64 6578 2e68 746d 6c"), Code::MESSAGE_ERROR);
    // The same field as we write it: with Huffman, which is shorter.
    let mut out = BytesMut::new();
    let target = Target::Request { scheme: "https", authority: "!", path: "/index.html" };
    encode_head("GET", target, &HeaderMap::new(), None, &mut out).unwrap();
    assert!(out.ends_with(&bytes("51 88 60 d5 48 5f 2b ce 9a 68")));
}

#[test]
fn b_2_to_b_5_need_a_dynamic_table() {
    for section in ["0381 10 11", "0500 80 c1 81", "0381 80 10"] {
        assert_eq!(refused(section), Code::QPACK_DECOMPRESSION_FAILED, "{section}");
    }
    for instructions in [
        "3fbd01 c00f 7777 772e 6578 616d 706c 652e 636f 6d c10c 2f73 616d 706c 652f 7061 7468",
        "4a63 7573 746f 6d2d 6b65 790c 6375 7374 6f6d 2d76 616c 7565",
        "02",
        "810d 6375 7374 6f6d 2d76 616c 7565 32",
    ] {
        let stream = [&[2][..], &bytes(instructions)].concat();
        assert_eq!(peer(&[&stream]).unwrap_err().code, Code::QPACK_ENCODER_STREAM_ERROR, "{instructions}");
    }
    for instructions in ["84", "01"] {
        let stream = [&[3][..], &bytes(instructions)].concat();
        assert_eq!(peer(&[&stream]).unwrap_err().code, Code::QPACK_DECODER_STREAM_ERROR, "{instructions}");
    }
    // A stream that was cancelled.
    peer(&[&[3, 0x48]]).unwrap();
}
