"""All checks, a module for each subject. To import this registers them, in the order of the contract."""
