"""What the office does, whoever asks: takes operations, answers phones, serves the desk, keeps photos, tells news."""
