"""ptmtorrent: a resumable dataset builder for pre-trained model packages."""
