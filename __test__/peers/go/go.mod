module forebay/peer

go 1.19
