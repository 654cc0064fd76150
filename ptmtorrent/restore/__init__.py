"""What is held, as people use it: a bare repository, or the files of its head."""
