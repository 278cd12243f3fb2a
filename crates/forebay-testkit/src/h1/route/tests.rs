use super::*;

#[test]
fn paths_are_told_apart() {
    for (path, route) in [
        ("/", Route::Text),
        ("/any/thing?bytes/5", Route::Text),
        ("/bytes/5?x", Route::Bytes(5)),
        ("/bytes/x", Route::Bad("/bytes/N")),
        ("/bytes/99999999999999", Route::Bad("/bytes/N")),
        ("/chunked/10/3", Route::Chunked { len: 10, size: 3, trailers: false }),
        ("/chunked/10/0", Route::Bad("/chunked/N/K")),
        ("/status/199", Route::Bad("/status/N from 200")),
        ("/status/999", Route::Status(999)),
        ("/headers/3", Route::Headers { count: 3, len: 8 }),
        ("/1.0/keep-alive", Route::Old(Old::KeepAlive)),
        ("/early/413/5", Route::Early { status: 413, len: 5 }),
        ("/early/413", Route::Bad("/early/STATUS/N")),
        ("/hints/2", Route::Hints(2)),
        ("/continue/refuse", Route::Continue { refuses: true }),
        ("/upgrade", Route::Text),
    ] {
        assert_eq!(parse(path), (route, None), "{path}");
    }
    assert_eq!(parse("/delay/7/bytes/1"), (Route::Bytes(1), Some(Duration::from_millis(7))));
    assert_eq!(parse("/delay/7"), (Route::Text, Some(Duration::from_millis(7))));
}

#[test]
fn the_ready_made_answer_is_framed_right() {
    assert_eq!(BODY.len(), 22);
    assert!(USUAL.ends_with(&format!("content-length: {}\r\n\r\n{BODY}", BODY.len())));
}
