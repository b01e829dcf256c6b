"""The checks, a module for each subject. `everything` imports them all; what a child process runs imports few."""
