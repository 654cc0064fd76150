"""Commands: real objects, wired together, carried out; one function a command."""
