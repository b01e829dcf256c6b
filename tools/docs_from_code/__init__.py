"""What the documentation shows of the code, made from the code: ``python -m docs_from_code`` (`nox -s reference`)."""
